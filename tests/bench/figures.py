"""What a benchmark says: a value, what it stands beside in the same run, what is wanted of it, and below what something is wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import assert_never


class Side(Enum):
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    side: Side
    limit: float

    def holds(self, number: float) -> bool:
        match self.side:
            case Side.AT_LEAST:
                return number >= self.limit
            case Side.AT_MOST:
                return number <= self.limit
            case _:
                assert_never(self.side)

    def missed_by(self, number: float) -> float:
        """By which share of the limit a number misses it; 0 if it holds."""
        return 0.0 if self.holds(number) else abs(number - self.limit) / self.limit


def at_least(limit: float) -> Bound:
    return Bound(side=Side.AT_LEAST, limit=limit)


def at_most(limit: float) -> Bound:
    return Bound(side=Side.AT_MOST, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Where a ratio says that something broke, and why it is there. It is far from what is usual: machines differ, and are busy."""

    bound: Bound
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`beside_value` is in the same unit, measured in the same run. `goal` is of the value, `ratio_goal` and `floor` of the ratio.

    Raises:
        ValueError: there is a goal or a floor for a ratio, and nothing that it would be a ratio to.
    """

    name: str
    value: float
    unit: str
    beside: str = ""
    beside_value: float | None = None
    goal: Bound | None = None
    ratio_goal: Bound | None = None
    floor: Floor | None = None

    def __post_init__(self) -> None:
        if not self.beside_value and (self.ratio_goal or self.floor):
            raise ValueError(f"{self.name}: a ratio needs something beside it that is not 0.")

    @property
    def ratio(self) -> float | None:
        return self.value / self.beside_value if self.beside_value else None

    @property
    def missed_by(self) -> float | None:
        """By which share the goal is missed, 0 if it is reached, None if there is none; of two the worse."""
        missed = [] if self.goal is None else [self.goal.missed_by(self.value)]
        if self.ratio_goal is not None and self.ratio is not None:
            missed.append(self.ratio_goal.missed_by(self.ratio))
        return max(missed, default=None)

    @property
    def fallen(self) -> bool:
        return self.floor is not None and self.ratio is not None and not self.floor.bound.holds(self.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a module measured, and in sentences what it could not measure on this machine."""

    figures: Sequence[Figure]
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one module found, how long that took, and, if it could not be measured, why."""

    name: str
    title: str
    seconds: float
    figures: Sequence[Figure]
    left_out: Sequence[str] = ()
    broken: str = ""


def fallen(groups: Iterable[Group]) -> list[tuple[Group, Figure]]:
    """Every figure whose ratio is beyond its floor, with its group."""
    return [(group, figure) for group in groups for figure in group.figures if figure.fallen]
