"""Executes attempts: from a claim to its settlement, and what the answer means for later attempts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from campaign.domain.failure_guard import FailureGuard, Refusals, RowErrors
from campaign.domain.model import Claim
from campaign.domain.pace.foreign_traffic import ForeignTrafficEstimator
from campaign.domain.schedule import Schedule
from campaign.domain.status import SEND_FAILED
from campaign.domain.verdict import ACCEPTED, AttemptOutcome, Evidence, Fault, Reply, classify, rule_of
from campaign.ledger.clock import Clock
from campaign.ledger.port import ClaimFilter, Ledger, Runner
from campaign.sender.attempt import settle_attempt
from campaign.sender.lease_keeper import LeaseKeeper
from campaign.sender.port import Gateway, Observer, WhileHeld
from campaign.sender.rate_limiter import RateLimiter
from campaign.sender.settings import PoolSettings
from campaign.sender.settlement import SettlementBatcher
from campaign.sender.stop import StopReason, StopSignal

MOST_READY: Final = 512
"""How many claims may wait for a worker when there is no rate limit: the dispatcher then runs once for many of them."""


class Workers:
    """At most `most` tasks, which pass claims to `send`."""

    def __init__(self, most: int, send: Callable[[Claim], Awaitable[None]]) -> None:
        self._most = most
        self._send = send
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: asyncio.Queue[Claim] = asyncio.Queue(MOST_READY)
        self._freed = asyncio.Event()
        self._idle = 0
        self._sending = 0

    @property
    def busy(self) -> bool:
        """Whether a claim is being sent, or waits for a worker."""
        return self._sending > 0 or not self._ready.empty()

    @property
    def free(self) -> int:
        """How many more sends could begin now."""
        return self._most - len(self._tasks) + self._idle - self._ready.qsize()

    async def wait(self) -> int:
        """Wait until a send can begin, as a slot that waits for a worker is missed; returns how many can."""
        if self._idle <= self._ready.qsize():
            # If the machine is the limit, a worker is idle again within a turn of the loop, and more workers would not send more.
            await asyncio.sleep(0)
        while self.free < 1:
            self._freed.clear()
            await self._freed.wait()
        return max(1, self._idle - self._ready.qsize())

    async def give(self, claim: Claim, group: asyncio.TaskGroup) -> None:
        """Queue a claim for the next free worker; waits while the queue is full."""
        if self._ready.qsize() >= self._idle and len(self._tasks) < self._most:
            self._tasks.append(group.create_task(self._work()))
        await self._ready.put(claim)

    def take_waiting(self) -> list[Claim]:
        """Remove and return the claims that no worker has begun."""
        return [self._ready.get_nowait() for _ in range(self._ready.qsize())]

    async def stop(self) -> None:
        at_work = [task for task in self._tasks if not task.done()]
        for task in at_work:
            task.cancel()
        if at_work:
            await asyncio.wait(at_work)

    async def _work(self) -> None:
        while True:
            self._idle += 1
            self._freed.set()
            try:
                claim = await self._ready.get()
            finally:
                self._idle -= 1
            self._sending += 1
            try:
                await self._send(claim)
            finally:
                self._sending -= 1


class SendWindow:
    """The schedule of a run, at the present time of `wall`, in Unix seconds.

    `zones` are those of the campaign's rows; they are set again as rows end, and as corrections move rows into other zones. `daily_cap` and
    `only` are as in `ledger.port.ClaimFilter`.
    """

    def __init__(
        self,
        schedule: Schedule,
        zones: tuple[str, ...],
        wall: Callable[[], float],
        *,
        daily_cap: int,
        only: tuple[int, ...] | None,
    ) -> None:
        self._schedule = schedule
        self._is_always_open = schedule.window is None and schedule.start is None and schedule.end is None
        self.zones = zones
        self._wall = wall
        self._daily_cap = daily_cap
        self._only = only

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), tz=UTC)

    def terms(self) -> ClaimFilter:
        """Which rows may be claimed now."""
        zones = self._schedule.open_zones(self.zones, self.now())
        return ClaimFilter(zones=zones, daily_cap=self._daily_cap, only=self._only)

    def may_send(self, zone: str) -> bool:
        """Whether a row of this zone may be sent now. Asked again before a send, as the row may have been claimed a while ago."""
        return self._is_always_open or self._schedule.is_time(zone, self.now())

    def is_over(self) -> bool:
        """Whether no row may be sent any more, as the end has come or no window opens before it."""
        return self._schedule.is_past(self.zones, self.now())

    def opens_at(self) -> datetime | None:
        """When the next row may be sent; None if one may be sent now, or none ever."""
        now = self.now()
        return None if self._schedule.open_zones(self.zones, now) else self._schedule.next_time(self.zones, now)


LEASE_OVER: Final = "This process could not renew its lease on the ledger in time."


@dataclass(slots=True)
class _Attempt:
    """The end of one attempt, never changed. `sent_at` is in Unix seconds, `began` and `answered_at` are in the event loop's time."""

    claim: Claim
    result: Reply | Fault
    verdict: AttemptOutcome
    sent_at: float
    began: float
    answered_at: float


@dataclass(slots=True, kw_only=True)
class AttemptExecutor:
    """Sends for the workers of one pool. `last_accepted` is the pass of the last accepted message; empty if there is none yet."""

    ledger: Ledger
    gateway: Gateway
    observer: Observer
    runner: Runner
    settlements: SettlementBatcher
    lease_keeper: LeaseKeeper
    limiter: RateLimiter | None
    stop_signal: StopSignal
    timing: SendWindow
    settings: PoolSettings
    clock: Clock
    jitter: Callable[[], float]
    last_accepted: str = ""
    _failure_guard: FailureGuard = field(init=False)
    _row_errors: RowErrors = field(default_factory=RowErrors)
    _refusals: Refusals[_Attempt] = field(default_factory=Refusals)
    _neighbours: ForeignTrafficEstimator = field(default_factory=ForeignTrafficEstimator)

    def __post_init__(self) -> None:
        self._failure_guard = FailureGuard(halt=self.settings.halt, quiet_seconds=self.settings.policy.quiet_seconds)

    async def send(self, claim: Claim) -> None:
        """Send one row and pass its outcome to the settlements; release the row if the run has ended or the row may not be sent now."""
        if not self.lease_keeper.is_held():
            # Another runner may already have marked this row as unknown: sending it now could send it twice.
            self.stop_signal.set(StopReason.LEASE_LOST, LEASE_OVER)
        if self.stop_signal.is_set() or not self.timing.may_send(claim.zone):
            await self.ledger.release(self.runner, [claim])
            return
        in_flight = WhileHeld(self.lease_keeper.is_held)
        clock = asyncio.get_running_loop().time
        sent_at, began = self.clock.wall(), clock()
        try:
            result = await self.gateway.send(claim.pass_id, claim.message, in_flight=in_flight)
        except asyncio.CancelledError:
            fault = Fault(reason="interrupted", written=in_flight.written, error="The run was ended before the answer came.")
            await self._settle(_Attempt(claim, fault, classify(fault), sent_at, began, clock()), broken_off=True)
            raise
        attempt = _Attempt(claim, result, classify(result), sent_at, began, clock())
        await self._take(attempt)
        if self.limiter is not None:
            await self._slow_down(self.limiter, attempt.verdict, result)

    @property
    def held_refusals(self) -> dict[int, str]:
        """Rows, still claimed, whose refusal may concern the row or the token, each with its pass."""
        return {row: attempt.claim.pass_id for row, attempt in self._refusals.held}

    @property
    def must_ask(self) -> bool:
        """Whether the held refusals must be decided before more is sent."""
        return self._refusals.must_ask

    async def decide_refusals(self, *, works: bool | None, readable: Mapping[int, bool | None]) -> None:
        """See `Refusals.asked`."""
        decided = self._refusals.asked(works=works, readable=readable)
        if self._refusals.stop:
            self.stop_signal.set(StopReason.SAFEGUARD, self._refusals.stop)
        await self._settle_decided(decided)

    async def release_refusals(self) -> None:
        """Settle the held refusals at the end of a run; none of them counts as a refusal of its row."""
        for attempt in self._refusals.release():
            await self._settle(attempt)

    async def _take(self, attempt: _Attempt) -> None:
        proof = attempt.verdict.proof
        if proof is not Evidence.ROW_OR_ALL:
            await self._settle(attempt)
        else:
            self._failure_guard.note(attempt.verdict, failed=False, now=self.clock.ticks())
        if proof in ACCEPTED:
            self.last_accepted = attempt.claim.pass_id
            await self._settle_decided(self._refusals.accept(sent_at=attempt.began))
        elif proof is Evidence.REFUSED:
            self._refusals.answer()
        elif proof is Evidence.ROW_OR_ALL and isinstance(attempt.result, Reply):
            claim = attempt.claim
            refused_before = (
                claim.counted_attempts > 0 and claim.http_status is not None and rule_of(claim.http_status).proof is Evidence.ROW_OR_ALL
            )
            self._refusals.refuse(
                attempt,
                row=claim.row,
                answered_at=attempt.answered_at,
                http_status=attempt.result.http_status,
                again=refused_before,
            )

    async def _settle_decided(self, decided: list[tuple[_Attempt, bool]]) -> None:
        for attempt, own in decided:
            # If the refusal is not the row's own, the row is sent again, as often as any other that was not accepted.
            await self._settle(attempt, proves=Evidence.REFUSED if own else Evidence.NOT_ACCEPTED)

    async def _settle(self, attempt: _Attempt, *, proves: Evidence | None = None, broken_off: bool = False) -> None:
        """Pass the outcome to the settlements; `proves` is what other answers have shown if the attempt's own was not clear."""
        verdict = attempt.verdict if proves is None else replace(attempt.verdict, proof=proves)
        row = attempt.claim.row
        # If no byte left, the failure is never about a single row.
        own = verdict.proof is Evidence.AMBIGUOUS and self._row_errors.is_own(row)
        counts = not broken_off and self._failure_guard.counts(own=own)
        if verdict.proof in ACCEPTED:
            self._row_errors.accept(row, sent_at=attempt.began)
        elif verdict.proof is Evidence.AMBIGUOUS and counts:
            self._row_errors.fail(row, answered_at=attempt.answered_at)
        latency_seconds = attempt.answered_at - attempt.began
        settlement = settle_attempt(
            attempt.claim,
            attempt.result,
            verdict,
            policy=self.settings.policy,
            sent_at=attempt.sent_at,
            latency_seconds=latency_seconds,
            jitter=self.jitter(),
            held_against=counts,
        )
        await self.settlements.settle(settlement)
        failed = settlement.outcome.status in SEND_FAILED
        shown = replace(verdict, proof=Evidence.REFUSED) if failed and proves is not None else attempt.verdict
        again = attempt.claim.http_status == 401
        now = self.clock.ticks()
        if why := self._failure_guard.note(shown, failed=failed, now=now, latency_seconds=latency_seconds, row=row, own=own, again=again):
            self.stop_signal.set(StopReason.SAFEGUARD, why)

    async def _slow_down(self, limiter: RateLimiter, verdict: AttemptOutcome, result: Reply | Fault) -> None:
        pause = self._failure_guard.pause_seconds
        if isinstance(result, Reply):
            await self._lower_rate(limiter, result)
        if isinstance(result, Reply) and result.http_status == 429:
            self.observer.event("throttled", retry_after_seconds=result.retry_after_seconds)
            await limiter.throttle(result.retry_after_seconds)
        elif pause:
            self.observer.event("backing_off", seconds=pause, reason=verdict.reason)
            await limiter.pause(pause)

    async def _lower_rate(self, limiter: RateLimiter, reply: Reply) -> None:
        ours = limiter.rate_per_second
        self._neighbours.note(
            limit=reply.rate_limit, remaining=reply.rate_remaining, throttled=reply.http_status == 429, ours_per_second=ours
        )
        if self._neighbours.per_second:
            room = self._neighbours.room_per_second()
            self.observer.event("others_use_the_token", per_second=round(self._neighbours.per_second, 1), left_per_second=round(room, 1))
            # Observations at the old rate say nothing about the new one.
            self._neighbours = ForeignTrafficEstimator()
            await limiter.set_rate_factor(room)
