"""The one thread that writes. It puts all waiting requests into one transaction, so that one sync to disk serves many."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from campaign.domain.errors import CampaignError, LedgerError
from campaign.ledger.sqlite.connection import SqliteClock, connect, errors_as_sentences, in_words, move_log
from campaign.ledger.sqlite.integrity import RollbackGuard

T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]
Request = tuple[Work, asyncio.Future[Any], bool]
"""A function, the future of its result, and whether its changes have to be durable."""

MOST_WAITING: Final = 1000
MOST_TOGETHER: Final = 64
PATIENCE_SECONDS: Final = 0.01
MOST_PATIENCE: Final = 3000
SYNCHRONOUS: Final = {True: "FULL", False: "NORMAL"}
"""SQLite's setting for a commit, by whether it has to survive a power cut."""

LONGEST_LOG_PAGES: Final = 1000
"""A longer log is moved to the file itself."""
LONGEST_LOG_PAGES_BEFORE_A_SYNC: Final = 8 * LONGEST_LOG_PAGES
"""The same after commits that wait for no disk: each move of the log does."""


class Writer:
    """Runs functions on one connection, in order, each completely or not at all, and answers once they are on disk."""

    def __init__(self, connection: apsw.Connection, path: Path, clock: SqliteClock) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._guard = RollbackGuard(path)
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._closed = False
        self._log_pages = 0
        self._moving: asyncio.Future[None] | None = None
        connection.set_wal_hook(self._logged)
        self._thread.start()

    async def do(self, work: Callable[[apsw.Connection], T], *, durable: bool = True) -> T:
        """The result of `work`, once its changes are durable. Without `durable`, a power cut may undo them until a durable commit.

        Raises:
            LedgerError: nothing of it was written, or nobody would find it.
        """
        if self._closed:
            raise LedgerError("The ledger is closed.", code="ledger_closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        for _ in range(MOST_PATIENCE):
            if self._waiting.qsize() < MOST_WAITING:
                self._waiting.put((work, future, durable))
                return await future
            await asyncio.sleep(PATIENCE_SECONDS)
        raise LedgerError(f"The ledger {self._path} is too slow: {MOST_WAITING} writes wait for the disk.", code="ledger_slow")

    def begin_move(self) -> None:
        """Begin to move the log in another thread, so that little of it is left for the one that writes."""
        if self._moving is None or self._moving.done():
            # Not in the thread that writes: to begin another one, it would wait for Python's lock.
            self._moving = asyncio.get_running_loop().run_in_executor(None, self._move_aside)

    def _move_aside(self) -> None:
        # What is not moved now is moved after a later commit.
        with suppress(OSError, apsw.Error, CampaignError), closing(connect(self._path)) as connection:
            # The log must not be moved to another file that was put in the ledger's place, nor when that is closed.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._guard.check_in_place()
            with closing(RollbackGuard(self._path)) as guard:
                move_log(connection, guard)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)
            if self._moving is not None:
                await self._moving
            self._connection.close()
            self._guard.close()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            batch = [item]
            last = False
            # Nobody else takes items from the queue, so `get_nowait` does not fail.
            while len(batch) < MOST_TOGETHER and not self._waiting.empty():
                more = self._waiting.get_nowait()
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[Request]) -> None:
        answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        durable = any(durable for *_, durable in batch)
        try:
            with errors_as_sentences(self._path):
                self._connection.pragma("synchronous", SYNCHRONOUS[durable])
                self._connection.execute("BEGIN IMMEDIATE")
                self._guard.check_in_place()
                before = self._connection.total_changes()
                if len(batch) == 1:
                    # A single request fails with its transaction, and needs no savepoint.
                    (work, future, _), *_ = batch
                    answers.append((future, work(self._connection), None))
                else:
                    answers.extend((future, *self._one(work)) for work, future, _ in batch)
                # A transaction that only read needs no sync to disk, and no mark.
                latest = self._clock.stamp(self._connection) if self._connection.total_changes() > before else None
                self._connection.execute("COMMIT")
                if latest is not None:
                    # Who opened the ledger without a file that was removed since the first look may not see this commit.
                    self._guard.check_in_place()
                    if durable:
                        # A ledger that is behind its mark after a power cut would seem to be an older copy.
                        self._guard.note(latest)
                    self._move_log(LONGEST_LOG_PAGES if durable else LONGEST_LOG_PAGES_BEFORE_A_SYNC)
        except BaseException as error:  # noqa: BLE001 - a thread has no caller: those who wait get the error
            with suppress(apsw.Error):
                self._connection.execute("ROLLBACK")
            answers = [(future, None, error) for _, future, _ in batch]
        _answer(answers)

    def _logged(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _move_log(self, longest: int) -> None:
        if self._log_pages >= longest:
            # It is tried again after the next commit.
            with suppress(apsw.Error):
                move_log(self._connection, self._guard)

    def _one(self, work: Work) -> tuple[Any, BaseException | None]:
        self._connection.execute("SAVEPOINT one")
        try:
            result = work(self._connection)
        except (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.NotADBError):
            # SQLite may have rolled back the whole transaction, so nothing of the batch can be kept.
            raise
        except BaseException as error:  # noqa: BLE001 - (same)
            self._connection.execute("ROLLBACK TO one; RELEASE one")
            return None, (in_words(error, self._path) or error) if isinstance(error, apsw.Error) else error
        self._connection.execute("RELEASE one")
        return result, None


def _answer(answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    def set_results() -> None:
        for future, result, error in answers:
            if future.cancelled():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

    # The loop is closed only if the process is ending. Commits stay.
    with suppress(RuntimeError):
        answers[0][0].get_loop().call_soon_threadsafe(set_results)
