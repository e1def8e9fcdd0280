"""Sending a campaign by the vendor's batches: claim → create → check → release → read the report, many at once."""

import asyncio
import math
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from campaign.domain.batches import UNSENT, Size, name_of
from campaign.domain.failure_guard import FailureGuard
from campaign.domain.model import Settlement
from campaign.domain.status import SEND_FAILED
from campaign.domain.verdict import AttemptOutcome, Evidence
from campaign.ledger.clock import Clock
from campaign.ledger.port import Ledger, LedgerReader, Runner
from campaign.sender.batches.calls import UNPACED_PER_SECOND, Calls
from campaign.sender.batches.env import Env
from campaign.sender.batches.lifecycle import REPORT_SECONDS, Lifecycle
from campaign.sender.batches.watcher import Watcher
from campaign.sender.batches.wire import USUAL, Shape
from campaign.sender.control import RunControl
from campaign.sender.executor import SendWindow
from campaign.sender.lease_keeper import MARGIN_SECONDS, TAKEN_OVER, LeaseKeeper
from campaign.sender.pool import DRAIN_SECONDS, IDLE_SECONDS
from campaign.sender.port import BatchGateway, Gateway, Observer
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End, StopReason, StopSignal, happens_within

DISPATCH_SECONDS: Final = 5.0
LOOK_FOR_ORPHANS_SECONDS: Final = 2.0

CLAIMS_TOGETHER: Final = 4

UNRELEASED_SECONDS: Final = 6.0
"""So many seconds' worth of batches are under way before their release: enough that no call has to wait for another, and few to cancel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """`entity` is whose passes they are, at the vendor; `creates` says whether batches are made, or only those ended that were left."""

    entity: str = ""
    creates: bool = True
    shape: Shape = field(default_factory=lambda: USUAL)
    tag: str = ""
    report_seconds: float = REPORT_SECONDS


class BatchPool:
    """One process's share of a campaign. Use once: `run`. `gateway` is for reading passes back, `batch_gateway` for batches."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        reader: LedgerReader,
        gateway: Gateway,
        batch_gateway: BatchGateway,
        observer: Observer,
        runner: Runner,
        settings: PoolSettings,
        batches: BatchSettings,
        clock: Clock,
        campaign: str,
        jitter: Callable[[], float] = random.random,
        number: Callable[[], str] = lambda: secrets.token_hex(6),
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._observer = observer
        self._runner = runner
        self._settings = settings
        self._batches = batches
        self._clock = clock
        self._campaign = campaign
        self._number = number
        self._stop_signal = StopSignal()
        self._lease_keeper = LeaseKeeper(ledger, runner, clock.ticks)
        self._guard = FailureGuard(halt=settings.halt, quiet_seconds=settings.policy.quiet_seconds)
        self._left = settings.limit if settings.limit is not None else math.inf
        zones = reader.zones(runner.campaign)
        self._timing = SendWindow(settings.schedule, zones, clock.wall, daily_cap=settings.daily_cap, only=settings.only)
        self._control = RunControl(
            ledger=ledger,
            reader=reader,
            gateway=gateway,
            runner=runner,
            observer=observer,
            settings=settings,
            lease_keeper=self._lease_keeper,
            timing=self._timing,
            stop_signal=self._stop_signal,
            ignores_pause=not batches.creates,
        )
        self._calls = Calls(
            batch_gateway,
            ledger,
            observer,
            key=settings.key,
            rate_per_second=settings.rate_per_second,
            stop_signal=self._stop_signal,
            ticks=clock.ticks,
            jitter=jitter,
        )
        self._watcher = Watcher(self._calls, self._stop_signal, clock.ticks)
        self._env = Env(
            ledger=ledger,
            runner=runner,
            calls=self._calls,
            watcher=self._watcher,
            observer=observer,
            stop_signal=self._stop_signal,
            size=Size(),
            shape=batches.shape,
            tag=batches.tag,
            creates=batches.creates,
            quiet_seconds=settings.policy.quiet_seconds,
            report_seconds=batches.report_seconds,
            wall=clock.wall,
            ticks=clock.ticks,
            is_held=self._lease_keeper.is_held,
            may_release=self._timing.may_send,
            settled=self._settled,
            jitter=jitter,
        )
        self._lifecycles: dict[asyncio.Task[None], Lifecycle] = {}
        self._most_unreleased = max(2, math.ceil((settings.rate_per_second or UNPACED_PER_SECOND) * UNRELEASED_SECONDS))
        self._claiming = 0

    async def run(self, *, stop: asyncio.Event, stop_now: asyncio.Event) -> End:
        """Send until nothing is left, or until asked to stop; arguments and errors as of `Pool.run`."""
        if not await self._lease_keeper.start():
            return End(ended=StopReason.LEASE_LOST, why=TAKEN_OVER)
        async with asyncio.TaskGroup() as group:
            works = (*self._control.works(stop), self._watcher.run(), *self._calls.works())
            helpers = [group.create_task(work) for work in works]
            dispatcher = group.create_task(self._dispatch(group))
            await self._stop_signal.wait()
            self._env.closing.set()
            # What is being claimed is known a moment later, and given back.
            await asyncio.wait([dispatcher], timeout=DISPATCH_SECONDS)
            dispatcher.cancel()
            await asyncio.wait([dispatcher])
            await self._drain(stop_now)
            for helper in helpers:
                helper.cancel()
        return self._stop_signal.end or End(ended=StopReason.FINISHED)

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        adopted_at = -math.inf
        await self._cancel_late_ones()
        while not self._stop_signal.is_set():
            if self._clock.ticks() - adopted_at >= LOOK_FOR_ORPHANS_SECONDS:
                adopted_at = self._clock.ticks()
                at_work = {life.batch_id for life in self._lifecycles.values()}
                for batch in await self._ledger.adopt_batches(self._runner):
                    if batch.id not in at_work:
                        # A limit, or a choice of rows, is of what this run claims.
                        self._begin(Lifecycle(batch, self._env, is_undone=self._is_limited), group, is_own=False)
            # Several at once share a disk sync, and none of them keeps a turn to create waiting.
            if not any(await asyncio.gather(*(self._claim(group) for _ in range(CLAIMS_TOGETHER)))):
                if await self._is_finished() and await self._cancel_late_ones():
                    is_limit = self._batches.creates and (self._left <= 0 or self._settings.only is not None)
                    self._stop_signal.set(StopReason.LIMIT if is_limit else StopReason.FINISHED)
                await asyncio.sleep(IDLE_SECONDS)

    async def _claim(self, group: asyncio.TaskGroup) -> bool:
        """Begin one more batch; False if there is nothing to claim now, or enough is under way."""
        under_way = sum(not life.released.is_set() for life in self._lifecycles.values()) + self._claiming
        wanted = int(min(self._env.size.rows, self._left))
        if not self._batches.creates or wanted <= 0 or under_way >= self._most_unreleased:
            return False
        self._left -= wanted
        self._claiming += 1
        try:
            made = await self._ledger.claim_batch(
                self._runner,
                wanted,
                self._timing.terms(),
                name=name_of(self._campaign, runner=self._runner.id, number=self._number()),
                entity=self._batches.entity,
            )
        finally:
            self._claiming -= 1
        batch, claims = made or (None, [])
        self._left += wanted - len(claims)
        if batch is not None:
            self._begin(Lifecycle(batch, self._env, claims), group, is_own=True)
        return batch is not None

    def _begin(self, life: Lifecycle, group: asyncio.TaskGroup, *, is_own: bool) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            del self._lifecycles[task]
            if is_own:
                # What was claimed and not sent is there to be sent again.
                self._left += life.given_back

        task = group.create_task(life.run())
        self._lifecycles[task] = life
        task.add_done_callback(ended)

    @property
    def _is_limited(self) -> bool:
        return self._settings.limit is not None or self._settings.only is not None

    async def _is_finished(self) -> bool:
        if self._lifecycles:
            return False
        if not self._batches.creates:
            return not await asyncio.to_thread(self._reader.batches, self._runner.campaign)
        if self._left <= 0:
            return True
        work = await asyncio.to_thread(self._reader.pending_work, self._runner.campaign)
        only = self._settings.only
        if only is not None and not await asyncio.to_thread(self._reader.unfinished, self._runner.campaign, only):
            return True
        if work.pending_in_seconds is not None and (opens_at := self._timing.opens_at()) is not None:
            self._lease_keeper.activity = "waiting"
            self._control.wait_until(opens_at, work)
        else:
            self._lease_keeper.activity = "sending"
            await self._control.wait_for_passes(work)
        return work.finished

    def _settled(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            self._observer.settled(settlement)
            failed = settlement.outcome.status in SEND_FAILED
            proof = Evidence.REFUSED if failed else Evidence.DELIVERED
            if why := self._guard.note(AttemptOutcome(proof=proof), failed=failed, now=self._clock.ticks()):
                self._stop_signal.set(StopReason.SAFEGUARD, why)

    async def _drain(self, stop_now: asyncio.Event) -> None:
        """Cancel what was not released, and wait a little for what was."""
        patience_seconds = DRAIN_SECONDS if self._lease_keeper.is_held() else MARGIN_SECONDS
        deadline = self._clock.ticks() + patience_seconds
        while self._lifecycles and self._clock.ticks() < deadline and not await happens_within(stop_now, 0.02):
            pass
        if not self._lifecycles and not stop_now.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, deadline - self._clock.ticks())):
                    await self._cancel_late_ones()
        left = list(self._lifecycles)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _cancel_late_ones(self) -> bool:
        """Cancel what turned up late: batches whose creation got no answer, and of which the campaign has no row; whether none is left."""
        wall = self._clock.wall()
        names = frozenset(await asyncio.to_thread(self._reader.unidentified_batches, self._runner.campaign, since=wall))
        found = await self._calls.named(names) if names else []
        late = [one for one in found or () if one.state in UNSENT]
        for one in late:
            self._observer.event("batch_twice", batch=one.name, id=one.id)
            await self._calls.cancel(one.id)
        return found is not None and not late
