"""Runs one campaign's processes, kills them as planned, and starts others until the campaign is finished."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.plan import Death, Life
from tests.chaos.world import World

LOOK_SECONDS: Final = 0.004
FROZEN_SECONDS: Final = 8.0
FINISHED: Final = frozenset({0, 3})
EXPECTED: Final = FINISHED | {143, -signal.SIGTERM}
"""The last is a process that was told to stop before it listened."""

SUPERSEDED: Final = 4
"""What a process answers that found itself taken for dead."""

CLEAN: Final = 2000
"""Numbers of the processes that nobody kills begin here."""


@dataclass(slots=True)
class Story:
    """What happened. `kills` by moment or kind; `odd` are processes that ended by themselves as they should not have."""

    kills: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    processes: int = 0
    most_at_once: int = 0
    freezes: int = 0
    finished: bool = False
    seconds: float = 0.0


class Driver:
    """Use once: `run`."""

    def __init__(self, world: World, *, kills_left: int, seconds: float) -> None:
        self._world = world
        self._kills_left = kills_left
        self._deadline = time.monotonic() + seconds
        self._running: list[_Process] = []
        self._messages = _Messages(world)
        self._clean = CLEAN
        self._ended_well = False
        self.story = Story()

    def run(self) -> Story:
        began = time.monotonic()
        try:
            self._send()
            for life in self._world.plan.reporting:
                if self._has_kills_left():
                    self._start(life)
                    self._wait_until_running(0)
                    self._look_at_results(life)
            self._finish()
        finally:
            for process in self._running:
                process.kill()
            self._messages.close()
        self.story.seconds = time.monotonic() - began
        return self.story

    def _send(self) -> None:
        """Every planned life until the campaign is finished, then such as nobody kills."""
        for life in self._world.plan.sending:
            self._wait_until_running(life.together - 1)
            if self._ended_well or not self._has_kills_left() or self._is_late():
                break
            self._start(life)
        self._wait_until_running(0)
        self._finish()

    def _finish(self) -> None:
        self._ended_well = False
        while not self._ended_well and not self._is_late():
            self._clean += 1
            self._start(Life(number=self._clean, messages=sys.maxsize, seconds=float("inf")))
            self._wait_until_running(0)
        self.story.finished = self._ended_well

    def _start(self, life: Life) -> None:
        says = self._world.output(life, "err")
        self._running.append(_Process(self._world.start(life), life, messages=self._messages.count(), says=says))
        self._tell(f"began {life}")
        self.story.processes += 1
        self.story.most_at_once = max(self.story.most_at_once, len(self._running))

    def _has_kills_left(self) -> bool:
        return self.story.kills.total() + len(self._running) < self._kills_left

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _wait_until_running(self, most: int) -> None:
        while len(self._running) > most:
            messages = self._messages.count()
            for process in self._running.copy():
                process.disturb(messages)
                if process.has_ended():
                    self._running.remove(process)
                    self._note(process)
            if self._is_late():
                for process in self._running:
                    process.kill()
            time.sleep(LOOK_SECONDS)

    def _note(self, process: "_Process") -> None:
        code = process.code
        self.story.freezes += process.was_frozen
        self._tell(f"{process.life.number} ended with {code} ({process.cause})")
        if code == -signal.SIGKILL:
            self.story.kills[process.cause] += 1
            return
        self.story.exits[code] += 1
        self._ended_well |= code in FINISHED
        if code not in EXPECTED and not (process.was_frozen and code == SUPERSEDED):
            said = self._world.output(process.life, "err").read_text(encoding="utf-8", errors="replace").strip()
            self.story.odd.append(f"process {process.life.number} ended with {code}: {said[-1500:]}")

    def _tell(self, what: str) -> None:
        """Kept with the campaign if it breaks something."""
        with (self._world.folder / "driver.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.time():.3f} {self._messages.count()} processed: {what}\n")

    def _look_at_results(self, life: Life) -> None:
        """Killed or not, what stands there is a whole file."""
        path = self._world.results
        if path.exists():
            text = path.read_text(encoding="utf-8")
            lines = text.count("\n")
            if lines != len(self._world.rows) + 1 or not text.endswith("\n"):
                self.story.torn.append(f"after process {life.number} ({life.moment}) {path.name} has {lines} lines")


class _Process:
    """One life as it goes.

    Args:
        popen: its process.
        life: what is planned for it.
        messages: how many were processed before it began.
        says: where its stderr goes.
    """

    def __init__(self, popen: subprocess.Popen[bytes], life: Life, *, messages: int, says: Path) -> None:
        self._popen = popen
        self._says = says
        self._speaks_since: int | None = None
        self.life = life
        self._messages = messages
        self._began = time.monotonic()
        self._interrupted = False
        self._frozen_at: float | None = None
        self.was_frozen = False
        self.cause = life.moment or life.death.value

    @property
    def code(self) -> int:
        return int(self._popen.returncode)

    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def disturb(self, messages: int) -> None:
        """Send it the signals that are due.

        Args:
            messages: how many were processed so far.
        """
        life, now = self.life, time.monotonic()
        passed = messages - self._messages
        if life.death is Death.FREEZE:
            self._freeze(passed, now)
        elif life.interrupted is not None and not self._interrupted and self._sent(messages) >= life.interrupted:
            self._interrupted = True
            self._popen.send_signal(signal.SIGTERM)
        elif passed >= life.messages or now - self._began >= life.seconds:
            if life.death is Death.AT_MOMENT:
                self.cause = Death.AFTER_MESSAGES if passed >= life.messages else Death.AFTER_SECONDS
            self._popen.kill()

    def _sent(self, messages: int) -> int:
        """How many messages were processed since it first said that one of its own was settled."""
        if self._speaks_since is None and self._says.stat().st_size:
            self._speaks_since = messages
        return -1 if self._speaks_since is None else messages - self._speaks_since

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def _freeze(self, passed: int, now: float) -> None:
        if self._frozen_at is None and passed >= self.life.messages:
            self._frozen_at = now
            self.was_frozen = True
            self._popen.send_signal(signal.SIGSTOP)
        elif self._frozen_at is not None and now - self._frozen_at >= FROZEN_SECONDS:
            self._frozen_at = float("inf")
            self._popen.send_signal(signal.SIGCONT)


class _Messages:
    """How many the simulator has processed, read off its audit file: cheap enough to be asked every few milliseconds."""

    def __init__(self, world: World) -> None:
        self._descriptor = os.open(world.audit_file, os.O_RDONLY)
        self._count = 0

    def count(self) -> int:
        while chunk := os.read(self._descriptor, 1 << 16):
            self._count += chunk.count(b"\n")
        return self._count

    def close(self) -> None:
        os.close(self._descriptor)
