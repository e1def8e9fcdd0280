"""Reads the passes of unknown rows back, on the budget for reading, while the rest is being sent."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Final

from campaign.domain.model import Status
from campaign.domain.verdict import Conclusion, Latest, Reading, after_reading, read_back
from campaign.ledger.port import Doubt, Ledger
from campaign.sender.pace import Pacer
from campaign.sender.port import Gateway, Observer

READS_AT_ONCE: Final = 32
MOST_READS: Final = 4
AGAIN_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.5


class Verifier:
    """Concludes doubts of one campaign until cancelled, and, when there are none, those of others that nobody works on.

    Args:
        ledger: where the doubts are.
        gateway: to the API.
        pacer: of the budget for reading.
        observer: hears of each conclusion.
        campaign: whose doubts come first.
        max_attempts: how many tries a row has; one that never arrived is given up after them.
    """

    def __init__(self, ledger: Ledger, gateway: Gateway, pacer: Pacer, observer: Observer, *, campaign: int, max_attempts: int) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._pacer = pacer
        self._observer = observer
        self._campaign = campaign
        self._max_attempts = max_attempts
        self._reads: Counter[tuple[int, int, int]] = Counter()
        self._null_proves: bool | None = None

    async def run(self) -> None:
        while True:
            if not await self.round() and not await self._conclude(await self._ledger.doubts_elsewhere(self._campaign, READS_AT_ONCE)):
                await asyncio.sleep(LOOK_SECONDS)

    async def round(self) -> int:
        """Read back what may be read back now; returns how many rows that was."""
        return await self._conclude(await self._ledger.doubts(self._campaign, READS_AT_ONCE))

    async def _conclude(self, doubts: list[Doubt]) -> int:
        async with asyncio.TaskGroup() as group:
            for doubt in doubts:
                await self._pacer.slot()
                group.create_task(self._verify(doubt))
        return len(doubts)

    async def _verify(self, doubt: Doubt) -> None:
        reading = await self._read(doubt.claim.pass_id)
        conclusion = _read_back(doubt, reading, null_proves=True)
        if reading.latest is Latest.NULL and conclusion.status is Status.PENDING:
            null_proves = await self._does_null_prove(doubt.claim.campaign)
            if null_proves is None:
                # Not known now is like a reading that failed: it is made again.
                reading = replace(reading, latest=Latest.UNREADABLE)
            conclusion = _read_back(doubt, reading, null_proves=bool(null_proves))
        again = self._again_in_seconds(doubt, reading) if conclusion.reason == "unreadable" else None
        conclusion = after_reading(conclusion, reason=doubt.reason, tries=doubt.claim.tries, max_attempts=self._max_attempts)
        if await self._ledger.conclude(doubt, conclusion, again_in_seconds=again):
            self._observer.event("read_back", row=doubt.claim.row, status=conclusion.status.value, reason=conclusion.reason)

    async def _read(self, pass_id: str) -> Reading:
        reading = await self._gateway.read(pass_id)
        if reading.http_status == 429:
            await self._pacer.throttle(reading.retry_after_seconds)
        return reading

    async def _does_null_prove(self, campaign: int) -> bool | None:
        """Whether the API shows texts at all: seen once, at passes that surely hold one. None: it could not be seen now."""
        if self._null_proves is None:
            witnesses = await self._ledger.witnesses(campaign)
            if not witnesses:
                return True
            seen = set()
            for witness in witnesses:
                await self._pacer.slot()
                seen.add((await self._read(witness)).latest)
                if Latest.TEXT in seen:
                    break
            if Latest.TEXT not in seen and Latest.UNREADABLE in seen:
                return None
            self._null_proves = Latest.TEXT in seen
            if not self._null_proves:
                self._observer.event("texts_are_not_shown", by="the API, when passes that hold one are read")
        return self._null_proves

    def _again_in_seconds(self, doubt: Doubt, reading: Reading) -> float | None:
        """Only a reading that failed is made again, and not for ever."""
        key = (doubt.claim.campaign, doubt.claim.row, doubt.claim.fence)
        self._reads[key] += 1
        if reading.http_status in {401, 403, 404} or self._reads[key] >= MOST_READS:
            del self._reads[key]
            return None
        return AGAIN_SECONDS * self._reads[key]


def _read_back(doubt: Doubt, reading: Reading, *, null_proves: bool) -> Conclusion:
    return read_back(
        reading,
        message=doubt.claim.message,
        sent_before=doubt.sent_before,
        last_before=doubt.last_before,
        baseline=doubt.baseline,
        null_proves=null_proves,
    )
