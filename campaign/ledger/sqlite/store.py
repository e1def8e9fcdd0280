"""What every part of the SQLite ledger stands on: its writer, its clock, and the runners with their lifelines."""

import os
import socket
from pathlib import Path
from typing import Any

import apsw

from campaign.ledger.clock import Clock, SystemClock
from campaign.ledger.host import username
from campaign.ledger.liveness import Lifeline, is_cut
from campaign.ledger.periods import LEASE_SECONDS
from campaign.ledger.port import Control
from campaign.ledger.sqlite.connection import SQL, SqliteClock, connect, errors_as_sentences, prepare
from campaign.ledger.sqlite.identity import place, store_identity
from campaign.ledger.sqlite.reader import lifelines
from campaign.ledger.sqlite.writer import Writer


class Store:
    """A ledger file, open for writing.

    Args:
        path: the file; made if there is none.
        clock: the machine's, or a test's.
        host: what names this machine to people.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None, host: str | None = None) -> None:
        prepare(path)
        self._path = path
        self._host = host or socket.gethostname()
        self._lifelines: dict[int, Lifeline] = {}
        connection = connect(path)
        with errors_as_sentences(path):
            connection.execute("BEGIN IMMEDIATE")
            self._clock = SqliteClock(connection, clock or SystemClock())
            self._clock.stamp(connection)
            placed = place(connection, path)
            connection.execute("COMMIT")
            if placed:
                # Into the file itself: what stands in its log only is not known once the file is moved without it.
                connection.pragma("wal_checkpoint")
        self._writer = Writer(connection, path, self._clock)

    async def close(self) -> None:
        await self._writer.close()
        for lifeline in self._lifelines.values():
            lifeline.let_go()

    async def move_here(self) -> None:
        await self._writer.do(lambda db: store_identity(db, self._path, move=True))

    def _times(self) -> dict[str, float]:
        return {"now": self._clock.now(), "wall": self._clock.wall()}

    async def _enlist(self, campaign: int, activity: str, *, quiet_seconds: float = 0.0, hold: bool = False) -> int:
        def work(db: apsw.Connection) -> int:
            values = {"campaign": campaign, "host": self._host, "pid": os.getpid(), "activity": activity, "lease": LEASE_SECONDS}
            values |= {"username": username(), "quiet": quiet_seconds, "hold": hold}
            runner = int(db.execute(SQL["enlist"], values | self._times()).get)
            # Inside the transaction: nobody may ever see the runner without its lifeline.
            self._lifelines[runner] = Lifeline(lifelines(self._path), runner)
            return runner

        return await self._writer.do(work)

    async def _sign_off(self, runner: int, ended: str) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute(SQL["dismiss"], {"runner": runner, "ended": ended, "wall": self._clock.wall()})

        await self._writer.do(work)
        if lifeline := self._lifelines.pop(runner, None):
            lifeline.cut()

    def _is_dead(self, runner: int, lease_until: float) -> bool:
        return bool(is_cut(lifelines(self._path), runner)) or lease_until < self._clock.now()


def rows(db: apsw.Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Everything that a statement of `sqlite.sql` answers."""
    return db.execute(SQL[statement], values).fetchall()


def exhaust(cursor: Any) -> None:
    """Run a statement for all its values: apsw makes one step at a time."""
    for _ in cursor:
        pass


def leave_out_if_cancelled(db: apsw.Connection, campaign: int) -> None:
    """What comes back to a cancelled campaign is left out at once."""
    if db.execute(SQL["get_control"], {"campaign": campaign}).get == Control.CANCELLED:
        db.execute(SQL["cancel_rows"], {"campaign": campaign})
