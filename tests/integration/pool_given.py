"""A whole sender in this process: the real ledger, gateway and pool, against the real simulator on its socket."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign.domain.model import Outcome, ResultRow, Settlement, StagedRow
from campaign.domain.status import Status
from campaign.ledger.clock import Clock, SystemClock
from campaign.ledger.port import CampaignRecord, CampaignSpec, LedgerReader
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.sender.attempt import Policy
from campaign.sender.pool import Pool
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import Simulator

QUIET = Policy(quiet_seconds=0.6)


@dataclass
class Log:
    """An observer that keeps what it hears."""

    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)

    def settled(self, settlement: Settlement) -> None:
        self.settlements.append(settlement)

    def event(self, name: str, **details: object) -> None:
        self.events.append((name, details))

    def named(self, name: str) -> list[dict[str, object]]:
        return [details for found, details in self.events if found == name]


@dataclass
class Rig:
    simulator: Simulator
    ledger: SqliteLedger
    reader: LedgerReader
    folder: Path
    log: Log = field(default_factory=Log)
    clock: Clock = field(default_factory=SystemClock)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    gateway: type[HttpGateway] = HttpGateway
    timeout_seconds: float = 1.0
    sending: list[asyncio.Task[End]] = field(default_factory=list)

    async def campaign(self, *ids: str, name: str = "promo", message: str = "Hello", zones: dict[str, str] | None = None) -> CampaignRecord:
        """One staged, with a row for each pass, in these time zones."""
        spec = CampaignSpec(
            name=name, list_name="list", list_sha256="a", message_sha256="b", columns=("id",), id_column="id", settings={"rate": ""}
        )
        record = await self.ledger.create(spec)
        unsent = Outcome(status=Status.PENDING)
        rows = [
            StagedRow(row=row, pass_id=one, pass_key=one, message=message, cells=(one,), outcome=unsent, zone=(zones or {}).get(one, ""))
            for row, one in enumerate(ids, 1)
        ]
        await self.ledger.stage(record.id, rows)
        await self.ledger.finish_staging(record.id, content_sha256="c")
        return record

    async def send(self, record: CampaignRecord, *, account: str = "", **settings: Any) -> End:
        """One run of the pool, unpaced unless told otherwise."""
        given = PoolSettings(**{"key": "token", "rate_per_second": None, "read_rate_per_second": 500.0, "policy": QUIET} | settings)
        runner = await self.ledger.register_runner(
            record.id, quiet_seconds=given.policy.quiet_seconds, api=self.simulator.url, account=account
        )
        try:
            gateway = self.gateway(
                url=self.simulator.url, token="token", concurrency=given.workers, timeouts=Timeouts(total_seconds=self.timeout_seconds)
            )
            async with gateway:
                pool = Pool(
                    ledger=self.ledger,
                    reader=self.reader,
                    gateway=gateway,
                    observer=self.log,
                    runner=runner,
                    settings=given,
                    clock=self.clock,
                )
                return await pool.run(stop=self.stop, stop_now=asyncio.Event())
        finally:
            await self.ledger.deregister_runner(runner, "test")

    def start(self, record: CampaignRecord, **settings: Any) -> asyncio.Task[End]:
        """`send` beside the test; what a test that failed leaves of it ends before the ledger is closed."""
        self.sending.append(asyncio.create_task(self.send(record, **settings)))
        return self.sending[-1]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits for what another task is about to do; fails by the test's own time limit."""
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 - the books have no event to wait for
                await asyncio.sleep(0.01)

    def rows(self, record: CampaignRecord) -> dict[str, ResultRow]:
        return {row.pass_id: row for row in self.reader.rows(record.id)}

    def statuses(self, record: CampaignRecord) -> dict[str, tuple[str, str]]:
        return {one: (row.outcome.status.value, row.outcome.reason) for one, row in self.rows(record).items()}

    def processed(self) -> Counter[str]:
        """How often the simulator really processed a message, by pass."""
        return Counter(notification.id for notification in self.simulator.audit())


@asynccontextmanager
async def rig(folder: Path, *, clock: Clock | None = None, timeout_seconds: float = 1.0, **settings: Any) -> AsyncIterator[Rig]:
    """A sender that waits for an answer for so long: where none is late on purpose, for longer than a busy machine may take."""
    async with Simulator(SimulatorConfig(**{"limit_per_second": 0, "hang_seconds": 5.0, "late_seconds": 0.2} | settings)) as simulator:
        clock = clock or SystemClock()
        ledger = SqliteLedger(folder / "campaign.db", clock=clock)
        reader = SqliteReader(folder / "campaign.db", clock=clock)
        given = Rig(simulator=simulator, ledger=ledger, reader=reader, folder=folder, clock=clock, timeout_seconds=timeout_seconds)
        try:
            yield given
        finally:
            for task in given.sending:
                task.cancel()
            await asyncio.gather(*given.sending, return_exceptions=True)
            await ledger.close()
            reader.close()


def passes(count: int) -> list[str]:
    return [f"pass-{number:05}" for number in range(count)]
