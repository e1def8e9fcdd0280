"""How far the tests are, by suite, every few seconds: `pytest -p tests.progress`, in one process or several."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pytest

EVERY_SECONDS: Final = 5.0


def suite_of(test: str) -> str:
    """`unit` of `tests/unit/test_x.py::test_y`."""
    return test.split("/")[1]


class Progress:
    """Instead of a dot for each test."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        # No line for each file.
        terminal.showfspath = False
        self._began = self._told = time.monotonic()
        self._all: Counter[str] = Counter()
        self._done: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._count([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Each of the processes has collected the same."""
        del node
        self._count(ids)

    def _count(self, tests: Sequence[str]) -> None:
        if tests:
            self._all = Counter(map(suite_of, tests))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
        if report.passed:
            return ("passed" if report.when == "call" else "", "", "")
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.when} of {report.nodeid} failed", red=True)
        if report.when == "teardown":
            self._done[suite_of(report.nodeid)] += 1
            if (now := time.monotonic()) - self._told >= EVERY_SECONDS or self._done == self._all:
                self._told = now
                self._tell(now)

    def _tell(self, now: float) -> None:
        minutes, seconds = divmod(int(now - self._began), 60)
        done, total = self._done.total(), self._all.total()
        suites = (f"{suite} {self._done[suite]}/{count}" for suite, count in sorted(self._all.items()) if self._done[suite])
        self._terminal.write_line(f"{minutes}:{seconds:02}  {100 * done // max(1, total):3} %  {'  '.join(suites)}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(terminal))
