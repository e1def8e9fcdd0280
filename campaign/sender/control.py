"""Keeps a run going, and watches for events outside it: signals, pause and cancel, the end of its schedule, the death of other runners."""

import asyncio
import math
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from campaign.domain.model import Counts, Skip
from campaign.ledger.port import DesiredState, Ledger, LedgerReader, PendingWork, Runner
from campaign.sender.executor import LEASE_OVER, SendWindow
from campaign.sender.lease_keeper import TAKEN_OVER, LeaseKeeper
from campaign.sender.port import Gateway, Observer, Silence
from campaign.sender.rate_limiter import RateLimiter
from campaign.sender.readback.verify import Verifier
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import StopReason, StopSignal, happens_within

LOOK_SECONDS: Final = 0.4
LOOKS_FOR_THE_DEAD: Final = 3
"""Dead runners are reaped in one poll of this many: there is no hurry, as their rows wait for the quiet period anyway."""

LOOK_AT_HOLDERS_SECONDS: Final = 10.0
LOOKS_AT_OTHERS: Final = 25
"""The whole campaign is counted in one poll of this many: for ten million rows that takes a second."""


@dataclass(slots=True, kw_only=True)
class RunControl:
    """Does what every run does besides its own sends: keeps the lease, reads passes back, and ends the run when it may not go on.

    `timing` is its send window, whose zones are kept up to date; `stop_signal` gets the reason of the end. With `ignores_pause` the run
    only ends open batches, so a pause or a cancellation does not stop it.
    """

    ledger: Ledger
    reader: LedgerReader
    gateway: Gateway
    runner: Runner
    observer: Observer
    settings: PoolSettings
    lease_keeper: LeaseKeeper
    timing: SendWindow
    stop_signal: StopSignal
    ignores_pause: bool = False
    read_limiter: RateLimiter = field(init=False)
    _verifier: Verifier = field(init=False)
    _waits_until: str = ""
    _waits_for: str = ""
    _looked_at: float = -math.inf

    def __post_init__(self) -> None:
        self.read_limiter = RateLimiter(self.ledger, f"{self.settings.key} read", self.settings.read_rate_per_second)
        self._verifier = Verifier(
            self.ledger,
            self.gateway,
            self.read_limiter,
            self.observer,
            campaign=self.runner.campaign,
            max_attempts=self.settings.policy.max_attempts,
        )

    def works(self, stop: asyncio.Event) -> tuple[Coroutine[Any, Any, None], ...]:
        """Coroutines that must run as long as the run does; cancel them at its end. `stop` ends the run."""
        return self.lease_keeper.run(), self._watch(stop), self.read_limiter.run(), self._verifier.run()

    def wait_until(self, opens_at: datetime, work: PendingWork) -> None:
        """The schedule does not allow sending before `opens_at`: report it once, and end the run unless it may wait."""
        until = opens_at.isoformat(timespec="minutes")
        if until != self._waits_until:
            self._waits_until = until
            self.observer.event("waiting_for_its_time", until=until)
        if not self.settings.wait and not work.sending and work.unverified_in_seconds is None:
            self.stop_signal.set(StopReason.OUTSIDE_WINDOW)

    async def wait_for_passes(self, work: PendingWork) -> None:
        """No row could be claimed: report whose batches hold the passes of due rows, and end the run if they may hold them for ever."""
        now = asyncio.get_running_loop().time()
        if work.pending_in_seconds is None or work.pending_in_seconds > 0 or now < self._looked_at + LOOK_AT_HOLDERS_SECONDS:
            return
        self._looked_at = now
        held = await asyncio.to_thread(self.reader.held_passes, self.runner.campaign, self.settings.only)
        why = self.settings.held_in_words(held) if held.holders else ""
        if why and why != self._waits_for:
            self.observer.event("waiting_for_passes", why=why)
        self._waits_for = why
        if held.is_stuck and not work.sending and work.unverified_in_seconds is None:
            self.stop_signal.set(StopReason.PASSES_HELD, why)

    async def _watch(self, stop: asyncio.Event) -> None:
        looks = 0
        while not await happens_within(stop, LOOK_SECONDS):
            looks += 1
            if looks % LOOKS_FOR_THE_DEAD == 1 and (lost := await self.ledger.reap_dead_runners(quiet_seconds=self.runner.quiet_seconds)):
                self.observer.event("rows_of_a_dead_runner", rows=lost)
            # A correction may have moved a row into a new zone.
            self.timing.zones, work = await asyncio.to_thread(self._look)
            if self.timing.is_over() and (expired := await self.ledger.skip_pending(self.runner.campaign, Skip.EXPIRED)):
                self.observer.event("expired", rows=expired)
            if work.unverified_in_seconds is not None and work.unverified_in_seconds <= 0:
                self._verifier.tell_due()
            self._stop_if_needed(work.desired_state)
            is_seen = not isinstance(self.observer, Silence)
            if is_seen and looks % LOOKS_AT_OTHERS == 0 and (counts := await asyncio.to_thread(self._counts_with_others)) is not None:
                self.observer.event("standing", counts=counts)
        self.stop_signal.set(StopReason.INTERRUPTED)

    def _stop_if_needed(self, desired_state: DesiredState) -> None:
        if desired_state is DesiredState.PAUSED and not self.ignores_pause:
            self.stop_signal.set(StopReason.PAUSED)
        elif desired_state is DesiredState.CANCELLED and not self.ignores_pause:
            self.stop_signal.set(StopReason.CANCELLED)
        elif self.lease_keeper.lease_lost:
            self.stop_signal.set(StopReason.LEASE_LOST, TAKEN_OVER)
        elif not self.lease_keeper.is_held():
            self.stop_signal.set(StopReason.LEASE_LOST, LEASE_OVER)

    def _counts_with_others(self) -> Counts | None:
        """The campaign's counts while other processes send it too, of whose rows this one knows nothing else; None if none does."""
        others = (one for one in self.reader.runners(self.runner.campaign) if one.id != self.runner.id)
        return self.reader.counts(self.runner.campaign) if any(one.alive for one in others) else None

    def _look(self) -> tuple[tuple[str, ...], PendingWork]:
        """The zones and the pending work, in one call: a round trip to a thread costs more than either query."""
        return self.reader.zones(self.runner.campaign), self.reader.pending_work(self.runner.campaign)
