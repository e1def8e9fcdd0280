"""How a reader asks: short questions on one connection that is made anew when it breaks, long answers each on one of its own."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import psycopg
import stamina
from psycopg.rows import TupleRow

from campaign.ledger.postgres.address import Address
from campaign.ledger.postgres.connection import LONG_SECONDS, PATIENCE_SECONDS, SQL, Session
from campaign.ledger.postgres.errors import LostError, given_up

T = TypeVar("T")

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
        self._spare: queue.SimpleQueue[Session] = queue.SimpleQueue()

    def all(self, statement: str, /, *, seconds: float = PATIENCE_SECONDS, **values: Any) -> list[TupleRow]:
        """Everything that a statement of `postgres.sql` answers; it may take so many seconds.

        Raises:
            LedgerError: the database can't be reached.
        """
        with self._one_at_a_time:
            return self._tried(self._session, seconds, lambda session: session.all(statement, values))

    def stream(self, statement: str, **values: Any) -> Iterator[TupleRow]:
        """The rows of one moment, a part at a time.

        Raises:
            LedgerError: the connection broke; what came before is not the whole.
        """
        try:
            session = self._spare.get_nowait()
        except queue.Empty:
            session = Session(self._address)
        whole = False
        try:
            self._tried(session, LONG_SECONDS, lambda session: session.run(_BEGIN))
            try:
                with psycopg.ServerCursor(session.raw, "rows") as cursor:
                    cursor.itersize = FETCHED_AT_ONCE
                    cursor.execute(SQL[statement].encode(), values)
                    yield from cursor
            except psycopg.Error as error:
                raise session.told(error) from error
            session.run("COMMIT")
            whole = True
        except LostError as error:
            raise given_up(self._address, error) from error
        finally:
            if whole and self._spare.empty():
                self._spare.put(session)
            else:
                session.drop()

    def close(self) -> None:
        self._session.drop()
        while not self._spare.empty():
            self._spare.get().drop()

    def _tried(self, session: Session, seconds: float, work: Callable[[Session], T]) -> T:
        try:
            for attempt in stamina.retry_context(
                on=LostError, attempts=None, timeout=TRYING_SECONDS, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
            ):
                with attempt:
                    try:
                        return work(session.connected(patience_seconds=seconds))
                    except LostError:
                        session.drop()
                        raise
        except LostError as error:
            raise given_up(self._address, error) from error
        raise AssertionError("a retry ends with an answer or an error")
