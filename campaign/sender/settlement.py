"""Settles at once, or in groups if outcomes come fast: each is on disk within hundredths of a second, and one disk sync serves many."""

import asyncio
import math
from typing import Final

from campaign.domain.model import Settlement
from campaign.ledger.port import Ledger, Runner
from campaign.sender.port import Observer

GATHER_SECONDS: Final = 0.03
ENOUGH: Final = 500
"""This many settlements are written at once; fewer wait GATHER_SECONDS for others, if they come in a row."""

IN_A_ROW_SECONDS: Final = 2 * GATHER_SECONDS
"""With a longer time between two of them, none is waited for: none would come."""

MOST_WAITING: Final = 2000


class SettlementBatcher:
    """Takes settlements from the workers. `run` writes them, and returns after `close`, when all are written."""

    def __init__(self, ledger: Ledger, runner: Runner, observer: Observer) -> None:
        self._ledger = ledger
        self._runner = runner
        self._observer = observer
        self._waiting: list[Settlement] = []
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._closed = False
        self._ended = False

    async def settle(self, settlement: Settlement) -> None:
        """Hand over one settlement; waits while MOST_WAITING others wait. After `run` has ended it is dropped: its row counts as lost."""
        while len(self._waiting) >= MOST_WAITING and not self._ended:
            self._taken.clear()
            await self._taken.wait()
        if not self._ended:
            self._waiting.append(settlement)
            self._arrived.set()

    def close(self) -> None:
        self._closed = True
        self._arrived.set()

    async def run(self) -> None:
        """Write until closed.

        Raises:
            LedgerError: the ledger can't be written. Callers that wait in `settle` return.
        """
        clock = asyncio.get_running_loop().time
        last_at = -math.inf
        try:
            while self._waiting or not self._closed:
                await self._arrived.wait()
                came_at = clock()
                if came_at - last_at < IN_A_ROW_SECONDS and len(self._waiting) < ENOUGH and not self._closed:
                    await asyncio.sleep(GATHER_SECONDS)
                last_at = came_at
                self._arrived.clear()
                together, self._waiting = self._waiting, []
                self._taken.set()
                if together:
                    await self._write(together)
        finally:
            self._ended = True
            self._waiting.clear()
            self._taken.set()

    async def _write(self, batch: list[Settlement]) -> None:
        late = await self._ledger.settle(self._runner, batch)
        for claim in late:
            self._observer.event("late_settlement_ignored", row=claim.row, fence=claim.fencing_token)
        refused = {claim.row for claim in late}
        for settlement in batch:
            if settlement.claim.row not in refused:
                self._observer.settled(settlement)
