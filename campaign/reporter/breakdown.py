"""Rows by a value they have, such as a column's, and by what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from campaign.domain.model import Status

MOST_GROUPS: Final = 20
MOST_VALUES: Final = 10_000
"""Kept apart while counting: a column with more of them divides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows that have a value; of `others`, the number of values is `values`."""

    value: str
    by_status: Mapping[Status, int]
    values: int = 1

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The largest groups, largest first, and all others as one, None if there are none: together, all the rows that were counted."""

    groups: tuple[Group, ...]
    others: Group | None

    @property
    def known(self) -> bool:
        """Whether any row has a value."""
        return any(group.value for group in self.groups) or self.others is not None


class Tally:
    """Counts rows by value and status; `overflowed` once there were more values than are kept apart."""

    def __init__(self) -> None:
        self._found: dict[str, dict[Status, int]] = {}
        self._beyond: dict[Status, int] = {}
        self.overflowed = False

    def add(self, value: str, status: Status) -> None:
        by_status = self._found.get(value)
        if by_status is None:
            if len(self._found) >= MOST_VALUES:
                self.overflowed = True
                by_status = self._beyond
            else:
                by_status = self._found[value] = {}
        by_status[status] = by_status.get(status, 0) + 1

    def breakdown(self, *, least_rows: int = 1) -> Breakdown:
        """What was counted; values of fewer rows than `least_rows` are among the others."""
        groups = sorted(
            (Group(value=value, by_status=by_status) for value, by_status in self._found.items()),
            key=lambda group: (-group.rows, group.value),
        )
        shown = [group for group in groups[:MOST_GROUPS] if group.rows >= least_rows]
        rest = groups[len(shown) :]
        if not rest and not self._beyond:
            return Breakdown(groups=tuple(shown), others=None)
        together: dict[Status, int] = dict(self._beyond)
        for group in rest:
            for status, count in group.by_status.items():
                together[status] = together.get(status, 0) + count
        return Breakdown(groups=tuple(shown), others=Group(value="", by_status=together, values=len(rest)))
