"""Starts the `campaign` command, as a person would, and finds it again: it is a separate process, which outlives the console.

A started process holds a lock on the file of its stderr, and the kernel releases the lock when the process dies. So a console that starts
later can also see that the process is running.
"""

import asyncio
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from campaign.console.console import Console
from campaign.domain.errors import CampaignError, UsageError
from campaign.settings import Settings

KEPT: Final = 20
"""The launches of one campaign that are kept, with their logs."""

FOLDER: Final = "launches"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """A command line: `campaign VERB OPTIONS -- ARGUMENTS`. An option is `--flag` or `--name=value`; an argument may be anything."""

    verb: str
    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if odd := [option for option in self.options if not option.startswith("--")]:
            raise UsageError(f"“{odd[0]}” is not an option. Nothing was started.", code="odd_option")
        if any("\0" in word for word in (*self.arguments, *self.options)):
            raise UsageError(
                "A name or a text contains a NUL character. Nothing was started. Remove it.",
                code="odd_character",
            )

    def words(self, settings: Settings, log: Path) -> list[str]:
        """The full command line, with the console's ledger, and `log` as the log file."""
        # A ledger URL with a password is passed in the environment instead, as everyone on the machine may read a command line.
        ledger = (f"--ledger={settings.public_ledger}",) if settings.public_ledger else ()
        return [sys.executable, "-P", "-m", "campaign", self.verb, *ledger, f"--log-file={log}", *self.options, "--", *self.arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCommand:
    """A command that was started. `log` has one JSON object per line; `said` is its stderr. `at` is Unix seconds."""

    id: int
    campaign: str
    person: str
    verb: str
    at: float
    log: Path
    said: Path

    @property
    def printed(self) -> Path:
        """The file of its stdout."""
        return self.said.with_suffix(".out")

    def running(self) -> bool:
        """Whether the process is alive, even if another console started it."""
        try:
            with self.said.open("rb") as file:
                # Shared, so that two checks at once don't take each other for the process.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


async def start_command(console: Console, spec: CommandSpec, *, campaign: str, person: str) -> RunningCommand:
    """Start a command about this campaign. It reads no input, and writes its output to files that only this user may read.

    Raises:
        CampaignError: the command can't be started.
    """
    begun, forgotten = await console.store.do(lambda db: _record(db, console.folder / FOLDER, campaign, person, spec.verb))
    try:
        await asyncio.to_thread(_start, spec, begun, console.settings)
    except OSError as error:
        raise CampaignError(
            f"The command could not be started: {os.strerror(error.errno or 0)}. Nothing was sent.", code="not_started"
        ) from error
    finally:
        await asyncio.to_thread(_remove, forgotten)
    return begun


async def started_commands(console: Console, campaign: str) -> list[RunningCommand]:
    """The last KEPT commands that this console has started about a campaign, newest first."""

    def read(db: apsw.Connection) -> list[RunningCommand]:
        query = "SELECT id, campaign, person, verb, at FROM launches WHERE campaign = ? ORDER BY id DESC"
        return [_command(console.folder / FOLDER, row) for row in db.execute(query, (campaign,))]

    return await console.store.do(read)


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a command: that of the console, with the console's API, token and code."""
    own = {
        "PASSENTRY_API_URL": settings.api_url,
        "PASSENTRY_API_KEY": settings.api_key.get_secret_value(),
        "PASSENTRY_API_KEY_FILE": str(settings.api_key_file.absolute()) if settings.api_key_file is not None else "",
        "CAMPAIGN_BUDGET": settings.budget,
        "CAMPAIGN_PROXY": settings.proxy,
        "CAMPAIGN_CA_FILE": str(settings.ca_file.absolute()) if settings.ca_file is not None else "",
        "CAMPAIGN_JSON": "false",
        # The folder that the console was started in may have any modules: only the console's own code must run.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    if not settings.public_ledger:
        own["CAMPAIGN_LEDGER"] = settings.ledger
    # This variable is for adding users; no command needs it.
    inherited = {name: value for name, value in os.environ.items() if name != "CAMPAIGN_CONSOLE_PASSWORD"}
    return inherited | own


def _record(db: apsw.Connection, folder: Path, campaign: str, person: str, verb: str) -> tuple[RunningCommand, list[RunningCommand]]:
    row = (campaign, person, verb, time.time())
    columns = "id, campaign, person, verb, at"
    (found,) = db.execute(f"INSERT INTO launches (campaign, person, verb, at) VALUES (?, ?, ?, ?) RETURNING {columns}", row)  # noqa: S608 - names of ours
    old = db.execute(
        f"DELETE FROM launches WHERE campaign = ?1 AND id NOT IN "  # noqa: S608 - (same)
        f"(SELECT id FROM launches WHERE campaign = ?1 ORDER BY id DESC LIMIT ?2) RETURNING {columns}",
        (campaign, KEPT),
    )
    return _command(folder, found), [_command(folder, one) for one in old.fetchall()]


def _command(folder: Path, row: Sequence[Any]) -> RunningCommand:
    number, campaign, person, verb, at = row
    log, said = folder / f"{number}.log", folder / f"{number}.txt"
    return RunningCommand(id=number, campaign=campaign, person=person, verb=verb, at=at, log=log, said=said)


def _start(spec: CommandSpec, begun: RunningCommand, settings: Settings) -> None:
    begun.said.parent.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    said = os.open(begun.said, flags, 0o600)
    printed = os.open(begun.printed, flags, 0o600)
    try:
        # A lock belongs to the open file, not to the process: the child inherits it with its streams, and holds it after this one closes.
        fcntl.flock(said, fcntl.LOCK_EX)
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
            spec.words(settings, begun.log),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=said,
            env=environment(settings),
            start_new_session=True,
        )
    finally:
        os.close(said)
        os.close(printed)
    # Its end must be awaited, or it would stay in the process table for as long as the console lives.
    threading.Thread(target=process.wait, name=f"launch-{begun.id}", daemon=True).start()


def _remove(launches: Sequence[RunningCommand]) -> None:
    for old in launches:
        if not old.running():
            old.log.unlink(missing_ok=True)
            old.said.unlink(missing_ok=True)
            old.printed.unlink(missing_ok=True)
