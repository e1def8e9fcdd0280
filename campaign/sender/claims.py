"""Claims rows a little ahead of their turn: enough that the disk costs no slot, few enough that a kill leaves few in doubt."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from campaign.domain.model import Claim
from campaign.ledger.port import Ledger, Runner, Terms

AHEAD_SECONDS: Final = 0.5
MOST_AHEAD: Final = 500


class Claims:
    """Rows claimed and not yet handed out, on the terms of the moment. Call `give_back` at the end: none of them was sent."""

    def __init__(
        self, ledger: Ledger, runner: Runner, *, rate_per_second: float | None, terms: Callable[[], Terms], group: asyncio.TaskGroup
    ) -> None:
        self._ledger = ledger
        self._runner = runner
        self._batch = MOST_AHEAD if rate_per_second is None else min(MOST_AHEAD, max(1, math.ceil(rate_per_second * AHEAD_SECONDS)))
        self._terms = terms
        self._group = group
        self._hand: deque[Claim] = deque()
        self._claiming: asyncio.Task[list[Claim]] | None = None

    async def next(self, *, most: int) -> Claim | None:
        """The next row, at most so many more being wanted; None if none is due at present."""
        if self._claiming is None and len(self._hand) <= self._batch // 2 and len(self._hand) < most:
            self._claiming = self._group.create_task(
                self._ledger.claim(self._runner, min(self._batch, most - len(self._hand)), self._terms())
            )
        if self._claiming is not None and (not self._hand or self._claiming.done()):
            # Shielded: whoever is cancelled here must not lose rows that are being claimed.
            self._hand.extend(await asyncio.shield(self._claiming))
            self._claiming = None
        return self._hand.popleft() if self._hand else None

    async def give_back(self, *others: Claim) -> None:
        if self._claiming is not None:
            self._hand.extend(await self._claiming)
            self._claiming = None
        unsent = [*others, *self._hand]
        self._hand.clear()
        if unsent:
            await self._ledger.release(self._runner, unsent)
