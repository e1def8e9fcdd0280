"""How a reader asks: short questions on one connection that is made anew when it breaks, long answers each on one of its own."""

import threading
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import stamina
from psycopg.rows import TupleRow

from campaign.ledger.postgres.address import Address
from campaign.ledger.postgres.connection import LONG_SECONDS, PATIENCE_SECONDS, SQL, Session
from campaign.ledger.postgres.errors import LostError, given_up

TRYING_SECONDS: Final = 9.0
FETCHED_AT_ONCE: Final = 2000

# All that is streamed is of one moment; and whoever writes it to a slow disk may take his time between two parts.
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '1h'"


class Looking:
    """Safe to use from several threads."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._one_at_a_time = threading.Lock()
        self._session = Session(address)

    def all(self, statement: str, /, *, seconds: float = PATIENCE_SECONDS, **values: Any) -> list[TupleRow]:
        """Everything that a statement of `postgres.sql` answers; it may take so many seconds.

        Raises:
            LedgerError: the database can't be reached.
        """
        with self._one_at_a_time:
            try:
                for attempt in stamina.retry_context(
                    on=LostError, attempts=None, timeout=TRYING_SECONDS, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
                ):
                    with attempt:
                        return self._once(statement, seconds, values)
            except LostError as error:
                raise given_up(self._address, error) from error
        raise AssertionError("a retry ends with an answer or an error")

    def _once(self, statement: str, seconds: float, values: dict[str, Any]) -> list[TupleRow]:
        try:
            return self._session.connected(patience_seconds=seconds).all(statement, values)
        except LostError:
            self._session.drop()
            raise

    def stream(self, statement: str, **values: Any) -> Iterator[TupleRow]:
        """The rows of one moment, a part at a time.

        Raises:
            LedgerError: the connection broke; what came before is not the whole.
        """
        session = Session(self._address)
        try:
            session.connected(patience_seconds=LONG_SECONDS).run(_BEGIN)
            try:
                with psycopg.ServerCursor(session.raw, "rows") as cursor:
                    cursor.itersize = FETCHED_AT_ONCE
                    cursor.execute(SQL[statement].encode(), values)
                    yield from cursor
            except psycopg.Error as error:
                raise session.told(error) from error
        except LostError as error:
            raise given_up(self._address, error) from error
        finally:
            session.drop()

    def close(self) -> None:
        self._session.drop()
