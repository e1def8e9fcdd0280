"""A room of their own for tests: a network that has loopback and nothing else, and processes that all end with it.

Ray listens on every address of its machine, and leaves processes behind where it is killed. So what talks to it is run by another pytest,
in namespaces of the kernel, which writes down how each test went.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.desk import ROOT

HOUSE: Final = "CAMPAIGN_TESTS_ROOM"
"""The file that the pytest within writes to; it is set within only."""

LIMIT_SECONDS: Final = 100.0
"""For one test, the start of what it shares with others included."""
LONGEST_SAID: Final = 20_000


class InARoom(pytest.Item):
    """A test that another pytest runs there."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        # The limit of this test is for the pytest within; this one only has to outlast it.
        self.add_marker(pytest.mark.timeout(LIMIT_SECONDS + 30))

    def runtest(self) -> None:
        if (room := self.session.stash.get(ROOM, None)) is None:
            room = Room([item.nodeid for item in self.session.items if isinstance(item, InARoom)])
            self.session.stash[ROOM] = room
            self.session.config.add_cleanup(room.close)
        reports = room.reports_of(self.nodeid)
        if failed := [report["said"] for report in reports if report["outcome"] != "passed"]:
            raise AssertionError("\n".join(failed))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, AssertionError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class Room:
    """The pytest within, which runs its tests one after the other."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="room-", ignore_cleanup_errors=True)
        self._reports, self._out = Path(self._folder.name, "reports"), Path(self._folder.name, "out")
        self._reports.touch()
        mine = [] if os.getuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
        apart = ["unshare", *mine, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        # The shell is the room's first process: it takes in those that lose their parents.
        within = ["sh", "-c", '"$0" -m tests.engine.loopback && "$@"; exit $?', sys.executable]
        run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--timeout={LIMIT_SECONDS}", *tests]
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(
                [*apart, *within, *run],
                cwd=ROOT,
                env=os.environ | {HOUSE: str(self._reports)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def reports_of(self, test: str) -> list[dict[str, Any]]:
        """How its steps went, once it has ended."""
        while True:
            ended = self._process.poll() is not None
            # The last line may still be being written.
            whole = self._reports.read_text(encoding="utf-8").rpartition("\n")[0]
            found = [line for line in map(json.loads, whole.splitlines()) if line["test"] == test]
            if any(line["when"] == "teardown" for line in found):
                return found
            if ended:
                said = self._out.read_text(encoding="utf-8", errors="replace")[-LONGEST_SAID:]
                raise AssertionError(f"unshare(1) gave it no room of its own, or it broke off: {self._process.returncode}\n{said}")
            time.sleep(0.1)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


ROOM: Final = pytest.StashKey[Room]()


def is_within() -> bool:
    return HOUSE in os.environ


def write_down(report: pytest.TestReport) -> None:
    """Within: how a step of a test went."""
    said = f"{report.longreprtext}\n{report.capstdout}\n{report.capstderr}"
    line = {"test": report.nodeid, "when": report.when, "outcome": report.outcome, "said": said[-LONGEST_SAID:]}
    with Path(os.environ[HOUSE]).open("a", encoding="utf-8") as reports:
        reports.write(json.dumps(line) + "\n")
