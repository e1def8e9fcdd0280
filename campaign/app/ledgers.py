"""Opens the ledger that the settings name, whichever kind it is; nobody else needs to know."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from campaign.domain.errors import UsageError
from campaign.ledger.port import Ledger, LedgerReader
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.reporter.target import same_file
from campaign.settings import Settings

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails


def open_ledger(settings: Settings) -> Ledger:
    """The ledger, open for staging and sending; made if there is none.

    Raises:
        LedgerError: or one of its kinds; the sentence says what to do.
        UsageError: its address can't be read, or what it takes is not installed.
    """
    if not settings.ledger_url:
        return SqliteLedger(settings.ledger_path)
    _need_postgres()
    from campaign.ledger.postgres import PostgresLedger  # noqa: PLC0415 - an extra, and nothing that a file needs

    return PostgresLedger(settings.ledger_url)


def open_reader(settings: Settings) -> LedgerReader:
    """The same, for looking."""
    if not settings.ledger_url:
        return SqliteReader(settings.ledger_path)
    _need_postgres()
    from campaign.ledger.postgres import PostgresReader  # noqa: PLC0415 - (same)

    return PostgresReader(settings.ledger_url)


def open_reader_if_there(settings: Settings) -> LedgerReader | None:
    """The same, for who must not make one; None if there is none."""
    if not settings.ledger_url:
        return open_reader(settings) if os.path.exists(settings.ledger_path) else None  # noqa: PTH110 - pathlib's raises in a shut folder
    _need_postgres()
    from campaign.ledger.postgres import is_there  # noqa: PLC0415 - (same)

    return open_reader(settings) if is_there(settings.ledger_url) else None


def other_ledger(settings: Settings) -> Path | None:
    """A ledger file that the same command would use without the setting, or without sudo."""
    here = None if settings.ledger_url else settings.ledger_path
    return next((path for path in settings.usual_ledgers() if os.path.isfile(path) and (here is None or not same_file(path, here))), None)  # noqa: PTH113 - pathlib's raises in a shut folder


def _need_postgres() -> None:
    if find_spec("psycopg") is None or find_spec("stamina") is None:
        raise UsageError(
            "A ledger on PostgreSQL needs more to be installed: pip install 'campaign[postgres]'. Or give --ledger a path.",
            code="extra_missing",
            extra="postgres",
        )
    from stamina.instrumentation import set_on_retry_hooks  # noqa: PLC0415 - (same)

    set_on_retry_hooks([_away])


def _away(details: "RetryDetails") -> None:
    """Once a connection is lost it is tried again; who reads the log is told of it, and of why."""
    import structlog  # noqa: PLC0415 - only where something is lost

    # Before the log is set up its place would be standard output.
    if structlog.is_configured():
        structlog.get_logger().warning("ledger_away", detail=str(details.caused_by), again_in_seconds=round(details.wait_for, 2))
