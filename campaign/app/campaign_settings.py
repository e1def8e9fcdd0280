"""Combines the settings of a command with those that the campaign remembers, into a schedule."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from campaign.domain.errors import UsageError
from campaign.domain.schedule import Schedule, known_zones, parse_moment, zone
from campaign.domain.text.lines import as_sentence
from campaign.setting_types import Persisted
from campaign.settings import Settings, marked

_HOURS: Final = ("window", "time_zone", "start_at", "not_after")
_MOMENTS: Final[tuple[str, ...]] = ("start_at_time", "not_after_time")


def kept_of(stored: dict[str, str]) -> dict[str, str]:
    """The stored settings of a campaign that may be used: an imported file may hold any setting, even the URL that gets the token."""
    allowed = {"rate", *marked(Persisted), *_MOMENTS}
    return {name: text for name, text in stored.items() if name in allowed}


def remembered(settings: Settings, *, now: datetime, own_zones: bool) -> dict[str, str]:
    """The settings that a new campaign keeps; its start and end also as absolute times.

    With `own_zones`, rows may have time zones, in which the window opens at other times.

    Raises:
        UsageError: a time or a zone is not valid, the end is over, or nothing could be sent before it.
    """
    kept: dict[str, str] = {name: settings.as_text(name) for name in marked(Persisted) if name in settings.model_fields_set}
    schedule = check_schedule(settings, {}, zones=[] if own_zones else [""], now=now)
    for name, moment in (("start_at", schedule.start), ("not_after", schedule.end)):
        if moment is not None:
            kept[f"{name}_time"] = moment.isoformat()
    return kept


def check_schedule(settings: Settings, kept: dict[str, str], *, zones: Iterable[str], now: datetime) -> Schedule:
    """The schedule, as by `schedule_of`, with new settings validated; an end that the campaign remembers may be over.

    `zones` are those of its rows, as far as they are known.

    Raises:
        UsageError: a time or a zone is not valid, or with the new settings nothing could be sent before the end.
    """
    schedule = schedule_of(settings, kept, now=now)
    given = {name: settings.as_text(name) for name in _HOURS if getattr(settings, name) is not None}
    changed = {name for name, text in given.items() if kept.get(name) != text}
    if "not_after" in changed and schedule.is_over(now):
        raise UsageError(
            f"--not-after {settings.not_after}: that is over ({_shown(schedule.end, schedule.home)}); nothing was sent.",
            code="end_is_over",
            option="--not-after",
        )
    if changed and schedule.start is not None and schedule.is_over(schedule.start):
        raise UsageError(
            f"--start-at {settings.start_at} is not before --not-after {settings.not_after}; nothing would ever be sent.",
            code="start_after_end",
            option="--start-at",
        )
    if changed and not schedule.is_over(now) and schedule.is_past(zones, now):
        raise UsageError(
            f"--window {settings.window} does not open before --not-after {settings.not_after}; nothing would ever be sent.",
            code="window_never_opens",
            option="--window",
        )
    return schedule


def schedule_of(settings: Settings, kept: dict[str, str], *, now: datetime) -> Schedule:
    """When a campaign may be sent. A time of day in `kept` means the same time and date as when it was first given.

    Raises:
        UsageError: a time or a zone is not valid.
    """
    home = home_zone(settings)
    return Schedule(
        home=home,
        window=settings.window,
        start=_moment("start_at", settings.start_at, kept, home, now),
        end=_moment("not_after", settings.not_after, kept, home, now),
    )


def check_not_over(schedule: Schedule, *, now: datetime) -> None:
    """Check that the end is not over: rows that a person wants to send again would be skipped for good.

    Raises:
        UsageError: the campaign's end is over.
    """
    if schedule.is_over(now):
        raise UsageError(
            f"The campaign's end is over ({_shown(schedule.end, schedule.home)}); nothing was sent. To send its rows again all the same, "
            "give it a new one with --not-after.",
            code="end_is_over",
            campaign_end=schedule.end,
        )


def home_zone(settings: Settings) -> ZoneInfo:
    """The zone of `--time-zone`, else the machine's. Raises UsageError if there is no such zone."""
    if settings.time_zone is None:
        return _local_zone()
    try:
        return zone(settings.time_zone)
    except ValueError as error:
        raise UsageError(f"--time-zone: {as_sentence(str(error))}", code="bad_value", option="--time-zone") from None


def cannot_finish(schedule: Schedule, messages: int, rate_per_second: float | None, *, now: datetime) -> str:
    """A sentence if this many messages can't all be sent before the end; else empty."""
    left = schedule.seconds_left(now)
    if left is None or rate_per_second is None or messages <= left * rate_per_second:
        return ""
    fit = int(left * rate_per_second)
    return (
        f"At {rate_per_second:g} a second only about {fit:,} of {messages:,} messages can be sent before "
        f"{_shown(schedule.end, schedule.home)}; what is left then is skipped as expired."
    )


def opens_in_words(schedule: Schedule, zones: Iterable[str], *, now: datetime) -> str:
    """A sentence about when rows of these time zones may be sent next; empty if some may be sent now, or none ever."""
    opens = schedule.next_time(zones, now)
    return "" if opens is None or opens <= now else f"It may be sent again from {_shown(opens, schedule.home)} on ({schedule.home.key})."


def _moment(name: str, text: str | None, kept: dict[str, str], home: ZoneInfo, now: datetime) -> datetime | None:
    if text is None:
        return None
    if kept.get(name) == text and f"{name}_time" in kept:
        return datetime.fromisoformat(kept[f"{name}_time"])
    try:
        return parse_moment(text, in_zone=home, now=now)
    except ValueError as error:
        raise UsageError(f"--{name.replace('_', '-')}: {error}.", code="bad_value", option=f"--{name.replace('_', '-')}") from None


def _shown(moment: datetime | None, home: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(home).strftime("%Y-%m-%d %H:%M")


def _local_zone() -> ZoneInfo:
    named = os.environ.get("TZ", "").removeprefix(":")
    linked = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return next((zone(name) for name in (named, linked) if name in known_zones()), ZoneInfo("UTC"))


def utc_now() -> datetime:
    return datetime.now(tz=UTC)
