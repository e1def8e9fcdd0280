"""`--canary`: a few first, their outcome awaited, and the rest only if few of them failed."""

from collections.abc import Awaitable, Callable
from typing import Final

from campaign.app.controls import utc_now
from campaign.domain.failure_guard import Halt
from campaign.domain.model import Counts, Status
from campaign.ledger.port import LedgerReader
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End, Ended

USUAL: Final = Halt(share=0.2)
"""What a canary is held to where `--halt` says nothing."""

_TRIED: Final = (Status.DELIVERED, Status.NOT_DELIVERED, Status.ACCEPTED, Status.FAILED, Status.UNKNOWN)

Rows = tuple[int, ...]


async def send_carefully(
    run: Callable[[int | None, Rows | None], Awaitable[End]],
    choose: Callable[[int], Awaitable[Rows]],
    counts: Callable[[], Counts],
    *,
    canary: int | None,
    limit: int | None,
    halt: Halt,
    anew: bool = False,
) -> End:
    """Send, a canary first unless the campaign has come so far before, and well.

    One that was broken off is completed; after a bad one, as also where nobody has judged it, another is sent.

    Args:
        run: sends at most so many rows; of some rows only, where they are given, until each has its outcome.
        choose: the next so many rows that may be sent, or are being sent by another process.
        counts: where the rows stand.
        canary: how many to send first, if any.
        limit: how many to send in all, None for all there are.
        halt: how many of the canary may fail.
        anew: what the campaign sent before says nothing of what is sent now.
    """
    if canary is None:
        return await run(limit, None)
    tried, failed = _ended(counts())
    far = anew or tried >= canary
    if far and not anew and not verdict_on(tried, failed, halt):
        return await run(limit, None)
    before, failed_before = (tried, failed) if far else (0, 0)
    end = End(ended=Ended.LIMIT)
    while (wanted := canary - (tried - before)) > 0 and limit != 0:
        rows = await choose(wanted if limit is None else min(wanted, limit))
        if not rows:
            return await run(limit, None)
        end = await run(None, rows)
        if end.ended is not Ended.LIMIT:
            return end
        tried, failed = _ended(counts())
        limit = None if limit is None else limit - len(rows)
    if why := verdict_on(tried - before, failed - failed_before, halt):
        return End(ended=Ended.SAFEGUARD, why=why)
    return end if limit == 0 else await run(limit, None)


def next_rows(campaign: int, reader: LedgerReader, settings: PoolSettings, count: int) -> Rows:
    """The rows of a canary: of time zones in which it is time, or else of those in which it is time first."""
    zones = settings.schedule.first_zones(reader.pending_zones(campaign, settings.only), utc_now())
    return reader.next_rows(campaign, count, zones=zones, only=settings.only)


def verdict_on(tried: int, failed: int, halt: Halt) -> str:
    """Why the rest must not be sent, as a sentence; empty if it may."""
    held_to = USUAL if halt == Halt() else halt
    over = tried > 0 and held_to.share is not None and failed / tried >= held_to.share
    if over or (held_to.count is not None and failed >= held_to.count):
        return f"{failed:,} of the first {tried:,} messages (--canary) failed, and the limit is {held_to}; the rest was not sent."
    return ""


def _ended(counts: Counts) -> tuple[int, int]:
    """How many rows have an outcome, and how many of them failed; what is still to be read back has none yet."""
    tried = sum(counts.by_status[status] for status in _TRIED) - counts.in_doubt
    failed = counts.by_status[Status.FAILED] + counts.by_status[Status.UNKNOWN] - counts.in_doubt
    return tried, failed
