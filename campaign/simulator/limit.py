"""The sliding window, in whole nanoseconds so that nothing is rounded: a request counts for exactly one second from when it came.

The vendor does not say whether refused requests count; here they do not, so that a client which is told to wait is not held
off for longer than it was told.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What an answer says of the limit: how many requests more may come now, and how long until one more than that may."""

    remaining: int
    frees_in_ns: int


class SlidingWindow:
    """The admitted requests of the last second, of one endpoint, method and token. Times must not run backwards."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def admit(self, now_ns: int, limit: int) -> bool:
        """Admits and remembers the request if fewer than `limit` came in the second that ends now."""
        _forget(self._times, now_ns)
        if len(self._times) >= limit:
            return False
        self._times.append(now_ns)
        return True

    def room(self, now_ns: int, limit: int) -> Room:
        times = self._times
        _forget(times, now_ns)
        taken = len(times)
        leaves_next = times[max(0, taken - limit)] + SECOND_NS - now_ns if taken else 0
        return Room(remaining=max(0, limit - taken), frees_in_ns=leaves_next)


class Peak:
    """The most requests that came within any one second; two exactly a second apart are not within one."""

    __slots__ = ("_times", "highest")

    def __init__(self) -> None:
        self._times: deque[int] = deque()
        self.highest = 0

    def add(self, now_ns: int) -> None:
        _forget(self._times, now_ns)
        self._times.append(now_ns)
        self.highest = max(self.highest, len(self._times))


class Meter:
    """What came from one token to one endpoint, and what of it was admitted. Times are nanoseconds that do not run backwards."""

    __slots__ = ("_admitted_peak", "_arrived_peak", "_first_ns", "_last_ns", "admitted", "arrived")

    def __init__(self) -> None:
        self._arrived_peak = Peak()
        self._admitted_peak = Peak()
        self._first_ns = self._last_ns = 0
        self.arrived = self.admitted = 0

    def arrive(self, now_ns: int) -> None:
        self._arrived_peak.add(now_ns)
        self.arrived += 1

    def admit(self, now_ns: int) -> None:
        self._admitted_peak.add(now_ns)
        if not self.admitted:
            self._first_ns = now_ns
        self._last_ns = now_ns
        self.admitted += 1

    @property
    def max_arrived_in_a_second(self) -> int:
        return self._arrived_peak.highest

    @property
    def max_admitted_in_a_second(self) -> int:
        return self._admitted_peak.highest

    @property
    def admitted_per_second(self) -> float:
        """The average between the first and the last admitted request, 0 if they are not apart."""
        span_ns = self._last_ns - self._first_ns
        return (self.admitted - 1) * SECOND_NS / span_ns if span_ns else 0.0


def _forget(times: deque[int], now_ns: int) -> None:
    while times and times[0] <= now_ns - SECOND_NS:
        times.popleft()


def limit_headers(room: Room, *, limit: int, endpoint_path: str, unix_ns: int) -> dict[str, str]:
    """What the vendor documents for every answer; the reset is in whole Unix seconds, rounded up."""
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(room.remaining),
        "x-rate-limit-reset": str(-(-(unix_ns + room.frees_in_ns) // SECOND_NS)),
        "x-rate-limit-url": endpoint_path,
    }


def retry_after(room: Room) -> str:
    """Decimal seconds, rounded up so that whoever waits so long is let in."""
    return f"{-(-room.frees_in_ns // 1_000_000) / 1000:.3f}"
