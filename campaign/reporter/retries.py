"""Why rows were sent more than once, and what became of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from campaign.domain.model import Outcome, Status
from campaign.ledger.upkeep import MovedAttempt

MOST_REASONS: Final = 50
"""There are far fewer, unless an API invents them: what is beyond counts as one."""
READ_BACK: Final = "read_back"
"""The reason of sends that got no answer, after which the pass was read, and held nothing of them."""
OTHERS: Final = "other_reasons"


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
    """`unexplained` are rows that were sent more than once, but of whose earlier sends the ledger knows nothing."""

    def __init__(self) -> None:
        self._sends: Counter[str] = Counter()
        self._rows: dict[str, Counter[Status]] = defaultdict(Counter)
        self.unexplained = 0

    def add(self, outcome: Outcome, attempts: Sequence[MovedAttempt]) -> None:
        """A row with what the ledger has of its attempts, in their order."""
        reasons = [self._kept_apart(_reason(attempt)) for attempt in attempts[:-1]]
        self._sends.update(reasons)
        for reason in set(reasons):
            self._rows[reason][outcome.status] += 1
        self.unexplained += outcome.attempts > 1 and not reasons

    def found(self) -> tuple[Retried, ...]:
        """By reason, the most frequent first; a row that was sent again for two reasons counts for both."""
        told = [Retried(reason=reason, sends=sends, by_status=dict(self._rows[reason])) for reason, sends in self._sends.items()]
        return tuple(sorted(told, key=lambda one: (-one.sends, one.reason)))

    def _kept_apart(self, reason: str) -> str:
        return reason if reason in self._sends or len(self._sends) < MOST_REASONS else OTHERS


def _reason(attempt: MovedAttempt) -> str:
    if attempt.reason or attempt.status != Status.PENDING:
        return attempt.reason
    # Once it is settled what became of a send, the ledger no longer says why it was in doubt, but still how it was answered.
    return READ_BACK if attempt.http_status in {None, 200} else f"http_{attempt.http_status}"
