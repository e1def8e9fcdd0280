"""What one attempt proves: every reply and every fault → verdict, in one table. Source: `docs/api.md`.

The API has no idempotency key, so only what is *provably* not accepted may be tried again by itself.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from campaign.domain.model import Status

_LINK: Final = re.compile(r"\[([^\[\]]{1,500})\]\([^()\s]{1,2000}\)")
_TAG: Final = re.compile(r"<[^<>]{1,2000}>")

DELIVERED_VALUE: Final = "delivered"
"""The only `meta.notifications.status` that says a phone showed the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer came. `readable` says that its body is the documented one and whole.

    `rate_remaining` of `rate_limit` requests are left in the API's window, None where the answer does not say.
    """

    http_status: int
    readable: bool = True
    notification_status: str = ""
    notification_message: str = ""
    retry_after_seconds: float | None = None
    rate_remaining: int | None = None
    rate_limit: int | None = None
    error: str = ""
    pass_status: str = ""
    device_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """No answer came. `written` is False only if it is certain that no byte of the request left.

    `cause` says more exactly than `reason` why there was no connection; it is empty if there was one.
    """

    reason: str
    written: bool
    error: str = ""
    cause: str = ""


class Proof(StrEnum):
    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    REFUSED = "refused"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of a verdict
    THROTTLED = "throttled"
    NOT_ACCEPTED = "not_accepted"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    proof: Proof
    reason: str = ""
    error: str = ""

    @property
    def counts_as_attempt(self) -> bool:
        """A 429 or a refused token says nothing about the row, so it uses up none of the row's attempts."""
        return self.proof not in {Proof.THROTTLED, Proof.TOKEN_REFUSED}


def judge(result: Reply | Fault) -> Verdict:
    """What the end of one POST proves about its message."""
    match result:
        case Fault(written=False):
            return Verdict(proof=Proof.NOT_ACCEPTED, reason=result.reason, error=result.error)
        case Fault():
            return Verdict(proof=Proof.AMBIGUOUS, reason=result.reason, error=result.error)
        case Reply():
            return _judge_reply(result)
        case _:
            assert_never(result)


def _judge_reply(reply: Reply) -> Verdict:
    status = reply.http_status
    if 200 <= status < 300:
        if not reply.readable:
            return Verdict(proof=Proof.AMBIGUOUS, reason="unreadable_reply", error=reply.error)
        if reply.notification_status == DELIVERED_VALUE:
            return Verdict(proof=Proof.DELIVERED)
        return Verdict(proof=Proof.NOT_DELIVERED, reason=reply.notification_status)
    reason = f"http_{status}"
    if status in {401, 403}:
        return Verdict(proof=Proof.TOKEN_REFUSED, reason=reason, error=reply.error)
    if status == 429:
        return Verdict(proof=Proof.THROTTLED, reason=reason, error=reply.error)
    if 400 <= status < 500:
        return Verdict(proof=Proof.REFUSED, reason=reason, error=reply.error)
    # 5xx may come from before or after the message was taken; a 3xx or 1xx is documented nowhere, so it proves nothing either.
    return Verdict(proof=Proof.AMBIGUOUS, reason=reason, error=reply.error)


def status_after(proof: Proof, *, attempts: int, max_attempts: int) -> Status:
    """Where a row goes after an attempt that proved this; `attempts` counts that attempt."""
    match proof:
        case Proof.DELIVERED:
            return Status.DELIVERED
        case Proof.NOT_DELIVERED:
            return Status.NOT_DELIVERED
        case Proof.REFUSED:
            return Status.FAILED
        case Proof.NOT_ACCEPTED:
            return Status.PENDING if attempts < max_attempts else Status.FAILED
        case Proof.THROTTLED | Proof.TOKEN_REFUSED:
            return Status.PENDING
        case Proof.AMBIGUOUS:
            return Status.UNKNOWN
        case _:
            assert_never(proof)


class Latest(StrEnum):
    """What reading a pass back showed of its `latestMessage`."""

    TEXT = "text"
    NULL = "null"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The end of one GET of a pass. `text` is the `latestMessage` where `latest` is TEXT."""

    latest: Latest
    text: str = ""
    http_status: int | None = None
    pass_status: str = ""
    device_type: str = ""
    retry_after_seconds: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    status: Status
    reason: str = ""


def read_back(reading: Reading, *, message: str, sent_before: frozenset[str], last_before: str | None, baseline: bool) -> Conclusion:
    """What a reading proves about an unknown row, made after its quiet period.

    Args:
        reading: what the pass holds now.
        message: what the row would have sent.
        sent_before: every text that the ledger knows to have gone to the pass by other attempts.
        last_before: the text the pass held before the attempt, by the baseline or else by the ledger; None if neither knows one.
        baseline: whether `last_before` was read from the pass right before the attempt, so that None means that it held nothing.
    """
    match reading.latest:
        case Latest.UNREADABLE:
            return Conclusion(status=Status.UNKNOWN, reason="unreadable")
        case Latest.MISSING:
            return Conclusion(status=Status.UNKNOWN, reason="no_latest_message")
        case Latest.TEXT if reading.text.strip():
            return _of_text(reading.text, message=message, sent_before=sent_before, last_before=last_before, baseline=baseline)
        case Latest.TEXT | Latest.NULL:
            # Where the pass is known to have held a text, none shown means only that the API does not tell.
            unknown = bool(last_before) or (bool(sent_before) and not baseline)
            return Conclusion(status=Status.UNKNOWN, reason="no_latest_message") if unknown else Conclusion(status=Status.PENDING)
        case _:
            assert_never(reading.latest)


def _of_text(text: str, *, message: str, sent_before: frozenset[str], last_before: str | None, baseline: bool) -> Conclusion:
    before = {last_before or ""} if baseline else sent_before | {last_before or ""}
    if same_text(text, message):
        if any(same_text(message, other) for other in before):
            return Conclusion(status=Status.UNKNOWN, reason="same_text_before")
        return Conclusion(status=Status.ACCEPTED)
    if seems_same(text, message) or any(same_text(message, other) for other in sent_before):
        # Ours as the API shows it, perhaps; and where the same was sent before, what is shown may be of then or of now.
        return Conclusion(status=Status.UNKNOWN, reason="same_text_before")
    if last_before is not None and same_text(text, last_before):
        return Conclusion(status=Status.PENDING)
    return Conclusion(status=Status.UNKNOWN, reason="other_message")


def after_reading(conclusion: Conclusion, *, reason: str, tries: int, max_attempts: int) -> Conclusion:
    """What becomes of a row after a conclusion: one whose every try provably did not arrive is given up after the last.

    Args:
        conclusion: of the reading.
        reason: why the row was in doubt.
        tries: attempts held against the row so far.
        max_attempts: how many it may have.
    """
    if conclusion.status is Status.PENDING and tries >= max_attempts:
        return Conclusion(status=Status.FAILED, reason=reason)
    return conclusion


def seems_same(shown: str, message: str) -> bool:
    """Whether a text may be a message as a service shows it: with entities, links turned into words, or other forms of letters."""
    return _plain(shown) == _plain(message)


def _plain(text: str) -> str:
    words = _LINK.sub(r"\1", _TAG.sub("", html.unescape(text)))
    return "".join(letter for letter in unicodedata.normalize("NFKC", words).casefold() if letter.isalnum())


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same message, blanks aside: services trim and fold them."""
    return one == other or one.split() == other.split()
