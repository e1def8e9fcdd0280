"""Ledger backends for the tests, and a clock that the test owns."""

from dataclasses import dataclass, field
from pathlib import Path

from campaign.ledger.port import Ledger, LedgerReader
from campaign.ledger.sqlite import SqliteLedger, SqliteReader


@dataclass
class HandClock:
    """A clock that moves only when it is told to."""

    seconds: float = 1000.0
    unix: float = 1_800_000_000.0
    boot_id: str = "first"

    def ticks(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.unix

    def boot(self) -> str:
        return self.boot_id

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.unix += seconds


@dataclass
class Backend:
    """Opens as many ledgers and readers of one store as a test wants."""

    path: Path
    clock: HandClock = field(default_factory=HandClock)
    opened: list[SqliteLedger] = field(default_factory=list)
    readers: list[SqliteReader] = field(default_factory=list)

    def ledger(self) -> Ledger:
        self.opened.append(SqliteLedger(self.path, clock=self.clock))
        return self.opened[-1]

    def reader(self) -> LedgerReader:
        self.readers.append(SqliteReader(self.path, clock=self.clock))
        return self.readers[-1]
