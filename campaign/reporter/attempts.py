"""What is counted of a campaign's attempts as they pass by, beside its rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from campaign.domain.model import Status
from campaign.ledger.upkeep import MovedAttempt
from campaign.reporter.timeline import Timeline

_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """`throttled` are those answered with 429, by stretch beside `Timeline.sends`; `throttled_again` those of them that were tried again.

    `first_at` is when the first of them left, None if there are none; `last_seen` until when each runner was seen to send, in Unix seconds.
    """

    total: int
    first_at: float | None
    throttled: int
    throttled_by_stretch: tuple[int, ...]
    throttled_again_by_stretch: tuple[int, ...]
    last_seen: Mapping[int, float]


class Attempting:
    """Hands out the attempts of each row and counts them all, whatever rows are asked for.

    Args:
        attempts: by row, and of a row in the order in which they were made.
        over_time: whose stretches they are counted by.
    """

    def __init__(self, attempts: Iterable[MovedAttempt], over_time: Timeline) -> None:
        self._over_time = over_time
        self._total = 0
        self._throttled = 0
        self._first_at: float | None = None
        self._by_stretch, self._again_by_stretch = [0] * len(over_time.sends), [0] * len(over_time.sends)
        self._last_seen: dict[int, float] = {}
        self._groups = groupby(self._counted(attempts), key=lambda attempt: attempt.row)
        self._next = next(self._groups, None)

    def of(self, row: int) -> list[MovedAttempt]:
        """Those of a row; to be asked in the order of the rows."""
        while self._next is not None and self._next[0] < row:
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] > row:
            return []
        return list(self._next[1])

    def all(self) -> Attempts:
        """What was counted, once no row is asked for any more."""
        while self._next is not None:
            self._next = next(self._groups, None)
        return Attempts(
            total=self._total,
            first_at=self._first_at,
            throttled=self._throttled,
            throttled_by_stretch=tuple(self._by_stretch),
            throttled_again_by_stretch=tuple(self._again_by_stretch),
            last_seen=self._last_seen,
        )

    def _counted(self, attempts: Iterable[MovedAttempt]) -> Iterator[MovedAttempt]:
        for attempt in attempts:
            self._total += 1
            self._first_at = attempt.sent_at if self._first_at is None else min(self._first_at, attempt.sent_at)
            seen = attempt.sent_at + (attempt.latency_seconds or 0.0)
            self._last_seen[attempt.runner] = max(self._last_seen.get(attempt.runner, 0.0), seen)
            if attempt.http_status == _TOO_MANY_REQUESTS:
                self._throttled += 1
                place = int((attempt.sent_at - self._over_time.since) // self._over_time.seconds)
                if 0 <= place < len(self._by_stretch):
                    self._by_stretch[place] += 1
                    self._again_by_stretch[place] += attempt.status == Status.PENDING
            yield attempt
