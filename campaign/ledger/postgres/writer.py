"""A connection with a thread: it does its tasks in order, each completely or not at all, even if the connection breaks.

The hard case is a commit whose answer is lost: it may have been made or not. So each transaction begins by writing its number into the
connection's row in `campaign.writers`. A read of that row waits until the old transaction is over, wherever it hangs, and shows its end.
The number that was there before shows whether a server that took over, perhaps behind a pooler, lacks what was committed before.
"""

import asyncio
import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import psycopg
import stamina
from psycopg.rows import TupleRow

from campaign.domain.errors import CampaignError, LedgerError
from campaign.ledger import ledger_errors
from campaign.ledger.clock import ticks
from campaign.ledger.postgres.connection import IDLE_SECONDS, PATIENCE_SECONDS, SQL, Address, LostError, Session, given_up, unknown_end

T = TypeVar("T")

TRYING_SECONDS: Final = 25.0
"""How long the database may be unreachable before the run ends, because it can't record anything."""

TRYING_TO_RENEW_SECONDS: Final = 9.0
"""The same for claims and heartbeats: a runner must give up while its lease still protects its rows."""

MOST_WAITING: Final = 1000
MOST_TOGETHER: Final = 64
WAIT_SECONDS: Final = 0.01
MOST_WAITS: Final = 3000

LONGEST_WAIT_SECONDS: Final = 1.0
"""The longest wait between two tries."""

REMEMBERED_SECONDS: Final = 3600.0
"""For how long a writer's row surely stays after its last transaction: `delete_old_writers` takes older ones away after a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`together`: it may share a transaction with other such tasks. `bare`: it has no transaction around it, and may be repeated."""

    work: Callable[[Session], Any]
    future: asyncio.Future[Any]
    together: bool
    bare: bool
    seconds: float


class SerialConnection:
    """Runs tasks in order on one connection, in its own thread. A task that fails because of the connection is retried for
    `trying_seconds`.
    """

    def __init__(self, address: Address, name: str, *, trying_seconds: float) -> None:
        self._address = address
        self._trying_seconds = trying_seconds
        self._id = uuid.uuid4()
        self._number = 0
        self._unsure: tuple[int, list[Any]] | None = None
        self._committed = 0
        self._committed_at = 0.0
        self._session = Session(address)
        self._waiting: queue.Queue[Task | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._closed = False
        self._thread.start()

    async def do(self, work: Callable[[Session], T], *, together: bool = False, seconds: float = PATIENCE_SECONDS) -> T:
        """The result of `work`, once its changes are durable. It may be called more than once, and must change only the database.

        With `together`, other tasks may share the transaction: only for tasks that take no lock that others wait for. A statement of it may
        take `seconds`.

        Raises:
            LedgerError: the database can't be reached, or refused it.
        """
        return await self._asked(work, together=together, bare=False, seconds=seconds)

    async def ask(self, work: Callable[[Session], T], *, seconds: float = PATIENCE_SECONDS) -> T:
        """The same without a transaction: each statement is durable by itself, and `work` must do no harm if it runs twice."""
        return await self._asked(work, together=False, bare=True, seconds=seconds)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._waiting.put, None)
            await asyncio.to_thread(self._thread.join)

    async def _asked(self, work: Callable[[Session], T], *, together: bool, bare: bool, seconds: float) -> T:
        if self._closed:
            raise LedgerError("The ledger is closed.", code="ledger_closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = Task(work=work, future=future, together=together, bare=bare, seconds=seconds)
        for _ in range(MOST_WAITS):
            try:
                self._waiting.put_nowait(task)
            except queue.Full:
                await asyncio.sleep(WAIT_SECONDS)
            else:
                return await future
        raise LedgerError(f"The ledger {self._address.name} is too slow: {MOST_WAITING} writes wait for it.", code="ledger_slow")

    def _run(self) -> None:
        held: Task | None = None
        while (task := held or self._waiting.get()) is not None:
            batch, held, last = self._gathered(task)
            self._perform(batch)
            if last:
                break
        self._delete_writer()

    def _gathered(self, first: Task) -> tuple[list[Task], Task | None, bool]:
        """The tasks of one transaction, one more task that can't share it (or None), and whether the queue has ended."""
        batch = [first]
        while first.together and len(batch) < MOST_TOGETHER:
            try:
                more = self._waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return batch, None, True
            if not more.together:
                return batch, more, False
            batch.append(more)
        return batch, None, False

    def _perform(self, batch: list[Task]) -> None:
        try:
            results = self._tried(batch)
        except BaseException as error:  # noqa: BLE001 - a thread has no caller: those who wait get the error
            self._session.roll_back()
            if len(batch) > 1 and not self._session_is_gone(error):
                # One of them was refused, and it is not known which: each is tried by itself.
                for task in batch:
                    self._perform([task])
                return
            _answer(batch, [error] * len(batch), failed=True)
        else:
            _answer(batch, results, failed=False)

    @staticmethod
    def _session_is_gone(error: BaseException) -> bool:
        return isinstance(error.__cause__, LostError)

    def _tried(self, batch: Sequence[Task]) -> list[Any]:
        try:
            for attempt in stamina.retry_context(
                on=LostError, attempts=None, timeout=self._trying_seconds, wait_initial=0.05, wait_max=LONGEST_WAIT_SECONDS, wait_jitter=0.1
            ):
                with attempt:
                    return self._once(batch)
        except LostError as error:
            unsure, self._unsure = self._unsure, None
            raise unknown_end(self._address) if unsure else given_up(self._address, error) from error
        raise AssertionError("a retry ends with an answer or an error")

    def _once(self, batch: Sequence[Task]) -> list[Any]:
        try:
            db = self._session.connected(patience_seconds=max(task.seconds for task in batch))
            if self._unsure is not None:
                done, (number, results) = _last_done(db, self._id), self._unsure
                self._unsure = None
                if done == number:
                    self._commit_is_known(number)
                    return results
            return _worked(db, batch) if batch[0].bare else self._transaction(db, batch)
        except LostError as error:
            if error.good:
                self._session.roll_back()
            else:
                self._session.drop()
            raise

    def _commit_is_known(self, number: int) -> None:
        self._committed, self._committed_at = number, ticks()

    def _transaction(self, db: Session, batch: Sequence[Task]) -> list[Any]:
        self._number += 1
        seconds = max(task.seconds for task in batch)
        begin = SQL["begin"] if seconds > PATIENCE_SECONDS else f"{SQL['begin']};{SQL['seek']}"
        before = db.run(begin.format(writer=self._id, number=self._number, idle_ms=round(IDLE_SECONDS * 1000)))
        self._check_all_is_there(db, _only_value(before) or 0)
        results = _worked(db, batch)
        try:
            db.raw.execute("COMMIT")
        except psycopg.Error as error:
            found = db.translated(error)
            if isinstance(found, LostError):
                self._unsure = self._number, results
            raise found from error
        self._commit_is_known(self._number)
        return results

    def _check_all_is_there(self, db: Session, done: int) -> None:
        """Compare the number of this connection's last transaction, by the database that answers now, with the one that was committed.

        Raises:
            LedgerError: it lacks one. From now on nobody sends from it until a person says so.
        """
        if done < self._committed and ticks() - self._committed_at < REMEMBERED_SECONDS:
            db.roll_back()
            db.all("forget_place")
            raise ledger_errors.went_back(self._address.name)

    def _delete_writer(self) -> None:
        with suppress(LostError, LedgerError):
            self._session.connected().all("delete_writer", writer=self._id)
            self._session.all("delete_old_writers")
        self._session.drop()


def _last_done(db: Session, writer: uuid.UUID) -> int:
    try:
        return int(db.one("done", writer=writer))
    except CampaignError as error:
        # A `statement_timeout` of the database may end the question, which waits for the old transaction. Only its answer tells.
        raise LostError(str(error), good=True) from error


def _only_value(cursor: psycopg.Cursor[TupleRow]) -> Any:
    """The value that one of several statements returned; None if it is NULL."""
    while cursor.description is None:
        cursor.nextset()
    ((value,),) = cursor.fetchall()
    return value


def _worked(db: Session, batch: Sequence[Task]) -> list[Any]:
    return [task.work(db) for task in batch]


def _answer(batch: Sequence[Task], answers: Sequence[Any], *, failed: bool) -> None:
    def set_results() -> None:
        for task, answer in zip(batch, answers, strict=True):
            if task.future.cancelled():
                continue
            if failed:
                task.future.set_exception(answer)
            else:
                task.future.set_result(answer)

    # The loop is closed only if the process is ending. Commits stay.
    with suppress(RuntimeError):
        batch[0].future.get_loop().call_soon_threadsafe(set_results)
