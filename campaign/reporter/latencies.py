"""How long sends took: every one of them, to the millisecond, in memory that does not grow with their number."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

LIMITS_MS: Final = (0, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
"""Where the bands begin; the last one has no end."""
_LONGEST_MS: Final = 600_000
"""No request waits so long; whatever a ledger holds beyond it counts as that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Sends that took from `low_ms` until before `high_ms` (None: or longer)."""

    low_ms: int
    high_ms: int | None
    count: int


class Latencies:
    """Counts sends by whole milliseconds."""

    def __init__(self) -> None:
        self._by_ms: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._by_ms[min(max(round(seconds * 1000), 0), _LONGEST_MS)] += 1

    @property
    def count(self) -> int:
        return self._by_ms.total()

    def percentile_ms(self, percent: int) -> int:
        """The least time within which so many percent of the sends ended (nearest rank); 0 if there are none."""
        rank = -(-self.count * percent // 100)
        seen = 0
        for ms in sorted(self._by_ms):
            seen += self._by_ms[ms]
            if seen >= rank:
                return ms
        return 0

    def bands(self) -> tuple[Band, ...]:
        """From the first band that has a send to the last that has."""
        bands = [
            Band(
                low_ms=low, high_ms=high, count=sum(count for ms, count in self._by_ms.items() if low <= ms and (high is None or ms < high))
            )
            for low, high in _limits()
        ]
        filled = [place for place, band in enumerate(bands) if band.count]
        return tuple(bands[filled[0] : filled[-1] + 1]) if filled else ()


def _limits() -> Iterator[tuple[int, int | None]]:
    yield from pairwise(LIMITS_MS)
    yield LIMITS_MS[-1], None
