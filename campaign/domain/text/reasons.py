"""Explains recorded reasons to marketers, advises what to do about their rows, and words lint findings."""

from typing import Final

from campaign.domain.lists.lint_findings import LintFinding, LintKind
from campaign.domain.model import Invalid, Skip
from campaign.domain.status import Status
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.domain.verdict import READ_IN_VAIN, Evidence, rule_of

_WORDS: Final[dict[str, str]] = {
    # Skipped
    Skip.DUPLICATE: "the same pass is further up in the list",
    Skip.EXCLUDED: "the pass is on the list of those to leave out",
    Skip.FREQUENCY_CAP: "the pass has had as many messages as it may get in a day",
    Skip.EXPIRED: "the time to send them was over",
    Skip.NOT_IN_WALLET: "the pass was in no wallet when it was read before sending, or was deactivated",
    Skip.CANCELLED: "the campaign was cancelled before they were sent",
    # Invalid
    Invalid.NO_ID: "the row has no pass id",
    Invalid.BAD_TIME_ZONE: "the time zone is not known",
    Invalid.MANGLED_ID: "a spreadsheet has changed the pass id, such as into 1.23E+15",
    Invalid.BAD_ID: "the pass id can't be one",
    Invalid.MISSING_FIELD: "something that the message mentions is missing in the row",
    Invalid.EMPTY_MESSAGE: "the message is empty",
    Invalid.MESSAGE_TOO_LONG: "the message is too long",
    Invalid.NO_TEMPLATE: "the template that the row names is not there",
    Invalid.TEMPLATE_FAILED: "the template can't be filled in with the row's values",
    Invalid.BAD_MESSAGE: "the message holds a character or braces that can't be sent",
    # The API's statement about a pass
    "notDelivered": "the pass is not in a wallet",
    # Answers of the API
    "http_400": "PassEntry could not make sense of the request (HTTP 400)",
    "http_401": "PassEntry does not accept the token (HTTP 401)",
    "forbidden": "PassEntry does not let this token send to this pass (HTTP 403)",
    "http_403": "a firewall or proxy answered in PassEntry's place (HTTP 403)",
    "http_404": "PassEntry knows no such pass (HTTP 404)",
    "http_408": "the request took too long on its way (HTTP 408)",
    "http_409": "PassEntry refused the message in the pass's present state (HTTP 409)",
    "http_410": "the pass no longer exists (HTTP 410)",
    "http_413": "the message is too large for PassEntry (HTTP 413)",
    "http_422": "PassEntry does not accept this message or pass (HTTP 422)",
    "http_429": "PassEntry asked us to slow down (HTTP 429)",
    # Transport errors, and attempts without a clear outcome
    "dns": "the address of PassEntry could not be found",
    "connect": "PassEntry could not be reached",
    "connect_timeout": "no connection to PassEntry came about in time",
    "proxy": "the proxy could not be reached, or made no connection to PassEntry",
    "proxy_auth": "the proxy did not accept the user and password",
    "tls": "no secure connection to PassEntry could be made",
    "timeout": "PassEntry did not answer in time",
    "disconnected": "the connection broke before the answer came",
    "bad_reply": "the answer was not whole",
    "unreadable_reply": "the answer could not be understood",
    "unreadable_status": "the results file does not say clearly what became of the row",
    "was_sending": "it was being sent when the results file was written, and may still be",
    "lost": "the program was stopped before the answer was recorded",
    "earlier_attempt": "an earlier attempt may have arrived; no later one did",
    # Outcomes of batches
    "refused_by_batch": "PassEntry refused the pass or the message in a batch",
    "no_delivery_report": "PassEntry sent the batch and showed no delivery report",
    "not_in_delivery_report": "the delivery report of the batch does not name the pass",
    "batch_failed": "PassEntry says that the batch failed, and not what became of the row",
    "batch_cancelled": "somebody else cancelled the batch at PassEntry",
    # Verification without a clear outcome
    "unreadable": "the pass could not be read back",
    "no_latest_message": "PassEntry does not tell which message the pass holds",
    "other_message": "the pass holds another message, perhaps written over ours",
    "same_text_before": "the pass had the same message before, so it can't tell",
}

_ENDED: Final[dict[str, str]] = {
    "finished": "",
    "cancelled": "",
    "paused": "It was paused.",
    "limit": "It has sent as many rows as it was asked to.",
    "share": "The last process has done its share of the rows.",
    "share_in_need": "The last process has done its share of the rows, some of which need attention.",
    "not_now": "It is not the time to send (--window, --start-at).",
    "interrupted": "It was stopped with Ctrl-C.",
    "terminated": "It was stopped (SIGTERM).",
    "hung_up": "Its terminal was closed.",
    "fault": "A fault of the program broke it off.",
    "safeguard": "A safeguard stopped it.",
    "superseded": "Another process has taken over its rows.",
    "batches_left": "Batches were left at PassEntry.",
    "passes_held": "Rows of it wait for passes that are in batches of another campaign.",
    "": "Its process was killed or cut off, or the machine went down.",
}

NO_REASON: Final = "no reason given"


def reason_in_words(reason: str) -> str:
    """The meaning of a recorded reason. An unknown reason is returned as it is, without terminal control characters."""
    if words := _WORDS.get(reason):
        return words
    code = reason.removeprefix("http_")
    if code != reason and code.isdecimal():
        if code.startswith("5"):
            return f"PassEntry had an error of its own (HTTP {code})"
        ambiguous = rule_of(int(code)).proof is Evidence.AMBIGUOUS
        answer = "the answer does not say what became of the message" if ambiguous else "PassEntry refused the request"
        return f"{answer} (HTTP {code})"
    return sanitize_for_terminal(reason).strip() or NO_REASON


def ended_in_words(ended: str) -> str:
    """Why a campaign's last run ended before its end, as a sentence. The ledger has a word, a sentence or nothing for it."""
    return _ENDED.get(ended, sanitize_for_terminal(ended))


_ACCESS: Final = "Whoever runs Campaign has to give it a token that PassEntry accepts. Then send these rows again."
_THEIRS: Final = (
    "These passes belong to somebody else, or the token may not send to them. Take them out of your list, or have them allowed and retry."
)
_BLOCKED: Final = (
    "A firewall or proxy refuses them, perhaps for what the message says. Ask those who run the network. Then send these rows again."
)
_ID: Final = "Look the ids up in PassEntry, put the right ones into the failed-rows file, and give that file back."
_MANGLED: Final = "Format the id column as text in the spreadsheet, put the ids in again, and give the failed-rows file back."
_GONE: Final = "Nothing to do: take these passes out of your list."
_REFUSED: Final = "The failed-rows file says what PassEntry answered. Correct the message or the row there, and give that file back."
_NOBODY_KNOWS: Final = "Nobody can tell. Send them again only if twice is better than not at all."
_ANOTHER_DAY: Final = "They can have the message another day, in a campaign of its own."
_CANCELLED: Final = "Nothing to do: the campaign was cancelled, and nothing more of it is sent."
_EXPIRED: Final = "If it is still worth telling them, start a new campaign with a later end."

_BY_REASON: Final[dict[tuple[Status, str], str]] = {
    (Status.FAILED, "http_401"): _ACCESS,
    (Status.FAILED, "http_402"): _ACCESS,
    (Status.FAILED, "forbidden"): _THEIRS,
    (Status.FAILED, "http_403"): _BLOCKED,
    (Status.FAILED, "http_404"): _ID,
    (Status.FAILED, "http_410"): _GONE,
    (Status.FAILED, "http_400"): _REFUSED,
    (Status.FAILED, "http_409"): _REFUSED,
    (Status.FAILED, "http_413"): _REFUSED,
    (Status.FAILED, "http_422"): _REFUSED,
    (Status.FAILED, "refused_by_batch"): _REFUSED,
    **{(Status.UNKNOWN, reason): _NOBODY_KNOWS for reason in READ_IN_VAIN},
    (Status.UNKNOWN, "unreadable_status"): _NOBODY_KNOWS,
    (Status.INVALID, Invalid.NO_ID): _ID,
    (Status.INVALID, Invalid.BAD_ID): _ID,
    (Status.INVALID, Invalid.MANGLED_ID): _MANGLED,
    (Status.SKIPPED, Skip.FREQUENCY_CAP): _ANOTHER_DAY,
    (Status.SKIPPED, Skip.EXPIRED): _EXPIRED,
    (Status.SKIPPED, Skip.NOT_IN_WALLET): _ANOTHER_DAY,
}


def advice(status: str, reason: str = "", *, cancelled: bool = False) -> str:
    """What to do about rows, in a sentence or two; `status` is one that needs an explanation. Nobody sends rows of a cancelled campaign."""
    known = Status(status)
    found = _BY_REASON.get((known, reason), known.info.advice)
    if cancelled and (known in {Status.FAILED, Status.NOT_DELIVERED, Status.INVALID} or found == _NOBODY_KNOWS):
        return _CANCELLED
    return found


_ONE: Final[dict[LintKind, str]] = {
    LintKind.NEAR_EXCLUDED: "1 pass is sent to though its id is nearly that of an excluded one",
    LintKind.NEAR_DUPLICATE: "1 id is nearly another one",
    LintKind.PLACEHOLDER: "1 message seems to hold a placeholder that nobody filled in; a column is written {{{{ first_name }}}}",
    LintKind.EMPTY_MERGE: "1 message seems to lack a value: there is a gap, or punctuation with nothing before it",
    LintKind.MOJIBAKE: "1 message holds characters that a wrong encoding has broken; save the list or the template as UTF-8",
    LintKind.BROKEN_LINK: "1 message has a link that is not whole: an address with a blank, without its end, or with an empty value",
    LintKind.INSECURE_LINK: "1 message links to http:// instead of https://",
    LintKind.CUT_ON_LOCK_SCREEN: "1 message is longer than the {lock_screen:,} characters that a lock screen shows",
    LintKind.SAME_AS_LAST: "1 message is the same as the last one to its pass; an iPhone shows no alert for it",
    LintKind.LINK: "1 message has a link",
}
_MANY: Final[dict[LintKind, str]] = {
    LintKind.NEAR_EXCLUDED: "{count:,} passes are sent to though their ids are nearly those of excluded ones",
    LintKind.NEAR_DUPLICATE: "{count:,} rows have ids that look like those of other rows; each gets a message",
    LintKind.PLACEHOLDER: "{count:,} messages seem to hold a placeholder that nobody filled in; a column is written {{{{ first_name }}}}",
    LintKind.EMPTY_MERGE: "{count:,} messages seem to lack a value: there is a gap, or punctuation with nothing before it",
    LintKind.MOJIBAKE: "{count:,} messages hold characters that a wrong encoding has broken; save the list or the template as UTF-8",
    LintKind.BROKEN_LINK: (
        "{count:,} messages have a link that is not whole: an address with a blank, without its end, or with an empty value"
    ),
    LintKind.INSECURE_LINK: "{count:,} messages link to http:// instead of https://",
    LintKind.CUT_ON_LOCK_SCREEN: "{count:,} messages are longer than the {lock_screen:,} characters that a lock screen shows",
    LintKind.SAME_AS_LAST: "{count:,} messages are the same as the last one to their pass; an iPhone shows no alert for them",
    LintKind.LINK: "{count:,} messages have a link",
}


def finding_in_words(finding: LintFinding, *, lock_screen: int) -> str:
    """A lint finding in words: the number of messages, and what to check in them."""
    words = _ONE if finding.count == 1 else _MANY
    return words[finding.kind].format(count=finding.count, lock_screen=lock_screen)
