"""What to do about rows of a status and a reason, in the words that page and console share."""

from typing import Final

from campaign.domain.model import Invalid, Skip, Status

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
_REFUSED: Final = "The failed-rows file says what PassEntry answered. Mend the message or the row there, and give that file back."
_LATER: Final = "Nothing of it arrived. Send these rows again later."
_VERIFY: Final = "Have the passes read back: that tells most of them, and sends nothing."
_NOBODY_KNOWS: Final = "Nobody can tell. Send them again only if twice is better than not at all."
_MEND: Final = "Mend these rows in the failed-rows file, and give that file back."
_WALLET: Final = "They can be sent again once the passes are in wallets."
_NOTHING: Final = "Nothing to do."
_ANOTHER_DAY: Final = "They can have the message another day, in a campaign of its own."
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
    (Status.UNKNOWN, "other_message"): _NOBODY_KNOWS,
    (Status.UNKNOWN, "same_text_before"): _NOBODY_KNOWS,
    (Status.UNKNOWN, "no_latest_message"): _NOBODY_KNOWS,
    (Status.UNKNOWN, "unreadable_status"): _NOBODY_KNOWS,
    (Status.UNKNOWN, "earlier_attempt"): _VERIFY,
    (Status.INVALID, Invalid.NO_ID): _ID,
    (Status.INVALID, Invalid.BAD_ID): _ID,
    (Status.INVALID, Invalid.MANGLED_ID): _MANGLED,
    (Status.SKIPPED, Skip.FREQUENCY_CAP): _ANOTHER_DAY,
    (Status.SKIPPED, Skip.EXPIRED): _EXPIRED,
}
_BY_STATUS: Final[dict[Status, str]] = {
    Status.FAILED: _LATER,
    Status.UNKNOWN: _VERIFY,
    Status.INVALID: _MEND,
    Status.NOT_DELIVERED: _WALLET,
    Status.ACCEPTED: _NOTHING,
    Status.SKIPPED: _NOTHING,
}


def advice(status: str, reason: str = "") -> str:
    """What to do, as a sentence or two; `status` is one of those that need an explanation."""
    known = Status(status)
    return _BY_REASON.get((known, reason), _BY_STATUS[known])
