"""Resolves a job at a given time: which list or campaign, with which settings."""

import glob
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Any, Final, assert_never

from campaign import object_store
from campaign.app.campaign_settings import home_zone
from campaign.app.jobs import schema
from campaign.app.jobs.job import DATE, LIST, WEEK, Command, Job, at_home, in_folder, takes_placeholders, under, used_in
from campaign.app.jobs.schema import known_keys
from campaign.app.lists.list_source import ListSource, default_name, find_list
from campaign.domain.errors import InputError
from campaign.domain.lists.locations import Location, ObjectUrl, parse_location
from campaign.domain.lists.query import is_query
from campaign.domain.retry_selection import Selection
from campaign.domain.text.durations import parse_duration, words
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder:
    source: ListSource
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOrder:
    """A retry. With `comes_and_goes` the campaign's name changes with the day, so that the campaign may not exist yet.

    `rows` is the path or pattern, as in the job, of the list that names the rows; empty for all rows.
    """

    campaign: str
    selection: Selection
    comes_and_goes: bool
    settings: Settings
    rows: str = ""


Order = SendOrder | RetryOrder


def settings_of(job: Job, settings: Settings, *, now: datetime) -> Settings:
    """The settings of the job's run, without the names and paths that need the list's name, as the list is not known yet.

    `settings` come from flags and the environment, which count before the job.

    Raises:
        UsageError: the environment names an unknown time zone.
    """
    words = _words(job, settings, now)
    given = {
        key.field: _filled(key, value, words, job.file.parent)
        for key, value in _of_settings(job, settings).items()
        if not _needs_list(key, value)
    }
    return settings.overridden_by(given).model_copy(update={"yes": True})


def order_of(job: Job, settings: Settings, *, now: datetime) -> Order:
    """The order of the job at `now`; `settings` are from `settings_of`.

    Raises:
        InputError: there is no list, or it is too old.
    """
    words, folder = _words(job, settings, now), job.file.parent
    match job.command:
        case Command.RUN:
            source = _list_of(job, filled(job.text(schema.LIST), words), settings, now=now)
            missing = {key: value for key, value in _of_settings(job, settings).items() if _needs_list(key, value)}
            if missing:
                words[LIST] = default_name(source)
            return SendOrder(
                source=source,
                settings=settings.overridden_by({key.field: _filled(key, value, words, folder) for key, value in missing.items()}),
            )
        case Command.RETRY:
            return RetryOrder(
                campaign=filled(job.text(schema.CAMPAIGN), words),
                selection=job.selection,
                comes_and_goes=bool(used_in(job.text(schema.CAMPAIGN))),
                settings=settings,
                rows=filled(job.text(schema.ROWS), words),
            )
        case never:
            assert_never(never)


def _list_of(job: Job, text: str, settings: Settings, *, now: datetime) -> ListSource:
    age, folder = job.text(schema.MAX_AGE), job.file.parent
    if is_query(text):
        if age:
            raise InputError("“max_age” is about a file, and the list is a query. Take it out; nothing was sent.", file=job.file)
        return find_list(text, settings, folder=folder)
    most = parse_duration(age) if age else None
    return find_list(str(pick_list(text, folder=folder, max_age_seconds=most, now=now, job=str(job.file))), settings)


def rows_of(order: RetryOrder, job: Job, *, now: datetime) -> str | None:
    """The list that names a retry's rows; None if the retry has none. Raises InputError if no file is found."""
    if not order.rows:
        return None
    return str(pick_list(order.rows, folder=job.file.parent, max_age_seconds=None, now=now, job=str(job.file), key=schema.ROWS.name))


def _of_settings(job: Job, settings: Settings) -> dict[schema.Key, Any]:
    found = {key: job.values[path] for path, key in known_keys().items() if key.field and path in job.values}
    if settings.model_fields_set & set(schema.MESSAGES):
        # A message from a flag or the environment replaces the job's; both together would be an error.
        return {key: value for key, value in found.items() if key.field not in schema.MESSAGES}
    return found


def _needs_list(key: schema.Key, value: Any) -> bool:
    return takes_placeholders(key) and any(LIST in used_in(text) for text in (value if isinstance(value, tuple) else (value,)))


def _words(job: Job, settings: Settings, now: datetime) -> dict[str, str]:
    """The values of the placeholders, in the time zone of the flags or the environment, else the job's, else the machine's."""
    zoned = settings if settings.time_zone is not None else settings.model_copy(update={"time_zone": job.values.get(schema.ZONE)})
    return of_the_day(now.astimezone(home_zone(zoned)))


def of_the_day(now: datetime) -> dict[str, str]:
    """The values of `{date}` and `{week}`; `now` is in the job's time zone. The week and its year are those of ISO 8601."""
    year, week, _ = now.isocalendar()
    return {DATE: now.date().isoformat(), WEEK: f"{year}-W{week:02}"}


def filled(text: str, values: Mapping[str, str]) -> str:
    return "".join(before + (values[name] if name is not None else "") for before, name, _, _ in Formatter().parse(text))


def _filled(key: schema.Key, value: Any, words: Mapping[str, str], folder: Path) -> Any:
    if isinstance(value, tuple):
        return tuple(_filled(key, one, words, folder) for one in value)
    return in_folder(key, filled(value, words) if takes_placeholders(key) else value, folder)


_OURS: Final = (".results", ".resumed", ".failed")


def pick_list(text: str, *, folder: Path, max_age_seconds: float | None, now: datetime, job: str, key: str = "list") -> Location:
    """The file or, for a pattern with `*`, `?` or `[...]`, its newest match; of two with the same time the last by name.

    Results that a run wrote beside its list never match, though they are newer and have similar names. `text` is a path or a pattern,
    relative to `folder`, or a URL; the list may have been written `max_age_seconds` ago. `job` and its `key` are for messages.

    Raises:
        UsageError: it is a URL that can't be used.
        InputError: there is no such file, it is too old, or its store can't be reached.
    """
    place = parse_location(text)
    ages = _objects(place) if isinstance(place, ObjectUrl) else _files(text, folder)
    if not ages:
        alone = place if isinstance(place, ObjectUrl) else under(folder, text)
        missing = f"No list matches “{text}”" if glob.has_magic(text) else f"There is no list {alone}"
        raise InputError(f"{missing}. Put one there, or correct “{key}”; nothing was sent.", code="no_list", file=job, source=text)
    written, newest = max(ages, key=lambda age: (age[0], age[1].name))
    age_seconds = now.timestamp() - written / 1e9
    if max_age_seconds is not None and age_seconds > max_age_seconds:
        raise InputError(
            f"The list {newest} is {words(age_seconds)} old, and “max_age” allows {words(max_age_seconds)}. "
            f"Put this time's list there; nothing was sent.",
            code="list_too_old",
            file=job,
            source=newest,
        )
    return newest


def _files(text: str, folder: Path) -> list[tuple[int, Location]]:
    """The matching files, each with the time of its last change in Unix nanoseconds."""
    place = under(folder, text)
    found = [place]
    if not place.is_file():
        names = glob.glob(at_home(text), root_dir=folder, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = [match for name in names if (match := under(folder, name)).is_file() and _is_list(match)]
    return [(written, path) for path in found if (written := _written(path)) is not None]


def _objects(url: ObjectUrl) -> list[tuple[int, Location]]:
    """The matching objects, each with the time of its last change in Unix nanoseconds."""
    if (itself := object_store.find(url)) is not None:
        return [(itself.written_ns, url)]
    if not glob.has_magic(url.key):
        return []
    hidden = url.name.startswith(".")
    return [
        (found.written_ns, found.url)
        for found in object_store.matching(url)
        if _is_list(found.url) and (hidden or not found.url.name.startswith("."))
    ]


def _is_list(place: Location) -> bool:
    # Excel puts a file with ~$ beside a file that someone has open.
    return not place.stem.endswith(_OURS) and not place.name.startswith("~$")


def _written(path: Path) -> int | None:
    """The time of a file's last change in Unix nanoseconds; None if the file no longer exists."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
