"""What a person is asked before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass

from campaign.app.concerns import concerns_of
from campaign.app.controls import schedule_of, utc_now
from campaign.app.near import Rows
from campaign.domain.message_lint import Concern
from campaign.domain.model import Status
from campaign.domain.sanitize import sanitize_for_terminal
from campaign.domain.schedule import Schedule
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What would happen.

    Attributes:
        record: the campaign.
        messages: how many would be sent at most, each to a pass of its own.
        left: how many would be without `--limit` and `--sample`.
        left_out: how many rows of the list are not sent to at all, being invalid or skipped.
        rate_per_second: None is as fast as it goes.
        schedule: when it may be sent.
        zones: the time zones that rows have of their own; an empty name is of those that have none.
        first: the text of the first.
        concerns: looks through the messages; takes about 20 s for a million.
        lock_screen: how many characters a lock screen is taken to show.
        to: the only pass that gets one, whatever the list says.
        new_ledger: where the ledger is, if nothing was ever sent from it.
    """

    record: CampaignRecord
    messages: int
    left: int
    left_out: int
    rate_per_second: float | None
    schedule: Schedule
    zones: tuple[str, ...]
    first: str
    concerns: Callable[[], tuple[Concern, ...]]
    lock_screen: int
    to: str = ""
    new_ledger: str = ""

    @property
    def list_name(self) -> str:
        return sanitize_for_terminal(self.record.spec.list_name)


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
    """What to ask before rows of these statuses (or these `rows`, as they would be sent), so many at most, are sent.

    Raises:
        UsageError: a moment or a zone of the settings is none.
    """
    looked_up = rows or (lambda: reader.rows(record.id, statuses))
    return Question(
        record=record,
        messages=min(messages, settings.limit or messages, settings.sample or messages),
        left=messages,
        left_out=sum(reader.counts(record.id).by_status[status] for status in (Status.INVALID, Status.SKIPPED)),
        rate_per_second=settings.rate,
        schedule=schedule_of(settings, record.spec.settings, now=utc_now()),
        zones=reader.zones(record.id),
        first=next((row.message for row in looked_up()), ""),
        concerns=lambda: concerns_of(looked_up(), settings=settings, ledger=reader),
        lock_screen=settings.lock_screen,
        to=to,
        new_ledger=new_ledger(reader, record),
    )


def new_in_words(place: str) -> str:
    return f"The ledger {place} is new: it knows nothing of what was sent before."


def new_ledger(reader: LedgerReader, record: CampaignRecord) -> str:
    """Where the ledger is, if this campaign, of which nothing was sent yet, is the only one in it; else empty."""
    is_new = not record.started_at and [found.id for found in reader.campaigns()] == [record.id]
    return reader.place if is_new else ""
