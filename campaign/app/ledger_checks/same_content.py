"""Finds campaigns of the ledger that have the same list or message as another one."""

from collections.abc import Collection
from dataclasses import dataclass

from campaign.app.lists.list_source import CheckedList
from campaign.app.session import Session
from campaign.domain.status import MAY_HAVE_ARRIVED
from campaign.domain.text.lines import rows as rows_in_words
from campaign.domain.text.lines import sanitize_for_terminal, utc_minute
from campaign.insights import iso
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader
from campaign.loader.messages.template import Template


def warn_of_same_content(work: Session, record: CampaignRecord, messages: Collection[str]) -> None:
    """Warn if a campaign of another name has sent the same list and message. This is no error, as a person may want to send both."""
    if record.started_at:
        return
    if (found := same_content(work.reader, record.content_sha256, messages)) is not None:
        details = {"before": found.campaign, "sent": found.sent, "started_at": iso(found.started_at)}
        work.warn("same_content", found.in_words(), count=found.sent, example=found.campaign, in_summary=True, **details)


def warn_of_same_message(work: Session, record: CampaignRecord, given: CheckedList) -> None:
    """Warn if a campaign of another list has rows left to be sent with the same template, perhaps to the same passes."""
    if record.started_at or not isinstance(given.messages, Template):
        return
    for other in work.reader.campaigns():
        is_another = other.id != record.id and other.content_sha256 != record.content_sha256
        if (
            not is_another
            or other.finished_at
            or other.desired_state is DesiredState.CANCELLED
            or other.spec.message_sha256 not in given.same_messages
        ):
            continue
        if left := work.reader.counts(other.id).open:
            name = sanitize_for_terminal(other.spec.name)
            sentence = f"The campaign “{name}” has the same message, and {rows_in_words(left)} left: a pass that is in both gets it twice."
            work.warn("same_message", sentence, count=left, example=other.spec.name, in_summary=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBefore:
    """A campaign that has sent a list and its message before, with the number of its rows that may have arrived."""

    campaign: str
    sent: int
    started_at: float
    is_own: bool = False

    def in_words(self) -> str:
        then = "A run sends none of them again." if self.is_own else "This one sends them again."
        return (
            f"The campaign “{sanitize_for_terminal(self.campaign)}” had the same list and message: {rows_in_words(self.sent)} of it "
            f"{'was' if self.sent == 1 else 'were'} sent, from {utc_minute(self.started_at)} on. {then}"
        )


def same_content(reader: LedgerReader, content_sha256: str, messages: Collection[str], *, name: str | None = None) -> SentBefore | None:
    """The campaign, perhaps only of a name, that has sent a list with this content; `messages` are the hashes of its messages."""
    for other in reader.campaigns():
        if (
            name in {None, other.spec.name}
            and other.started_at
            and other.content_sha256 == content_sha256
            and other.spec.message_sha256 in messages
        ):
            by_status = reader.counts(other.id).by_status
            if sent := sum(by_status[status] for status in MAY_HAVE_ARRIVED):
                return SentBefore(campaign=other.spec.name, sent=sent, started_at=other.started_at)
    return None
