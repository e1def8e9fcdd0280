"""Charts of campaigns. Each is drawn once for all viewers, and so rarely that a long scan of the ledger does no harm."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from campaign.console.campaigns.broadcast import SHARE
from campaign.console.campaigns.ledger_reads import LedgerReads
from campaign.console.pages import Pages
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.charts import latency_chart, sends_chart
from campaign.reporter.frames import attempt_frames
from campaign.reporter.svg import NARROW, WIDTH
from campaign.reporter.timeline import Timeline, timeline_of

FRESH_SECONDS: Final = 4.0
"""How long a chart of a working campaign is reused."""
RESTING_SECONDS: Final = 20.0
MOST_KEPT: Final = 100
MOMENT_SECONDS: Final = 1.0
"""How long a page waits for its charts: a scan of millions of sends takes some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The pictures, by names such as `sends-narrow`."""

    timeline: Timeline
    at_work: bool
    pictures: dict[str, bytes]
    until: float


class Charts:
    """Draws in the threads of `LedgerReads`."""

    def __init__(self, ledger: LedgerReads, pages: Pages) -> None:
        self._ledger = ledger
        self._pages = pages
        self._drawn: dict[int, Drawn] = {}
        self._turns: dict[int, asyncio.Lock] = {}
        self._begun: set[asyncio.Task[Drawn]] = set()

    async def of(self, record: CampaignRecord, *, resting: bool = False) -> Drawn:
        """A campaign's charts, at most some seconds old unless the scan takes longer; for a resting campaign, those of its end."""
        turn = self._turns.setdefault(record.id, asyncio.Lock())
        async with turn:
            drawn = self._drawn.get(record.id)
            if drawn is None or time.monotonic() >= drawn.until or (resting and drawn.at_work):
                drawn = await self._ledger.ask_at_length(lambda reader: self._draw(reader, record))
                while len(self._drawn) >= MOST_KEPT:
                    oldest = next(iter(self._drawn))
                    self._drawn.pop(oldest)
                    self._turns.pop(oldest, None)
                self._drawn[record.id] = drawn
        return drawn

    async def soon(self, record: CampaignRecord, *, resting: bool = False) -> Drawn | None:
        """The same if it is ready within MOMENT_SECONDS, else None; the drawing goes on for later requests."""
        drawing = asyncio.create_task(self.of(record, resting=resting), name=f"charts of {record.id}")
        self._begun.add(drawing)
        drawing.add_done_callback(self._begun.discard)
        done, _ = await asyncio.wait({drawing}, timeout=MOMENT_SECONDS)
        if not done:
            drawing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return drawing.result() if done else None

    async def close(self) -> None:
        for drawing in self._begun:
            drawing.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    def _draw(self, reader: LedgerReader, record: CampaignRecord) -> Drawn:
        began = time.monotonic()
        runners = reader.runners(record.id)
        found = timeline_of(attempt_frames(reader, record), record, runners, now=time.time())
        at_work = any(runner.alive for runner in runners)
        text = self._pages.text
        pictures = {}
        for suffix, width in (("", WIDTH), ("-narrow", NARROW)):
            pictures[f"sends{suffix}"] = sends_chart(
                found,
                title=text("campaigns.chart.sends"),
                nothing=text("campaigns.chart.nothing"),
                again=text("campaigns.chart.again"),
                width=width,
            )
            pictures[f"latency{suffix}"] = latency_chart(
                found,
                title=text("campaigns.chart.latency"),
                nothing=text("campaigns.chart.nothing"),
                mean=text("campaigns.chart.mean"),
                most=text("campaigns.chart.most"),
                width=width,
            )
        now = time.monotonic()
        good_for = max(FRESH_SECONDS if at_work else RESTING_SECONDS, (now - began) / SHARE)
        return Drawn(timeline=found, at_work=at_work, pictures=pictures, until=now + good_for)
