"""When sending is allowed: daily windows in the local time of a zone, over midnight and through the nights in which the clocks change.

Moments are aware datetimes. A window is always in the zone's local time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from campaign.domain.errors import BadValueError

_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_MIDNIGHT: Final = "24:00"
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `opens` to before `closes` on every day. If it closes before it opens, it lasts over midnight."""

    opens: time
    closes: time

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}" if self.closes != time.min else f"{self.opens:%H:%M}-{_MIDNIGHT}"

    def holds(self, local: time) -> bool:
        """Whether the window is open at this local time."""
        if self.opens < self.closes:
            return self.opens <= local < self.closes
        return local >= self.opens or local < self.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a campaign may be sent: in the window in each row's zone (`home` if a row has none), from `start` to before `end`."""

    home: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    window: Window | None = None
    start: datetime | None = None
    end: datetime | None = None

    def zone_of(self, name: str) -> ZoneInfo:
        return zone(name) if name else self.home

    def is_over(self, now: datetime) -> bool:
        return self.end is not None and now >= self.end

    def is_time(self, name: str, now: datetime) -> bool:
        """Whether a row of this zone may be sent now."""
        if self.is_over(now) or (self.start is not None and now < self.start):
            return False
        return self.window is None or is_open(self.window, self.zone_of(name), now)

    def open_zones(self, names: Iterable[str], now: datetime) -> tuple[str, ...]:
        """The zones in which rows may be sent now, first the one whose window closes first."""
        names = [name for name in names if self.is_time(name, now)]
        if self.window is None:
            return tuple(names)
        window = self.window
        return tuple(sorted(names, key=lambda name: (_closing(window, self.zone_of(name), now), name)))

    def first_zones(self, names: Sequence[str], now: datetime) -> tuple[str, ...]:
        """The zones in which rows may be sent now, else those that open next; all of them if none ever opens."""
        at = self.next_time(names, now)
        return tuple(names) if at is None else self.open_zones(names, at)

    def next_time(self, names: Iterable[str], now: datetime) -> datetime | None:
        """The first moment from now on at which rows of one of the zones may be sent; None if there is none before the end."""
        at = max(now, self.start) if self.start is not None else now
        openings = [at if self.window is None else next_opening(self.window, self.zone_of(name), at) for name in names]
        first = min(openings, default=None)
        return None if first is None or self.is_over(first) else first

    def is_past(self, names: Iterable[str], now: datetime) -> bool:
        """Whether the end has passed, or no window opens before it in any of these zones."""
        names = tuple(names)
        return self.is_over(now) or (self.end is not None and bool(names) and self.next_time(names, now) is None)

    def seconds_left(self, now: datetime) -> float | None:
        """How many seconds the windows in the home zone are open until the end, all together; None if there is no end."""
        if self.end is None:
            return None
        first = max(now, self.start) if self.start is not None else now
        return open_seconds_until(self.window, self.home, first=first, last=self.end)


def parse_window(text: str) -> Window:
    """The window in a text such as `09:00-20:00`, or `22:00-06:00` over midnight.

    Raises:
        ValueError: the text is not a window, or the window never opens.
    """
    opens, dash, closes = (part.strip() for part in text.replace("\u2013", "-").partition("-"))
    if not dash or not _TIME.fullmatch(opens) or not (_TIME.fullmatch(closes) or closes == _MIDNIGHT):
        raise ValueError(f"“{text}” is not a window; write when it opens and closes, such as 09:00-20:00")
    window = Window(opens=_time(opens), closes=time.min if closes == _MIDNIGHT else _time(closes))
    if window.opens == window.closes and closes != _MIDNIGHT:
        raise ValueError(f"the window “{text}” never opens; write two different times, such as 09:00-20:00")
    return window


@cache
def known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name, such as Europe/Berlin.

    Raises:
        ValueError: there is no such zone. The text suggests the nearest name.
    """
    try:
        if name in known_zones():
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    near = get_close_matches(name.lower(), [known.lower() for known in known_zones()], n=1, cutoff=0.7)
    meant = next((known for known in known_zones() if near and known.lower() == near[0]), "")
    hint = f"; did you mean {meant}?" if meant else ", such as Europe/Berlin"
    raise BadValueError(f"“{name}” is no time zone; write its IANA name{hint}", suggestion=meant)


def parse_moment(text: str, *, in_zone: ZoneInfo, now: datetime) -> datetime:
    """`2026-12-24T18:00`, with or without an offset, `2026-12-24 18:00`, `2026-12-24` (its first moment), or `18:00` (the next one).

    Raises:
        ValueError: the text is not a time.
    """
    text = text.strip()
    if _TIME.fullmatch(text):
        today = now.astimezone(in_zone).date()
        days = (datetime.combine(today + timedelta(days=day), _time(text)) for day in range(3))
        return next(at for local in days if (at := _first_at_or_after(local, in_zone)) >= now)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"“{text}” is not a time; write 18:00, 2026-12-24 or 2026-12-24T18:00") from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return _first_at_or_after(moment, in_zone)


def is_open(window: Window, in_zone: ZoneInfo, at: datetime) -> bool:
    return window.holds(at.astimezone(in_zone).time())


def next_opening(window: Window, in_zone: ZoneInfo, at: datetime) -> datetime:
    """The first moment from `at` on at which the window is open, in UTC: `at` itself if it is open then."""
    if is_open(window, in_zone, at):
        return at.astimezone(UTC)
    yesterday = at.astimezone(in_zone).date() - timedelta(days=1)
    return min(start for start in _starts(window, in_zone, yesterday) if start >= at and is_open(window, in_zone, start))


def open_seconds_until(window: Window | None, in_zone: ZoneInfo, *, first: datetime, last: datetime) -> float:
    """How many seconds the window is open between two moments; without a window, all of them."""
    if last <= first:
        return 0.0
    if window is None:
        return (last - first).total_seconds()
    total, at = 0.0, first
    while (at := next_opening(window, in_zone, at)) < last:
        closing = min(_closing(window, in_zone, at), last)
        total += (closing - at).total_seconds()
        at = closing
    return total


def _closing(window: Window, in_zone: ZoneInfo, at: datetime) -> datetime:
    """The first moment after `at` at which the window is closed, `at` being in it; two days after `at` if it never closes."""
    turned = Window(opens=window.closes, closes=window.opens)
    if window.opens == window.closes:
        return at + timedelta(days=2)
    return next_opening(turned, in_zone, at)


def _starts(window: Window, in_zone: ZoneInfo, first: date) -> Iterator[datetime]:
    """Every moment of four days at which the window may open, in UTC."""
    for day in range(4):
        local = datetime.combine(first + timedelta(days=day), window.opens)
        for fold in (0, 1):
            start = local.replace(tzinfo=in_zone, fold=fold).astimezone(UTC)
            if start.astimezone(in_zone).replace(tzinfo=None) == local:
                yield start
        yield _first_at_or_after(local, in_zone)
        if (change := _change(first + timedelta(days=day), in_zone)) is not None:
            yield change


def _first_at_or_after(local: datetime, in_zone: ZoneInfo) -> datetime:
    """When a clock of the zone first shows `local`, or the moment of the change if the clock jumps over it; in UTC."""
    start = local.replace(tzinfo=in_zone, fold=0).astimezone(UTC)
    if start.astimezone(in_zone).replace(tzinfo=None) == local:
        return start
    change = _change(local.date(), in_zone)
    return start if change is None else change


def _change(day: date, in_zone: ZoneInfo) -> datetime | None:
    """The moment at which the zone's clocks change around a day, in UTC; None if they don't."""
    before = datetime.combine(day, time.min, tzinfo=UTC) - timedelta(hours=15)
    after = before + timedelta(hours=54)
    if before.astimezone(in_zone).utcoffset() == after.astimezone(in_zone).utcoffset():
        return None
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(in_zone).utcoffset() == before.astimezone(in_zone).utcoffset():
            before = middle
        else:
            after = middle
    return after


def _time(text: str) -> time:
    hour, _, minute = text.partition(":")
    return time(int(hour), int(minute))


_MOST_DAYS: Final = 3660


def ends_at(seconds: float, *, window: Window | None, in_zone: ZoneInfo, start: datetime) -> datetime | None:
    """When sending for so many seconds ends that only goes on while the window is open, in UTC; None if that is ten years away.

    Without a window it is always open. `start` is when sending may begin; aware.
    """
    if seconds > timedelta(days=_MOST_DAYS).total_seconds():
        return None
    if window is None or window.opens == window.closes:
        return start.astimezone(UTC) + timedelta(seconds=seconds)
    shut = Window(opens=window.closes, closes=window.opens)
    left, at = timedelta(seconds=seconds), start
    for _ in range(_MOST_DAYS):
        opens = next_opening(window, in_zone, at)
        closes = next_opening(shut, in_zone, opens)
        if left <= closes - opens:
            return opens + left
        left -= closes - opens
        at = closes
    return None


def moment_in_words(at: datetime, *, now: datetime, in_zone: tzinfo) -> str:
    """A moment for people: `14:32` today, else `03:10 on Wed 2 Dec`, with the year if it is not this one."""
    local, today = at.astimezone(in_zone), now.astimezone(in_zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local:%H:%M} on {_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}{year}"


# strftime would use the machine's language, and everything else here is English.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
