"""Starts the `campaign` command, as a person would, and finds it again: it is a process of its own, which outlives the console.

A started process holds a lock on the file of its words, which the kernel lets go of when it dies. So it is known to be at work also by a
console that was started after it.
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
"""Launches of one campaign that are remembered, with their logs."""

FOLDER: Final = "launches"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """What to start: `campaign VERB OPTIONS -- ARGUMENTS`. An option is a word, `--flag` or `--name=value`; an argument may be anything."""

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
        """Those of the process, where the ledger and the log are the console's."""
        # What has a password must not be on a command line, which everyone on the machine may read; it is in the environment instead.
        ledger = (f"--ledger={settings.public_ledger}",) if settings.public_ledger else ()
        return [sys.executable, "-P", "-m", "campaign", self.verb, *ledger, f"--log-file={log}", *self.options, "--", *self.arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCommand:
    """A command that was started. `log` is JSON, a line an event; `said` its stderr. `at` is Unix seconds."""

    id: int
    campaign: str
    person: str
    verb: str
    at: float
    log: Path
    said: Path

    @property
    def printed(self) -> Path:
        """Its stdout."""
        return self.said.with_suffix(".out")

    def running(self) -> bool:
        """Whether its process is alive, also if another console started it."""
        try:
            with self.said.open("rb") as file:
                # Shared, so that two who look at once don't take each other for the process.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


async def start_command(console: Console, spec: CommandSpec, *, campaign: str, person: str) -> RunningCommand:
    """Start a command about this campaign. It reads nothing, and what it has to say is in files that only this user may read.

    Raises:
        CampaignError: it can't be started.
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
    """The last commands that this console has started about a campaign, newest first."""

    def read(db: apsw.Connection) -> list[RunningCommand]:
        query = "SELECT id, campaign, person, verb, at FROM launches WHERE campaign = ? ORDER BY id DESC"
        return [_command(console.folder / FOLDER, row) for row in db.execute(query, (campaign,))]

    return await console.store.do(read)


def environment(settings: Settings) -> dict[str, str]:
    """The environment of the process: the console's own, with its API, token and code."""
    own = {
        "PASSENTRY_API_URL": settings.api_url,
        "PASSENTRY_API_KEY": settings.api_key.get_secret_value(),
        "PASSENTRY_API_KEY_FILE": str(settings.api_key_file.absolute()) if settings.api_key_file is not None else "",
        "CAMPAIGN_BUDGET": settings.budget,
        "CAMPAIGN_PROXY": settings.proxy,
        "CAMPAIGN_CA_FILE": str(settings.ca_file.absolute()) if settings.ca_file is not None else "",
        "CAMPAIGN_JSON": "false",
        # The folder that the console was started in may hold anything: only what the console itself was made of is run.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    if not settings.public_ledger:
        own["CAMPAIGN_LEDGER"] = settings.ledger
    # For who adds users; no command needs it.
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
        # The lock is of what is opened, not of who opened it: the process inherits it with its streams, and holds it when this one lets go.
        fcntl.flock(said, fcntl.LOCK_EX)
        process = subprocess.Popen(  # noqa: S603 - a list of words, and no shell
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
    # Somebody has to take note of its end, or it would stay in the table of processes for as long as the console lives.
    threading.Thread(target=process.wait, name=f"launch-{begun.id}", daemon=True).start()


def _remove(launches: Sequence[RunningCommand]) -> None:
    for old in launches:
        if not old.running():
            old.log.unlink(missing_ok=True)
            old.said.unlink(missing_ok=True)
            old.printed.unlink(missing_ok=True)
