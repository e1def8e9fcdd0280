"""How a row stands in a ledger, and whether a results file tells more of it."""

from typing import Final, NamedTuple

from campaign.domain.model import ENDED, Outcome, Skip, Status

_SAME_TIME_SECONDS: Final = 0.0015
"""Results hold times in milliseconds."""


class Standing(NamedTuple):
    """`attempts` counts all that ended; `sent_at` is when the last of them began, in Unix seconds, 0 if there was none."""

    row: int
    pass_key: str
    status: Status
    attempts: int
    sent_at: float


def tells_more(told: Outcome, known: Standing) -> bool:
    """Whether results tell of a row what its ledger, which may still send it, does not know: an attempt, or an outcome that never changes.

    That a row is a duplicate is no news of its pass, which another row stands for.
    """
    if known.status in ENDED:
        return False
    is_news = told.status in ENDED and (told.status, told.reason) != (Status.SKIPPED, Skip.DUPLICATE)
    return is_news or told.attempts > known.attempts


def same_attempt(told: Outcome, known: Standing) -> bool:
    """Whether the last attempt of both is one and the same, whatever pass either row is of by now: ids get corrected."""
    return told.attempts == known.attempts > 0 and abs(told.sent_at - known.sent_at) < _SAME_TIME_SECONDS
