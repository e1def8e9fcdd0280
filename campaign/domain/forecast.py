"""When a run will be through, if nothing holds it up."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from campaign.domain.schedule import Window, next_opening

_MOST_DAYS: Final = 3660


def ends_at(seconds: float, *, window: Window | None, in_zone: ZoneInfo, start: datetime) -> datetime | None:
    """When sending that takes so long, and only goes on while the window is open, ends; None if that is ten years away.

    Args:
        seconds: of sending.
        window: None is always open.
        in_zone: where the window's times are those on the wall.
        start: aware; when sending may begin.
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
    """A moment for people: `14:32` today, `03:10 on Wed 2 Dec`, with the year if it is another."""
    local, today = at.astimezone(in_zone), now.astimezone(in_zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local:%H:%M} on {_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}{year}"


# Not by strftime: its names are those of the machine's language, and everything else here is English.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
