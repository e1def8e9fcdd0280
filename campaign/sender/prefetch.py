"""Claims rows a little ahead of their turn: enough that no slot waits for the disk, few enough that a kill leaves few unknown."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from campaign.domain.model import Claim
from campaign.domain.pace.pacing import AHEAD_SECONDS, rows_ahead
from campaign.ledger.port import ClaimFilter, Ledger, Runner

MOST_AHEAD: Final = 2000
"""The rows of AHEAD_SECONDS at 4,000 a second. With half of that, senders without a rate wait for the ledger for a sixth of the time."""

FIRST_PART: Final = 10
"""The first claim takes this part of the most, as others may be sending the same campaign."""


class ClaimPrefetcher:
    """Claimed rows that are not yet handed out. `terms` is called for each claim. Call `give_back` at the end: none of them was sent."""

    def __init__(
        self, ledger: Ledger, runner: Runner, *, rate_per_second: float | None, terms: Callable[[], ClaimFilter], group: asyncio.TaskGroup
    ) -> None:
        self._ledger = ledger
        self._runner = runner
        self._most = MOST_AHEAD if rate_per_second is None else min(MOST_AHEAD, max(1, math.ceil(rate_per_second * AHEAD_SECONDS)))
        self._batch = math.ceil(self._most / FIRST_PART)
        self._terms = terms
        self._group = group
        self._hand: deque[Claim] = deque()
        self._claimed_at = -math.inf
        self._taken = 0
        self._starved = False
        self._claiming: asyncio.Task[list[Claim]] | None = None
        self._short = False

    @property
    def left(self) -> float:
        """How many rows are left at present; inf if that is not known, as the last claim got all the rows that it asked for."""
        return len(self._hand) if self._short else math.inf

    @property
    def at_hand(self) -> int:
        """How many rows `next` returns without waiting."""
        return len(self._hand)

    async def next(self, *, most: int) -> Claim | None:
        """The next row; None if none is due at present. The caller wants at most `most` rows, this one included."""
        if self._claiming is None and len(self._hand) <= self._batch // 2 and len(self._hand) < most:
            self._resize()
            self._claiming = self._group.create_task(self._claim(min(self._batch, most - len(self._hand))))
        if self._claiming is not None and (not self._hand or self._claiming.done()):
            self._starved = self._starved or not (self._hand or self._claiming.done())
            # Shielded: if the caller is cancelled here, the rows that are being claimed must not be lost.
            self._hand.extend(await asyncio.shield(self._claiming))
            self._claiming = None
        if not self._hand:
            return None
        self._taken += 1
        return self._hand.popleft()

    async def _claim(self, count: int) -> list[Claim]:
        claims = await self._ledger.claim(self._runner, count, self._terms())
        self._short = len(claims) < count
        return claims

    def _resize(self) -> None:
        """Adapt the size of a claim: if others send the same campaign, each has only a part of the rate."""
        now = asyncio.get_running_loop().time()
        if self._taken:
            self._batch = rows_ahead(
                last=self._batch, taken=self._taken, seconds=now - self._claimed_at, starved=self._starved, most=self._most
            )
        self._claimed_at, self._taken, self._starved = now, 0, False

    async def give_back(self, *others: Claim) -> None:
        if self._claiming is not None:
            self._hand.extend(await self._claiming)
            self._claiming = None
        unsent = [*others, *self._hand]
        self._hand.clear()
        if unsent:
            await self._ledger.release(self._runner, unsent)
