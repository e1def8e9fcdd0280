"""The base of the PostgreSQL ledger: its two connections, and the runners with their locks.

One connection is for requests that sending waits for: claims, heartbeats, slots. The other is for settlements and slow requests.
"""

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from campaign.domain.errors import CampaignError
from campaign.domain.ledger_identity import LedgerIdentity
from campaign.ledger.clock import LEASE_SECONDS, Clock, SystemClock
from campaign.ledger.machine import username
from campaign.ledger.port import DesiredState
from campaign.ledger.postgres.connection import Session, parse
from campaign.ledger.postgres.schema import prepare
from campaign.ledger.postgres.writer import TRYING_SECONDS, TRYING_TO_RENEW_SECONDS, SerialConnection
from campaign.ledger.process_lock import ProcessLock, delete_stale, is_owner_dead


def stored_identity(rows: Sequence[tuple[Any, ...]]) -> LedgerIdentity | None:
    """The identity in the result of the statement `place`; None before the ledger's first run."""
    for values in rows:
        return _identity(*values)
    return None


def identity_here(ask: Callable[[str], Sequence[tuple[Any, ...]]], name: str) -> LedgerIdentity:
    """The identity of the database that answers statements of `postgres.sql`, with its name for people."""
    [(may_read,)], [(database, table)] = ask("may_read_system"), ask("database")
    return _identity(ask("system")[0][0] if may_read else "", database, table, name)


def _identity(system: str, database: int, table: int, name: str) -> LedgerIdentity:
    # The server is the machine, the database the file, and the table's OID stands for the time when it was made.
    host = f"the server {system}" if system else "its server"
    return LedgerIdentity(machine=system, adapters=frozenset(), inode=database, created_ns=table, host=host, path=name)


def lock_dir(identity: str) -> Path:
    """The folder of the lock files that show whether the runners of this machine are alive."""
    return user_data_path("campaign", appauthor=False) / f"{identity}.runners"


class Machine:
    """Shows whether runners are dead without waiting for the end of their leases.

    A lock is valid only within one boot of one machine: in a folder that several machines share, a lock that another machine holds may
    seem to be free.
    """

    def __init__(self, identity: str, *, clock: Clock | None = None) -> None:
        self.boot = (clock or SystemClock()).boot()
        self._folder = lock_dir(identity)

    def process_lock(self, runner: int) -> ProcessLock | None:
        """The runner's lock; None if it can't be taken, and others then wait for the end of the lease."""
        if not self.boot:
            return None
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return ProcessLock(self._folder, runner)
        except (OSError, CampaignError):
            return None

    def is_owner_dead(self, runner: int, boot: str) -> bool:
        """Whether the runner is certainly dead."""
        return bool(boot) and boot == self.boot and bool(is_owner_dead(self._folder, runner))

    def delete_stale(self, runner: int) -> None:
        delete_stale(self._folder, runner)


class Store:
    """A ledger in a database, open for writing.

    Args:
        url: `postgresql://...`; the ledger is created if missing.
        host: the name of this machine, for people.
        clock: the machine's clock, or a test's. Only its boot is used, as all times are the database's.
    """

    def __init__(self, url: str, *, host: str | None = None, clock: Clock | None = None) -> None:
        self._address = parse(url)
        self._machine = Machine(prepare(self._address), clock=clock)
        self._host = host or socket.gethostname()
        self._locks: dict[int, ProcessLock | None] = {}
        self._writer = SerialConnection(self._address, "ledger-writer", trying_seconds=TRYING_SECONDS)
        self._quick = SerialConnection(self._address, "ledger-claims", trying_seconds=TRYING_TO_RENEW_SECONDS)

    async def close(self) -> None:
        await self._quick.close()
        await self._writer.close()
        for process_lock in self._locks.values():
            if process_lock is not None:
                process_lock.release()

    async def _insert_runner(self, campaign: int, activity: str, *, quiet_seconds: float = 0.0, hold_unverified: bool = False) -> int:
        values = {"campaign": campaign, "host": self._host, "pid": os.getpid(), "boot": self._machine.boot, "activity": activity}
        values |= {"lease": LEASE_SECONDS, "username": username(), "quiet_seconds": quiet_seconds, "hold_unverified": hold_unverified}
        made: dict[int, ProcessLock | None] = {}

        def work(db: Session) -> int:
            runner = int(db.one("register_runner", values))
            # Inside the transaction: nobody may ever see the runner without its lock.
            made[runner] = self._machine.process_lock(runner)
            if made[runner] is None:
                db.all("without_process_lock", runner=runner)
            return runner

        runner = await self._writer.do(work)
        self._locks[runner] = made.pop(runner)
        for process_lock in made.values():
            if process_lock is not None:
                process_lock.release_and_delete()
        return runner

    async def _end_runner(self, runner: int, ended: str) -> None:
        await self._writer.do(lambda db: db.all("deregister_runner", runner=runner, ended=ended))
        self._release_lock(runner)

    def _release_lock(self, runner: int) -> None:
        if process_lock := self._locks.pop(runner, None):
            process_lock.release_and_delete()

    def _is_dead(self, runner: int, boot: str, *, late: bool) -> bool:
        return runner not in self._locks and (late or self._machine.is_owner_dead(runner, boot))


def skip_if_cancelled(db: Session, campaign: int) -> None:
    """Skip the pending rows of a cancelled campaign, which come back from claims. Call it under a lock of the campaign."""
    if db.one("get_desired_state", campaign=campaign) == DesiredState.CANCELLED:
        db.all("cancel_rows", campaign=campaign)
