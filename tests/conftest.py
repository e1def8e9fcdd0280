"""What all tests share: the profile and the seed of drawn examples."""

import os
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import prefork
from tests.programs import programs

SEED = "20"

# How long an example takes says more of the machine, and of who else works on it, than of the code.
settings.register_profile("campaign", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("thorough", settings.get_profile("campaign"), max_examples=120)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "campaign"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Seed hypothesis from HYPOTHESIS_SEED, unless --hypothesis-seed is given."""
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = os.environ.get("HYPOTHESIS_SEED", SEED)
    # What nohup, or a shell for its background, has ignored would be ignored by every command under test, too.
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        prefork.share()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a program that is not there. Every test of a browser, or of a whole cluster, needs one."""
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker("browser")
        for name in {mark.name for mark in item.iter_markers()} & programs().keys():
            if (program := programs()[name]).path is None:
                item.add_marker(pytest.mark.skip(reason=program.missing))
    if hasattr(config, "workerinput"):
        _mix(items)


def _mix(items: list[pytest.Item]) -> None:
    """Each of the processes that share the tests begins with a part of all suites: some only compute, others mostly wait."""
    files: dict[Path, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(item.path for item in items):
        files[path.parent].append(path)
    place = {path: (number + 0.5) / len(suite) for suite in files.values() for number, path in enumerate(suite)}
    items.sort(key=lambda item: place[item.path])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the machine is ours, nothing may be missing."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and terminal is not None and terminal.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_report_header(config: pytest.Config) -> str:
    return f"hypothesis seed: {config.getoption('hypothesis_seed')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ()) if isinstance(report.longrepr, tuple))
    for reason, count in skipped.items():
        terminalreporter.write_line(f"{count} tests were skipped. {reason.removeprefix('Skipped: ')}", yellow=True)
    if terminalreporter.stats.get("failed"):
        seed = config.getoption("hypothesis_seed")
        terminalreporter.write_line(f"The same examples are drawn again by HYPOTHESIS_SEED={seed} make test")


@pytest.fixture(autouse=True)
def _no_process_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a console has started goes on without it, and so without its test, where nobody is left to send to."""
    starts_some = request.path.parent.name in {"browser", "console", "golden", "security"} and "tmp_path" in request.fixturenames
    folder = str(request.getfixturevalue("tmp_path")) if starts_some else ""
    yield
    for process in psutil.process_iter(["cmdline"]) if starts_some else ():
        if process.pid != os.getpid() and any(folder in word for word in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture(autouse=True)
def _no_log_is_left() -> Iterator[None]:
    """A log that one test has set up would take the lines of the next."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(autouse=True)
def _nobodys_ledger(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may read, or write to, the ledger of whoever runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data"))
