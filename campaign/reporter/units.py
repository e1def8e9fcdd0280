"""How fast, in a unit in which there is something to count: a campaign of a month has no messages a second."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    name: str
    seconds: int


UNITS: Final = (
    Unit(name="second", seconds=1),
    Unit(name="minute", seconds=60),
    Unit(name="hour", seconds=3600),
    Unit(name="day", seconds=86_400),
)


def unit_of(per_second: float) -> Unit:
    """The shortest in which there is at least one; days if there is none."""
    return next((unit for unit in UNITS if per_second * unit.seconds >= 1), UNITS[-1])


def pace(per_second: float) -> str:
    """`8.6 a second`, `12.0 an hour`."""
    unit = unit_of(per_second)
    return f"{per_second * unit.seconds:,.1f} {'an' if unit.name == 'hour' else 'a'} {unit.name}"
