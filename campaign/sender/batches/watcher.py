"""Waits for batches to come further: a page of the account's list shows 25 at once, so a thousand cost no more than a look at forty."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from campaign.domain.batches import PROGRESS_SECONDS, Proof, RemoteBatch, RemoteState, proof_of
from campaign.sender.batches.calls import Calls
from campaign.sender.stop import Ending, StopReason, happens_within

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Wish:
    """Somebody waits for a batch to be in one of these states."""

    states: frozenset[RemoteState]
    seen: asyncio.Future[RemoteBatch]


class Watcher:
    """`run` looks while somebody waits in `until`.

    Args:
        calls: to the API.
        ending: is told when no batch has come further for an hour.
        ticks: seconds on a clock that only goes forward.
    """

    def __init__(self, calls: Calls, ending: Ending, ticks: Callable[[], float]) -> None:
        self._calls = calls
        self._ending = ending
        self._ticks = ticks
        self._wishes: dict[str, _Wish] = {}
        self._wanted = asyncio.Event()
        self._progress_at = ticks()

    async def until(self, batch_id: str, states: frozenset[RemoteState], *, unless: asyncio.Event | None = None) -> RemoteBatch | None:
        """The batch once it is in one of these states; None if the event comes before."""
        if not self._wishes:
            self._progress_at = self._ticks()
        wish = self._wishes[batch_id] = _Wish(states, asyncio.get_running_loop().create_future())
        self._wanted.set()
        broken_off = asyncio.ensure_future(unless.wait()) if unless is not None else None
        try:
            await asyncio.wait([one for one in (wish.seen, broken_off) if one is not None], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wishes.pop(batch_id, None)
            if broken_off is not None:
                broken_off.cancel()
        return wish.seen.result() if wish.seen.done() else None

    async def run(self) -> None:
        """Look again and again, to be cancelled at the end."""
        pause_seconds = FIRST_SECONDS
        while True:
            self._wanted.clear()
            if not self._wishes:
                await self._wanted.wait()
            # Not for each that comes: the next look serves all of them.
            await asyncio.sleep(FIRST_SECONDS)
            await happens_within(self._wanted, pause_seconds - FIRST_SECONDS)
            granted = await self._round()
            pause_seconds = FIRST_SECONDS if granted else min(LONGEST_SECONDS, pause_seconds * 1.5)
            if granted:
                self._progress_at = self._ticks()
            elif self._wishes and self._ticks() - self._progress_at > PROGRESS_SECONDS:
                minutes = PROGRESS_SECONDS / 60
                why = f"None of {len(self._wishes)} batches at PassEntry has come further for {minutes:.0f} minutes."
                self._ending.come(StopReason.SAFEGUARD, f"{why} Resume the campaign later to read what became of them.")

    async def _round(self) -> int:
        """Look at all that are waited for; returns how many were where they should be."""
        wanted = set(self._wishes)
        granted = 0
        number = pages = 1
        while wanted and number <= pages:
            answer = await self._calls.page(number)
            if proof_of(answer) is not Proof.DONE or not answer.batches:
                break
            for batch in answer.batches:
                if batch.id in wanted:
                    wanted.discard(batch.id)
                    granted += self._grant(batch)
            number, pages = number + 1, answer.pages
        # Where the list does not show one, it is asked for by itself.
        for batch_id in sorted(wanted & set(self._wishes)):
            answer = await self._calls.look(batch_id)
            if answer.batch is not None:
                granted += self._grant(answer.batch)
        return granted

    def _grant(self, batch: RemoteBatch) -> bool:
        wish = self._wishes.get(batch.id)
        if wish is None or batch.state not in wish.states or wish.seen.done():
            return False
        wish.seen.set_result(batch)
        return True
