"""Waits for batches to end: a page of the account's list shows 25 of them at once, so a thousand cost no more than a look at forty."""

import asyncio
from collections.abc import Callable
from typing import Final

from campaign.domain.batches import PROGRESS_SECONDS, REMOTE_ENDED, Proof, RemoteBatch, proof_of
from campaign.sender.batches.calls import Calls
from campaign.sender.stop import Ending, StopReason, happens_within

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 30.0


class Watcher:
    """`run` looks while somebody waits in `ended`.

    Args:
        calls: to the API.
        ending: is told when no batch has ended for an hour.
        ticks: seconds on a clock that only goes forward.
    """

    def __init__(self, calls: Calls, ending: Ending, ticks: Callable[[], float]) -> None:
        self._calls = calls
        self._ending = ending
        self._ticks = ticks
        self._waiting: dict[str, asyncio.Future[RemoteBatch]] = {}
        self._wanted = asyncio.Event()
        self._progress_at = ticks()

    async def ended(self, batch_id: str) -> RemoteBatch:
        """The batch once it has ended."""
        if not self._waiting:
            self._progress_at = self._ticks()
        future = self._waiting.setdefault(batch_id, asyncio.get_running_loop().create_future())
        self._wanted.set()
        try:
            return await future
        finally:
            self._waiting.pop(batch_id, None)

    async def run(self) -> None:
        """Look again and again, to be cancelled at the end."""
        pause_seconds = FIRST_SECONDS
        while True:
            self._wanted.clear()
            if not self._waiting:
                await self._wanted.wait()
            await happens_within(self._wanted, pause_seconds)
            ended = await self._round()
            pause_seconds = FIRST_SECONDS if ended else min(LONGEST_SECONDS, pause_seconds * 1.5)
            if ended:
                self._progress_at = self._ticks()
            elif self._waiting and self._ticks() - self._progress_at > PROGRESS_SECONDS:
                why = f"PassEntry has ended no batch for {PROGRESS_SECONDS / 60:.0f} minutes, and is still sending {len(self._waiting)}."
                self._ending.come(StopReason.SAFEGUARD, f"{why} Resume the campaign later to read what became of them.")

    async def _round(self) -> int:
        """Look at all that are waited for; returns how many have ended."""
        wanted = set(self._waiting)
        ended = 0
        number = pages = 1
        while wanted and number <= pages:
            answer = await self._calls.page(number)
            if proof_of(answer) is not Proof.DONE or not answer.batches:
                break
            for batch in answer.batches:
                if batch.id in wanted:
                    wanted.discard(batch.id)
                    ended += self._tell(batch)
            number, pages = number + 1, answer.pages
        # Where the list does not show one, it is asked for by itself.
        for batch_id in sorted(wanted & set(self._waiting)):
            answer = await self._calls.look(batch_id)
            if answer.batch is not None:
                ended += self._tell(answer.batch)
        return ended

    def _tell(self, batch: RemoteBatch) -> bool:
        future = self._waiting.get(batch.id)
        if batch.state not in REMOTE_ENDED or future is None or future.done():
            return False
        future.set_result(batch)
        return True
