"""Watches for events outside a run: signals, pause and cancel, the end of its schedule, and the death of other runners."""

import asyncio
from collections.abc import Callable
from typing import Final

from campaign.domain.model import Skip
from campaign.ledger.port import DesiredState, Ledger, LedgerReader, PendingWork, Runner
from campaign.sender.executor import LEASE_OVER, SendWindow
from campaign.sender.lease_keeper import TAKEN_OVER, LeaseKeeper
from campaign.sender.port import Observer
from campaign.sender.stop import StopReason, StopSignal, happens_within

LOOK_SECONDS: Final = 0.4
LOOKS_FOR_THE_DEAD: Final = 3
"""Dead runners are reaped in one poll of this many: there is no hurry, as their rows wait for the quiet period anyway."""


class RunControl:
    """Ends a run when someone asks for it, or when it may not go on.

    Args:
        ledger, reader, runner, observer: of the run.
        lease_keeper: its lease.
        timing: its send window, whose zones are kept up to date.
        stop_signal: gets the reason of the end.
        on_verification_due: called when a row may be read back.
        ignores_pause: the run only ends open batches, so a pause or a cancellation does not stop it.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        reader: LedgerReader,
        runner: Runner,
        observer: Observer,
        lease_keeper: LeaseKeeper,
        timing: SendWindow,
        stop_signal: StopSignal,
        on_verification_due: Callable[[], None],
        ignores_pause: bool = False,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._runner = runner
        self._observer = observer
        self._lease_keeper = lease_keeper
        self._timing = timing
        self._stop_signal = stop_signal
        self._on_verification_due = on_verification_due
        self._ignores_pause = ignores_pause

    async def run(self, stop: asyncio.Event) -> None:
        looks = 0
        while not await happens_within(stop, LOOK_SECONDS):
            looks += 1
            if looks % LOOKS_FOR_THE_DEAD == 1 and (lost := await self._ledger.reap_dead_runners(quiet_seconds=self._runner.quiet_seconds)):
                self._observer.event("rows_of_a_dead_runner", rows=lost)
            # A correction may have moved a row into a new zone.
            self._timing.zones, work = await asyncio.to_thread(self._look)
            if self._timing.is_over() and (expired := await self._ledger.skip_pending(self._runner.campaign, Skip.EXPIRED)):
                self._observer.event("expired", rows=expired)
            if work.unverified_in_seconds is not None and work.unverified_in_seconds <= 0:
                self._on_verification_due()
            self._stop_if_needed(work.desired_state)
        self._stop_signal.set(StopReason.INTERRUPTED)

    def _stop_if_needed(self, desired_state: DesiredState) -> None:
        if desired_state is DesiredState.PAUSED and not self._ignores_pause:
            self._stop_signal.set(StopReason.PAUSED)
        elif desired_state is DesiredState.CANCELLED and not self._ignores_pause:
            self._stop_signal.set(StopReason.CANCELLED)
        elif self._lease_keeper.lease_lost:
            self._stop_signal.set(StopReason.LEASE_LOST, TAKEN_OVER)
        elif not self._lease_keeper.is_held():
            self._stop_signal.set(StopReason.LEASE_LOST, LEASE_OVER)

    def _look(self) -> tuple[tuple[str, ...], PendingWork]:
        """The zones and the pending work, in one call: a round trip to a thread costs more than either query."""
        return self._reader.zones(self._runner.campaign), self._reader.pending_work(self._runner.campaign)
