"""Opens the ledger of the settings, of either kind, and finds campaigns in it."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from campaign.domain.errors import UsageError
from campaign.domain.text.lines import day
from campaign.ledger.port import CampaignRecord, DesiredState, Ledger, LedgerReader
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.reporter.files.target import same_file
from campaign.settings import Settings

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger for staging and sending; creates it if there is none.

    Raises:
        LedgerError: it can't be opened; the message says what to do.
        UsageError: its address is not valid, or a package that it needs is not installed.
    """
    if not settings.ledger_url:
        return SqliteLedger(settings.ledger_path)
    _need_postgres()
    from campaign.ledger.postgres import PostgresLedger

    return PostgresLedger(settings.ledger_url)


def open_reader(settings: Settings) -> LedgerReader:
    """Open the ledger for reading; raises as `open_ledger` does."""
    if not settings.ledger_url:
        return SqliteReader(settings.ledger_path)
    _need_postgres()
    from campaign.ledger.postgres import PostgresReader

    return PostgresReader(settings.ledger_url)


def open_reader_if_there(settings: Settings) -> LedgerReader | None:
    """Open the ledger for reading; None if there is none. Never creates one."""
    if not settings.ledger_url:
        return open_reader(settings) if os.path.exists(settings.ledger_path) else None  # noqa: PTH110 - pathlib's raises in a shut folder
    _need_postgres()
    from campaign.ledger.postgres import is_there

    return open_reader(settings) if is_there(settings.ledger_url) else None


def other_ledger(settings: Settings) -> Path | None:
    """A ledger file that the same command would use without the setting, or without sudo; None if there is none."""
    here = None if settings.ledger_url else settings.ledger_path
    return next((path for path in settings.usual_ledgers() if os.path.isfile(path) and (here is None or not same_file(path, here))), None)  # noqa: PTH113 - pathlib's raises in a shut folder


def _need_postgres() -> None:
    if find_spec("psycopg") is None or find_spec("stamina") is None:
        raise UsageError(
            "A ledger on PostgreSQL needs more to be installed: pip install 'campaign[postgres]'. Or give --ledger a path.",
            code="extra_missing",
            extra="postgres",
        )
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks([_away])


def _away(details: "RetryDetails") -> None:
    """Log that a lost connection is tried again, and why it was lost."""
    import structlog

    # Before the log is set up, structlog would write to standard output.
    if structlog.is_configured():
        structlog.get_logger().warning("ledger_away", detail=str(details.caused_by), again_in_seconds=round(details.wait_for, 2))


@asynccontextmanager
async def opened_ledger(settings: Settings) -> AsyncIterator[tuple[Ledger, LedgerReader]]:
    """Open the ledger for one command, to send and to read; raises as `open_ledger` does."""
    ledger = open_ledger(settings)
    reader = open_reader(settings)
    try:
        yield ledger, reader
    finally:
        await ledger.close()
        reader.close()


@contextmanager
def reading(settings: Settings) -> Iterator[LedgerReader]:
    reader = open_reader(settings)
    try:
        yield reader
    finally:
        reader.close()


def find(reader: LedgerReader, name: str) -> CampaignRecord:
    """The campaign of this name.

    Raises:
        UsageError: there is none; the message suggests a similar name, and names up to 20 that exist.
    """
    record = reader.campaign(name)
    if record is not None:
        return record
    from campaign.loader.formats.file_format import LIST_SUFFIXES

    if Path(name).suffix.lower() in LIST_SUFFIXES:
        raise UsageError(
            f"There is no file {name}, nor a campaign of that name. A failed-rows file is removed once none of its rows needs anyone.",
            code="unknown_campaign",
            campaign=name,
        )
    names = [found.spec.name for found in reader.campaigns()]
    known = (
        f"{_meant(name, names)}There are: {', '.join(names[:20])}. The ledger is {reader.place}."
        if names
        else (
            f"The ledger {reader.place} has none yet: start one with campaign run LIST, or name another ledger with --ledger or "
            "CAMPAIGN_LEDGER."
        )
    )
    raise UsageError(f"There is no campaign named “{name}”. {known}", code="unknown_campaign", campaign=name)


def _meant(name: str, names: list[str]) -> str:
    by_loose_name = {known.casefold(): known for known in names}
    near = get_close_matches(name.casefold(), list(by_loose_name), n=1)
    return f"Did you mean “{by_loose_name[near[0]]}”? " if near else ""


def find_whole(reader: LedgerReader, name: str) -> CampaignRecord:
    """The campaign of this name, if its list was read to its end.

    Raises:
        UsageError: there is none, or it is half staged; says what to do.
    """
    record = find(reader, name)
    if record.desired_state is DesiredState.STAGING:
        if any(runner.alive for runner in reader.runners(record.id)):
            raise UsageError(
                f"The campaign “{name}” is being staged by another process: wait until that has read its list, or stop it there.",
                code="being_staged",
                campaign=name,
            )
        raise UsageError(
            f"The list of “{name}” was not read to its end, and nothing of it was sent. Run the same command again: campaign run LIST ...",
            code="half_staged",
            campaign=name,
        )
    return record


def check_here(record: CampaignRecord) -> None:
    """Check that the campaign's rows are in this ledger, and are sent from it.

    Raises:
        UsageError: it was purged or exported; the message says when, and what to do.
    """
    name = record.spec.name
    if record.purged_at:
        raise UsageError(
            f"The campaign “{name}” was forgotten on {day(record.purged_at)}; its rows are known no longer, so nothing of it is sent or "
            "reported. To send the list as a new campaign, give it another --name.",
            code="forgotten",
            campaign=name,
        )
    if record.exported_at:
        raise UsageError(
            f"The campaign “{name}” was exported to {record.exported_to} on {day(record.exported_at)}, so that nothing of it is sent from "
            "this ledger: from two, people would get it twice. Resume it where that file was imported. If it was imported nowhere, go on "
            "from its results file: campaign run RESULTS --ledger ANOTHER.",
            code="exported",
            campaign=name,
        )
