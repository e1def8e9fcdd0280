"""Commands that the console starts: processes of their own, found again by whoever looks."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from campaign.console.subprocesses import KEPT, CommandSpec, RunningCommand, environment, start_command, started_commands
from campaign.domain.errors import UsageError
from campaign.settings import IsolatedSettings, Settings
from tests.console.given import visit
from tests.console.waiting import until
from tests.errors import raises


async def test_what_a_command_says_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    async with visit(tmp_path) as given:
        begun = await start_command(
            given.console, CommandSpec(verb="resume", arguments=("--help",), options=("--yes",)), campaign="a", person="sam"
        )
        await until(lambda: not begun.running())
        assert "PASSENTRY_API_KEY" in begun.said.read_text(encoding="utf-8")
        assert [file.stat().st_mode & 0o777 for file in (begun.said, begun.printed)] == [0o600, 0o600]
        assert begun.said.parent.stat().st_mode & 0o777 == 0o700


async def test_a_command_at_work_is_known_by_whoever_looks_until_it_dies(tmp_path: Path) -> None:
    said = tmp_path / "1.txt"
    begun = RunningCommand(id=1, campaign="a", person="sam", verb="run", at=0.0, log=tmp_path / "1.log", said=said)
    assert not begun.running()
    script = "import fcntl, sys; fcntl.flock(1, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    with said.open("wb") as out:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdin=subprocess.PIPE, stdout=out)
    await until(lambda: said.read_bytes() == b"held\n")
    assert begun.running()
    assert begun.running()
    process.kill()
    await process.wait()
    assert not begun.running()


async def test_the_last_commands_of_a_campaign_are_remembered_and_what_is_older_is_removed(tmp_path: Path) -> None:
    async with visit(tmp_path) as given:
        spec = CommandSpec(verb="no-such-command", arguments=())
        first = await start_command(given.console, spec, campaign="a", person="sam")
        other = await start_command(given.console, spec, campaign="b", person="sam")
        await until(lambda: not first.running() and not other.running())
        assert await started_commands(given.console, "a") == [first]
        assert "no-such-command" in first.said.read_text(encoding="utf-8")
        later = [("a", "sam", "resume", 0.0)] * (KEPT - 1)
        await given.console.store.do(
            lambda db: db.executemany("INSERT INTO launches (campaign, person, verb, at) VALUES (?, ?, ?, ?)", later).fetchall()
        )
        last = await start_command(given.console, spec, campaign="a", person="sam")
        kept = await started_commands(given.console, "a")
        assert (len(kept), kept[0], first in kept, first.said.exists()) == (KEPT, last, False, False)
        assert await started_commands(given.console, "b") == [other]
        assert other.said.exists()


def test_only_the_console_says_where_the_ledger_and_the_log_are(tmp_path: Path) -> None:
    settings = IsolatedSettings.read(ledger=str(tmp_path / "campaign.db"))
    words = CommandSpec(verb="retry", arguments=("--yes",), options=("--status=failed",)).words(settings, tmp_path / "1.log")
    assert words[3:] == [
        "campaign",
        "retry",
        f"--ledger={tmp_path}/campaign.db",
        f"--log-file={tmp_path}/1.log",
        "--status=failed",
        "--",
        "--yes",
    ]


def test_an_address_with_a_password_is_not_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGN_CONSOLE_PASSWORD", "of a user")
    monkeypatch.setenv("CAMPAIGN_LEDGER", "postgresql://sam:secret@db/campaigns")
    settings = Settings.read(api_key="token-of-the-console")
    words = CommandSpec(verb="resume", arguments=("a",)).words(settings, tmp_path / "1.log")
    assert not any("secret" in word or "token-of" in word for word in words)
    told = environment(settings)
    assert told["CAMPAIGN_LEDGER"] == "postgresql://sam:secret@db/campaigns"
    assert told["PASSENTRY_API_KEY"] == "token-of-the-console"
    assert told["PATH"] == os.environ["PATH"]
    assert "CAMPAIGN_CONSOLE_PASSWORD" not in told


def test_what_it_starts_uses_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("CAMPAIGN_PROXY", "http://anna:secret@proxy.example:3128")
    settings = Settings.read(ca_file="company.pem", budget="acme")
    told = environment(settings)
    assert told["CAMPAIGN_BUDGET"] == "acme"
    assert told["CAMPAIGN_PROXY"] == "http://anna:secret@proxy.example:3128"
    assert told["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert told["CAMPAIGN_CA_FILE"] == str(tmp_path / "company.pem")
    assert not any("secret" in word for word in CommandSpec(verb="resume", arguments=("a",)).words(settings, tmp_path / "1.log"))


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"arguments": ("a\0b",)}, "odd_character"),
        ({"arguments": (), "options": ("value",)}, "odd_option"),
        ({"arguments": (), "options": ("--a=\0",)}, "odd_character"),
    ],
)
def test_what_no_command_can_be_given_is_refused(spec: dict[str, Any], code: str) -> None:
    with raises(UsageError, code):
        CommandSpec(verb="run", **spec)
