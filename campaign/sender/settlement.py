"""Settles in groups: each outcome is on disk within some hundredths of a second, and one disk sync serves many."""

import asyncio
from typing import Final

from campaign.domain.model import Settlement
from campaign.ledger.port import Ledger, Runner
from campaign.sender.port import Observer

GATHER_SECONDS: Final = 0.03
ENOUGH: Final = 500
"""So many settlements are written at once; fewer wait GATHER_SECONDS for others."""

MOST_TOGETHER: Final = 2000
MOST_WAITING: Final = 2000


class SettlementBatcher:
    """Takes settlements from the workers. `run` writes them, and returns after `close`, when all are written."""

    def __init__(self, ledger: Ledger, runner: Runner, observer: Observer) -> None:
        self._ledger = ledger
        self._runner = runner
        self._observer = observer
        self._waiting: asyncio.Queue[Settlement | None] = asyncio.Queue(MOST_WAITING)
        self._ended = False

    async def settle(self, settlement: Settlement) -> None:
        """Queue one settlement; waits while the queue is full. After `run` has ended it is dropped: its row counts as lost."""
        if not self._ended:
            await self._waiting.put(settlement)

    async def close(self) -> None:
        await self._waiting.put(None)

    async def run(self) -> None:
        """Write until closed.

        Raises:
            LedgerError: the ledger can't be written. Callers that wait in `settle` return.
        """
        try:
            while await self._write_what_waits():
                pass
        finally:
            self._ended = True
            while not self._waiting.empty():
                self._waiting.get_nowait()

    async def _write_what_waits(self) -> bool:
        """Write one group; False if it was the last."""
        first = await self._waiting.get()
        if first is None:
            return False
        batch = [first]
        last = False
        if self._waiting.qsize() < ENOUGH:
            await asyncio.sleep(GATHER_SECONDS)
        while len(batch) < MOST_TOGETHER and not self._waiting.empty():
            more = self._waiting.get_nowait()
            if more is None:
                last = True
                break
            batch.append(more)
        await self._write(batch)
        return not last

    async def _write(self, batch: list[Settlement]) -> None:
        late = await self._ledger.settle(self._runner, batch)
        for claim in late:
            self._observer.event("late_settlement_ignored", row=claim.row, fence=claim.fence)
        refused = {claim.row for claim in late}
        for settlement in batch:
            if settlement.claim.row not in refused:
                self._observer.settled(settlement)
