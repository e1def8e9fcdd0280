"""A room of their own for tests: a network that has loopback and nothing else, and processes that all end with it.

Ray listens on every address of its machine, and leaves processes behind where it is killed. So what talks to it is run by another pytest,
in namespaces of the kernel, which writes down how each test went.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.desk import ROOT

HOUSE: Final = "CAMPAIGN_TESTS_ROOM"
"""The file that the pytest within writes to; it is set within only."""

PATIENCE_SECONDS: Final = 240
LONGEST_SAID: Final = 20_000


class InARoom(pytest.Item):
    """A test that is run there, together with all others of its session that are."""

    _went: dict[str, list[dict[str, Any]]] | None = None

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.add_marker(pytest.mark.timeout(PATIENCE_SECONDS + 30))

    def runtest(self) -> None:
        if InARoom._went is None:
            InARoom._went = defaultdict(list)
            for line in _run_all([item.nodeid for item in self.session.items if isinstance(item, InARoom)]):
                InARoom._went[line["test"].partition("[")[0]].append(line)
        reports = InARoom._went[self.nodeid]
        if failed := [report["said"] for report in reports if report["outcome"] != "passed"]:
            raise AssertionError("\n".join(failed))
        if not any(report["when"] == "teardown" for report in reports):
            raise AssertionError("\n".join(line["said"] for line in InARoom._went[""]) or "It was not run.")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, AssertionError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


def _run_all(tests: Sequence[str]) -> list[dict[str, Any]]:
    """How each went; last, as no test's, what the room said if it could not be had, or broke off."""
    mine = [] if os.getuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    apart = ["unshare", *mine, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    # The shell is the room's first process: it takes in those that lose their parents.
    within = ["sh", "-c", '"$0" -m tests.engine.loopback && "$@"; exit $?', sys.executable]
    with tempfile.TemporaryDirectory(prefix="room-", ignore_cleanup_errors=True) as folder:
        reports = Path(folder) / "reports"
        reports.touch()
        try:
            done = subprocess.run(
                [*apart, *within, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
                cwd=ROOT,
                env=os.environ | {HOUSE: str(reports)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
            said = f"The room of these tests, which unshare(1) of Linux makes, was left with {done.returncode}.\n{done.stdout}"
        except (OSError, subprocess.TimeoutExpired) as error:
            said = f"There was no room for these tests, which unshare(1) of Linux makes, or they took too long: {error}"
        lines = [json.loads(line) for line in reports.read_text(encoding="utf-8").splitlines()]
    return [*lines, {"test": "", "when": "", "outcome": "", "said": said[-LONGEST_SAID:]}]


def is_within() -> bool:
    return HOUSE in os.environ


def write_down(report: pytest.TestReport) -> None:
    """Within: how a step of a test went."""
    said = f"{report.longreprtext}\n{report.capstdout}\n{report.capstderr}"
    line = {"test": report.nodeid, "when": report.when, "outcome": report.outcome, "said": said[-LONGEST_SAID:]}
    with Path(os.environ[HOUSE]).open("a", encoding="utf-8") as reports:
        reports.write(json.dumps(line) + "\n")
