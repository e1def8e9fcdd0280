"""Ledger backends for the tests, and a clock that the test owns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from campaign.ledger.port import Ledger, LedgerReader
from campaign.ledger.postgres import PostgresLedger, PostgresReader
from campaign.ledger.postgres.connection import parse
from campaign.ledger.postgres.schema import prepare
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from tests.contract import postgres_server
from tests.contract.postgres_server import HAND_CLOCK, TEMPLATE, Server

NAMES = ("sqlite", "postgres")


@dataclass
class HandClock:
    """A clock that moves only when it is told to. `passed` is how much time really has; who asks another machine sees that."""

    seconds: float = 1000.0
    unix: float = 1_800_000_000.0
    boot_id: str = "first"
    passed: float = 1_800_000_000.0
    watchers: list[Callable[[float], None]] = field(default_factory=list)

    def ticks(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.unix

    def boot(self) -> str:
        return self.boot_id

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.unix += seconds
        self._pass(seconds)

    def boot_again(self, boot_id: str, *, away_seconds: float, wall_seconds: float) -> None:
        """The machine was away, and is back with another boot and a wall clock that is so much off."""
        self.boot_id, self.seconds = boot_id, 5.0
        self.unix += away_seconds + wall_seconds
        self._pass(away_seconds)

    def _pass(self, seconds: float) -> None:
        self.passed += seconds
        for watcher in self.watchers:
            watcher(self.passed)


class Backend(ABC):
    """Opens as many ledgers and readers of one store as a test wants."""

    knows_the_dead_of_an_earlier_boot: bool

    def __init__(self) -> None:
        self.opened: list[Ledger] = []
        self.readers: list[LedgerReader] = []

    def ledger(self) -> Ledger:
        self.opened.append(self._ledger())
        return self.opened[-1]

    def reader(self) -> LedgerReader:
        self.readers.append(self._reader())
        return self.readers[-1]

    async def close(self) -> None:
        for ledger in self.opened:
            await ledger.close()
        for reader in self.readers:
            reader.close()
        self._let_go()

    @abstractmethod
    def another(self) -> "Backend":
        """Another store, on the same clock."""

    @abstractmethod
    def _ledger(self) -> Ledger: ...

    @abstractmethod
    def _reader(self) -> LedgerReader: ...

    def _let_go(self) -> None:  # noqa: B027 - not every store holds something
        pass


class SqliteBackend(Backend):
    knows_the_dead_of_an_earlier_boot = True

    def __init__(self, path: Path, clock: HandClock) -> None:
        super().__init__()
        self._path = path
        self._clock = clock

    def another(self) -> Backend:
        return SqliteBackend(self._path.with_name("other.db"), self._clock)

    def _ledger(self) -> Ledger:
        return SqliteLedger(self._path, clock=self._clock)

    def _reader(self) -> LedgerReader:
        return SqliteReader(self._path, clock=self._clock)


class PostgresBackend(Backend):
    # They may be of another machine, for all that can be known, so the end of their leases is waited for.
    knows_the_dead_of_an_earlier_boot = False

    def __init__(self, server: Server, clock: HandClock) -> None:
        super().__init__()
        self._server = server
        self._clock = clock
        self._database = server.database(template=TEMPLATE)
        self._hand = psycopg.connect(server.url(self._database), autocommit=True)
        clock.watchers.append(self._set)
        self._set(clock.passed)

    def another(self) -> Backend:
        return PostgresBackend(self._server, self._clock)

    def _set(self, seconds: float) -> None:
        self._hand.execute("UPDATE campaign.hand_clock SET seconds = %s", [seconds])

    def _ledger(self) -> Ledger:
        return PostgresLedger(self._server.url(self._database), clock=self._clock)

    def _reader(self) -> LedgerReader:
        return PostgresReader(self._server.url(self._database), clock=self._clock)

    def _let_go(self) -> None:
        self._clock.watchers.remove(self._set)
        self._hand.close()
        self._server.drop(self._database)


@contextmanager
def server_with_template() -> Iterator[Server]:
    """A server that has a ledger on a hand clock for `PostgresBackend` to copy."""
    with postgres_server.running() as server:
        server.run(f"CREATE DATABASE {TEMPLATE}")
        prepare(parse(server.url(TEMPLATE)))
        server.run(HAND_CLOCK, database=TEMPLATE)
        yield server


def ledger_at(place: str) -> Ledger:
    """The ledger at a path or a URL, on the clocks of real life."""
    return PostgresLedger(place) if place.startswith("postgresql://") else SqliteLedger(Path(place))


def reader_at(place: str) -> LedgerReader:
    return PostgresReader(place) if place.startswith("postgresql://") else SqliteReader(Path(place))
