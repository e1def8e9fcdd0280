"""What to do about rows of a status and a reason: the key of a text, by a table."""

from typing import Final

from campaign.domain.model import Invalid, Skip, Status

_BY_REASON: Final[dict[tuple[Status, str], str]] = {
    (Status.FAILED, "http_401"): "campaigns.advice.token",
    (Status.FAILED, "http_403"): "campaigns.advice.token",
    (Status.FAILED, "http_404"): "campaigns.advice.id",
    (Status.FAILED, "http_410"): "campaigns.advice.pass_gone",
    (Status.FAILED, "http_400"): "campaigns.advice.refused",
    (Status.FAILED, "http_409"): "campaigns.advice.refused",
    (Status.FAILED, "http_413"): "campaigns.advice.refused",
    (Status.FAILED, "http_422"): "campaigns.advice.refused",
    (Status.UNKNOWN, "other_message"): "campaigns.advice.nobody_knows",
    (Status.UNKNOWN, "same_text_before"): "campaigns.advice.nobody_knows",
    (Status.UNKNOWN, "no_latest_message"): "campaigns.advice.nobody_knows",
    (Status.UNKNOWN, "unreadable_status"): "campaigns.advice.nobody_knows",
    (Status.INVALID, Invalid.NO_ID): "campaigns.advice.id",
    (Status.INVALID, Invalid.BAD_ID): "campaigns.advice.id",
    (Status.INVALID, Invalid.MANGLED_ID): "campaigns.advice.mangled",
    (Status.SKIPPED, Skip.FREQUENCY_CAP): "campaigns.advice.another_day",
    (Status.SKIPPED, Skip.EXPIRED): "campaigns.advice.expired",
}
_BY_STATUS: Final[dict[Status, str]] = {
    Status.FAILED: "campaigns.advice.later",
    Status.UNKNOWN: "campaigns.advice.verify",
    Status.INVALID: "campaigns.advice.mend",
    Status.NOT_DELIVERED: "campaigns.advice.wallet",
    Status.ACCEPTED: "campaigns.advice.nothing",
    Status.SKIPPED: "campaigns.advice.nothing",
}


def advice(status: str, reason: str = "") -> str:
    """The key of what to do."""
    known = Status(status)
    return _BY_REASON.get((known, reason), _BY_STATUS[known])
