"""A run while the clocks do what they like: the wall clock is set, the machine is suspended. The ledger and the simulator are real."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from campaign.domain.model import Settlement
from campaign.domain.status import Status
from campaign.domain.verdict import Fault, Reply
from campaign.ledger.port import CampaignRecord, Ledger, Runner
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.sender.pool import Pool
from campaign.sender.port import InFlight
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End, StopReason
from campaign.simulator.config import Latency, SimulatorConfig
from campaign.simulator.server import Simulator
from tests.contract.given import campaign_of, staged

DAY = 86_400.0
HOUR = 3600.0
QUIET_SECONDS = 0.5


@dataclass
class ShiftedClock:
    """The machine's clocks, plus what the test says."""

    ticks_ahead: float = 0.0
    wall_ahead: float = 0.0

    def ticks(self) -> float:
        return time.monotonic() + self.ticks_ahead

    def wall(self) -> float:
        return time.time() + self.wall_ahead

    def boot(self) -> str:
        return "this"

    def suspend(self, seconds: float) -> None:
        self.ticks_ahead += seconds
        self.wall_ahead += seconds


@dataclass
class Nobody:
    """Notes what it is told."""

    ended: list[Settlement] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def settled(self, settlement: Settlement) -> None:
        self.ended.append(settlement)

    def event(self, name: str, **details: object) -> None:
        del details
        self.events.append(name)


@dataclass
class Bench:
    """A campaign on a ledger, a clock, and the simulator."""

    clock: ShiftedClock
    ledger: SqliteLedger
    reader: SqliteReader
    simulator: Simulator
    record: CampaignRecord
    path: Path

    async def send(self, *, rate: float | None, concurrency: int | None = None, seconds: float = 30.0) -> End:
        runner = await self.ledger.register_runner(self.record.id, quiet_seconds=QUIET_SECONDS)
        settings = PoolSettings(key="token", rate_per_second=rate, read_rate_per_second=100.0, concurrency=concurrency)
        try:
            async with HttpGateway(url=self.simulator.url, token="t", concurrency=settings.workers, timeouts=Timeouts()) as gateway:
                pool = Pool(
                    ledger=self.ledger,
                    reader=self.reader,
                    gateway=gateway,
                    observer=Nobody(),
                    runner=runner,
                    settings=settings,
                    clock=self.clock,
                )
                async with asyncio.timeout(seconds):
                    return await pool.run(stop=asyncio.Event(), stop_now=asyncio.Event())
        finally:
            await self.ledger.deregister_runner(runner, "over")

    @asynccontextmanager
    async def sending(self, **how: float) -> AsyncIterator[asyncio.Task[End]]:
        async with asyncio.TaskGroup() as group:
            yield group.create_task(self.send(rate=how.get("rate")))

    async def until(self, happens: Callable[[], bool], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not happens():  # noqa: ASYNC110 - what is waited for is the simulator's, and the ledger's
                await asyncio.sleep(0.01)

    def sent(self) -> int:
        return len(self.simulator.audit())

    def every_pass_once(self, rows: int) -> None:
        passes = [notification.id for notification in self.simulator.audit()]
        assert len(passes) == len(set(passes)) == rows

    def statuses(self) -> dict[Status, int]:
        return {status: count for status, count in self.reader.counts(self.record.id).by_status.items() if count}


@asynccontextmanager
async def bench(path: Path, rows: int, *, latency: float = 0.0) -> AsyncIterator[Bench]:
    clock = ShiftedClock()
    config = SimulatorConfig(limit_per_second=0, latency=Latency(low_seconds=latency, high_seconds=latency))
    async with Simulator(config) as simulator:
        ledger = SqliteLedger(path, clock=clock)
        reader = SqliteReader(path, clock=clock)
        try:
            record = await campaign_of(ledger, *(staged(row) for row in range(1, rows + 1)))
            yield Bench(clock=clock, ledger=ledger, reader=reader, simulator=simulator, record=record, path=path)
        finally:
            await ledger.close()
            reader.close()


async def test_setting_the_wall_clock_neither_stops_nor_hurries_a_run(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 120) as at:
        began = time.monotonic()
        async with at.sending(rate=60.0) as run:
            for step, share in ((DAY, 0.25), (-2 * DAY, 0.5), (DAY, 0.75)):
                await at.until(lambda share=share: at.sent() >= 120 * share)  # type: ignore[misc]  # mypy can't infer defaults of lambdas
                at.clock.wall_ahead += step
        assert run.result().ended is StopReason.FINISHED
        assert time.monotonic() - began > 120 / 60 * 0.9
        at.every_pass_once(120)
        sent_at = [row.outcome.sent_at for row in at.reader.rows(at.record.id)]
        days = {round((seconds - time.time()) / DAY) for seconds in sent_at}
        assert days == {-1, 0, 1}


async def test_what_throttles_a_run_is_not_ended_by_setting_the_wall_clock(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 1) as at:
        await at.ledger.throttle("token", retry_after_seconds=1.5)
        at.clock.wall_ahead += DAY
        began = time.monotonic()
        await at.send(rate=60.0)
        assert time.monotonic() - began > 1.3


@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_lease_and_a_quiet_period_are_not_moved_by_setting_the_wall_clock(tmp_path: Path, jump: float) -> None:
    async with bench(tmp_path / "campaign.db", 2) as at:
        other = SqliteLedger(at.path, clock=at.clock)
        runner = await other.register_runner(at.record.id, quiet_seconds=QUIET_SECONDS)
        await other.claim(runner, 1)
        at.clock.wall_ahead += jump
        assert await at.ledger.reap_dead_runners(quiet_seconds=QUIET_SECONDS) == 0
        await other.close()
        assert await at.ledger.reap_dead_runners(quiet_seconds=QUIET_SECONDS) == 1
        assert await at.ledger.claim_unverified(at.record.id, 9) == []
        at.clock.ticks_ahead += QUIET_SECONDS
        assert len(await at.ledger.claim_unverified(at.record.id, 9)) == 1


async def test_suspended_with_rows_in_hand_sends_none_of_them_and_the_next_run_sends_all(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 60) as at:
        async with at.sending(rate=20.0) as run:
            await at.until(lambda: at.sent() >= 15)
            at.clock.suspend(HOUR)
            before = at.sent()
        # What was on its way at that moment may still come; what waited for its turn may not.
        assert at.sent() <= before + 1
        assert run.result().ended is StopReason.LEASE_LOST
        assert set(at.statuses()) <= {Status.DELIVERED, Status.PENDING, Status.UNKNOWN}
        assert (await at.send(rate=100.0)).ended is StopReason.FINISHED
        at.every_pass_once(60)


async def test_suspended_before_a_row_in_a_worker_is_written_sends_it_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while it waits for a connection."""
    async with bench(tmp_path / "campaign.db", 3) as at:
        send = HttpGateway.send

        async def send_late(gateway: HttpGateway, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Fault:
            at.clock.suspend(HOUR)
            return await send(gateway, pass_id, message, in_flight=in_flight)

        monkeypatch.setattr(HttpGateway, "send", send_late)
        assert (await at.send(rate=20.0)).ended is StopReason.LEASE_LOST
        assert at.sent() == 0
        assert at.statuses() == {Status.PENDING: 3}


async def test_suspended_while_it_waits_for_answers_settles_them_if_nobody_has_taken_its_rows(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 10, latency=1.0) as at:
        async with at.sending() as run:
            await at.until(lambda: len(at.simulator.requests()) == 10 or at.sent() == 10)
            at.clock.suspend(HOUR)
        assert run.result().ended in {StopReason.FINISHED, StopReason.LEASE_LOST}
        at.every_pass_once(10)
        assert at.statuses() == {Status.DELIVERED: 10}


async def test_suspended_while_another_takes_its_rows_changes_nothing_of_theirs(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 40, latency=0.3) as at:
        other = SqliteLedger(at.path, clock=at.clock)
        try:
            async with at.sending(rate=40.0) as run:
                await at.until(lambda: at.sent() >= 10)
                at.clock.suspend(HOUR)
                assert await other.reap_dead_runners(quiet_seconds=QUIET_SECONDS) > 0
                before = at.sent()
            assert run.result().ended is StopReason.LEASE_LOST
            # Those that were with the API when the machine slept are processed there; no new one is begun.
            assert at.sent() <= before + 14
        finally:
            await other.close()
        assert (await at.send(rate=100.0)).ended is StopReason.FINISHED
        at.every_pass_once(40)
        assert at.statuses()[Status.DELIVERED] + at.statuses()[Status.ACCEPTED] == 40


async def test_suspended_between_two_renewals_goes_on_or_stops_but_never_doubles(tmp_path: Path) -> None:
    """Short naps add up beyond the lease, each within it."""
    async with bench(tmp_path / "campaign.db", 80) as at:
        async with at.sending(rate=40.0) as run:
            for nap in range(1, 6):
                await at.until(lambda nap=nap: at.sent() >= nap * 5 or run.done())  # type: ignore[misc]  # (same)
                at.clock.suspend(9.0)
        assert run.result().ended in {StopReason.FINISHED, StopReason.LEASE_LOST}
        assert (await at.send(rate=100.0)).ended is StopReason.FINISHED
        at.every_pass_once(80)


async def test_a_runner_that_slept_is_told_so_by_its_next_renewal(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 1) as at:
        other: Ledger = SqliteLedger(at.path, clock=at.clock)
        runner: Runner = await other.register_runner(at.record.id, quiet_seconds=QUIET_SECONDS)
        at.clock.suspend(HOUR)
        assert await at.ledger.reap_dead_runners(quiet_seconds=QUIET_SECONDS) == 0
        assert not await other.heartbeat(runner, "sending")
        assert await other.claim(runner, 1) == []
        await other.close()
