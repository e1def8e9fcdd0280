"""The ledgers on which campaigns are killed, looked at from outside: a file, and a database whose server is struck as well."""

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, assert_never

import psycopg
from psycopg.rows import dict_row

from campaign.ledger.sqlite.connection import connect
from tests.chaos.blows import Blow, Strike
from tests.chaos.points import LedgerKind
from tests.contract import postgres_server
from tests.contract.postgres_server import Server

_CLIENTS: Final = "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND backend_type = 'client backend'"

_INDEXED: Final = {"rows": "campaign, status, zone, due_at, row, reason", "attempts": "campaign, row, fencing_token"}
_BY_INDEX: Final = ("indexscan", "indexonlyscan", "bitmapscan")
_BY_TABLE: Final = ("seqscan", "sort", "bitmapscan")


class Kept(ABC):
    """One campaign's ledger. `address` is what the command is told."""

    address: str
    kind: LedgerKind

    @abstractmethod
    def select(self, statement: str) -> list[dict[str, Any]]:
        """What a statement answers that every kind understands."""

    @abstractmethod
    def problems(self) -> list[str]:
        """What is wrong with the ledger itself."""

    def strike(self, strike: Strike) -> bool:
        """Have something befall it; whether there was anything to be struck."""
        del strike
        return False

    def look_after(self, *, at_once: bool = False) -> None:  # noqa: B027 - a file needs nobody
        """Start what was stopped, when it has been away for long enough, or at once."""


class InFile(Kept):
    kind = LedgerKind.SQLITE

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._path = path

    def select(self, statement: str) -> list[dict[str, Any]]:
        connection = connect(self._path, read_only=True)
        try:
            cursor = connection.execute(statement)
            return [dict(zip((name for name, *_ in cursor.get_description()), values, strict=True)) for values in cursor]
        finally:
            connection.close()

    def problems(self) -> list[str]:
        return [str(found["integrity_check"]) for found in self.select("PRAGMA integrity_check") if found["integrity_check"] != "ok"]


class InServer(Kept):
    kind = LedgerKind.POSTGRES

    def __init__(self, server: Server) -> None:
        self._server = server
        self._database = server.database()
        self._back_at: float | None = None
        self.address = server.url(self._database)

    def select(self, statement: str, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """`without` are ways of the planner, by the last parts of their settings' names."""
        self._server.wait_until_it_answers()
        options = " ".join(("-c search_path=campaign", *(f"-c enable_{way}=off" for way in without)))
        with psycopg.connect(self.address, row_factory=dict_row, options=options) as connection:
            return connection.execute(statement.encode()).fetchall()

    def problems(self) -> list[str]:
        """Whether tables and indexes say the same, after all the crashes."""
        found = []
        for table, columns in _INDEXED.items():
            statement = f"SELECT {columns} FROM {table} ORDER BY {columns}"
            try:
                whole, index = (self.select(statement, without=ways) for ways in (_BY_INDEX, _BY_TABLE))
            except psycopg.Error as error:
                found.append(f"the table {table} or its index can't be read: {error}")
            else:
                if whole != index:
                    found.append(f"the table {table} has {len(whole)} rows, its index {len(index)}, or others")
        return found

    def strike(self, strike: Strike) -> bool:
        if self._back_at is not None:
            return False
        match strike.blow:
            case Blow.RESTART:
                return self._stop(signal.SIGINT, strike.away_seconds)
            case Blow.CRASH:
                return self._stop(signal.SIGQUIT, strike.away_seconds)
            case Blow.PROCESS:
                return any(map(_kill, self._clients()))
            case Blow.CUT:
                cut = bool(self._clients())
                self._server.terminate(self._database)
                return cut
            case _:
                assert_never(strike.blow)

    def look_after(self, *, at_once: bool = False) -> None:
        if self._back_at is not None and (at_once or time.monotonic() >= self._back_at):
            self._server.start()
            self._back_at = None

    def _stop(self, how: signal.Signals, away_seconds: float) -> bool:
        self._server.stop(how)
        self._back_at = time.monotonic() + away_seconds
        return True

    def _clients(self) -> list[int]:
        self._server.wait_until_it_answers()
        return [pid for (pid,) in self._server.run(_CLIENTS.format(self._database))]


def _kill(process: int) -> bool:
    """Whether it was still there.

    Until the server has reaped it, the server does not know of the death and takes connections that it then breaks.
    """
    deadline = time.monotonic() + 20
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    with suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
            assert time.monotonic() < deadline, "the server does not notice that its process was killed"
            time.sleep(0.001)
    return True


@contextmanager
def ledgers(kind: LedgerKind) -> Iterator[Callable[[Path], Kept]]:
    """What makes a new ledger for each campaign, in its folder if it needs one."""
    match kind:
        case LedgerKind.SQLITE:
            yield lambda folder: InFile(folder / "campaign.db")
        case LedgerKind.POSTGRES:
            with postgres_server.running() as server:
                yield lambda _folder: InServer(server)
        case _:
            assert_never(kind)
