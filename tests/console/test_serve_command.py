"""`campaign serve` and `campaign user`, as people and scripts run them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from campaign.cli.main import app
from campaign.console.audit_log import entries
from campaign.console.store import Store
from campaign.domain.errors import UsageError
from tests.acceptance.desk import ROOT, Desk
from tests.acceptance.screen import Terminal
from tests.errors import raises
from tests.prefork import PYTHON
from tests.simulator_client import SimulatorClient

PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A command that runs in this process sets the log up to write to its own stderr."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "CAMPAIGN_LEDGER": str(tmp_path / "campaign.db"),
    }
    return Desk(folder=tmp_path, simulator=SimulatorClient("http://127.0.0.1:9"), environment=environment)


def told(
    desk: Desk, *words: str, stdin: str = "", code: int = 0, python: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [python or sys.executable, "-m", "campaign", *words],
        cwd=desk.folder,
        env=desk.environment | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@contextmanager
def console_settings(desk: Desk, *words: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process, and the address that it printed."""
    process = desk.start("serve", "--port", "0", *words)
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_as_it_is_meant_to_end(desk: Desk, number: signal.Signals) -> None:
    with console_settings(desk) as (process, link):
        with urllib.request.urlopen(link, timeout=10) as page:  # noqa: S310 - loopback
            assert page.status == 200
        process.send_signal(number)
        assert process.wait(timeout=60) == 0


def test_what_it_prints_and_logs_is_nobody_elses_key(desk: Desk) -> None:
    process = desk.start("serve", "--port", "0")
    assert process.stdout is not None
    said = "".join(process.stdout.readline() for _ in range(3))
    link = re.search(r"http://\S+", said)
    assert link is not None
    try:
        urllib.request.urlopen(link[0], timeout=10).close()  # noqa: S310 - loopback
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert "campaign user link" in said
    assert link[0].partition("key=")[2] not in out + err
    assert {"method": "GET", "path": "/enter", "status": 200}.items() <= json.loads(err.splitlines()[0]).items()


def test_another_link_while_it_runs(desk: Desk) -> None:
    with console_settings(desk) as (_, link):
        another = told(desk, "user", "link").stdout.strip()
        assert another.partition("?")[0] == link.partition("?")[0]
        assert another != link
        told(desk, "user", "add", "ann", "--role", "approver", stdin=PASSWORD)
        assert "campaign user password" in told(desk, "user", "link", code=2).stderr


def test_a_link_needs_a_console(desk: Desk) -> None:
    assert "campaign serve" in told(desk, "user", "link", code=2).stderr


def test_where_others_reach_it_it_is_refused_without_users(desk: Desk) -> None:
    done = told(desk, "serve", "--host", "0.0.0.0", "--port", "0", code=2)  # noqa: S104 - what must be refused
    assert "campaign user add" in done.stderr


def here(folder: Path, *words: str, stdin: str = "") -> str:
    """What a command prints; what it refuses is raised."""
    done = CliRunner().invoke(app, ["user", words[0], f"--ledger={folder / 'campaign.db'}", *words[1:]], input=stdin)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_users_are_added_changed_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There are no users" in here(tmp_path, "list")
    here(tmp_path, "add", "ann", "--role", "approver", stdin=f"{PASSWORD}\n")
    with raises(UsageError, "user_exists"):
        here(tmp_path, "add", "ANN", "--role", "viewer", stdin=PASSWORD)
    here(tmp_path, "add", "sam", "--role", "viewer", stdin=PASSWORD)
    here(tmp_path, "role", "sam", "--role", "sender")
    monkeypatch.setenv("CAMPAIGN_CONSOLE_PASSWORD", "quite another password")
    here(tmp_path, "password", "sam")
    found = json.loads(here(tmp_path, "list", "--json"))
    assert [(user["name"], user["role"]) for user in found] == [("ann", "approver"), ("sam", "sender")]
    here(tmp_path, "remove", "sam")
    assert here(tmp_path, "list") == "approver  ann\n"
    for words in (("remove", "sam"), ("role", "sam", "--role", "viewer"), ("password", "sam")):
        with raises(UsageError, "unknown_user"):
            here(tmp_path, *words)


def test_what_is_done_to_users_stands_in_the_trail(tmp_path: Path) -> None:
    here(tmp_path, "add", "ann", "--role", "approver", stdin=PASSWORD)
    here(tmp_path, "remove", "ann")
    store = Store(tmp_path / "console" / "console.db")
    try:
        found = asyncio.run(entries(store))
    finally:
        store.close()
    assert [(entry.person, entry.action, entry.subject) for entry in found] == [
        ("command line", "removed user", "ann"),
        ("command line", "added user as approver", "ann"),
    ]


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("ann", "short", "password_too_short"),
        ("ann", "", "password_too_short"),
        ("ann", "x" * 1025, "password_too_long"),
        ("owner", PASSWORD, "bad_user_name"),
        ("a\tb", PASSWORD, "bad_user_name"),
        (" ", PASSWORD, "bad_user_name"),
        ("x" * 65, PASSWORD, "bad_user_name"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, name: str, password: str, code: str) -> None:
    with raises(UsageError, code):
        here(tmp_path, "add", "--role", "viewer", "--", name, stdin=password)
    assert "There are no users" in here(tmp_path, "list")


def test_a_password_is_typed_twice_and_not_shown(desk: Desk) -> None:
    for second, code in (("another one altogether", 2), (PASSWORD, 0)):
        with Terminal(desk, "user", "add", "ann", "--role", "viewer") as terminal:
            terminal.until("New password of ann:")
            terminal.type(f"{PASSWORD}\n")
            terminal.until("The same again:")
            terminal.type(f"{second}\n")
            assert terminal.end() == code
            assert PASSWORD not in terminal.raw
    assert told(desk, "user", "list").stdout == "viewer    ann\n"


def test_without_the_extra_it_says_how_to_get_it(desk: Desk) -> None:
    (desk.folder / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'cryptography' else found(name, *more)\n",
        encoding="utf-8",
    )
    for words in (("serve",), ("user", "list")):
        done = told(desk, *words, code=2, python=PYTHON, PYTHONPATH=f"{desk.folder}:{ROOT}")
        assert "campaign[console]" in done.stderr
