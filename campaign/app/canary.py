"""`--canary`: a few first, their outcome awaited, and the rest only if few of them failed."""

from collections.abc import Awaitable, Callable
from typing import Final

from campaign.domain.model import Counts, Status
from campaign.domain.safeguard import Halt
from campaign.sender.ending import End, Ended

USUAL: Final = Halt(share=0.2)
"""What a canary is held to where `--halt` says nothing."""

_TRIED: Final = (Status.DELIVERED, Status.NOT_DELIVERED, Status.ACCEPTED, Status.FAILED, Status.UNKNOWN)


async def send_carefully(
    run: Callable[[int | None], Awaitable[End]],
    read_back: Callable[[], Awaitable[None]],
    counts: Callable[[], Counts],
    *,
    canary: int | None,
    limit: int | None,
    halt: Halt,
) -> End:
    """Send, a canary first unless the campaign has come so far before.

    Args:
        run: sends at most so many rows.
        read_back: waits until nothing is in doubt that reading can settle.
        counts: where the rows stand.
        canary: how many to send first, if any.
        limit: how many to send in all, None for all there are.
        halt: how many of the canary may fail.
    """
    before = counts()
    left = canary - _tried(before) if canary is not None else 0
    if left <= 0:
        return await run(limit)
    first = left if limit is None else min(left, limit)
    end = await run(first)
    if end.ended is not Ended.LIMIT:
        return end
    await read_back()
    after = counts()
    if why := verdict_on(_tried(after) - _tried(before), _failed(after) - _failed(before), halt):
        return End(ended=Ended.SAFEGUARD, why=why)
    if limit is not None and limit <= first:
        return end
    return await run(None if limit is None else limit - first)


def verdict_on(tried: int, failed: int, halt: Halt) -> str:
    """Why the rest must not be sent, as a sentence; empty if it may."""
    held_to = USUAL if halt == Halt() else halt
    over = tried > 0 and held_to.share is not None and failed / tried >= held_to.share
    if over or (held_to.count is not None and failed >= held_to.count):
        return f"{failed:,} of the first {tried:,} messages (--canary) failed, and the limit is {held_to}; the rest was not sent."
    return ""


def _tried(counts: Counts) -> int:
    return sum(counts.by_status[status] for status in _TRIED)


def _failed(counts: Counts) -> int:
    return counts.by_status[Status.FAILED] + counts.by_status[Status.UNKNOWN]
