"""What one attempt proves: every reply and every fault → verdict, in one table. Source: `docs/api.md`.

The API has no idempotency key, so only a message that was *provably* not accepted may be retried automatically. One question decides each
verdict: who can have given the answer, and can the message have been accepted before?

`Reply` and `AttemptOutcome` are not frozen for the reason given in `domain.model`.
"""

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from campaign.domain.status import Status

_LINK: Final = re.compile(r"\[([^\[\]]{1,500})\]\([^()\s]{1,2000}\)")
_TAG: Final = re.compile(r"<[^<>]{1,2000}>")

FORBIDDEN: Final = "forbidden"
"""The reason of a 403, unless it comes as a web page."""

LONGEST_REQUEST_SECONDS: Final = 300.0
"""What seems to last longer was mostly a pause of the process."""

EARLIER_ATTEMPT: Final = "earlier_attempt"
"""The reason of a row that the API refused, or that has no tries left, while an earlier attempt may have arrived."""

NO_REPORT: Final = "no_delivery_report"
NOT_REPORTED: Final = "not_in_delivery_report"
BATCH_FAILED: Final = "batch_failed"
BATCH_CANCELLED: Final = "batch_cancelled"
BATCH_UNKNOWN: Final = frozenset({NO_REPORT, NOT_REPORTED, BATCH_FAILED, BATCH_CANCELLED})
"""Why a row of a batch is unknown. No page of the vendor says that a batch sets `latestMessage`, so an absent text proves nothing."""

WAS_SENDING: Final = "was_sending"
"""The reason of a row that a results file calls `sending`: another ledger, or a batch that it left at the vendor, may still send it."""

UNREADABLE_STATUS: Final = "unreadable_status"
"""The reason of a row of which a results file does not say clearly what became of it."""

STAYS_UNKNOWN: Final = BATCH_UNKNOWN | {WAS_SENDING, UNREADABLE_STATUS, EARLIER_ATTEMPT}
"""The reasons of rows that stay unknown until a reading shows their message, or a person decides. Any of them may be of a batch."""

READ_IN_VAIN: Final = frozenset({"no_latest_message", "other_message", "same_text_before"})
"""The reasons of unknown rows whose pass was read and can't tell: to read it again would show the same."""

DELIVERED_VALUE: Final = "delivered"
"""The only `meta.notifications.status` that says the message was handed to the wallet's push service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The marks of an answer that show who gave it.

    `documented`: it has an x-rate-limit header, as every answer of PassEntry has, or the documented JSON. `json`: its body is some JSON
    object, as an API answers and few gateways do. `page`: it is a web page, as proxies, firewalls and login portals answer. `empty`: it has
    no body, or one that only repeats the status. `whole`: its body is complete. `redirects_to`: the address that it redirects to.
    """

    documented: bool = False
    json: bool = False
    page: bool = False
    empty: bool = False
    whole: bool = True
    redirects_to: str = ""

    @property
    def by_api(self) -> bool:
        """Whether the answer seems to come from the API itself."""
        return self.documented or self.json


UNSIGNED: Final = Signature()


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Reply:
    """An answer came. `readable` is False for a 2xx without the documented, complete body, and for every answer from a cache.

    `rate_remaining` of `rate_limit` requests are left in the API's window; None if the answer does not say.
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
        """Whether it is a complete answer of PassEntry, so that no second answer to the same request can follow."""
        return self.readable and self.signature.documented and self.signature.whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """No answer came. `written` is False only if certainly no byte of the request left.

    `cause` says more exactly than `reason` why there was no connection; empty if there was one.
    """

    reason: str
    written: bool
    error: str = ""
    cause: str = ""


class Evidence(StrEnum):
    """All but DELIVERED, NOT_DELIVERED and AMBIGUOUS prove that the message was not accepted.

    ROW_OR_ALL refuses this row or everything; only other answers show which (`failure_guard.Refusals`).
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
    """What a status proves, and `why`: who can have answered so, and whether the message can have been accepted before."""

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
"""Every status whose meaning is more than a guess. All others are AMBIGUOUS. So are redirects: none is followed, and many servers answer
a form with one after they accepted it.
"""


REFUSALS: Final = frozenset(f"http_{status}" for status, rule in ANSWERS.items() if rule.proof is Evidence.REFUSED)
"""The reasons of rows that were refused for their content, no matter by whom."""


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class AttemptOutcome:
    proof: Evidence
    reason: str = ""
    error: str = ""

    @property
    def counts_as_attempt(self) -> bool:
        """False for a 429, a refused token and a refusal that may concern everything: they say nothing about the row."""
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
    # A firewall that reads answers may refuse after the message was accepted, a gateway may replace the status of a failed server, and a
    # cache may answer as an earlier message was answered.
    # A row that is refused for its caller is sent once more, so for such a refusal the JSON form alone is not enough.
    own = reply.readable and signature.whole and (signature.documented if proof is Evidence.ROW_OR_ALL else signature.by_api)
    reason = FORBIDDEN if status == 403 and (own or not signature.page) else f"http_{status}"
    # The run must stop no matter who refuses the token; `settle_attempt` handles the row.
    if not own and (proof is not Evidence.TOKEN_REFUSED or signature.page):
        proof = Evidence.AMBIGUOUS
    return AttemptOutcome(proof=proof, reason=reason, error=reply.error)


def rule_of(http_status: int) -> Rule:
    """The rule for a status other than 2xx, if PassEntry itself answers."""
    return ANSWERS.get(http_status, UNLISTED)


def status_after(proof: Evidence, *, attempts: int, max_attempts: int) -> Status:
    """The status of a row after an attempt with this proof. `attempts` includes that attempt."""
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
    """What a reading of a pass showed of its `latestMessage`."""

    TEXT = "text"
    NULL = "null"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReading:
    """The end of one GET of a pass. `text` is the `latestMessage` if `latest` is TEXT. `cause` is as in `Fault` if no answer came.

    `ids` are those of the pass that the answer is of, perhaps empty.
    """

    latest: Latest
    text: str = ""
    ids: tuple[str, ...] = field(default=(), compare=False, repr=False)
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

    def names(self, pass_id: str) -> bool:
        """Whether the answer says that it is of this pass, in whichever way the id is written."""
        return _bare(pass_id) in {_bare(one) for one in self.ids}


def _bare(pass_id: str) -> str:
    return pass_id.strip().replace("-", "").casefold()


def foreign(answer: Reply | PassReading) -> str:
    """The answer in words if it is not from PassEntry; empty if it may be."""
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


def quiet_after(latency_seconds: float | None, *, quiet_seconds: float) -> float:
    """For how many seconds after an attempt a reading proves nothing: a server that was slow to answer may be at work for as long again."""
    return max(quiet_seconds, min(latency_seconds or 0.0, LONGEST_REQUEST_SECONDS))


def read_back(reading: PassReading, *, message: str, sent_before: frozenset[str], last_before: str | None, baseline: bool) -> Resolution:
    """What a reading, made after the quiet period, proves about an unknown row.

    Args:
        reading: what the pass holds now.
        message: the row's message.
        sent_before: every text that other attempts sent to the pass, as far as the ledger knows.
        last_before: the text that the pass held before the attempt, from the baseline or else from the ledger; None if neither knows one.
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
            # If the pass is known to have held a text, an absent one only means that the API does not show it.
            unknown = bool(last_before) or bool(sent_before)
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
        # The text may be ours in the API's form, or its beginning. Or an earlier attempt sent the same message, and it is not known which
        # of the two is shown.
        return Resolution(status=Status.UNKNOWN, reason="same_text_before")
    if last_before is not None and same_text(text, last_before):
        return Resolution(status=Status.PENDING)
    return Resolution(status=Status.UNKNOWN, reason="other_message")


def after_reading(conclusion: Resolution, *, reason: str, counted_attempts: int, max_attempts: int) -> Resolution:
    """The resolution of a row after its reading.

    A row whose tries all provably did not arrive fails after the last. A row that was refused as forbidden, no matter by whom, and did not
    arrive, fails at once: the refusal concerns this row. A row that was refused for its content fails at the second refusal, as a gateway
    may refuse for a moment. A row with a `reason` (why it was unknown) of `STAYS_UNKNOWN` does so unless its message is shown.
    """
    if reason in STAYS_UNKNOWN and conclusion.status is not Status.ACCEPTED:
        return Resolution(status=Status.UNKNOWN, reason=reason)
    own = reason == FORBIDDEN or (reason in REFUSALS and counted_attempts > 1)
    if conclusion.status is Status.PENDING and (own or counted_attempts >= max_attempts):
        return Resolution(status=Status.FAILED, reason=reason)
    return conclusion


def may_be(shown: str, message: str) -> bool:
    """Whether a text may be the message in the form in which a service shows it: cut, with a sender or other words added, with entities,
    links as words, or other letters. Of a message without letters every text may be a form.
    """
    text, ours = _plain(shown), _plain(message)
    return ours in text or (bool(text) and ours.startswith(text))


def _plain(text: str) -> str:
    words = _LINK.sub(r"\1", _TAG.sub("", html.unescape(text)))
    return "".join(letter for letter in unicodedata.normalize("NFKC", words).casefold() if letter.isalnum())


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same message, apart from white space, which services trim and fold."""
    return one == other or one.split() == other.split()
