"""The base of the SQLite ledger: its writer, its clock, the runners with their locks, and the identity of the file."""

import json
import os
import socket
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from campaign.domain.errors import LedgerPlaceError
from campaign.domain.ledger_identity import OPENED_AS_COPY, OPENED_BEHIND, LedgerIdentity, difference, is_other_file
from campaign.ledger.clock import LEASE_SECONDS, Clock, SystemClock
from campaign.ledger.machine import adapters, created_ns, machine_id, username
from campaign.ledger.port import DesiredState
from campaign.ledger.process_lock import ProcessLock, held_by_any, is_owner_dead
from campaign.ledger.sqlite.connection import SQL, SqliteClock, connect, errors_as_sentences, latest_time, move_log, prepare
from campaign.ledger.sqlite.integrity import ROUNDING_SECONDS, RollbackGuard, mark_path, marked, runners_folder
from campaign.ledger.sqlite.writer import Writer


class Store:
    """A ledger file, open for writing; created if missing. `host` is the name of this machine, for people."""

    def __init__(self, path: Path, *, clock: Clock | None = None, host: str | None = None) -> None:
        prepare(path)
        self._path = path
        self._host = host or socket.gethostname()
        self._locks: dict[int, ProcessLock] = {}
        connection = connect(path)
        try:
            with errors_as_sentences(path):
                connection.execute("BEGIN IMMEDIATE")
                self._clock = SqliteClock(connection, clock or SystemClock())
                if self._clock.is_of_another_boot:
                    check_not_in_use(path)
                placed = place(connection, path)
                self._clock.stamp(connection)
                connection.execute("COMMIT")
                if placed:
                    # Written to the file itself: if the file is moved without its log, an identity in the log would be lost.
                    with closing(RollbackGuard(path)) as guard, suppress(apsw.BusyError):
                        move_log(connection, guard)
        except BaseException:
            connection.close()
            raise
        self._writer = Writer(connection, path, self._clock)

    async def close(self) -> None:
        await self._writer.close()
        for process_lock in self._locks.values():
            process_lock.release()

    async def move_here(self) -> None:
        await self._writer.do(lambda db: store_identity(db, self._path, move=True))

    def _times(self) -> dict[str, float]:
        return {"now": self._clock.now(), "wall": self._clock.wall()}

    async def _insert_runner(self, campaign: int, activity: str, *, quiet_seconds: float = 0.0, hold_unverified: bool = False) -> int:
        made: dict[int, ProcessLock] = {}

        def work(db: apsw.Connection) -> int:
            values = {"campaign": campaign, "host": self._host, "pid": os.getpid(), "activity": activity, "lease": LEASE_SECONDS}
            values |= {"username": username(), "quiet_seconds": quiet_seconds, "hold_unverified": hold_unverified}
            runner = int(db.execute(SQL["register_runner"], values | self._times()).get)
            # Inside the transaction: nobody may ever see the runner without its lock.
            self._locks[runner] = made[runner] = ProcessLock(runners_folder(self._path), runner)
            return runner

        try:
            return await self._writer.do(work)
        except BaseException:
            # Whatever the error: a runner that was rolled back leaves its number to the next one, and one that was written is dead now.
            for runner, process_lock in made.items():
                del self._locks[runner]
                process_lock.release()
            raise

    async def _end_runner(self, runner: int, ended: str) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute(SQL["deregister_runner"], {"runner": runner, "ended": ended, "wall": self._clock.wall()})

        await self._writer.do(work)
        if process_lock := self._locks.pop(runner, None):
            process_lock.release_and_delete()

    def _is_dead(self, runner: int, lease_until: float) -> bool:
        return bool(is_owner_dead(runners_folder(self._path), runner)) or lease_until < self._clock.now()


def check_not_in_use(path: Path) -> None:
    """Check that no runner of another machine uses the file: SQLite's processes only see each other's writes within one machine.

    Raises:
        LedgerPlaceError: one does.
    """
    if held_by_any(runners_folder(path)):
        raise LedgerPlaceError(
            f"The ledger {path} is being used by another machine, or by a container with a kernel of its own. Neither would see what the "
            "other claims, and both would send it. Wait until that one has ended, or give them a ledger in PostgreSQL with --ledger.",
            code="ledger_on_two_machines",
        )


def identity_here(path: Path) -> LedgerIdentity:
    """The identity of the file on this machine now."""
    return LedgerIdentity(
        machine=machine_id(),
        adapters=adapters(),
        inode=path.stat().st_ino,
        created_ns=created_ns(path),
        host=socket.gethostname(),
        path=str(path.absolute()),
    )


def stored_identity(rows: list[tuple[Any, ...]]) -> LedgerIdentity | None:
    """The identity in the result of the statement `identity`; None if an earlier version made the ledger, and no newer one has written."""
    for machine, known_adapters, inode, created, host, path in rows:
        return LedgerIdentity(
            machine=machine,
            adapters=frozenset(json.loads(known_adapters)),
            inode=int(inode),
            created_ns=created,
            host=host,
            path=path,
        )
    return None


def store_identity(db: apsw.Connection, path: Path, *, move: bool) -> None:
    """Store the file's identity, unless it differs from the stored one and `move` is False."""
    known, here = stored_identity(db.execute(SQL["identity"]).fetchall()), identity_here(path)
    if known is not None:
        if difference(known, here) is None:
            here = known.seen(here)
        elif not move:
            return
    if here != known:
        _set_identity(db, here)


def _set_identity(db: apsw.Connection, found: LedgerIdentity) -> None:
    values = {"machine": found.machine, "adapters": json.dumps(sorted(found.adapters)), "inode": str(found.inode)}
    db.execute(SQL["set_identity"], values | {"created_ns": found.created_ns, "host": found.host, "path": found.path})


def place(db: apsw.Connection, path: Path) -> bool:
    """Store the file's identity if none is stored yet, or the file was renamed; returns whether it did.

    Notes in a copy that it is one, and whether it lacks what its original has. Call it before the clock is stamped.
    """
    known = stored_identity(db.execute(SQL["identity"]).fetchall())
    if known is not None:
        here = identity_here(path)
        if is_other_file(known, here):
            # Every opening makes its clock newer, so the mark of the original would not show any more that it is older.
            behind = known.inode == OPENED_BEHIND or _is_behind(db, known)
            _set_identity(db, replace(known, inode=OPENED_BEHIND if behind else OPENED_AS_COPY))
            return False
        if os.path.exists(known.path) or difference(known, here) is not None:  # noqa: PTH110 - pathlib's raises in a shut folder
            return False
    store_identity(db, path, move=False)
    return True


def _is_behind(db: apsw.Connection, known: LedgerIdentity) -> bool:
    """Whether the original of this copy is where it was, and its mark is newer than the copy."""
    with suppress(OSError):
        there = identity_here(Path(known.path))
        if known.inode == OPENED_AS_COPY and known.created_ns:
            # The number was replaced, but the time of creation shows the same.
            there = replace(there, inode=known.inode)
        if difference(known, there) is None:
            return latest_time(db) < marked(Path(known.path)).latest - ROUNDING_SECONDS
    return False


def newer_mark(known: LedgerIdentity) -> str:
    """The mark that shows that a copy is behind its original; empty if it is not, or there is none any more."""
    before = Path(known.path)
    return str(mark_path(before)) if known.inode == OPENED_BEHIND and marked(before).latest else ""


def rows(db: apsw.Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """All rows that a statement of `sqlite.sql` returns."""
    return db.execute(SQL[statement], values).fetchall()


def exhaust(cursor: Any) -> None:
    """Run a statement for all its values: apsw only makes one step at a time."""
    for _ in cursor:
        pass


def skip_if_cancelled(db: apsw.Connection, campaign: int) -> None:
    """Skip the pending rows of a cancelled campaign, which come back from claims."""
    if db.execute(SQL["get_desired_state"], {"campaign": campaign}).get == DesiredState.CANCELLED:
        db.execute(SQL["cancel_rows"], {"campaign": campaign})
