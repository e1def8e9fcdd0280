"""Reads the ledger in a few separate threads, so that a slow read delays no page that needs none."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from campaign.app.open_ledger import reading
from campaign.domain.errors import UsageError
from campaign.insights import CampaignView, view
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.settings import Settings

T = TypeVar("T")
AT_ONCE: Final = 3
RESTING_SECONDS: Final = 15.0
"""How long the figures of an idle campaign are reused."""
MOST_KEPT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    view: CampaignView
    until: float


class LedgerReads:
    """The pages' access to the ledger."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="console-ledger")
        self._at_length = ThreadPoolExecutor(max_workers=AT_ONCE - 1, thread_name_prefix="console-files")
        self._kept: dict[int, _Kept] = {}

    async def ask(self, question: Callable[[LedgerReader], T]) -> T:
        """The answer to a question; raises its CampaignErrors."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)

    async def ask_at_length(self, question: Callable[[LedgerReader], T]) -> T:
        """The same for questions that take minutes, such as a scan of a whole file: short questions don't wait for them."""
        return await asyncio.get_running_loop().run_in_executor(self._at_length, self._answer, question)

    async def run(self, work: Callable[[Settings], T]) -> T:
        """The same for work that opens the ledger itself."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, self._settings)

    async def campaign(self, name: str) -> CampaignView | None:
        """The state of a campaign now; None if there is no such campaign."""

        def look(reader: LedgerReader) -> CampaignView | None:
            record = reader.campaign(name)
            return None if record is None else view(reader, record)

        return await self.ask(look)

    async def found(self, name: str) -> CampaignView:
        """The state of a campaign now. Raises UsageError if there is no such campaign."""
        if (seen := await self.campaign(name)) is None:
            raise UsageError(f"There is no campaign named “{name}”.", code="unknown_campaign", campaign=name)
        return seen

    def roughly(self, reader: LedgerReader, record: CampaignRecord) -> CampaignView:
        """The same for a list of many campaigns: for an idle one, the state may be some seconds old."""
        kept = self._kept.get(record.id)
        resting = not any(runner.alive for runner in reader.runners(record.id))
        if resting and kept is not None and kept.view.record == record and time.monotonic() < kept.until:
            return kept.view
        seen = view(reader, record)
        if resting:
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[record.id] = _Kept(view=seen, until=time.monotonic() + RESTING_SECONDS)
        return seen

    def close(self) -> None:
        """Stop the threads, after running reads have finished."""
        self._threads.shutdown(cancel_futures=True)
        self._at_length.shutdown(cancel_futures=True)

    def _answer(self, question: Callable[[LedgerReader], T]) -> T:
        with reading(self._settings) as reader:
            return question(reader)
