"""Waits until batches change their state. A page of the account's list shows 25 batches, so watching a thousand takes 40 requests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from campaign.domain.batches import PROGRESS_SECONDS, Proof, RemoteBatch, RemoteState, proof_of
from campaign.sender.batches.calls import Calls
from campaign.sender.stop import StopReason, StopSignal, happens_within

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Waiter:
    """A caller of `until`, and the states it waits for."""

    states: frozenset[RemoteState]
    seen: asyncio.Future[RemoteBatch]


class Watcher:
    """Reads the list of batches while a caller waits in `until`; `run` does the work.

    Args:
        calls: to the API.
        stop_signal: ends the run if no batch changes its state for an hour.
        ticks: seconds on a clock that only goes forward.
    """

    def __init__(self, calls: Calls, stop_signal: StopSignal, ticks: Callable[[], float]) -> None:
        self._calls = calls
        self._stop_signal = stop_signal
        self._ticks = ticks
        self._waiters: dict[str, _Waiter] = {}
        self._wanted = asyncio.Event()
        self._progress_at = ticks()

    async def until(self, batch_id: str, states: frozenset[RemoteState], *, unless: asyncio.Event | None = None) -> RemoteBatch | None:
        """The batch once it is in one of these states; None if the event comes before."""
        if not self._waiters:
            self._progress_at = self._ticks()
        waiter = self._waiters[batch_id] = _Waiter(states, asyncio.get_running_loop().create_future())
        self._wanted.set()
        broken_off = asyncio.ensure_future(unless.wait()) if unless is not None else None
        try:
            await asyncio.wait([one for one in (waiter.seen, broken_off) if one is not None], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.pop(batch_id, None)
            if broken_off is not None:
                broken_off.cancel()
        return waiter.seen.result() if waiter.seen.done() else None

    async def run(self) -> None:
        pause_seconds = FIRST_SECONDS
        while True:
            self._wanted.clear()
            if not self._waiters:
                await self._wanted.wait()
            # One reading serves all callers that wait at the same time.
            await asyncio.sleep(FIRST_SECONDS)
            await happens_within(self._wanted, pause_seconds - FIRST_SECONDS)
            notified = await self._round()
            pause_seconds = FIRST_SECONDS if notified else min(LONGEST_SECONDS, pause_seconds * 1.5)
            if notified:
                self._progress_at = self._ticks()
            elif self._waiters and self._ticks() - self._progress_at > PROGRESS_SECONDS:
                minutes = PROGRESS_SECONDS / 60
                why = f"None of {len(self._waiters)} batches at PassEntry has come further for {minutes:.0f} minutes."
                self._stop_signal.set(StopReason.SAFEGUARD, f"{why} Resume the campaign later to read what became of them.")

    async def _round(self) -> int:
        """Look at every batch that a caller waits for; returns how many callers were notified."""
        wanted = set(self._waiters)
        notified = 0
        number = pages = 1
        while wanted and number <= pages:
            answer = await self._calls.page(number)
            if proof_of(answer) is not Proof.DONE or not answer.batches:
                break
            for batch in answer.batches:
                if batch.id in wanted:
                    wanted.discard(batch.id)
                    notified += self._notify(batch)
            number, pages = number + 1, answer.pages
        # The list may not show a batch; then look at it alone.
        for batch_id in sorted(wanted & set(self._waiters)):
            answer = await self._calls.look(batch_id)
            if answer.batch is not None:
                notified += self._notify(answer.batch)
        return notified

    def _notify(self, batch: RemoteBatch) -> bool:
        waiter = self._waiters.get(batch.id)
        if waiter is None or batch.state not in waiter.states or waiter.seen.done():
            return False
        waiter.seen.set_result(batch)
        return True
