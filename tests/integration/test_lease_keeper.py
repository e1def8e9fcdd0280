"""A lease is counted from when the ledger wrote it, however long the run took to come to its first send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from campaign.ledger.port import Runner
from campaign.ledger.sqlite import SqliteLedger
from campaign.sender.api.gateway import HttpGateway, Timeouts
from campaign.sender.pool import Pool
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End, StopReason
from tests.integration.test_time import HOUR, QUIET_SECONDS, Bench, Nobody, bench


async def run_as(runner: Runner, at: Bench, *, rate: float) -> End:
    """One run of a runner that was enlisted before."""
    settings = PoolSettings(key="token", rate_per_second=rate, read_rate_per_second=100.0)
    async with HttpGateway(url=at.simulator.url, token="t", concurrency=settings.workers, timeouts=Timeouts()) as gateway:
        pool = Pool(
            ledger=at.ledger,
            reader=at.reader,
            gateway=gateway,
            observer=Nobody(),
            runner=runner,
            settings=settings,
            clock=at.clock,
        )
        async with asyncio.timeout(20):
            return await pool.run(stop=asyncio.Event(), stop_now=asyncio.Event())


@asynccontextmanager
async def another(at: Bench) -> AsyncIterator[SqliteLedger]:
    """The ledger as another process has it open."""
    ledger = SqliteLedger(at.path, clock=at.clock)
    try:
        yield ledger
    finally:
        await ledger.close()


async def test_a_run_that_begins_late_in_its_lease_is_taken_for_dead_by_nobody(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 40) as at, another(at) as other:
        runner = await at.ledger.register_runner(at.record.id, quiet_seconds=QUIET_SECONDS)
        at.clock.suspend(runner.lease_seconds - 1)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(run_as(runner, at, rate=20.0))
            await at.until(lambda: at.sent() >= 5)
            # By the lease of its beginning alone, all that it holds would now be another's to send.
            at.clock.suspend(2.0)
            assert await other.reap_dead_runners(quiet_seconds=QUIET_SECONDS) == 0
        assert run.result().ended is StopReason.FINISHED
        at.every_pass_once(40)


async def test_a_run_that_begins_after_its_lease_was_taken_sends_nothing_and_ends_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path / "campaign.db", 3) as at, another(at) as other:
        runner = await at.ledger.register_runner(at.record.id, quiet_seconds=QUIET_SECONDS)
        at.clock.suspend(HOUR)
        assert await other.reap_dead_runners(quiet_seconds=QUIET_SECONDS) == 0
        assert (await run_as(runner, at, rate=20.0)).ended is StopReason.LEASE_LOST
        assert at.sent() == 0
