"""The objects that all batches of a run share, and the recording of each step of a batch."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from campaign.domain.batches import Batch, BatchState, Size
from campaign.domain.model import Claim, Settlement
from campaign.domain.pace.pacing import delay_seconds
from campaign.ledger.port import Ledger, Runner
from campaign.sender.batches.calls import Calls
from campaign.sender.batches.watcher import Watcher
from campaign.sender.batches.wire import Shape
from campaign.sender.port import Observer
from campaign.sender.stop import StopSignal, happens_within

SHORTEST_WAIT_SECONDS: Final = 0.25


class LeftError(Exception):
    """The batch stays in its recorded state: another runner has it, or this run ends."""


@dataclass(slots=True, kw_only=True)
class Env:
    """The objects that all batches of a run share.

    `closing` is set when the run ends: then unreleased batches are cancelled. `creates` is False if the run only ends the batches of dead
    runners. `may_release` says whether a row of a zone may be sent now. `settled` is called with the settlements of rows.
    """

    ledger: Ledger
    runner: Runner
    calls: Calls
    watcher: Watcher
    observer: Observer
    stop_signal: StopSignal
    size: Size
    shape: Shape
    tag: str
    creates: bool
    quiet_seconds: float
    report_seconds: float
    wall: Callable[[], float]
    ticks: Callable[[], float]
    is_held: Callable[[], bool]
    may_release: Callable[[str], bool]
    settled: Callable[[Sequence[Settlement]], None]
    jitter: Callable[[], float]
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def drains(self) -> bool:
        """Whether nothing more may be created or released."""
        return self.closing.is_set() or not self.creates


class RecordedBatch:
    """One batch of a run and its record. `released` is set once the batch no longer counts as unreleased; `given_back` counts the rows that
    are pending again.

    Args:
        batch: its record.
        env: of the run.
        claims: its rows, if they are known.
        is_undone: give its rows back unless it was released.
    """

    def __init__(self, batch: Batch, env: Env, claims: list[Claim] | None = None, *, is_undone: bool = False) -> None:
        self.batch = batch
        self.env = env
        self._claims = claims
        self._is_undone = is_undone
        self.tries = 0
        self.released = asyncio.Event()
        self.given_back = 0

    @property
    def batch_id(self) -> int:
        return self.batch.id

    @property
    def drains(self) -> bool:
        """Whether it may not be created or released now."""
        # By zone: a batch has hundreds of rows, nearly always of one zone.
        zones = {claim.zone for claim in self._claims or ()}
        return self.env.drains or self._is_undone or any(not self.env.may_release(zone) for zone in zones)

    async def rows(self) -> list[Claim]:
        if self._claims is None:
            self._claims = await self.env.ledger.batch_claims(self.batch)
        return self._claims

    async def record(self, batch: Batch) -> None:
        if not await self.env.ledger.record_batch(self.env.runner, batch):
            raise LeftError
        self.batch = batch

    async def settle_rows(self, settlements: list[Settlement], *, state: BatchState | None = None) -> None:
        """Settle rows and record the batch's new state, if given, in one transaction."""
        if settlements:
            batch = replace(self.batch, state=state or self.batch.state)
            if not await self.env.ledger.settle_batch(self.env.runner, batch, settlements):
                raise LeftError
            self.batch = batch
            settled = {settlement.claim.row for settlement in settlements}
            self._claims = [claim for claim in await self.rows() if claim.row not in settled]
            self.env.settled(settlements)

    async def end(self, settlements: list[Settlement]) -> None:
        await self.settle_rows(settlements, state=BatchState.ENDED)
        if not settlements:
            await self.record(replace(self.batch, state=BatchState.ENDED))
        self.env.observer.event("batch_ended", batch=self.batch.name, rows=len(settlements))

    async def give_back(self) -> None:
        rows = len(await self.rows())
        if not await self.env.ledger.release_batch(self.env.runner, self.batch):
            raise LeftError
        self.given_back = rows

    async def pause(self, asked_seconds: float | None) -> None:
        """Wait before the next try, longer each time. The end of the run ends the wait."""
        self.tries += 1
        jitter = self.env.jitter()
        seconds = delay_seconds(attempts=self.tries, jitter=jitter, retry_after_seconds=asked_seconds, longest_retry_seconds=30.0)
        await happens_within(self.env.closing, max(seconds, SHORTEST_WAIT_SECONDS))
        if self.env.closing.is_set():
            await asyncio.sleep(SHORTEST_WAIT_SECONDS)
