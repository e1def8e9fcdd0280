"""What one attempt proves: every reply and every fault → verdict, in one table. Source: `docs/api.md`.

The API has no idempotency key, so only what is *provably* not accepted may be tried again by itself. Each answer is judged by one question:
who can have given it, and can the message have been taken before?
"""

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from campaign.domain.model import Status

_LINK: Final = re.compile(r"\[([^\[\]]{1,500})\]\([^()\s]{1,2000}\)")
_TAG: Final = re.compile(r"<[^<>]{1,2000}>")

FORBIDDEN: Final = "forbidden"
"""The reason of a 403, unless a web page says it."""

EARLIER_ATTEMPT: Final = "earlier_attempt"
"""The reason of a row that the API refused, or that is out of tries, while an earlier attempt may have arrived."""

NO_REPORT: Final = "no_delivery_report"
NOT_REPORTED: Final = "not_in_delivery_report"
BATCH_FAILED: Final = "batch_failed"
BATCH_CANCELLED: Final = "batch_cancelled"
BATCH_DOUBTS: Final = frozenset({NO_REPORT, NOT_REPORTED, BATCH_FAILED, BATCH_CANCELLED})
"""Why a row that went out in a batch is in doubt. No page says that a batch sets `latestMessage`, so an absent text proves nothing."""

DELIVERED_VALUE: Final = "delivered"
"""The only `meta.notifications.status` that says the message was handed to the wallet's push service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What an answer shows of who gave it.

    `documented`: it has what only PassEntry's answers have: an x-rate-limit header, which all of them have, or the documented JSON.
    `json`: its body is some JSON object, as an API answers and few of those who stand before one. `page`: it is a web page, as proxies,
    firewalls and login portals answer. `whole`: its body came to its end. `redirects_to` is the address that it names.
    """

    documented: bool = False
    json: bool = False
    page: bool = False
    whole: bool = True
    redirects_to: str = ""

    @property
    def by_api(self) -> bool:
        """Whether the API itself seems to answer."""
        return self.documented or self.json


UNSIGNED: Final = Signature()


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
    signature: Signature = field(default=UNSIGNED, compare=False)

    @property
    def completes(self) -> bool:
        """Whether it is a whole answer of PassEntry's own, so that no other to the same request can follow."""
        return self.readable and self.signature.documented and self.signature.whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """No answer came. `written` is False only if it is certain that no byte of the request left.

    `cause` says more exactly than `reason` why there was no connection; it is empty if there was one.
    """

    reason: str
    written: bool
    error: str = ""
    cause: str = ""


class Evidence(StrEnum):
    """All but DELIVERED, NOT_DELIVERED and AMBIGUOUS prove that the message was not accepted.

    ROW_OR_ALL may be of this row or of everything, which only other answers can tell (`failure_guard.Refusals`).
    """

    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    REFUSED = "refused"
    ROW_OR_ALL = "row_or_all"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of a verdict
    THROTTLED = "throttled"
    NOT_ACCEPTED = "not_accepted"
    AMBIGUOUS = "ambiguous"


ACCEPTED: Final = frozenset({Evidence.DELIVERED, Evidence.NOT_DELIVERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a status proves, and `why`: who can have answered so, and whether the message can have been taken before."""

    proof: Evidence
    why: str


def _refused(why: str) -> Rule:
    return Rule(proof=Evidence.REFUSED, why=why)


def _ambiguous(why: str) -> Rule:
    return Rule(proof=Evidence.AMBIGUOUS, why=why)


_GATEWAY: Final = "a gateway gives up on the connection or on the server behind it, which may have taken the message"
UNLISTED: Final = _ambiguous("documented nowhere, so nobody knows who gives it, or when")
ANSWERS: Final[Mapping[int, Rule]] = MappingProxyType(
    {
        400: _refused("the request can't be read: a server or proxy says so before it hands it on, the API before it does anything"),
        401: Rule(proof=Evidence.TOKEN_REFUSED, why="the API checks the token before anything else, and never for a single pass"),
        402: Rule(proof=Evidence.ROW_OR_ALL, why="the API refuses the caller before it does anything"),
        403: Rule(proof=Evidence.ROW_OR_ALL, why="the API refuses the caller, for this pass or for all, before it does anything"),
        404: _refused("there is no such pass, or no such path: there is nothing that could take the message"),
        405: _ambiguous("the API does take POST; gateways say so when they fall back to a static page after the server behind them failed"),
        406: _ambiguous("frameworks look at which form of answer is wanted after the work is done"),
        407: _ambiguous("a proxy wants a login; that it asks before it hands the request on is a matter of that proxy"),
        408: _ambiguous(_GATEWAY),
        409: _refused("the API has looked at the pass, and refuses the message in its present state"),
        410: _refused("the pass is gone: there is nothing that could take the message"),
        413: _refused("the message is too large, which its head tells before the request is handed on or looked at"),
        414: _refused("the id is too long, which the first line tells before the request is handed on or looked at"),
        415: _refused("the content's kind, which the head tells before the request is looked at"),
        421: _ambiguous("speaks of the connection, not of the request"),
        422: _refused("the API has looked at the content, and refuses it"),
        423: _ambiguous("the pass is locked, perhaps by the very message that is being processed"),
        424: _ambiguous("something that the API depends on failed, perhaps after the pass had taken the message"),
        425: _ambiguous("speaks of the connection, not of the request; a gateway may have handed it on"),
        429: Rule(proof=Evidence.THROTTLED, why="a limit counts requests before they are handed on or looked at"),
        440: _ambiguous(_GATEWAY),
        444: _ambiguous(_GATEWAY),
        449: _ambiguous(_GATEWAY),
        460: _ambiguous(_GATEWAY),
        499: _ambiguous(_GATEWAY),
        500: _ambiguous("the API failed, before or after it took the message"),
        501: _ambiguous("the API does know this request, so it is a gateway that speaks"),
        502: _ambiguous(_GATEWAY),
        503: _ambiguous("overload or maintenance, also where it says when to come back: before or after the message was taken"),
        504: _ambiguous(_GATEWAY),
        511: _ambiguous("a network wants a login; that it asks before it hands the request on is a matter of that network"),
        **dict.fromkeys(range(520, 531), _ambiguous("a content network can't reach the server behind it, or lost it on the way")),
    }
)
"""All that is known to be more than a guess. What is not listed is AMBIGUOUS, redirects among it: none is followed, and as many a form
is answered with one after it was taken.
"""


REFUSALS: Final = frozenset(f"http_{status}" for status, rule in ANSWERS.items() if rule.proof is Evidence.REFUSED)
"""The reasons of rows that were refused for their content, by whomever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    proof: Evidence
    reason: str = ""
    error: str = ""

    @property
    def counts_as_attempt(self) -> bool:
        """A 429, a refused token, or a refusal of everything says nothing about the row, so it uses up none of the row's attempts."""
        return self.proof not in {Evidence.THROTTLED, Evidence.TOKEN_REFUSED, Evidence.ROW_OR_ALL}


def classify(result: Reply | Fault) -> AttemptOutcome:
    """What the end of one POST proves about its message."""
    match result:
        case Fault(written=False):
            return AttemptOutcome(proof=Evidence.NOT_ACCEPTED, reason=result.reason, error=result.error)
        case Fault():
            return AttemptOutcome(proof=Evidence.AMBIGUOUS, reason=result.reason, error=result.error)
        case Reply():
            return _judge_reply(result)
        case _:
            assert_never(result)


def _judge_reply(reply: Reply) -> AttemptOutcome:
    status = reply.http_status
    if 200 <= status < 300:
        if not reply.readable:
            return AttemptOutcome(proof=Evidence.AMBIGUOUS, reason="unreadable_reply", error=reply.error)
        if reply.notification_status == DELIVERED_VALUE:
            return AttemptOutcome(proof=Evidence.DELIVERED)
        return AttemptOutcome(proof=Evidence.NOT_DELIVERED, reason=reply.notification_status)
    proof, signature = rule_of(status).proof, reply.signature
    # Firewalls that read answers, too, refuse after the message was taken, and gateways put a status of their own in place of a failed
    # server's. A row that is refused for its caller is sent once more, so such a refusal has to be PassEntry's own by more than its form.
    own = signature.whole and (signature.documented if proof is Evidence.ROW_OR_ALL else signature.by_api)
    reason = FORBIDDEN if status == 403 and (own or not signature.page) else f"http_{status}"
    # Whoever it is that refuses the token, the run has to stop (and `settle_attempt` sees to the row).
    if not own and (proof is not Evidence.TOKEN_REFUSED or signature.page):
        proof = Evidence.AMBIGUOUS
    return AttemptOutcome(proof=proof, reason=reason, error=reply.error)


def rule_of(http_status: int) -> Rule:
    """What a status other than 2xx proves where PassEntry itself answers."""
    return ANSWERS.get(http_status, UNLISTED)


def status_after(proof: Evidence, *, attempts: int, max_attempts: int) -> Status:
    """Where a row goes after an attempt that proved this; `attempts` counts that attempt."""
    match proof:
        case Evidence.DELIVERED:
            return Status.DELIVERED
        case Evidence.NOT_DELIVERED:
            return Status.NOT_DELIVERED
        case Evidence.REFUSED:
            return Status.FAILED
        case Evidence.NOT_ACCEPTED:
            return Status.PENDING if attempts < max_attempts else Status.FAILED
        case Evidence.THROTTLED | Evidence.TOKEN_REFUSED | Evidence.ROW_OR_ALL:
            return Status.PENDING
        case Evidence.AMBIGUOUS:
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
class PassReading:
    """The end of one GET of a pass. `text` is the `latestMessage` where `latest` is TEXT; `cause` is as in `Fault` where no answer came."""

    latest: Latest
    text: str = ""
    http_status: int | None = None
    pass_status: str = ""
    device_type: str = ""
    retry_after_seconds: float | None = None
    error: str = ""
    cause: str = ""
    signature: Signature = field(default=UNSIGNED, compare=False)

    @property
    def completes(self) -> bool:
        """As `Reply.completes`."""
        refused = self.http_status is not None and self.http_status >= 300
        return (refused or self.latest is not Latest.UNREADABLE) and self.signature.documented and self.signature.whole


def foreign(answer: Reply | PassReading) -> str:
    """What was answered, in words, if it is no answer of PassEntry's; empty if it may be one."""
    signature, status = answer.signature, answer.http_status
    if status is None or signature.documented or status == 429:
        return ""
    if 300 <= status < 400:
        return f"{status}, to {signature.redirects_to}" if signature.redirects_to else f"{status}, which leads elsewhere"
    if status in {407, 511}:
        return f"{status}, which asks for a login"
    readable = answer.readable if isinstance(answer, Reply) else answer.latest is not Latest.UNREADABLE
    if signature.page and (200 <= status < 300 or 400 <= status < 500):
        return f"{status} with a web page"
    if isinstance(answer, Reply) and rule_of(status).proof is Evidence.ROW_OR_ALL:
        return f"{status}, but not as PassEntry answers"
    return f"{status}, but not as PassEntry answers" if 200 <= status < 300 and not readable and signature.whole else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    status: Status
    reason: str = ""


def read_back(reading: PassReading, *, message: str, sent_before: frozenset[str], last_before: str | None, baseline: bool) -> Resolution:
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
            return Resolution(status=Status.UNKNOWN, reason="unreadable")
        case Latest.MISSING:
            return Resolution(status=Status.UNKNOWN, reason="no_latest_message")
        case Latest.TEXT if reading.text.strip():
            return _of_text(reading.text, message=message, sent_before=sent_before, last_before=last_before, baseline=baseline)
        case Latest.TEXT | Latest.NULL:
            # Where the pass is known to have held a text, none shown means only that the API does not tell.
            unknown = bool(last_before) or (bool(sent_before) and not baseline)
            return Resolution(status=Status.UNKNOWN, reason="no_latest_message") if unknown else Resolution(status=Status.PENDING)
        case _:
            assert_never(reading.latest)


def _of_text(text: str, *, message: str, sent_before: frozenset[str], last_before: str | None, baseline: bool) -> Resolution:
    before = {last_before or ""} if baseline else sent_before | {last_before or ""}
    if same_text(text, message):
        if any(same_text(message, other) for other in before):
            return Resolution(status=Status.UNKNOWN, reason="same_text_before")
        return Resolution(status=Status.ACCEPTED)
    if may_be(text, message) or any(same_text(message, other) for other in sent_before):
        # Ours as the API shows it, perhaps, or its beginning; and where the same was sent before, what is shown may be of then or of now.
        return Resolution(status=Status.UNKNOWN, reason="same_text_before")
    if last_before is not None and same_text(text, last_before):
        return Resolution(status=Status.PENDING)
    return Resolution(status=Status.UNKNOWN, reason="other_message")


def after_reading(conclusion: Resolution, *, reason: str, tries: int, max_attempts: int) -> Resolution:
    """What becomes of a row after a conclusion: one whose every try provably did not arrive is given up after the last.

    One that was refused as forbidden, by whomever, and did not arrive, is given up at once: it is the row's own refusal. So is one for its
    content, the second time: a gateway may refuse for a moment. One that went out in a batch stays in doubt unless it is seen to be there.

    Args:
        conclusion: of the reading.
        reason: why the row was in doubt.
        tries: attempts held against the row so far.
        max_attempts: how many it may have.
    """
    if reason in BATCH_DOUBTS and conclusion.status is not Status.ACCEPTED:
        return Resolution(status=Status.UNKNOWN, reason=reason)
    own = reason == FORBIDDEN or (reason in REFUSALS and tries > 1)
    if conclusion.status is Status.PENDING and (own or tries >= max_attempts):
        return Resolution(status=Status.FAILED, reason=reason)
    return conclusion


def may_be(shown: str, message: str) -> bool:
    """Whether a text may be a message as a service shows it: cut short, with entities, links as words, or other forms of letters."""
    text, ours = _plain(shown), _plain(message)
    return text == ours or (bool(text) and ours.startswith(text))


def _plain(text: str) -> str:
    words = _LINK.sub(r"\1", _TAG.sub("", html.unescape(text)))
    return "".join(letter for letter in unicodedata.normalize("NFKC", words).casefold() if letter.isalnum())


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same message, blanks aside: services trim and fold them."""
    return one == other or one.split() == other.split()
