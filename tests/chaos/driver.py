"""Runs one campaign's processes, kills them as planned, and starts others until the campaign is finished."""

import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.plan import Lifecycle
from tests.chaos.process import Messages, Process
from tests.chaos.victim import SHORT_LEASE_SECONDS
from tests.chaos.world import World

LOOK_SECONDS: Final = 0.004
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
    blows: Counter[str] = field(default_factory=Counter)
    finished: bool = False
    seconds: float = 0.0


class Driver:
    """Use once: `run`."""

    def __init__(self, world: World, *, kills_left: int, seconds: float) -> None:
        self._world = world
        self._kills_left = kills_left
        self._deadline = time.monotonic() + seconds
        self._running: list[Process] = []
        self._messages = Messages(world.audit_file)
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
            self._world.kept.look_after(at_once=True)
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
        if self._world.plan.apart:
            self._world.kept.look_after(at_once=True)
            # Who is to sign off the last one that died must not come before the end of its lease.
            time.sleep(SHORT_LEASE_SECONDS)
        while not self._ended_well and not self._is_late():
            self._clean += 1
            self._start(Lifecycle(number=self._clean, messages=sys.maxsize, seconds=float("inf"), via=self._world.plan.via))
            self._wait_until_running(0)
        self.story.finished = self._ended_well

    def _start(self, life: Lifecycle) -> None:
        says = self._world.output(life, "err")
        self._running.append(Process(self._world.start(life), life, messages=self._messages.count(), says=says))
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
                self._strike(process, messages)
                if process.has_ended():
                    self._running.remove(process)
                    self._note(process)
            self._world.kept.look_after()
            if self._is_late():
                for process in self._running:
                    process.kill()
            time.sleep(LOOK_SECONDS)

    def _strike(self, process: Process, messages: int) -> None:
        if process.strike is not None and process.is_struck(messages) and self._world.kept.strike(process.strike):
            self._tell(
                f"during {process.life.number} the server is struck: {process.strike.blow}, away for {process.strike.away_seconds:.1f} s"
            )
            self.story.blows[process.strike.blow] += 1
            process.strike = None

    def _note(self, process: Process) -> None:
        code = process.code
        self.story.freezes += process.was_frozen
        self._tell(f"{process.life.number} ended with {code} ({process.cause})")
        if code == -signal.SIGKILL:
            self.story.kills[process.cause] += 1
            return
        self.story.exits[code] += 1
        self._ended_well |= code in FINISHED
        # One that is frozen with the ledger locked keeps the others from renewing their leases, too; and a server that is away may do so
        # for longer than a short lease lasts.
        if code not in EXPECTED and not (self._world.plan.has_short_leases and code == SUPERSEDED):
            said = self._world.output(process.life, "err").read_text(encoding="utf-8", errors="replace").strip()
            self.story.odd.append(f"process {process.life.number} ended with {code}: {said[-1500:]}")

    def _tell(self, what: str) -> None:
        """Kept with the campaign if it breaks something."""
        with (self._world.folder / "driver.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.time():.3f} {self._messages.count()} processed: {what}\n")

    def _look_at_results(self, life: Lifecycle) -> None:
        """Killed or not, what stands there is a whole file."""
        path = self._world.results
        if path.exists():
            text = path.read_text(encoding="utf-8")
            lines = text.count("\n")
            if lines != len(self._world.rows) + 1 or not text.endswith("\n"):
                self.story.torn.append(f"after process {life.number} ({life.moment}) {path.name} has {lines} lines")
