"""What a job comes to at a moment: which list or campaign, under which settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never

from campaign.app.controls import home_zone
from campaign.app.jobs import keys
from campaign.app.jobs.job import Command, Job, in_folder, takes_placeholders
from campaign.app.jobs.keys import known_keys
from campaign.app.jobs.picking import pick_list
from campaign.app.jobs.placeholders import LIST, filled, of_the_day, used_in
from campaign.app.lists import default_name
from campaign.domain.durations import parse_duration
from campaign.domain.selection import Selection
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder:
    source: str
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOrder:
    """`comes_and_goes` says that the campaign's name changes with the day, so that there may be none yet.

    `rows` is the list that names the rows, as the job has it: a path or a pattern; empty for all of them.
    """

    campaign: str
    selection: Selection
    comes_and_goes: bool
    settings: Settings
    rows: str = ""


Order = SendOrder | RetryOrder


def settings_of(job: Job, settings: Settings, *, now: datetime) -> Settings:
    """What a run of the job is told, but for names and paths that hold its list's name, as the list is still to be found.

    `settings` are what flags and the environment say, which goes before the job.

    Raises:
        UsageError: the environment names a time zone that there is not.
    """
    words = _words(job, settings, now)
    given = {
        key.field: _filled(key, value, words, job.file.parent)
        for key, value in _of_settings(job, settings).items()
        if not _needs_list(key, value)
    }
    return settings.above(given).model_copy(update={"yes": True})


def order_of(job: Job, settings: Settings, *, now: datetime) -> Order:
    """What the job means now; `settings` are from `settings_of`.

    Raises:
        InputError: there is no list, or it is too old.
    """
    words, folder = _words(job, settings, now), job.file.parent
    match job.command:
        case Command.RUN:
            age = job.text(keys.MAX_AGE)
            source = pick_list(
                filled(job.text(keys.LIST), words),
                folder=folder,
                max_age_seconds=parse_duration(age) if age else None,
                now=now,
                job=str(job.file),
            )
            words[LIST] = default_name(str(source))
            missing = {key: value for key, value in _of_settings(job, settings).items() if _needs_list(key, value)}
            return SendOrder(
                source=str(source),
                settings=settings.above({key.field: _filled(key, value, words, folder) for key, value in missing.items()}),
            )
        case Command.RETRY:
            return RetryOrder(
                campaign=filled(job.text(keys.CAMPAIGN), words),
                selection=job.selection,
                comes_and_goes=bool(used_in(job.text(keys.CAMPAIGN))),
                settings=settings,
                rows=filled(job.text(keys.ROWS), words),
            )
        case never:
            assert_never(never)


def rows_of(order: RetryOrder, job: Job, *, now: datetime) -> str | None:
    """The list that names a retry's rows, where it does.

    Raises:
        InputError: there is none.
    """
    if not order.rows:
        return None
    return str(pick_list(order.rows, folder=job.file.parent, max_age_seconds=None, now=now, job=str(job.file), key=keys.ROWS.name))


def _of_settings(job: Job, settings: Settings) -> dict[keys.Key, Any]:
    found = {key: job.values[path] for path, key in known_keys().items() if key.field and path in job.values}
    if settings.model_fields_set & set(keys.MESSAGES):
        # One that was given in their place would otherwise be one too many.
        return {key: value for key, value in found.items() if key.field not in keys.MESSAGES}
    return found


def _needs_list(key: keys.Key, value: Any) -> bool:
    return takes_placeholders(key) and any(LIST in used_in(text) for text in (value if isinstance(value, tuple) else (value,)))


def _words(job: Job, settings: Settings, now: datetime) -> dict[str, str]:
    """What the placeholders stand for, in the zone of the flags and the environment, else the job's, else the machine's."""
    zoned = settings if settings.time_zone is not None else settings.model_copy(update={"time_zone": job.values.get(keys.ZONE)})
    return of_the_day(now.astimezone(home_zone(zoned)))


def _filled(key: keys.Key, value: Any, words: Mapping[str, str], folder: Path) -> Any:
    if isinstance(value, tuple):
        return tuple(_filled(key, one, words, folder) for one in value)
    return in_folder(key, filled(value, words) if takes_placeholders(key) else value, folder)
