"""Creates the ledger's tables if they are missing, and migrates them to this version: one process at a time, in one transaction."""

from collections.abc import Callable
from typing import Final, TypeVar

import stamina
from psycopg import errors

from campaign.domain.errors import CampaignError, LedgerError, LedgerPlaceError, LedgerVersionError
from campaign.ledger.ledger_errors import used_by_older
from campaign.ledger.postgres.connection import LONG_SECONDS, Address, LostError, Session, given_up, parse
from campaign.ledger.sql_loader import schema_version, script

T = TypeVar("T")

SCHEMA_VERSION: Final = schema_version("postgres_to_")
"""The version of `postgres_schema.sql`. `postgres_to_N.sql` migrates a ledger from version N - 1 to N."""

OLDEST_SERVER: Final = 140_000
OPENING_SECONDS: Final = 4.0

_LOCK: Final = "SELECT pg_advisory_xact_lock(1128353104, -1)"
# From the catalog tables: functions such as to_regclass may answer from a session's cache.
_THERE: Final = """
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'campaign' AND tablename = 'ledger'),
       EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'campaign')
"""
_VERSION: Final = "SELECT version FROM campaign.ledger"
_AT_WORK: Final = "SELECT EXISTS (SELECT 1 FROM campaign.runners WHERE ended_at = 0 AND lease_until >= campaign.ledger_now())"
_ENCODING: Final = "SELECT pg_catalog.current_setting('server_encoding')"

_KNOCK_AGAIN: Final = (
    "starting up",
    "shutting down",
    "recovery",
    "terminating connection",
    "closed the connection",
    "reset by peer",
    "Connection refused",
    "No such file",
    "too many",
)
"""While connecting, the library gives the server's reason only as a text."""


def prepare(address: Address) -> str:
    """Create the ledger if it is missing, and migrate it to this version; returns its identity.

    Raises:
        LedgerPlaceError: the database can't be reached, this user may not create the ledger, the schema's name is taken, or an older
            version is still sending from the ledger.
        LedgerVersionError: a newer Campaign made it, or the server is too old.
    """
    return _opening(address, _prepared)


def is_there(url: str) -> bool:
    """Whether there is a ledger. Creates none.

    Raises:
        UsageError: the URL can't be read.
        LedgerPlaceError: the database can't be reached.
    """
    return _opening(parse(url), lambda db, address: _version(db, address) > 0)


def _opening(address: Address, work: Callable[[Session, Address], T]) -> T:
    session = Session(address)
    try:
        for attempt in stamina.retry_context(on=_may_pass, attempts=None, timeout=OPENING_SECONDS, wait_initial=0.1, wait_jitter=0.1):
            with attempt:
                return work(session.connected(patience_seconds=LONG_SECONDS), address)
    except LostError as error:
        raise given_up(address, error, opening=True) from error
    except CampaignError as error:
        # Nothing was sent yet, so the error counts as one of the address.
        raise LedgerPlaceError(str(error), code=error.code) if type(error) is LedgerError else error from error.__cause__
    finally:
        session.roll_back()
        session.drop()
    raise AssertionError("a retry ends with an answer or an error")


def _prepared(db: Session, address: Address) -> str:
    _check_server(db, address)
    if (version := _version(db, address)) != SCHEMA_VERSION:
        try:
            _migrate(db, address)
        except LedgerError as error:
            if not isinstance(error.__cause__, errors.InsufficientPrivilege):
                raise
            raise _not_its_owner(address, version, error.__cause__) from error.__cause__
    return str(db.one("identity"))


def _not_its_owner(address: Address, version: int, error: errors.InsufficientPrivilege) -> LedgerPlaceError:
    found = f"The ledger {address.name} is of an older Campaign (version {version}, this one has {SCHEMA_VERSION})"
    then = "campaign status is enough"
    if version == 0:
        found, then = f"There is no ledger at {address.name} yet", f"{then}, and after it postgres_role.sql"
    return LedgerPlaceError(
        f"{found}, and this user may not change that: {error.diag.message_primary}. Have the database's owner run a command of this "
        f"version once; {then}.",
        code="ledger_not_owned",
    )


def _check_server(db: Session, address: Address) -> None:
    version = db.raw.info.server_version
    if version < OLDEST_SERVER:
        raise LedgerVersionError(
            f"The database server of the ledger {address.name} is PostgreSQL {version // 10_000}; "
            f"it takes {OLDEST_SERVER // 10_000} or newer. Upgrade it, or name another with --ledger.",
            code="server_too_old",
        )
    (encoding,) = db.run(_ENCODING).fetchall()[0]
    if encoding != "UTF8":
        raise LedgerPlaceError(
            f"The database of the ledger {address.name} keeps its text as {encoding}. "
            "Make one with ENCODING 'UTF8', and name it with --ledger.",
            code="ledger_encoding",
        )


def _version(db: Session, address: Address) -> int:
    """The ledger's version; 0 if there is no ledger."""
    ledger, schema = db.run(_THERE).fetchall()[0]
    if not ledger:
        if schema:
            raise LedgerPlaceError(
                f"The database of the ledger {address.name} has a schema “campaign” that is not a ledger's. "
                "Name another database with --ledger.",
                code="not_a_ledger",
            )
        return 0
    version = int(db.run(_VERSION).fetchall()[0][0])
    if version > SCHEMA_VERSION:
        raise LedgerVersionError(
            f"The ledger {address.name} is of a newer Campaign (version {version}, this one knows {SCHEMA_VERSION}). Upgrade to go on.",
            code="ledger_newer",
        )
    return version


def _migrate(db: Session, address: Address) -> None:
    db.run("BEGIN ISOLATION LEVEL READ COMMITTED")
    db.run(_LOCK)
    # Another process may have migrated it while this one waited for the lock.
    version = _version(db, address)
    if version == 0:
        db.run(script("postgres_schema.sql"))
    else:
        _upgrade(db, address, version)
    db.run("COMMIT")


def _upgrade(db: Session, address: Address, version: int) -> None:
    # A sender of an older version would not find its columns any more. Locked, so that none begins meanwhile.
    db.run("LOCK TABLE campaign.runners")
    if db.run(_AT_WORK).fetchall()[0][0]:
        raise used_by_older(address.name)
    for step in range(version + 1, SCHEMA_VERSION + 1):
        db.run(script(f"postgres_to_{step}.sql"))
    db.all("set_version", version=SCHEMA_VERSION)


def _may_pass(error: Exception) -> bool:
    """Whether a retry may help. With a wrong password, it does not."""
    return isinstance(error, LostError) and (error.made or any(word in str(error) for word in _KNOCK_AGAIN))
