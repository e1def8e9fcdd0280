"""The workers: claim → wait for a turn → send → settle, until nothing is left or the run has to stop."""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from campaign.domain.model import Claim, Status
from campaign.domain.safeguard import Halt, Safeguard
from campaign.domain.verdict import Fault, Proof, Reply, Verdict
from campaign.ledger.port import Control, Ledger, LedgerReader, Runner
from campaign.sender.attempt import Policy, settle_attempt
from campaign.sender.claims import Claims
from campaign.sender.heart import Heart
from campaign.sender.pace import Pacer
from campaign.sender.port import Gateway, Observer
from campaign.sender.recorder import Recorder
from campaign.sender.verify import Verifier

DRAIN_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.4
IDLE_SECONDS: Final = 0.1
LATENCY_CARRIED_SECONDS: Final = 10.0
FEWEST_WORKERS: Final = 16
MOST_WORKERS: Final = 1024
UNPACED_WORKERS: Final = 64


class Ended(StrEnum):
    FINISHED = "finished"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    LIMIT = "limit"
    INTERRUPTED = "interrupted"
    SAFEGUARD = "safeguard"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    ended: Ended
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """`rate_per_second` None sends without pacing; `concurrency` None follows the rate; `limit` None sends all there is."""

    key: str
    rate_per_second: float | None
    read_rate_per_second: float = 9.0
    concurrency: int | None = None
    limit: int | None = None
    policy: Policy = field(default_factory=Policy)
    halt: Halt = field(default_factory=Halt)

    @property
    def workers(self) -> int:
        """How many sends may be under way at once: as many as keep the rate with answers of up to 10 s."""
        if self.concurrency is not None:
            return self.concurrency
        if self.rate_per_second is None:
            return UNPACED_WORKERS
        return min(MOST_WORKERS, max(FEWEST_WORKERS, math.ceil(self.rate_per_second * LATENCY_CARRIED_SECONDS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Unix seconds, and seconds that also count while the machine sleeps."""

    wall: Callable[[], float]
    ticks: Callable[[], float]


@dataclass(slots=True)
class _InFlight:
    written: bool = False


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
        clocks: Clocks,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._gateway = gateway
        self._observer = observer
        self._runner = runner
        self._settings = settings
        self._clocks = clocks
        self._jitter = jitter
        self._safeguard = Safeguard(halt=settings.halt)
        self._heart = Heart(ledger, runner, clocks.ticks)
        self._recorder = Recorder(ledger, runner, observer)
        self._pacer = Pacer(ledger, settings.key, settings.rate_per_second) if settings.rate_per_second is not None else None
        self._ready: asyncio.Queue[Claim | None] = asyncio.Queue(1 if self._pacer else MOST_WORKERS)
        self._workers: list[asyncio.Task[None]] = []
        self._idle = 0
        self._busy = 0
        self._held: Claim | None = None
        self._end: End | None = None
        self._stopped = asyncio.Event()

    async def run(self, *, stop: asyncio.Event, stop_now: asyncio.Event) -> End:
        """Send until nothing is left, or until told to stop.

        Args:
            stop: no new sends; those in flight get 10 s to settle.
            stop_now: nothing more is waited for.

        Raises:
            CampaignError: the ledger can't be used any more; everything claimed is found by the next run.
        """
        read_pacer = Pacer(self._ledger, f"{self._settings.key} read", self._settings.read_rate_per_second)
        verifier = Verifier(self._ledger, self._gateway, read_pacer, self._observer, self._runner.campaign)
        async with asyncio.TaskGroup() as group:
            recorder = group.create_task(self._recorder.run())
            helpers = [group.create_task(work) for work in (self._heart.run(), self._watch(stop), read_pacer.run(), verifier.run())]
            if self._pacer is not None:
                helpers.append(group.create_task(self._pacer.run()))
            claims = Claims(self._ledger, self._runner, rate_per_second=self._settings.rate_per_second, group=group)
            dispatcher = group.create_task(self._dispatch(claims, group))
            await self._stopped.wait()
            dispatcher.cancel()
            await asyncio.wait([dispatcher])
            await self._drain(claims, stop_now)
            await self._recorder.close()
            await recorder
            for helper in helpers:
                helper.cancel()
        return self._end or End(ended=Ended.FINISHED)

    def _stop(self, ended: Ended, why: str = "") -> None:
        if self._end is None:
            self._end = End(ended=ended, why=why)
            self._stopped.set()

    async def _dispatch(self, claims: Claims, group: asyncio.TaskGroup) -> None:
        left = self._settings.limit if self._settings.limit is not None else math.inf
        while left > 0:
            self._held = await claims.next(most=int(min(left, 10**9)))
            if self._held is None:
                if await self._is_finished():
                    self._stop(Ended.FINISHED)
                    return
                await asyncio.sleep(IDLE_SECONDS)
                continue
            if self._pacer is not None:
                await self._pacer.slot()
            if self._ready.qsize() >= self._idle and len(self._workers) < self._settings.workers:
                self._workers.append(group.create_task(self._work()))
            await self._ready.put(self._held)
            self._held = None
            left -= 1
        self._stop(Ended.LIMIT)

    async def _is_finished(self) -> bool:
        if self._busy or not self._ready.empty():
            return False
        outlook = await asyncio.to_thread(self._reader.outlook, self._runner.campaign)
        self._heart.activity = "sending" if outlook.pending_in_seconds is not None or outlook.sending else "waiting"
        return outlook.finished

    async def _work(self) -> None:
        while True:
            self._idle += 1
            try:
                claim = await self._ready.get()
            finally:
                self._idle -= 1
            if claim is None:
                return
            self._busy += 1
            try:
                await self._send(claim)
            finally:
                self._busy -= 1

    async def _send(self, claim: Claim) -> None:
        if not self._heart.beats():
            # Somebody else may already take this row for lost: to send it now could be to send it twice.
            self._stop(Ended.SUPERSEDED, "This process could not renew its lease on the ledger in time.")
            await self._ledger.release(self._runner, [claim])
            return
        in_flight = _InFlight()
        sent_at, began = self._clocks.wall(), asyncio.get_running_loop().time()
        try:
            result = await self._gateway.send(claim.pass_id, claim.message, in_flight=in_flight)
        except asyncio.CancelledError:
            result = Fault(reason="interrupted", written=in_flight.written, error="The run was ended before the answer came.")
            await self._settle(claim, result, sent_at, asyncio.get_running_loop().time() - began)
            raise
        verdict = await self._settle(claim, result, sent_at, asyncio.get_running_loop().time() - began)
        await self._slow_down(verdict, result)

    async def _settle(self, claim: Claim, result: Reply | Fault, sent_at: float, latency_seconds: float) -> Verdict:
        settlement, verdict = settle_attempt(
            claim, result, policy=self._settings.policy, sent_at=sent_at, latency_seconds=latency_seconds, jitter=self._jitter()
        )
        await self._recorder.settle(settlement)
        failed = settlement.outcome.status in {Status.FAILED, Status.UNKNOWN}
        if why := self._safeguard.note(verdict, failed=failed, now=self._clocks.ticks()):
            self._stop(Ended.SAFEGUARD, why)
        return verdict

    async def _slow_down(self, verdict: Verdict, result: Reply | Fault) -> None:
        pause = self._safeguard.pause_seconds
        if self._pacer is None:
            return
        if verdict.proof is Proof.THROTTLED and isinstance(result, Reply):
            self._observer.event("throttled", retry_after_seconds=result.retry_after_seconds)
            await self._pacer.throttle(result.retry_after_seconds)
        elif pause:
            self._observer.event("backing_off", seconds=pause, reason=verdict.reason)
            await self._pacer.throttle(pause)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Hear of what others want of this run: signals, pause and cancel, the death of other runners."""
        while not await happens_within(stop, LOOK_SECONDS):
            lost = await self._ledger.bury(quiet_seconds=self._runner.quiet_seconds)
            if lost:
                self._observer.event("rows_of_a_dead_runner", rows=lost)
            outlook = await asyncio.to_thread(self._reader.outlook, self._runner.campaign)
            if outlook.control is Control.PAUSED:
                self._stop(Ended.PAUSED)
            elif outlook.control is Control.CANCELLED:
                self._stop(Ended.CANCELLED)
            elif self._heart.lost:
                self._stop(Ended.SUPERSEDED, "Another process took this one for dead and has taken over its rows.")
        self._stop(Ended.INTERRUPTED)

    async def _drain(self, claims: Claims, stop_now: asyncio.Event) -> None:
        unsent = [self._held] if self._held is not None else []
        while not self._ready.empty():
            waiting = self._ready.get_nowait()
            if waiting is not None:
                unsent.append(waiting)
        await claims.give_back(*unsent)
        at_work = {worker for worker in self._workers if not worker.done()}
        deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while self._busy and asyncio.get_running_loop().time() < deadline and not await happens_within(stop_now, 0.02):
            pass
        for worker in at_work:
            worker.cancel()
        if at_work:
            await asyncio.wait(at_work)


async def happens_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, so long at the most; whether it has come."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
