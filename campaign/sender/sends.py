"""One attempt: from a claim to its settlement, and what the answer means for the attempts after it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from campaign.domain.model import Claim, Status
from campaign.domain.neighbours import Neighbours
from campaign.domain.safeguard import Safeguard
from campaign.domain.verdict import Fault, Proof, Reply, Verdict
from campaign.ledger.port import Ledger, Runner
from campaign.sender.attempt import settle_attempt
from campaign.sender.ending import Ended, Ending
from campaign.sender.heart import Heart
from campaign.sender.pace import Pacer
from campaign.sender.port import Gateway, Observer
from campaign.sender.recorder import Recorder
from campaign.sender.settings import Clocks, PoolSettings
from campaign.sender.timing import Timing

LEASE_OVER: Final = "This process could not renew its lease on the ledger in time."


@dataclass(slots=True)
class _InFlight:
    """One send under way: it may be written only while the lease is held."""

    may_write: Callable[[], bool]
    written: bool = False


class Sends:
    """Sends for the workers of one pool."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        gateway: Gateway,
        observer: Observer,
        runner: Runner,
        recorder: Recorder,
        heart: Heart,
        pacer: Pacer | None,
        ending: Ending,
        timing: Timing,
        settings: PoolSettings,
        clocks: Clocks,
        jitter: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._observer = observer
        self._runner = runner
        self._recorder = recorder
        self._heart = heart
        self._pacer = pacer
        self._ending = ending
        self._timing = timing
        self._settings = settings
        self._clocks = clocks
        self._jitter = jitter
        self._safeguard = Safeguard(halt=settings.halt)
        self._neighbours = Neighbours()

    async def send(self, claim: Claim) -> None:
        """Send one row, unless the run has ended or its lease is over, and hand the outcome to the recorder."""
        if not self._heart.beats():
            # Somebody else may already take this row for lost: to send it now could be to send it twice.
            self._ending.come(Ended.SUPERSEDED, LEASE_OVER)
        if self._ending.came() or not self._timing.may_send(claim.zone):
            await self._ledger.release(self._runner, [claim])
            return
        in_flight = _InFlight(self._heart.beats)
        sent_at, began = self._clocks.wall(), asyncio.get_running_loop().time()
        try:
            result = await self._gateway.send(claim.pass_id, claim.message, in_flight=in_flight)
        except asyncio.CancelledError:
            result = Fault(reason="interrupted", written=in_flight.written, error="The run was ended before the answer came.")
            await self._settle(claim, result, sent_at, asyncio.get_running_loop().time() - began, broken_off=True)
            raise
        verdict = await self._settle(claim, result, sent_at, asyncio.get_running_loop().time() - began)
        await self._slow_down(verdict, result)

    async def _settle(
        self, claim: Claim, result: Reply | Fault, sent_at: float, latency_seconds: float, *, broken_off: bool = False
    ) -> Verdict:
        settlement, verdict = settle_attempt(
            claim,
            result,
            policy=self._settings.policy,
            sent_at=sent_at,
            latency_seconds=latency_seconds,
            jitter=self._jitter(),
            held_against=not (broken_off or self._safeguard.in_trouble),
        )
        await self._recorder.settle(settlement)
        failed = settlement.outcome.status in {Status.FAILED, Status.UNKNOWN}
        if why := self._safeguard.note(verdict, failed=failed, now=self._clocks.ticks()):
            self._ending.come(Ended.SAFEGUARD, why)
        return verdict

    async def _slow_down(self, verdict: Verdict, result: Reply | Fault) -> None:
        pause = self._safeguard.pause_seconds
        if self._pacer is None:
            return
        if isinstance(result, Reply):
            await self._make_room(self._pacer, result)
        if verdict.proof is Proof.THROTTLED and isinstance(result, Reply):
            self._observer.event("throttled", retry_after_seconds=result.retry_after_seconds)
            await self._pacer.throttle(result.retry_after_seconds)
        elif pause:
            self._observer.event("backing_off", seconds=pause, reason=verdict.reason)
            await self._pacer.pause(pause)

    async def _make_room(self, pacer: Pacer, reply: Reply) -> None:
        ours = pacer.rate_per_second
        self._neighbours.note(
            limit=reply.rate_limit, remaining=reply.rate_remaining, throttled=reply.http_status == 429, ours_per_second=ours
        )
        if self._neighbours.per_second:
            room = self._neighbours.room_per_second()
            self._observer.event("others_use_the_token", per_second=round(self._neighbours.per_second, 1), left_per_second=round(room, 1))
            # What was seen at the old rate says nothing of the new one.
            self._neighbours = Neighbours()
            await pacer.make_room(room)
