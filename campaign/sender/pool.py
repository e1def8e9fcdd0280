"""The pool of workers: claim → wait for a slot → send → settle, until nothing is left or the run has to stop."""

import asyncio
import math
import random
from collections.abc import Callable
from functools import partial
from typing import Final

from campaign.domain.model import Claim
from campaign.ledger.clock import Clock
from campaign.ledger.port import Ledger, LedgerReader, Runner
from campaign.sender.api.identity import NO_PASS, IdentifyingGateway
from campaign.sender.control import RunControl
from campaign.sender.executor import AttemptExecutor, SendWindow, Workers
from campaign.sender.lease_keeper import MARGIN_SECONDS, TAKEN_OVER, LeaseKeeper
from campaign.sender.port import Gateway, Observer
from campaign.sender.prefetch import ClaimPrefetcher
from campaign.sender.rate_limiter import RateLimiter
from campaign.sender.readback.baselines import Baselines
from campaign.sender.settings import PoolSettings
from campaign.sender.settlement import SettlementBatcher
from campaign.sender.stop import End, StopReason, StopSignal, happens_within

DRAIN_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 0.1


class Pool:
    """One process's share of a campaign. Use once: `run`."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        reader: LedgerReader,
        gateway: Gateway,
        observer: Observer,
        runner: Runner,
        settings: PoolSettings,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._stop_signal = StopSignal()
        self._gateway = IdentifyingGateway(gateway, origin=settings.origin, stop=partial(self._stop_signal.set, StopReason.SAFEGUARD))
        self._observer = observer
        self._runner = runner
        self._settings = settings
        self._lease_keeper = LeaseKeeper(ledger, runner, clock.ticks)
        self._settlements = SettlementBatcher(ledger, runner, observer)
        rate = settings.rate_per_second
        self._limiter = RateLimiter(ledger, settings.key, rate, usable=self._usable) if rate is not None else None
        self._left = settings.limit if settings.limit is not None else math.inf
        self._rows: ClaimPrefetcher | Baselines | None = None
        self._held: Claim | None = None
        self._timing = SendWindow(
            settings.schedule,
            reader.zones(runner.campaign),
            clock.wall,
            daily_cap=settings.daily_cap,
            only=settings.only,
        )
        self._control = RunControl(
            ledger=ledger,
            reader=reader,
            gateway=self._gateway,
            runner=runner,
            observer=observer,
            settings=settings,
            lease_keeper=self._lease_keeper,
            timing=self._timing,
            stop_signal=self._stop_signal,
        )
        self._executor = AttemptExecutor(
            ledger=ledger,
            gateway=self._gateway,
            observer=observer,
            runner=runner,
            settlements=self._settlements,
            lease_keeper=self._lease_keeper,
            limiter=self._limiter,
            stop_signal=self._stop_signal,
            timing=self._timing,
            settings=settings,
            clock=clock,
            jitter=jitter,
        )
        self._workers = Workers(settings.workers, self._executor.send)

    async def run(self, *, stop: asyncio.Event, stop_now: asyncio.Event) -> End:
        """Send until nothing is left, or until `stop` is set.

        Args:
            stop: begin no new sends; those in flight get 10 s to settle.
            stop_now: do not wait for those in flight.

        Raises:
            CampaignError: the ledger can't be used any more; the next run finds all claimed rows.
        """
        if not await self._lease_keeper.start():
            return End(ended=StopReason.LEASE_LOST, why=TAKEN_OVER)
        read_limiter = self._control.read_limiter
        async with asyncio.TaskGroup() as group:
            settlements = group.create_task(self._settlements.run())
            helpers = [group.create_task(work) for work in self._control.works(stop)]
            if self._limiter is not None:
                helpers.append(group.create_task(self._limiter.run()))
            self._rows = rows = self._source(read_limiter, group)
            dispatcher = group.create_task(self._dispatch(rows, read_limiter, group))
            await self._stop_signal.wait()
            dispatcher.cancel()
            await asyncio.wait([dispatcher])
            await self._drain(rows, stop_now)
            self._settlements.close()
            await settlements
            for helper in helpers:
                helper.cancel()
        return self._stop_signal.end or End(ended=StopReason.FINISHED)

    def _source(self, read_limiter: RateLimiter, group: asyncio.TaskGroup) -> ClaimPrefetcher | Baselines:
        rate = self._settings.rate_per_second
        claims = ClaimPrefetcher(self._ledger, self._runner, rate_per_second=rate, terms=self._timing.terms, group=group)
        if not self._settings.baseline:
            return claims
        return Baselines(
            claims,
            ledger=self._ledger,
            gateway=self._gateway,
            limiter=read_limiter,
            runner=self._runner,
            observer=self._observer,
            rate_per_second=rate,
            group=group,
        )

    async def _dispatch(self, rows: ClaimPrefetcher | Baselines, read_limiter: RateLimiter, group: asyncio.TaskGroup) -> None:
        identified = False
        slots = 0
        idle_seconds = 0.0
        while self._left > 0:
            if self._executor.must_ask or self._gateway.must_identify:
                await self._ask(rows, read_limiter, group)
            self._held = await rows.next(most=int(min(self._left, 10**9)))
            if self._held is None:
                if not self._workers.busy:
                    await self._decide_refusals(read_limiter)
                if await self._is_finished():
                    self._stop_signal.set(StopReason.FINISHED)
                    return
                # Briefly at first: at the end of a run this is the time until its last rows are settled.
                idle_seconds = min(IDLE_SECONDS, 2 * idle_seconds + IDLE_SECONDS / 20)
                await asyncio.sleep(idle_seconds)
                continue
            idle_seconds = 0.0
            if not identified:
                await self._gateway.identify(self._held.pass_id, read_limiter)
                identified = True
            if self._stop_signal.is_set():
                return
            if self._limiter is not None:
                # Several due slots are used together, if there is no wait between them.
                slots = slots or await self._limiter.slots(min(await self._workers.wait(), 1 + rows.at_hand))
                slots -= 1
            await self._workers.give(self._held, group)
            self._held = None
            self._left -= 1
        while self._workers.busy:  # noqa: ASYNC110 - the rows within the limit are sent before the run ends
            await asyncio.sleep(IDLE_SECONDS / 4)
        await self._decide_refusals(read_limiter)
        self._stop_signal.set(StopReason.LIMIT)

    async def _ask(self, rows: ClaimPrefetcher | Baselines, read_limiter: RateLimiter, group: asyncio.TaskGroup) -> None:
        """Find out, before more is sent, whether refusals concern their rows or the token, and whether PassEntry answers."""
        waiting = self._workers.take_waiting()
        self._left += len(waiting)
        # Shielded: if the caller is cancelled here, the rows that are being given back must not be lost.
        await asyncio.shield(group.create_task(rows.give_back(*waiting)))
        if self._executor.must_ask:
            await self._decide_refusals(read_limiter)
        if self._gateway.must_identify:
            await self._gateway.identify_again(self._executor.last_accepted or NO_PASS, read_limiter)

    async def _decide_refusals(self, read_limiter: RateLimiter) -> None:
        """Read the passes of held refusals, to find out whether they concern their rows or the token.

        Before and after them a pass that got a message is read, to see that the token works.
        """
        held = self._executor.held_refusals
        if not held:
            return
        passes = [self._executor.last_accepted] if self._executor.last_accepted else []
        passes += [pass_id for pass_id, _ in await self._ledger.reference_passes(self._runner.campaign)]
        readable: dict[int, bool | None] = dict.fromkeys(held)
        works = await self._gateway.token_works(passes, read_limiter)
        if works:
            for row, pass_id in held.items():
                readable[row] = await self._gateway.can_read(pass_id, read_limiter)
            works = await self._gateway.token_works(passes, read_limiter)
        await self._executor.decide_refusals(works=works, readable=readable)

    def _usable(self) -> tuple[float, float]:
        rows = self._rows.left if self._rows is not None else math.inf
        return self._workers.free, min(self._left, rows + (self._held is not None))

    async def _is_finished(self) -> bool:
        if self._workers.busy:
            return False
        work = await asyncio.to_thread(self._reader.pending_work, self._runner.campaign)
        if work.sending and any(not batch.worked_on for batch in await asyncio.to_thread(self._reader.batches, self._runner.campaign)):
            self._stop_signal.set(StopReason.BATCHES_LEFT)
        self._timing.zones = await asyncio.to_thread(self._reader.pending_zones, self._runner.campaign, self._settings.only)
        opens_at = self._timing.opens_at() if work.pending_in_seconds is not None else None
        busy = work.sending or (work.pending_in_seconds is not None and opens_at is None)
        self._lease_keeper.activity = "sending" if busy else "waiting"
        if opens_at is not None:
            self._control.wait_until(opens_at, work)
        else:
            await self._control.wait_for_passes(work)
        only = self._settings.only
        if only is not None and not await asyncio.to_thread(self._reader.unfinished, self._runner.campaign, only):
            self._stop_signal.set(StopReason.LIMIT)
        return work.finished

    async def _drain(self, rows: ClaimPrefetcher | Baselines, stop_now: asyncio.Event) -> None:
        held = [self._held] if self._held is not None else []
        await rows.give_back(*held, *self._workers.take_waiting())
        # Without a lease no send may outlast it: other runners count the quiet period from its end.
        patience_seconds = DRAIN_SECONDS if self._lease_keeper.is_held() else MARGIN_SECONDS
        deadline = asyncio.get_running_loop().time() + patience_seconds
        while self._workers.busy and asyncio.get_running_loop().time() < deadline and not await happens_within(stop_now, 0.02):
            pass
        await self._workers.stop()
        await self._executor.release_refusals()
