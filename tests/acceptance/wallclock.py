"""A clock on the wall that the test sets, for commands in processes of their own; what the simulator noted is read off the same clock.

Only what the machine shows as the time of day is moved. Waiting, pacing and leases go by the machine's ticks, as ever.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from campaign.simulator.records import Notification
from tests import prefork
from tests.acceptance.desk import Desk

MOVED = """
import pandas  # which keeps the datetime that it finds, and is C
import datetime, os, time
def ahead(real=time.time):
    if (file := os.environ.get("CLOCK_OF_TEST")) is None:
        return real()
    with open(file) as opened:
        return real() + float(opened.read())
time.time = ahead
class _AsBefore(type):
    def __instancecheck__(cls, value, real=datetime.datetime):
        return isinstance(value, real)
class Moved(datetime.datetime, metaclass=_AsBefore):
    __slots__ = ()
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = Moved
"""
GRACE_SECONDS = 0.4
"""How long after the clock was set a send may still go by what it showed before."""


@dataclass
class Wall:
    """The clock, and the commands that see it. Set it before the first of them."""

    desk: Desk
    moved: list[tuple[float, float]] = field(default_factory=list)
    started: "list[subprocess.Popen[str]]" = field(default_factory=list)
    heard: dict[int, str] = field(default_factory=dict)
    """By process: what was read of its log while it ran."""

    def set(self, text: str) -> None:
        """From now on it shows this, and goes on from there."""
        now = time.time()
        ahead = datetime.fromisoformat(text).timestamp() - now
        draft = self._file.with_suffix(".draft")
        draft.write_text(repr(ahead), encoding="ascii")
        draft.replace(self._file)
        self.moved.append((now, ahead))

    def start(self, *words: str) -> "subprocess.Popen[str]":
        environment = self.desk.environment | {"CLOCK_OF_TEST": str(self._file)}
        process = prefork.start(words, cwd=self.desk.folder, env=environment, early=MOVED)
        self.started.append(process)
        return process

    def run(self, *words: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        return self.ended(self.start(*words), code=code)

    def ended(self, process: "subprocess.Popen[str]", *, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """The process with what it said, once it has ended so."""
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert code is None or process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, self.heard.pop(process.pid, "") + err)

    def until_told(self, process: "subprocess.Popen[str]", event: str) -> dict[str, Any]:
        """The first event of this name in its log that nobody has read yet."""
        assert process.stderr is not None
        for line in process.stderr:
            self.heard[process.pid] = self.heard.get(process.pid, "") + line
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        raise AssertionError(f"There was no {event}: {self.heard[process.pid]}")

    def shown(self, notification: Notification, zone: str = "UTC") -> list[datetime]:
        """What the clock showed in a zone when the simulator processed a message; two times where it had just been set."""
        at = notification.unix_seconds
        since = [place for place, (moment, _) in enumerate(self.moved) if moment <= at]
        late = at - self.moved[since[-1]][0] < GRACE_SECONDS
        places = since[-2:] if late else since[-1:]
        return [datetime.fromtimestamp(at + self.moved[place][1], ZoneInfo(zone)) for place in places]

    def each_was(self, allowed: Callable[[datetime], bool], zone: str = "UTC") -> None:
        """Every message there is was processed when the clock showed a time at which that was allowed."""
        audit = self.desk.simulator.audit()
        assert audit
        for notification in audit:
            shown = self.shown(notification, zone)
            assert any(map(allowed, shown)), (notification, shown)

    def until_sent(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.desk.simulator.audit()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def nothing_more(self, process: "subprocess.Popen[str]", *, seconds: float = 1.0) -> int:
        """How many messages were sent; the process is there and sends no more."""
        time.sleep(GRACE_SECONDS)
        sent = len(self.desk.simulator.audit())
        time.sleep(seconds)
        assert process.poll() is None
        assert len(self.desk.simulator.audit()) == sent
        return sent

    def stop(self) -> None:
        """End what a test that failed has left waiting."""
        for process in self.started:
            process.kill()
            process.communicate()

    @property
    def _file(self) -> Path:
        return self.desk.folder / f"clock-{os.getpid()}"
