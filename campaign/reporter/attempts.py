"""What is counted of a campaign's attempts as they pass by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from campaign.domain.model import Status
from campaign.ledger.upkeep import MovedAttempt
from campaign.reporter.retries import Retries
from campaign.reporter.timeline import Timeline

_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """`throttled` are those answered with 429, by stretch beside `Timeline.sends`; `throttled_again` those of them that were tried again.

    `last_seen` is until when each runner was seen to send, in Unix seconds.
    """

    total: int
    throttled: int
    throttled_by_stretch: tuple[int, ...]
    throttled_again_by_stretch: tuple[int, ...]
    last_seen: Mapping[int, float]


def counted(attempts: Iterable[MovedAttempt], over_time: Timeline, *, retries: Retries) -> Attempts:
    """One look through the attempts, in the order in which they were recorded; `retries` hears of each of them."""
    total = throttled = 0
    by_stretch, again_by_stretch = [0] * len(over_time.sends), [0] * len(over_time.sends)
    last_seen: dict[int, float] = {}
    for attempt in attempts:
        total += 1
        retries.attempt(attempt)
        last_seen[attempt.runner] = max(last_seen.get(attempt.runner, 0.0), attempt.sent_at + (attempt.latency_seconds or 0.0))
        if attempt.http_status == _TOO_MANY_REQUESTS:
            throttled += 1
            place = int((attempt.sent_at - over_time.since) // over_time.seconds)
            if 0 <= place < len(by_stretch):
                by_stretch[place] += 1
                again_by_stretch[place] += attempt.status == Status.PENDING
    return Attempts(
        total=total,
        throttled=throttled,
        throttled_by_stretch=tuple(by_stretch),
        throttled_again_by_stretch=tuple(again_by_stretch),
        last_seen=last_seen,
    )
