"""What a job comes to at a moment: which list or campaign, under which settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, assert_never

from campaign.app.jobs import keys
from campaign.app.jobs.job import Command, Job, takes_placeholders
from campaign.app.jobs.keys import known_keys
from campaign.app.jobs.picking import pick_list, under
from campaign.app.jobs.placeholders import LIST, filled, of_the_day, used_in
from campaign.app.lists import default_name
from campaign.domain.durations import parse_duration
from campaign.domain.model import Status
from campaign.domain.schedule import zone
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder:
    source: str
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOrder:
    """`comes_and_goes` says that the campaign's name changes with the day, so that there may be none yet."""

    campaign: str
    statuses: frozenset[Status]
    comes_and_goes: bool
    settings: Settings


Order = SendOrder | RetryOrder


def order_of(job: Job, settings: Settings, *, now: datetime) -> Order:
    """What the job means now; `settings` are what flags and the environment say, which goes before the job.

    Raises:
        InputError: there is no list, or it is too old.
    """
    of_settings = {key: job.values[path] for path, key in known_keys().items() if key.field and path in job.values}
    if settings.model_fields_set & set(keys.MESSAGES):
        # One that was given in their place would otherwise be one too many.
        of_settings = {key: value for key, value in of_settings.items() if key.field not in keys.MESSAGES}
    names = {key: value for key, value in of_settings.items() if takes_placeholders(key)}
    rest = settings.above({key.field: value for key, value in of_settings.items() if key not in names})
    words = of_the_day(now.astimezone(_zone(job, rest)))
    folder = job.file.parent
    source = ""
    if job.command is Command.RUN:
        found = pick_list(
            filled(job.text(keys.LIST), words),
            folder=folder,
            max_age_seconds=parse_duration(age) if (age := job.text(keys.MAX_AGE)) else None,
            now=now,
            job=str(job.file),
        )
        source = str(found)
        words[LIST] = default_name(source)
    ready = rest.above({key.field: _placed(key, value, words, folder) for key, value in names.items()}).model_copy(update={"yes": True})
    match job.command:
        case Command.RUN:
            return SendOrder(source=source, settings=ready)
        case Command.RETRY:
            return RetryOrder(
                campaign=filled(job.text(keys.CAMPAIGN), words),
                statuses=frozenset(map(Status, job.statuses)),
                comes_and_goes=bool(used_in(job.text(keys.CAMPAIGN))),
                settings=ready,
            )
        case never:
            assert_never(never)


def _zone(job: Job, settings: Settings) -> tzinfo | None:
    """The zone whose date counts; None for the machine's own."""
    name = str(getattr(settings, "time_zone", None) or job.text(keys.ZONE))
    return zone(name) if name else None


def _placed(key: keys.Key, value: Any, words: Mapping[str, str], folder: Path) -> Any:
    if isinstance(value, tuple):
        return tuple(_placed(key, one, words, folder) for one in value)
    text = filled(value, words)
    return str(under(folder, text)) if key.is_path and "://" not in text else text
