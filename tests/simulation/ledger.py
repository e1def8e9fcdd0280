"""The ledger's connections as the processes of the machine hold them: a commit is one moment, and ends with its process."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from unittest import mock

import apsw

from campaign.app import open_ledger
from campaign.domain.errors import LedgerError
from campaign.ledger import process_lock
from campaign.ledger.sqlite import SqliteLedger, SqliteReader, base
from campaign.ledger.sqlite.connection import SQL, SqliteClock
from campaign.ledger.sqlite.integrity import RollbackGuard
from campaign.ledger.sqlite.writer import MOST_TOGETHER, MOST_WAITING, Request, Writer
from campaign.settings import Settings
from tests.simulation.machine import PROCESS, Process
from tests.simulation.retries import LEFT, Retries


class TurnWriter(Writer):
    """The ledger's writer without its thread: a commit is one moment, and its answer comes after another."""

    def __init__(self, connection: apsw.Connection, path: Path, clock: SqliteClock) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._guard = RollbackGuard(path)
        self._asked: list[Request] = []
        self._closed = False
        self._log_pages = 0
        connection.set_wal_hook(self._logged)
        connection.create_scalar_function("heard_end", _heard_end, 1)
        self._turn_comes = False
        held = PROCESS.get()
        if held is not None:
            HELD.setdefault(held, []).append(self)

    async def do(self, work: Callable[[apsw.Connection], Any], *, durable: bool = True) -> Any:
        if self._closed:
            raise LedgerError("The ledger is closed.", code="ledger_closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        assert len(self._asked) < MOST_WAITING
        self._asked.append((work, future, durable))
        self._come(loop)
        return await future

    def begin_move(self) -> None:
        """Nothing: the power may be lost before any of the log is moved."""

    def _come(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._turn_comes:
            self._turn_comes = True
            loop.call_later(RUN.luck.choice((0.0, 0.001, 0.02)) * RUN.luck.random(), self._turn)

    def _turn(self) -> None:
        self._turn_comes = False
        batch, self._asked = self._asked[:MOST_TOGETHER], self._asked[MOST_TOGETHER:]
        if batch and not self._closed:
            self._commit(batch)
        if self._asked:
            self._come(asyncio.get_running_loop())

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._asked:
                self._commit(self._asked)
                self._asked = []
            self.cut()

    def cut(self) -> None:
        """As the end of the process does."""
        self._closed = True
        self._asked = []
        self._connection.close()
        self._guard.close()


class _Run:
    """What the parts that replace the system's look up."""

    luck: random.Random = random.Random(0)
    retries: Retries = Retries()


RUN = _Run()
HELD: Final[dict[Process, list[Any]]] = {}


def _heard_end(*left: Any) -> bool:
    if left == (0,):
        RUN.retries.ends.append((asyncio.get_running_loop().time(), _whose()))
    return False


def _whose() -> str:
    return process.name if (process := PROCESS.get()) is not None else ""


def _heeded(method: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    """The same, which tells that it has made rows pending."""

    async def taken(*args: Any, **named: Any) -> int:
        if count := await method(*args, **named):
            RUN.retries.took(_whose(), asyncio.get_running_loop().time())
        return count

    return taken


def release(process: Process) -> None:
    """Let go of what a process has open, as the system does when it ends."""
    for held in HELD.pop(process, []):
        if isinstance(held, TurnWriter):
            # Whoever is killed brings nothing from the log into the file.
            with suppress(apsw.Error):
                held._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            held.cut()
        elif isinstance(held, SqliteLedger):
            for lifeline in held._locks.values():
                lifeline.release()
        else:
            with suppress(apsw.Error):
                held._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            held.close()


@contextmanager
def in_place() -> Iterator[None]:
    """The ledger of the processes: its writer has no thread, and what they open is closed with them."""

    def opened(kind: Callable[..., Any]) -> Callable[..., Any]:
        def open_it(settings: Settings) -> Any:
            made = kind(settings.ledger_path)
            if (process := PROCESS.get()) is not None:
                HELD.setdefault(process, []).append(made)
            return made

        return open_it

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(base, "Writer", TurnWriter))
        # Nobody else would run meanwhile.
        stack.enter_context(mock.patch.object(process_lock, "WAIT_SECONDS", 0.0))
        stack.enter_context(mock.patch.object(base, "username", _whose))
        # To read which network cards there are costs more than all else of an opening.
        stack.enter_context(mock.patch.object(base, "adapters", return_value=frozenset({"card"})))
        stack.enter_context(mock.patch.dict(SQL, end_retry=LEFT + SQL["end_retry"]))
        for name in ("retry", "apply_corrections"):
            stack.enter_context(mock.patch.object(SqliteLedger, name, _heeded(getattr(SqliteLedger, name))))
        stack.enter_context(mock.patch.object(open_ledger, "open_ledger", opened(SqliteLedger)))
        stack.enter_context(mock.patch.object(open_ledger, "open_reader", opened(SqliteReader)))
        yield
