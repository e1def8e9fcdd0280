"""Decides whether a request is admitted, by token, storm and rate limit in this order, and makes the rate limit's headers."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from campaign.simulator.api.routes import Allowance, Endpoint, Objection
from campaign.simulator.config import VENDOR_RETRY_AFTER, SimulatorConfig, Storm

SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The state of the rate limit: how many more requests are admitted now, and the time until one more than that is."""

    remaining: int
    frees_in_ns: int


class SlidingWindow:
    """The admitted requests of the last second, for one endpoint, method and token. Times must not decrease."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def admit(self, now_ns: int, limit: int) -> bool:
        """Admit and record the request if fewer than `limit` were admitted in the second that ends now."""
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
    """The most requests within any one second; two requests exactly a second apart are not within one."""

    __slots__ = ("_times", "highest")

    def __init__(self) -> None:
        self._times: deque[int] = deque()
        self.highest = 0

    def add(self, now_ns: int) -> None:
        _forget(self._times, now_ns)
        self._times.append(now_ns)
        self.highest = max(self.highest, len(self._times))


class Meter:
    """Counts the requests of one token to one endpoint, arrived and admitted. Times are in nanoseconds and must not decrease."""

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
        """The average rate between the first and the last admitted request; 0 if there is no time between them."""
        span_ns = self._last_ns - self._first_ns
        return (self.admitted - 1) * SECOND_NS / span_ns if span_ns else 0.0


def _forget(times: deque[int], now_ns: int) -> None:
    while times and times[0] <= now_ns - SECOND_NS:
        times.popleft()


def limit_headers(room: Room, *, limit: int, endpoint_path: str, unix_ns: int) -> dict[str, str]:
    """The headers that the vendor documents for every answer; the reset is in whole Unix seconds, rounded up."""
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(room.remaining),
        "x-rate-limit-reset": str(-(-(unix_ns + room.frees_in_ns) // SECOND_NS)),
        "x-rate-limit-url": endpoint_path,
    }


def retry_after(room: Room) -> str:
    """The time to wait in decimal seconds, rounded up, so that a client that waits this long is admitted."""
    return f"{-(-room.frees_in_ns // 1_000_000) / 1000:.3f}"


_UNAUTHORIZED: Final = Objection(status=401, error="Unauthorized")
_FORBIDDEN: Final = Objection(status=403, error="Forbidden")
THROTTLED: Final = Objection(status=429, error="Too Many Requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`objection` is None for an admitted request, which counts against the limit."""

    objection: Objection | None = None
    headers: dict[str, str] = field(default_factory=dict)
    in_storm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _DatedStorm:
    storm: Storm
    from_ns: int
    until_ns: int


class Admission:
    """Keeps the admitted requests, the number of uses left for tokens, and the times of storms. Times must not decrease."""

    def __init__(self, config: SimulatorConfig, *, now_ns: int) -> None:
        self._windows: dict[tuple[Endpoint, int], SlidingWindow] = {}
        self._config = config
        self._allowance = Allowance(config.tokens_accepted_for)
        self._storms = _dated(config.storms, now_ns)

    def configure(self, config: SimulatorConfig, *, changed: frozenset[str], now_ns: int) -> None:
        """Apply the changed settings; the times of changed storms count from now."""
        self._config = config
        if "tokens_accepted_for" in changed:
            self._allowance = Allowance(config.tokens_accepted_for)
        if "storms" in changed:
            self._storms = _dated(config.storms, now_ns)

    def admit(self, endpoint: Endpoint, *, token: str | None, token_number: int, now_ns: int, unix_ns: int) -> Verdict:
        """Admit the request, or return why not. A refused request doesn't count against the limit."""
        limit = self._config.limit_per_second
        window = self._windows.setdefault((endpoint, token_number), SlidingWindow())
        objection = self._objection_to(token)
        storm = self._storm_at(now_ns) if endpoint is Endpoint.NOTIFY and objection is None else None
        if storm is not None or (objection is None and limit and not window.admit(now_ns, limit)):
            objection = THROTTLED
        room = window.room(now_ns, limit)
        headers = limit_headers(room, limit=limit, endpoint_path=endpoint.path, unix_ns=unix_ns) if limit else {}
        if storm is None and objection is THROTTLED:
            headers[VENDOR_RETRY_AFTER] = retry_after(room)
        elif storm is not None and storm.retry_after is not None:
            headers[storm.header] = storm.retry_after
        return Verdict(objection=objection, headers=headers, in_storm=storm is not None)

    def _objection_to(self, token: str | None) -> Objection | None:
        config = self._config
        if token is None or (config.tokens and token not in config.tokens | config.forbidden_tokens):
            return _UNAUTHORIZED
        if token in config.forbidden_tokens:
            return _FORBIDDEN
        return None if self._allowance.take() else _UNAUTHORIZED

    def _storm_at(self, now_ns: int) -> Storm | None:
        return next((dated.storm for dated in self._storms if dated.from_ns <= now_ns < dated.until_ns), None)


def _dated(storms: tuple[Storm, ...], now_ns: int) -> tuple[_DatedStorm, ...]:
    return tuple(
        _DatedStorm(
            storm=storm,
            from_ns=now_ns + round(storm.after_seconds * SECOND_NS),
            until_ns=now_ns + round((storm.after_seconds + storm.seconds) * SECOND_NS),
        )
        for storm in storms
    )
