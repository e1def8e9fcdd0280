"""The question before sending: what will happen, in one sentence, and what to look at. The same wherever people are asked."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaign.app.campaign_settings import schedule_of, utc_now
from campaign.app.lists.message_warnings import Rows, findings_of
from campaign.domain.batches import MOST_RECIPIENTS
from campaign.domain.lists.lint_findings import LintFinding
from campaign.domain.schedule import Schedule, ends_at, moment_in_words
from campaign.domain.status import Status
from campaign.domain.text.durations import words
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.sender.attempt import OnUnknown
from campaign.settings import Settings, Via

NUMBER_FROM: Final = 10_000
"""Above this many recipients, a person has to type their number, as a “y” is typed, or a button pressed, too easily."""

_NUMBER: Final = re.compile(r"\d+|\d{1,3}(?:([,. '’\u00a0\u202f])\d{3})(?:\1\d{3})*", re.ASCII)  # noqa: RUF001 - as the Swiss write it


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be sent.

    Attributes:
        messages: how many would be sent at most, each to another pass.
        left: how many would be sent without `--limit` and `--sample`.
        left_out: how many rows of the list are not sent, being invalid or skipped. 0 if only some rows were chosen, as by a retry.
        rate_per_second: None is without pacing.
        zones: the time zones of the rows; an empty name means rows without one. None if they are not known.
        to: the only pass that gets a message, whatever the list says.
        in_doubt: how many more rows may be sent, once it is known that their messages have not arrived.
    """

    list_name: str
    messages: int
    left: int
    left_out: int
    rate_per_second: float | None
    schedule: Schedule
    zones: tuple[str, ...] | None
    to: str = ""
    by_batches: bool = False
    in_doubt: int = 0


def is_number(answer: str, number: int) -> bool:
    """Whether an answer is this number, with or without a separator between its thousands."""
    answer = answer.strip()
    return _NUMBER.fullmatch(answer) is not None and int(re.sub(r"\D", "", answer)) == number


def plan_in_words(plan: Plan, *, now: datetime) -> str:
    """What will happen, as one sentence. Times are in the schedule's zone, which is this machine's unless the settings name another."""
    if plan.to:
        return f"This sends 1 message, of {plan.list_name}, to the pass {plan.to} alone."
    schedule = plan.schedule
    start = max(now, schedule.start) if schedule.start is not None else now
    parts = [f"This sends {_messages(plan)} of {plan.list_name}"]
    if plan.in_doubt:
        parts.append(f"and up to {plan.in_doubt:,} more whose outcome is not known yet")
    first = start if plan.zones is None else schedule.next_time(plan.zones or ("",), now) or start
    if first > now:
        parts.append(f"from {_shown(first, plan, now)} on")
    if plan.by_batches:
        count = math.ceil(plan.messages / MOST_RECIPIENTS)
        parts.append(f"in at least {count:,} of PassEntry's batches (unconfirmed), which it sends at its own pace")
    elif rate := plan.rate_per_second:
        seconds = max(1.0, plan.messages / rate)
        parts.append(f"which takes about {words(seconds)} at {rate:g} a second{_until(plan, seconds, start, now)}")
    if schedule.window is not None:
        where = "in each row's own time zone" if _own_zones(plan) else f"in {schedule.home}"
        parts.append(f"and only goes on from {str(schedule.window).replace('-', ' to ')} {where}")
    if schedule.end is not None:
        parts.append(f"and leaves out what is not sent before {_shown(schedule.end, plan, now)}")
    if plan.left_out:
        are = "are" if plan.left_out > 1 else "is"
        parts.append(f"and leaves out {plan.left_out:,} of the list's rows, which {are} invalid or skipped")
    undo = " Up to its release each batch can be undone by cancel." if plan.by_batches else ""
    return f"{', '.join(parts)}.{undo}"


def _own_zones(plan: Plan) -> bool:
    return plan.zones is None or any(plan.zones)


def _messages(plan: Plan) -> str:
    if plan.messages < plan.left:
        return f"{plan.messages:,} of {plan.left:,} messages to the passes"
    return "1 message to a pass" if plan.messages == 1 else f"{plan.messages:,} messages to the passes"


def _until(plan: Plan, seconds: float, start: datetime, now: datetime) -> str:
    schedule = plan.schedule
    if schedule.window is not None and _own_zones(plan):
        # The time depends on how many passes each zone has.
        return ""
    end = ends_at(seconds, window=schedule.window, in_zone=schedule.home, start=start)
    if end is None or schedule.is_over(end):
        return ""
    return f", until about {_shown(end + timedelta(seconds=30), plan, now)}"


def _shown(moment: datetime, plan: Plan, now: datetime) -> str:
    home = plan.schedule.home
    shown = moment_in_words(moment, now=now, in_zone=home)
    elsewhere = moment.astimezone(home).utcoffset() != moment.astimezone().utcoffset()
    return f"{shown} in {home}" if elsewhere else shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Plan):
    """A plan to agree to.

    Attributes:
        first: the text of the first message.
        findings: checks the messages; takes about 20 s for a million.
        lock_screen: how many characters a lock screen is assumed to show.
        new_ledger: where the ledger is, if nothing was ever sent from it.
    """

    record: CampaignRecord
    first: str
    findings: Callable[[], tuple[LintFinding, ...]]
    lock_screen: int
    new_ledger: str = ""


def question_of(
    record: CampaignRecord,
    messages: int,
    statuses: frozenset[Status],
    *,
    reader: LedgerReader,
    settings: Settings,
    to: str = "",
    rows: Rows | None = None,
) -> Question:
    """The question to ask before at most this many rows of these statuses (or these `rows`, as they would be sent) are sent.

    Raises:
        UsageError: a time or a zone of the settings is not valid.
    """
    looked_up = rows or (lambda: reader.messages(record.id, statuses))
    is_verified = not (rows or to or settings.limit or settings.sample) and settings.on_unknown is not OnUnknown.HOLD
    unverified = is_verified and reader.pending_work(record.id).unverified_in_seconds is not None
    counts = reader.counts(record.id)
    return Question(
        record=record,
        list_name=sanitize_for_terminal(record.spec.list_name),
        messages=min(messages, settings.limit or messages, settings.sample or messages),
        left=messages,
        left_out=0 if rows else counts.left_out,
        in_doubt=counts.by_status[Status.UNKNOWN] if unverified else 0,
        rate_per_second=settings.messages_per_second,
        schedule=schedule_of(settings, record.spec.settings, now=utc_now()),
        zones=reader.zones(record.id),
        first=next((row.message for row in looked_up()), ""),
        findings=lambda: findings_of(looked_up(), settings=settings, ledger=reader),
        lock_screen=settings.lock_screen,
        to=to,
        new_ledger=new_ledger(reader, record),
        by_batches=settings.via is Via.BATCH,
    )


def new_in_words(place: str) -> str:
    return f"The ledger {place} is new: it knows nothing of what was sent before."


def new_ledger(reader: LedgerReader, record: CampaignRecord) -> str:
    """Where the ledger is, if its only campaign is this one, and nothing of it was sent yet; else empty."""
    is_new = not record.started_at and [found.id for found in reader.campaigns()] == [record.id]
    return reader.place if is_new else ""
