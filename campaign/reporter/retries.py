"""Why rows were sent more than once, and what became of them: in memory of a few bytes a row."""

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Final

from campaign.domain.model import Outcome, Status
from campaign.ledger.upkeep import MovedAttempt

MOST_REASONS: Final = 64
"""As many as a word has bits; there are far fewer, unless an API invents them: what is beyond counts as the last one's."""
READ_BACK: Final = "read_back"
"""The reason of sends that got no answer, after which the pass was read, and held nothing of them."""
_STATUSES: Final = tuple(Status)
_MORE_THAN_ONE: Final = 1 << 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """`sends` ended for this reason and were not their row's last; `by_status` are those rows, by what has become of them."""

    reason: str
    sends: int
    by_status: dict[Status, int]

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


class Retries:
    """First every row, then every attempt in the order in which they were made."""

    def __init__(self) -> None:
        self._rows = bytearray()
        self._last = bytearray()
        self._reasons_of_row = array("Q")
        self._places: dict[str, int] = {}
        self._sends: Counter[int] = Counter()

    def row(self, number: int, outcome: Outcome) -> None:
        if (lacking := number + 1 - len(self._rows)) > 0:
            self._grow(lacking)
        self._rows[number] = (_STATUSES.index(outcome.status) + 1) | (_MORE_THAN_ONE if outcome.attempts > 1 else 0)

    def attempt(self, attempt: MovedAttempt) -> None:
        number = attempt.row
        if number >= len(self._rows) or not self._rows[number]:
            return
        if before := self._last[number]:
            self._sends[before - 1] += 1
            self._reasons_of_row[number] |= 1 << (before - 1)
        self._last[number] = self._places.setdefault(_reason(attempt), min(len(self._places), MOST_REASONS - 1)) + 1

    def found(self) -> tuple[Retried, ...]:
        """By reason, the most frequent first; a row that was sent again for two reasons counts for both."""
        rows: dict[int, Counter[Status]] = {place: Counter() for place in self._sends}
        for number, reasons in enumerate(self._reasons_of_row):
            while reasons:
                place = (reasons & -reasons).bit_length() - 1
                rows[place][_STATUSES[(self._rows[number] & ~_MORE_THAN_ONE) - 1]] += 1
                reasons &= reasons - 1  # noqa: PLW2901 - the bits of the row's word, one after another
        names = {place: reason for reason, place in reversed(self._places.items())}
        told = [Retried(reason=names[place], sends=sends, by_status=dict(rows[place])) for place, sends in self._sends.items()]
        return tuple(sorted(told, key=lambda one: (-one.sends, one.reason)))

    @property
    def unexplained(self) -> int:
        """Rows that were sent more than once, but of whose earlier sends this ledger knows nothing."""
        return sum(1 for row, reasons in zip(self._rows, self._reasons_of_row, strict=True) if row & _MORE_THAN_ONE and not reasons)

    def _grow(self, lacking: int) -> None:
        more = max(lacking, len(self._rows), 1024)
        self._rows.extend(bytes(more))
        self._last.extend(bytes(more))
        self._reasons_of_row.extend([0] * more)


def _reason(attempt: MovedAttempt) -> str:
    if attempt.reason or attempt.status != Status.PENDING:
        return attempt.reason
    # Once it is settled what became of a send, the ledger no longer says why it was in doubt, but still how it was answered.
    return READ_BACK if attempt.http_status in {None, 200} else f"http_{attempt.http_status}"
