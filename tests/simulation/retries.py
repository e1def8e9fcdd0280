"""What people have decided to send again, and when their retries have ended: which messages of a row were asked for."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from campaign.domain.status import Status

MAY_HAVE_ARRIVED: Final = frozenset({Status.UNKNOWN, Status.NOT_DELIVERED})
LEFT: Final = """
SELECT 1 WHERE heard_end((
    SELECT count(*) FROM rows WHERE campaign = :campaign AND (status IN ('pending', 'sending') OR status = 'unknown' AND due_at IS NOT NULL)
));
"""
"""Told before the ledger ends a retry: how many rows are still to be sent or read back."""


@dataclass(kw_only=True)
class Decision:
    """A person's yes to the question of a retry; times are by the loop's clock.

    `rows` had one of the statuses then. `took_at` is when some of them were pending; None if none ever was, or its process did not live to
    see it.
    """

    process: str
    statuses: frozenset[Status]
    rows: frozenset[int]
    asked_at: float
    took_at: float | None = None


@dataclass
class Retries:
    """`ends` are the moments, each with a process, at which a retry could end, as nothing of it was left."""

    decisions: list[Decision] = field(default_factory=list)
    ends: list[tuple[float, str]] = field(default_factory=list)

    def took(self, process: str, at: float) -> None:
        """The process has made rows pending."""
        for decision in self.decisions:
            if decision.process == process and decision.took_at is None:
                decision.took_at = at

    def of(self, row: int) -> list[Decision]:
        """Those after which the row may get one message more than one."""
        return [decision for decision in self.decisions if row in decision.rows and decision.statuses & MAY_HAVE_ARRIVED]

    def most(self, row: int) -> int:
        """How many retries may send the row again, whenever it was sent: each began after the one before had ended."""
        count, last = 0, -math.inf
        for decision in self.of(row):
            if not count or self._ended(last, decision):
                count, last = count + 1, decision.asked_at
        return count

    def unasked(self, row: int, left_at: Sequence[float]) -> bool:
        """Whether a row got a message that nobody asked for; `left_at` is when each that was processed had left."""
        return not all(
            any(self._allows(decision, earlier, later) for decision in self.of(row)) for earlier, later in pairwise(sorted(left_at))
        )

    def _allows(self, decision: Decision, earlier: float, later: float) -> bool:
        """Whether a message may follow an earlier one: the person knew of that, and the retry that had sent it, if one had, has ended."""
        if not earlier <= decision.asked_at <= later:
            return False
        return not self._is_open(earlier) or self._ended(earlier, decision)

    def _ended(self, earlier: float, decision: Decision) -> bool:
        """Whether another command has ended a retry since then, before this decision."""
        return _any_within((at for at, process in self.ends if process != decision.process), earlier, decision.asked_at)

    def _is_open(self, at: float) -> bool:
        ends = [end for end, _ in self.ends]
        return any(one.took_at is not None and one.took_at <= at and not _any_within(ends, one.asked_at, at) for one in self.decisions)


def _any_within(times: Iterable[float], first: float, last: float) -> bool:
    return any(first <= time <= last for time in times)
