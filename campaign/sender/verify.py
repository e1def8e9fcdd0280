"""Reads the passes of unknown rows back, on the budget for reading, while the rest is being sent."""

import asyncio
from collections import Counter
from typing import Final

from campaign.domain.model import Status
from campaign.domain.verdict import Latest, Reading, read_back
from campaign.ledger.port import Doubt, Ledger
from campaign.sender.pace import Pacer
from campaign.sender.port import Gateway, Observer

READS_AT_ONCE: Final = 16
MOST_READS: Final = 4
AGAIN_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.5


class Verifier:
    """Concludes doubts of one campaign until cancelled."""

    def __init__(self, ledger: Ledger, gateway: Gateway, pacer: Pacer, observer: Observer, campaign: int) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._pacer = pacer
        self._observer = observer
        self._campaign = campaign
        self._reads: Counter[tuple[int, int]] = Counter()

    async def run(self) -> None:
        while True:
            if not await self.round():
                await asyncio.sleep(LOOK_SECONDS)

    async def round(self) -> int:
        """Read back what may be read back now; returns how many rows that was."""
        doubts = await self._ledger.doubts(self._campaign, READS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for doubt in doubts:
                await self._pacer.slot()
                group.create_task(self._verify(doubt))
        return len(doubts)

    async def _verify(self, doubt: Doubt) -> None:
        reading = await self._gateway.read(doubt.claim.pass_id)
        if reading.http_status == 429:
            await self._pacer.throttle(None)
        conclusion = read_back(
            reading,
            message=doubt.claim.message,
            sent_before=doubt.sent_before,
            last_before=doubt.last_before,
            baseline=doubt.baseline,
        )
        again = self._again_in_seconds(doubt, reading) if conclusion.status is Status.UNKNOWN else None
        if await self._ledger.conclude(doubt, conclusion, again_in_seconds=again):
            self._observer.event("read_back", row=doubt.claim.row, status=conclusion.status.value, reason=conclusion.reason)

    def _again_in_seconds(self, doubt: Doubt, reading: Reading) -> float | None:
        """Only a reading that failed is made again, and not for ever."""
        key = (doubt.claim.row, doubt.claim.fence)
        self._reads[key] += 1
        if reading.latest is not Latest.UNREADABLE or reading.http_status in {401, 403, 404} or self._reads[key] >= MOST_READS:
            del self._reads[key]
            return None
        return AGAIN_SECONDS * self._reads[key]
