"""Connects to the database: the ledger's URL, a session, and PostgreSQL's errors as sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from campaign.domain.errors import CampaignError, DiskFullError, LedgerDamagedError, LedgerError, LedgerPlaceError, UsageError
from campaign.ledger.sql_loader import statements

# A silently broken network is noticed before a lease ends. The URL may override these.
DEFAULTS: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "campaign",
}
HIDDEN: Final = "***"
_OVERTAKEN: Final = errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable
_AWAY: Final = (
    errors.AdminShutdown
    | errors.CrashShutdown
    | errors.CannotConnectNow
    | errors.TooManyConnections
    | errors.IdleInTransactionSessionTimeout
    # The connection leads to a server that was the primary until now.
    | errors.ReadOnlySqlTransaction
)
T = TypeVar("T")
SQL: Final = statements("postgres.sql")
PATIENCE_SECONDS: Final = 6.0
"""How long a statement of a working runner may take: a database that is silent for longer counts as unreachable."""

IDLE_SECONDS: Final = 5.0
"""After so long the database aborts a transaction whose client is gone, cut off or frozen, or that waits for a lock."""

LONG_SECONDS: Final = 3600.0
"""How long a statement that goes through a whole campaign may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`given` has the parameters for libpq; `name` is the address for people, without user and password."""

    name: str
    given: dict[str, Any]

    def __repr__(self) -> str:
        return f"Address({self.name})"

    def without_secrets(self, text: str) -> str:
        """A text of the database or its library as one line, without the secrets of the URL."""
        for name in ("password", "sslpassword"):
            if secret := self.given.get(name):
                text = text.replace(secret, HIDDEN)
        return " ".join(text.split())


class LostError(Exception):
    """The connection broke, or the database asked to try again. Nothing was done, or `SerialConnection` finds out whether it was.

    `good` says whether the connection is still usable, `made` whether there was one at all.
    """

    def __init__(self, why: str, *, good: bool = False, made: bool = True) -> None:
        super().__init__(why)
        self.good = good
        self.made = made


class Connection(psycopg.Connection[TupleRow]):
    patience_seconds = PATIENCE_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As in psycopg, but closes the connection when the database is silent for too long."""
        try:
            return super().wait(gen, interval, self.patience_seconds if timeout is None else timeout)
        except errors._WaitTimeout as error:  # noqa: SLF001 - psycopg documents it as what its `wait` raises
            self.close()
            raise errors.ConnectionTimeout(f"it did not answer within {self.patience_seconds:g} s") from error


class Session:
    """One connection, made when it is needed, and again after it broke.

    Every method but `roll_back` and `drop` raises LostError if the connection broke, and a CampaignError if the database refused.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._connection: Connection | None = None

    def connected(self, *, patience_seconds: float = PATIENCE_SECONDS) -> Self:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.address)
        self._connection.patience_seconds = patience_seconds
        return self

    @property
    def raw(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("`connected` comes first")
        return self._connection

    def all(self, statement: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> list[TupleRow]:
        """All rows that a statement of `postgres.sql` returns."""
        cursor = self.run(SQL[statement], {**(values or {}), **more})
        return cursor.fetchall() if cursor.description else []

    def exact(self, statement: str, **values: Any) -> list[TupleRow]:
        """All rows, with each time as the database has it: as text it may be rounded (`extra_float_digits`), and never be found again."""
        return self.run(SQL[statement], values, binary=True).fetchall()

    def one(self, statement: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """The first value of the first row that a statement returns; None if there is none."""
        found = self.all(statement, values, **more)
        return found[0][0] if found else None

    def count(self, statement: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> int:
        """How many rows a statement changed."""
        return max(0, self.run(SQL[statement], {**(values or {}), **more}).rowcount)

    def copy(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Add rows by COPY."""
        if not rows:
            return
        try:
            with self.raw.cursor() as cursor, cursor.copy(_literal(SQL[statement])) as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise self.translated(error) from error

    def run(self, sql: str, values: Mapping[str, Any] | None = None, *, binary: bool = False) -> psycopg.Cursor[TupleRow]:
        """Run any statement. Without values, `sql` may have several statements in one message."""
        try:
            return self.raw.execute(_literal(sql), values or None, binary=binary)
        except psycopg.Error as error:
            raise self.translated(error) from error

    def translated(self, error: psycopg.Error) -> Exception:
        """The error to raise for an exception of psycopg."""
        broken = bool(self.raw.closed or self.raw.broken)
        return lost(error, self.address, broken=broken) or in_words(error, self.address)

    def roll_back(self) -> None:
        """Roll back; if that fails, close the connection, so that the database does it."""
        if self._connection is None or self._connection.closed:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.close()


def parse(url: str) -> Address:
    """The address in a URL.

    Raises:
        UsageError: the URL can't be read. The text repeats no part of it, as any part may be the password.
    """
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        given = {"host": "@"}
    hosts = str(given.get("host") or given.get("hostaddr") or "localhost").split(",")
    ports = str(given.get("port") or "").split(",")
    # An @ that libpq finds in the host most often belongs to the password.
    if any("@" in host for host in hosts) or not all(port.isdigit() for port in ports if port):
        raise UsageError(
            "The ledger's URL can't be read. Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in the password write %40 for @, "
            "%2F for /, %3A for :, %23 for #, %3F for ? and %25 for %.",
            code="bad_ledger_url",
            option="--ledger",
        ) from None
    database = given.get("dbname") or given.get("user") or ""
    if hosts[0].startswith("/"):
        name = f"postgresql:///{database}?host={hosts[0]}"
    else:
        ports = ports if len(ports) == len(hosts) else ports * len(hosts)
        places = (f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
        name = f"postgresql://{','.join(places)}/{database}"
    return Address(name=name, given=DEFAULTS | given | {"client_encoding": "utf8"})


def lost(error: psycopg.Error, address: Address, *, broken: bool) -> LostError | None:
    """The error to raise if the transaction was undone for a reason outside it; None if the reason is the transaction."""
    if broken or isinstance(error, _OVERTAKEN | _AWAY):
        why = address.without_secrets(error.diag.message_primary or str(error))
        return LostError(why, good=not broken and isinstance(error, _OVERTAKEN))
    return None


def in_words(error: psycopg.Error, address: Address, *, opening: bool = False) -> CampaignError:
    """An exception of psycopg as an error for people.

    With `opening`, the ledger is only being opened, so that nothing was sent: damage and bad addresses then exit with 2.
    """
    why = address.without_secrets(error.diag.message_primary or str(error)) or type(error).__name__
    match error:
        case errors.DiskFull():
            return DiskFullError(
                f"No space is left for the ledger {address.name} on its database server. Free some, then run the same command again."
            )
        case errors.InsufficientPrivilege():
            return _place(
                f"The ledger {address.name} may not be used like this: {why}. Ask its owner for the rights that postgres_role.sql gives.",
                code="ledger_forbidden",
                opening=opening,
            )
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.UndefinedFunction() | errors.InvalidSchemaName():
            sentence = f"{address.name} is not a ledger, or is damaged ({why}). Name another database with --ledger."
            return LedgerDamagedError(sentence) if opening else LedgerError(sentence, code=LedgerDamagedError.code)
        case errors.QueryCanceled():
            return LedgerError(f"The ledger {address.name} gave something up ({why}). Run the same command again.", code="ledger_busy")
        case psycopg.OperationalError():
            return unreachable(address, why, opening=opening)
        case _:
            return LedgerError(
                f"The ledger {address.name} refused what was to be written ({why}). Nothing of it was recorded.", code="ledger_refused"
            )


def given_up(address: Address, error: LostError, *, opening: bool = False) -> LedgerError:
    """The error after retries did not help."""
    if error.good:
        return LedgerError(
            f"The ledger {address.name} is busy: others hold what this needs ({error}). Run the same command again in a minute.",
            code="ledger_busy",
        )
    return unreachable(address, str(error), opening=opening)


def unreachable(address: Address, why: str, *, opening: bool = False) -> LedgerError:
    return _place(
        f"The ledger {address.name} can't be reached: {address.without_secrets(why)}. "
        "Check the address, the network and the database server, then run the same command again.",
        code="ledger_unreachable",
        opening=opening,
    )


def unknown_end(address: Address) -> LedgerError:
    return LedgerError(
        f"The connection to the ledger {address.name} broke at the very moment of writing, and did not come back: whether the last of "
        "it was recorded is not known here. The ledger knows; nothing is sent twice. Run the same command again.",
        code="end_unknown",
    )


def _place(sentence: str, *, code: str, opening: bool) -> LedgerError:
    return LedgerPlaceError(sentence, code=code) if opening else LedgerError(sentence, code=code)


def _literal(sql: str) -> bytes:
    """A statement as bytes: psycopg wants a literal, so that nobody formats values into it. Ours come from a file."""
    return sql.encode()


def connect(address: Address) -> Connection:
    """A connection in autocommit mode. Raises LostError if it can't be made at present."""
    try:
        return Connection.connect(autocommit=True, prepare_threshold=None, **address.given)
    except psycopg.Error as error:
        raise LostError(address.without_secrets(str(error)), made=False) from None
