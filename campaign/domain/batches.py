"""The vendor's batches: the state of a batch, the proof in an answer about one, and the form of a message in one. Pure.

Source: `docs/api.md`. `sender/batches/wire.py` names what the vendor does not document.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from campaign.domain.failure_guard import PATIENCE_SECONDS
from campaign.domain.model import Claim, Outcome, Settlement
from campaign.domain.status import Status
from campaign.domain.verdict import BATCH_CANCELLED, BATCH_FAILED, DELIVERED_VALUE, EARLIER_ATTEMPT, NO_REPORT, NOT_REPORTED

MOST_RECIPIENTS: Final = 500
"""The limit of one call, from the vendor's documentation."""

HELD_SECONDS: Final = 7 * 86_400.0
"""A batch is scheduled this far ahead: PassEntry sends nothing of it before its release, unless nobody works on it for so long."""

VARIABLE: Final = "message"
"""The name of the variable that holds a recipient's text."""

PLACEHOLDER: Final = "%{"
"""The vendor reads this as the beginning of a variable."""

REFUSED_IN_BATCH: Final = "refused_by_batch"


class BatchState(StrEnum):
    """The state of a batch in the ledger. Each state is recorded before the request that it names.

    CLAIMED: its rows are claimed, and no request was made. CREATING: it may exist. CREATED: it exists under a known id, and waits.
    RELEASING: it may be on its way to the phones. CANCELLING: it is being cancelled, so that its rows can be sent otherwise. ENDED: each of
    its rows has an outcome, or is pending again.
    """

    CLAIMED = "claimed"
    CREATING = "creating"
    CREATED = "created"
    RELEASING = "releasing"
    CANCELLING = "cancelling"
    ENDED = "ended"


class RemoteState(StrEnum):
    """The vendor's states of a batch."""

    VALIDATING = "validating"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    SUCCESSFUL = "successful"
    COMPLETED_WITH_ERRORS = "completedWithErrors"
    FAILED = "failed"
    CANCELLED = "cancelled"


REMOTE_ENDED: Final = frozenset({RemoteState.SUCCESSFUL, RemoteState.COMPLETED_WITH_ERRORS, RemoteState.FAILED, RemoteState.CANCELLED})
UNSENT: Final = frozenset({RemoteState.VALIDATING, RemoteState.SCHEDULED})
"""Nothing was sent, and the batch can still be cancelled."""

MAY_BE_SENT: Final = frozenset({RemoteState.SENDING, RemoteState.SUCCESSFUL, RemoteState.COMPLETED_WITH_ERRORS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One of our batches, from the ledger. Times are Unix seconds, 0 where there is none.

    `creates` counts the requests that may have created it: names are not unique at PassEntry, so two requests may have made two batches.
    `worked_on` says whether a runner has it.
    """

    id: int
    campaign: int
    name: str
    entity: str
    state: BatchState
    rows: int
    remote_id: str = ""
    creates: int = 0
    scheduled_at: float = 0.0
    released_at: float = 0.0
    worked_on: bool = True

    @property
    def may_be_two(self) -> bool:
        return self.creates > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InBatches:
    """The rows of a campaign that are in batches. `held` of them are in batches that are neither released nor due.

    `send_themselves_at` is when PassEntry sends the first of these batches by itself, in Unix seconds; 0 if none is known to exist.
    """

    batches: int = 0
    rows: int = 0
    held: int = 0
    send_themselves_at: float = 0.0

    @classmethod
    def of(cls, batches: Sequence[Batch], *, now: float) -> Self:
        held = [batch for batch in batches if not batch.released_at and not 0 < batch.scheduled_at <= now]
        return cls(
            batches=len(batches),
            rows=sum(batch.rows for batch in batches),
            held=sum(batch.rows for batch in held),
            send_themselves_at=min((batch.scheduled_at for batch in held if batch.scheduled_at), default=0.0),
        )


NONE_IN_BATCHES: Final = InBatches()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteBatch:
    """A batch as the vendor shows it. The URLs are empty where there is none yet; `detailed` says that the answer would contain them."""

    id: str
    name: str
    state: RemoteState
    errors_url: str = ""
    deliveries_url: str = ""
    detailed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One line of a delivery report. `status` is the vendor's word."""

    status: str
    detail: str = ""


class Proof(StrEnum):
    """What an answer about a batch proves.

    DONE: the request was carried out. THROTTLED, NOT_SENT: it was not, and can be repeated. REFUSED: it was not, because of its content.
    NO_ACCESS: this token or entity may not do it. UNKNOWN: it may have been carried out.
    """

    DONE = "done"
    THROTTLED = "throttled"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    NO_ACCESS = "no_access"
    UNKNOWN = "unknown"


REFUSALS: Final = frozenset({Proof.THROTTLED, Proof.REFUSED, Proof.NO_ACCESS})
"""The API did not carry out the request that it answers. If an intermediary repeated a request, that one is the last of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAnswer:
    """The end of one request about batches. `http_status` is None where no answer came; `written` is False only if no byte of it left.

    `by_api` says that the answer has the marks of PassEntry. `page` is which one of the `pages` of a list it says it is; 0 if it does not.
    """

    http_status: int | None
    written: bool = True
    by_api: bool = True
    readable: bool = True
    error: str = ""
    retry_after_seconds: float | None = None
    batches: tuple[RemoteBatch, ...] = ()
    pages: int = 1
    page: int = 0

    @property
    def batch(self) -> RemoteBatch | None:
        return self.batches[0] if self.batches else None


def proof_of(answer: BatchAnswer) -> Proof:
    """The proof in an answer. As for every verdict: who can have given it, and can the request have been carried out before?"""
    status = answer.http_status
    if status is None:
        return Proof.UNKNOWN if answer.written else Proof.NOT_SENT
    if 200 <= status < 300:
        return Proof.DONE if answer.readable else Proof.UNKNOWN
    if not answer.by_api:
        return Proof.UNKNOWN
    if status == 429:
        return Proof.THROTTLED
    if status in {401, 403, 404}:
        return Proof.NO_ACCESS
    return Proof.REFUSED if status in {400, 409, 410, 413, 415, 422} else Proof.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A batch's message, and the text of each row where the texts differ."""

    message: str
    texts: tuple[str, ...] | None


def wording(messages: Sequence[str]) -> Wording:
    """The form of a batch's texts: a text that all rows share is the message itself; different texts become values of a variable."""
    first = messages[0]
    if all(message == first for message in messages):
        return Wording(message=first, texts=None)
    return Wording(message=f"%{{{VARIABLE}}}", texts=tuple(messages))


def can_be_said(message: str) -> bool:
    """Whether a batch can send a text unchanged: the vendor reads `%{...}` as a variable."""
    return PLACEHOLDER not in message


def name_of(campaign: str, *, runner: int, number: str) -> str:
    """A unique name by which a batch is found again. It begins with the campaign's name, for people."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", campaign).strip("-")[:40] or "campaign"
    return f"{words} {runner}-{number}"


@dataclass(slots=True, kw_only=True)
class Size:
    """How many rows the next batch takes.

    After a batch is refused as a whole, the next one is half as large, until the refused row is alone. Each success doubles the size.
    """

    rows: int = MOST_RECIPIENTS
    _alone: int = field(default=0, init=False)
    _accepted: bool = field(default=False, init=False)

    def accepted(self) -> None:
        self.rows = min(MOST_RECIPIENTS, self.rows * 2)
        self._accepted = True
        self._alone = 0

    def refused(self, rows: int) -> None:
        self.rows = max(1, rows // 2)
        if rows == 1:
            self._alone += 1

    @property
    def nothing_is_accepted(self) -> bool:
        """Whether the rows are not the cause: three were refused alone, one after the other, and nothing was ever accepted."""
        return not self._accepted and self._alone >= 3


def settlement(claim: Claim, delivery: Delivery | None, remote: RemoteState, *, sent_at: float, now: float) -> Settlement:
    """The settlement of a row of a batch that has ended. `delivery` is its line in the delivery report; None if it has none."""
    if delivery is None:
        reason = {RemoteState.FAILED: BATCH_FAILED, RemoteState.CANCELLED: BATCH_CANCELLED}.get(remote, NOT_REPORTED)
        return unknown(claim, reason, sent_at=sent_at, now=now)
    word = delivery.status
    if word == "failed":
        return _failed(claim, REFUSED_IN_BATCH, delivery.detail, sent_at=sent_at, now=now, notification_status=word)
    delivered = word == DELIVERED_VALUE
    outcome = Outcome(
        status=Status.DELIVERED if delivered else Status.NOT_DELIVERED,
        reason="" if delivered else word,
        notification_status=word,
        notification_message=delivery.detail,
        attempts=claim.attempts + 1,
        sent_at=sent_at,
        settled_at=now,
    )
    return _settled(claim, outcome)


def unknown(claim: Claim, reason: str, *, sent_at: float, now: float) -> Settlement:
    """The settlement of a row that may have been sent. It waits for a person, as nothing can show that it was not sent."""
    words = {
        NO_REPORT: "PassEntry sent the batch and never showed a delivery report that could be read",
        NOT_REPORTED: "the delivery report of the batch does not name this pass",
        BATCH_FAILED: "PassEntry says that the batch failed, and not what became of this row",
        BATCH_CANCELLED: "the batch was cancelled by somebody else after it was released",
    }
    outcome = Outcome(
        status=Status.UNKNOWN, reason=reason, error=words[reason], attempts=claim.attempts + 1, sent_at=sent_at, settled_at=now
    )
    return _settled(claim, outcome)


def refused(claim: Claim, error: str, *, http_status: int | None, now: float) -> Settlement:
    """The settlement of a row that the vendor refused before anything was sent."""
    return _failed(claim, REFUSED_IN_BATCH, error, sent_at=now, now=now, http_status=http_status)


def cancelled_elsewhere(claim: Claim, *, now: float) -> Settlement:
    """The settlement of a row whose batch somebody else cancelled before its release: nothing was sent, and that was intended."""
    return _failed(claim, BATCH_CANCELLED, "somebody cancelled the batch at PassEntry before it was sent", sent_at=now, now=now)


def _failed(
    claim: Claim,
    reason: str,
    error: str,
    *,
    sent_at: float,
    now: float,
    http_status: int | None = None,
    notification_status: str = "",
) -> Settlement:
    # This attempt did not arrive, but an earlier one may have: with the status failed, a retry would send the row again.
    status, reason = (Status.UNKNOWN, EARLIER_ATTEMPT) if claim.may_have_arrived else (Status.FAILED, reason)
    outcome = Outcome(
        status=status,
        reason=reason,
        notification_status=notification_status,
        http_status=http_status,
        error=error,
        attempts=claim.attempts + 1,
        sent_at=sent_at,
        settled_at=now,
    )
    return _settled(claim, outcome)


def _settled(claim: Claim, outcome: Outcome) -> Settlement:
    return Settlement(claim=claim, outcome=outcome, counted_attempts=claim.counted_attempts + 1, due_in_seconds=None)


PROGRESS_SECONDS: Final = 3600.0


@dataclass(slots=True, kw_only=True)
class AnswerTimeout:
    """Detects that the API has given no useful answer for too long."""

    _since: float | None = field(default=None, init=False)

    def note(self, *, is_trouble: bool, now: float) -> str:
        """Record the end of one request. Returns why to stop, as a sentence; empty if there is no need."""
        if not is_trouble:
            self._since = None
            return ""
        if self._since is None:
            self._since = now
        if now - self._since < PATIENCE_SECONDS:
            return ""
        return f"PassEntry answered no request about batches for {PATIENCE_SECONDS / 60:.0f} minutes."
