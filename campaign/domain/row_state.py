"""The state of a row in a ledger, and whether a results file knows more."""

from typing import Final, NamedTuple

from campaign.domain.model import Outcome, Skip
from campaign.domain.status import ENDED, Status
from campaign.domain.verdict import WAS_SENDING

_SAME_TIME_SECONDS: Final = 0.0015
"""Results files have times in milliseconds."""

_DAY_SECONDS: Final = 86_400.0
"""A time without its zone may be off by so much."""

_CUT_SECONDS: Final = 0.11
"""A time may be cut to tenths of a second."""

_ZONE_SECONDS: Final = 900.0
"""Zones differ by multiples of this."""

_NEVER_SENT: Final = frozenset({Skip.DUPLICATE, Skip.EXCLUDED})


class RowState(NamedTuple):
    """`attempts` counts all that ended. `sent_at` is when the last of them began, in Unix seconds; 0 if there was none.

    `begun` says whether the ledger ever claimed the row, or knows an attempt of another ledger that may have arrived.
    """

    row: int
    pass_key: str
    status: Status
    attempts: int
    sent_at: float
    begun: bool


def tells_more(from_file: Outcome, known: RowState) -> bool:
    """Whether a results file has an attempt or a final outcome of a row that its ledger, which may still send the row, does not have.

    An attempt under way counts only if the ledger never began one: it has no number by which the ledger could know it. The outcomes
    "duplicate" and "excluded" do not count: they say nothing about the pass, which another row has, or which a check left out.
    """
    if known.status in ENDED:
        return False
    is_news = from_file.status in ENDED and not (from_file.status is Status.SKIPPED and from_file.reason in _NEVER_SENT)
    under_way = from_file.reason == WAS_SENDING and known.status is Status.PENDING and not known.begun
    return is_news or from_file.attempts + under_way > known.attempts


def same_attempt(from_file: Outcome, known: RowState | Outcome) -> bool:
    """Whether the last attempt of both is the same one. The pass is not compared, as ids get corrected."""
    return from_file.attempts == known.attempts > 0 and abs(from_file.sent_at - known.sent_at) < _SAME_TIME_SECONDS


def is_another_attempt(from_file: Outcome, known: RowState | Outcome) -> bool:
    """Whether the last attempt of both certainly is not the same one, though it has the same number.

    A spreadsheet cuts times, and may show them in a zone of its own; then nobody knows. A pending row may have been refused since for its
    caller, which is no attempt.
    """
    is_known = from_file.attempts == known.attempts > 0 and known.status is not Status.PENDING
    if not is_known or from_file.sent_at.is_integer() or known.sent_at.is_integer():
        return False
    late = from_file.sent_at - known.sent_at
    return abs(late) > _DAY_SECONDS or abs(late - round(late / _ZONE_SECONDS) * _ZONE_SECONDS) > _CUT_SECONDS


def is_overtaken(from_file: Outcome, known: RowState) -> bool:
    """Whether the ledger has sent a row since a results file was written that does not call the row ended."""
    return from_file.status not in ENDED and known.attempts + (known.status is Status.SENDING) > from_file.attempts
