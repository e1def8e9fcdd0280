"""`campaign serve` and `campaign user`, as people and scripts run them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from campaign.cli.main import app
from campaign.domain.errors import UsageError
from campaign.simulator.client import SimulatorClient
from tests.acceptance.desk import ROOT, Desk
from tests.acceptance.screen import Terminal

PASSWORD = "a long enough password"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "CAMPAIGN_LEDGER": str(tmp_path / "campaign.db"),
    }
    return Desk(folder=tmp_path, simulator=SimulatorClient("http://127.0.0.1:9"), environment=environment)


def told(desk: Desk, *words: str, stdin: str = "", code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "campaign", *words],
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
def serving(desk: Desk, *words: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
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
    with serving(desk) as (process, link):
        with urllib.request.urlopen(link, timeout=10) as page:  # noqa: S310 - loopback
            assert page.status == 200
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5


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
    with serving(desk) as (_, link):
        another = told(desk, "user", "link").stdout.strip()
        assert another.partition("?")[0] == link.partition("?")[0]
        assert another != link
        told(desk, "user", "add", "ann", "--role", "approver", stdin=PASSWORD)
        assert "log in with their passwords" in told(desk, "user", "link", code=2).stderr


def test_a_link_needs_a_console(desk: Desk) -> None:
    assert "Start one: campaign serve" in told(desk, "user", "link", code=2).stderr


def test_where_others_reach_it_it_is_refused_without_users(desk: Desk) -> None:
    done = told(desk, "serve", "--host", "0.0.0.0", "--port", "0", code=2)  # noqa: S104 - what must be refused
    assert "campaign user add NAME --role approver" in done.stderr


def test_users_are_added_changed_and_removed(desk: Desk) -> None:
    assert "There are no users" in told(desk, "user", "list").stdout
    told(desk, "user", "add", "ann", "--role", "approver", stdin=f"{PASSWORD}\n")
    told(desk, "user", "add", "sam", "--role", "viewer", CAMPAIGN_CONSOLE_PASSWORD=PASSWORD)
    assert "already" in told(desk, "user", "add", "ANN", "--role", "viewer", stdin=PASSWORD, code=2).stderr
    told(desk, "user", "role", "sam", "--role", "sender")
    told(desk, "user", "password", "sam", stdin="quite another password\n")
    found = json.loads(told(desk, "user", "list", "--json").stdout)
    assert [(user["name"], user["role"]) for user in found] == [("ann", "approver"), ("sam", "sender")]
    told(desk, "user", "remove", "sam")
    assert told(desk, "user", "list").stdout == "approver  ann\n"
    for words in (("remove", "sam"), ("role", "sam", "--role", "viewer")):
        assert "There is no user “sam”" in told(desk, "user", *words, code=2).stderr
    assert "There is no user “sam”" in told(desk, "user", "password", "sam", stdin=PASSWORD, code=2).stderr


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("ann", "short", "at least 10 characters"),
        ("ann", "", "at least 10 characters"),
        ("ann", "x" * 1025, "at most 1024 bytes"),
        ("owner", PASSWORD, "is not “owner”"),
        ("a\tb", PASSWORD, "can't be a user's name"),
        (" ", PASSWORD, "can't be a user's name"),
        ("x" * 65, PASSWORD, "can't be a user's name"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, name: str, password: str, says: str) -> None:
    ledger = f"--ledger={tmp_path / 'campaign.db'}"
    done = CliRunner().invoke(app, ["user", "add", ledger, "--role", "viewer", "--", name], input=password)
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)
    assert "There are no users" in CliRunner().invoke(app, ["user", "list", ledger]).output


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
        done = told(desk, *words, code=2, PYTHONPATH=f"{desk.folder}:{ROOT}")
        assert "pip install 'campaign[console]'" in done.stderr
