"""`ledger.port.LedgerReader` on PostgreSQL."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import psycopg
import stamina
from psycopg.rows import TupleRow

from campaign.domain.ledger_identity import Displaced, difference
from campaign.domain.model import ResultRow
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.ledger import ledger_errors
from campaign.ledger.clock import RECENT_SECONDS, Clock
from campaign.ledger.port import DesiredState, PendingWork, ResultColumns
from campaign.ledger.postgres.base import Machine, identity_here, stored_identity
from campaign.ledger.postgres.connection import LONG_SECONDS, PATIENCE_SECONDS, SQL, Address, LostError, Session, given_up, parse
from campaign.ledger.postgres.schema import prepare
from campaign.ledger.postgres.values import selected
from campaign.ledger.reader import Reader
from campaign.ledger.values import result, result_columns

T = TypeVar("T")
TRYING_TO_READ_SECONDS: Final = 9.0
FETCHED_AT_ONCE: Final = 2000
_LONG: Final = frozenset(
    {
        *("attempts_by_runner", "count_by_reason", "count_by_status", "count_unverified", "examples", "first_with_text", "last_change"),
        *("last_run", "last_texts", "matching", "next_rows", "row_states", "rows_numbered", "rows_of_passes"),
    }
)
"""Statements that may go through a whole campaign."""

# A stream shows one moment; and writing it to a slow disk may leave the transaction idle between two parts.
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '1h'"


class ReadConnection:
    """Reads from the database. Safe to use from several threads."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._one_at_a_time = threading.Lock()
        self._session = Session(address)
        self._spare: queue.SimpleQueue[Session] = queue.SimpleQueue()

    def all(self, statement: str, /, **values: Any) -> list[TupleRow]:
        """All rows that a statement of `postgres.sql` returns. Raises LedgerError if the database can't be reached."""
        seconds = LONG_SECONDS if statement in _LONG else PATIENCE_SECONDS
        with self._one_at_a_time:
            return self._tried(self._session, seconds, lambda session: session.all(statement, values))

    def stream(self, statement: str, /, **values: Any) -> Iterator[TupleRow]:
        """The rows at one moment, a part at a time.

        Raises:
            LedgerError: the connection broke, so that the rows before are not all.
        """
        try:
            session = self._spare.get_nowait()
        except queue.Empty:
            session = Session(self._address)
        whole = False

        def begin(session: Session) -> tuple[psycopg.ServerCursor[TupleRow], list[TupleRow]]:
            session.run(_BEGIN)
            cursor = psycopg.ServerCursor(session.raw, "rows")
            cursor.itersize = FETCHED_AT_ONCE
            try:
                cursor.execute(SQL[statement].encode(), values)
                return cursor, cursor.fetchmany(FETCHED_AT_ONCE)
            except psycopg.Error as error:
                raise session.translated(error) from error

        try:
            # Up to its first rows a stream can begin again.
            cursor, first = self._tried(session, LONG_SECONDS, begin)
            yield from first
            try:
                with cursor:
                    yield from cursor
            except psycopg.Error as error:
                raise session.translated(error) from error
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
                on=LostError, attempts=None, timeout=TRYING_TO_READ_SECONDS, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
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


class PostgresReader(Reader):
    """A ledger in a database, open for reading. Safe to use from several threads."""

    _look: ReadConnection

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._address = address = parse(url)
        self._machine = Machine(prepare(address), clock=clock)
        self._look = ReadConnection(address)

    @property
    def place(self) -> str:
        return self._address.name

    def displaced(self) -> Displaced | None:
        known = stored_identity(self._all("place"))
        if known is None or (found := difference(known, identity_here(self._all, self.place))) is None:
            return None
        return Displaced(difference=found, before=known, last_run_at=self._all("last_run")[0][0])

    def rows(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultRow]:
        wanted = None if statuses is None else list(statuses)
        return (result(values) for values in self._look.stream("rows", campaign=campaign, statuses=wanted))

    def result_columns(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultColumns]:
        wanted = None if statuses is None else list(statuses)
        return result_columns(self._look.stream("result_columns", campaign=campaign, statuses=wanted))

    def pending_work(self, campaign: int) -> PendingWork:
        desired_state, pending_in, sending, unverified_in = self._all("pending_work", campaign=campaign)[0]
        if desired_state is None:
            raise ledger_errors.replaced()
        return PendingWork(
            desired_state=DesiredState(desired_state), pending_in_seconds=pending_in, sending=sending, unverified_in_seconds=unverified_in
        )

    def recent_rate(self, campaign: int) -> float:
        count, seconds = self._all("recent", campaign=campaign, within=RECENT_SECONDS)[0]
        return float(count / max(seconds, 1.0)) if count else 0.0

    def zones(self, campaign: int) -> tuple[str, ...]:
        found = self._all("zones", campaign=campaign)
        return tuple(found[0][0]) if found else ()

    def next_rows(self, campaign: int, count: int, *, zones: tuple[str, ...], only: tuple[int, ...] | None = None) -> tuple[int, ...]:
        values = {"limit": count, "zones": list(zones), "only": None if only is None else list(only)}
        return tuple(sorted(row for (row,) in self._all("next_rows", campaign=campaign, **values)))

    def close(self) -> None:
        self._look.close()

    def matching(self, campaign: int, selection: Selection) -> int:
        return int(self._all("matching", campaign=campaign, **selected(selection))[0][0])

    def last_change(self, campaign: int) -> float:
        return float(self._all("last_change", campaign=campaign)[0][0])

    def _all(self, statement: str, /, **values: Any) -> list[TupleRow]:
        return self._look.all(statement, **values)

    def _stream(self, statement: str, /, **values: Any) -> Iterator[TupleRow]:
        return self._look.stream(statement, **values)

    @staticmethod
    def _list(values: Sequence[Any]) -> list[Any]:
        return list(values)

    def _may_send(self, runner: int, *lease: Any) -> bool:
        boot, late = lease
        return not late and not self._machine.is_owner_dead(runner, boot)
