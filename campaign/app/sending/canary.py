"""Sends a few rows first, on which the rest depends."""

from collections.abc import Awaitable, Callable
from typing import Final

from campaign.app.campaign_settings import utc_now
from campaign.domain.failure_guard import Halt
from campaign.domain.model import Counts
from campaign.ledger.port import LedgerReader
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End, StopReason

USUAL: Final = Halt(share=0.2)
"""The limit of failures in a canary if `--halt` is not given."""

Rows = tuple[int, ...]


async def send_carefully(
    run: Callable[[int | None, Rows | None], Awaitable[End]],
    choose: Callable[[int], Awaitable[Rows]],
    counts: Callable[[], Counts],
    *,
    canary: int | None,
    limit: int | None,
    halt: Halt,
    fresh_canary: bool = False,
) -> End:
    """Send, with a canary first unless an earlier run has sent as many rows with few failures.

    An interrupted canary is completed; after a failed one, or with `fresh_canary`, another is sent, for which earlier outcomes don't count.

    Args:
        run: sends at most this many rows; or the given rows only, until each has its outcome.
        choose: the next rows that may be sent, or are being sent by another process.
        counts: of the campaign's rows.
        canary: how many rows to send first, if any.
        limit: how many rows to send in all; None for all.
        halt: how many rows of the canary may fail.
        fresh_canary: send a canary again.
    """
    if canary is None:
        return await run(limit, None)
    tried, failed = _ended(counts())
    far = fresh_canary or tried >= canary
    if far and not fresh_canary and not verdict_on(tried, failed, halt):
        return await run(limit, None)
    before, failed_before = (tried, failed) if far else (0, 0)
    end = End(ended=StopReason.LIMIT)
    while (wanted := canary - (tried - before)) > 0 and limit != 0:
        rows = await choose(wanted if limit is None else min(wanted, limit))
        if not rows:
            return await run(limit, None)
        end = await run(None, rows)
        if end.ended is not StopReason.LIMIT:
            return end
        tried, failed = _ended(counts())
        limit = None if limit is None else limit - len(rows)
    if why := verdict_on(tried - before, failed - failed_before, halt):
        return End(ended=StopReason.SAFEGUARD, why=why)
    return end if limit == 0 else await run(limit, None)


def next_rows(campaign: int, reader: LedgerReader, settings: PoolSettings, count: int) -> Rows:
    """The rows of a canary: in time zones in which rows may be sent now, or else in those that open next."""
    zones = settings.schedule.first_zones(reader.pending_zones(campaign, settings.only), utc_now())
    return reader.next_rows(campaign, count, zones=zones, only=settings.only)


def verdict_on(tried: int, failed: int, halt: Halt) -> str:
    """A sentence that says why the rest must not be sent; empty if it may be sent."""
    held_to = USUAL if halt == Halt() else halt
    over = tried > 0 and held_to.share is not None and failed / tried >= held_to.share
    if over or (held_to.count is not None and failed >= held_to.count):
        return f"{failed:,} of the first {tried:,} messages (--canary) failed, and the limit is {held_to}; the rest was not sent."
    return ""


def _ended(counts: Counts) -> tuple[int, int]:
    """How many rows have an outcome, and how many of them failed; an unverified row has none yet."""
    tried = counts.sent_to - counts.unverified
    failed = counts.failed_sends - counts.unverified
    return tried, failed
