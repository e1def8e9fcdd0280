"""A connection that waits for nothing forever, and relies on nothing that a session would keep: any pooler may stand in between."""

from collections.abc import Mapping
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from campaign.ledger.postgres.address import Address
from campaign.ledger.postgres.errors import LostError, in_words, lost
from campaign.ledger.statements import statements

T = TypeVar("T")

SQL: Final = statements("postgres.sql")

PATIENCE_SECONDS: Final = 6.0
"""How long a statement of a runner at work may take: a database that says nothing for longer is as good as gone."""

IDLE_SECONDS: Final = 5.0
"""After so long the database gives up a transaction whose client is gone, cut off or frozen; and one that waits for a lock."""

LONG_SECONDS: Final = 3600.0
"""The same of what goes through a whole campaign."""


def _literal(sql: str) -> bytes:
    """Ours, from a file: psycopg asks for this so that nobody puts values into a statement by himself."""
    return sql.encode()


class Connection(psycopg.Connection[TupleRow]):
    patience_seconds = PATIENCE_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's own; breaks the connection when the database says nothing for too long."""
        try:
            return super().wait(gen, interval, self.patience_seconds if timeout is None else timeout)
        except errors._WaitTimeout as error:  # noqa: SLF001 - psycopg documents it as what its `wait` raises
            self.close()
            raise errors.ConnectionTimeout(f"it did not answer within {self.patience_seconds:g} s") from error


def connect(address: Address) -> Connection:
    """A connection that commits each statement by itself.

    Raises:
        LostError: it can't be made at present.
    """
    try:
        return Connection.connect(autocommit=True, prepare_threshold=None, **address.given)
    except psycopg.Error as error:
        raise LostError(address.without_secrets(str(error)), made=False) from None


class Session:
    """One connection, made when it is needed, and made anew after it broke.

    Every method but `close` raises LostError when it broke meanwhile, and a sentence of the error tree when the database refused.
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
        """Everything that a statement of `postgres.sql` answers."""
        cursor = self.run(SQL[statement], {**(values or {}), **more})
        return cursor.fetchall() if cursor.description else []

    def one(self, statement: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """The first value of the first row that a statement answers; None if there is none."""
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
            raise self.told(error) from error

    def run(self, sql: str, values: Mapping[str, Any] | None = None) -> psycopg.Cursor[TupleRow]:
        """Run any statement; without values it may be several in one message."""
        try:
            return self.raw.execute(_literal(sql), values or None)
        except psycopg.Error as error:
            raise self.told(error) from error

    def told(self, error: psycopg.Error) -> Exception:
        """What to raise for an exception of psycopg."""
        broken = bool(self.raw.closed or self.raw.broken)
        return lost(error, self.address, broken=broken) or in_words(error, self.address)

    def roll_back(self) -> None:
        """Undo what was begun; if even that fails, the database does it."""
        if self._connection is None or self._connection.closed:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
