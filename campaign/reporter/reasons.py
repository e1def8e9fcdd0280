"""Why a row ended as it did, in words a marketer understands: one table of the reasons that results files hold."""

from typing import Final

from campaign.domain.model import Invalid, Skip
from campaign.domain.verdict import Proof, rule_of

_WORDS: Final[dict[str, str]] = {
    # Left out on purpose
    Skip.DUPLICATE: "the same pass stands further up in the list",
    Skip.EXCLUDED: "the pass is on the list of those to leave out",
    Skip.FREQUENCY_CAP: "the pass has had as many messages as it may get in a day",
    Skip.EXPIRED: "the time to send them was over",
    Skip.CANCELLED: "the campaign was cancelled before they were sent",
    # Can't be sent as they stand
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
    # What the API says of a pass
    "notDelivered": "the pass is not in a wallet",
    # What the API answers
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
    # What went wrong on the way
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
    "lost": "the program was stopped before the answer was recorded",
    "earlier_attempt": "an earlier attempt may have arrived; the last one did not",
    # What reading back could not settle
    "unreadable": "the pass could not be read back",
    "no_latest_message": "PassEntry does not tell which message the pass holds",
    "other_message": "the pass holds another message, perhaps written over ours",
    "same_text_before": "the pass had the same message before, so it can't tell",
}

_ENDED: Final[dict[str, str]] = {
    "finished": "",
    "cancelled": "",
    "paused": "It was paused.",
    "limit": "The number of sends that was asked for was reached.",
    "share": "The last process has done its share of the rows.",
    "share_in_need": "The last process has done its share of the rows, some of which need someone.",
    "not_now": "It is not the time to send (--window, --start-at).",
    "interrupted": "It was told to stop, with Ctrl-C.",
    "terminated": "It was told to stop (SIGTERM).",
    "hung_up": "Its terminal was closed.",
    "fault": "A fault of the program broke it off.",
    "safeguard": "A safeguard stopped it.",
    "superseded": "Another process has taken over its rows.",
    "": "Its process was killed, or the machine went down.",
}

NO_REASON: Final = "no reason given"


def reason_in_words(reason: str) -> str:
    """What a recorded reason means; one that is not known here is shown as it is, without what a terminal would act upon."""
    if words := _WORDS.get(reason):
        return words
    code = reason.removeprefix("http_")
    if code != reason and code.isdecimal():
        if code.startswith("5"):
            return f"PassEntry had an error of its own (HTTP {code})"
        ambiguous = rule_of(int(code)).proof is Proof.AMBIGUOUS
        answer = "the answer does not say what became of the message" if ambiguous else "PassEntry refused the request"
        return f"{answer} (HTTP {code})"
    return printable(reason).strip() or NO_REASON


def ended_in_words(ended: str) -> str:
    """Why the last run of a campaign that has rows left ended, as a sentence; the ledger holds one word, a sentence, or nothing."""
    return _ENDED.get(ended, printable(ended))


def printable(text: str) -> str:
    """Text on one line, whatever it holds."""
    return "".join(character if character.isprintable() else " " for character in text)
