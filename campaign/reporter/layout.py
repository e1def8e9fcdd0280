"""The columns of a results file, and what kind of values each holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self

from campaign.domain.errors import InputError
from campaign.domain.results import RESULT_COLUMNS


class Kind(Enum):
    """What a column's values are."""

    TEXT = auto()
    WHOLE = auto()  # int or None
    TIME = auto()  # Unix seconds, 0 where there is none
    MILLISECONDS = auto()  # float with one decimal, or None


KINDS: Final[dict[str, Kind]] = dict.fromkeys(RESULT_COLUMNS, Kind.TEXT) | {
    "delivery_http_status": Kind.WHOLE,
    "delivery_attempts": Kind.WHOLE,
    "delivery_sent_at": Kind.TIME,
    "delivery_settled_at": Kind.TIME,
    "delivery_latency_ms": Kind.MILLISECONDS,
    "delivery_row": Kind.WHOLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a results file: the list's own, then RESULT_COLUMNS."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]

    @classmethod
    def of(cls, columns: Sequence[str]) -> Self:
        """The layout for a list with these columns of its own.

        Raises:
            InputError: two columns of the file would have the same name, and a reader could not tell them apart.
        """
        seen = set(RESULT_COLUMNS)
        for column in columns:
            if column in seen:
                whose = "a column that the results add" if column in RESULT_COLUMNS else "another column of the list"
                raise InputError(f"It has the same name as {whose}. Rename it in the list.", column=column, code="repeated_column")
            seen.add(column)
        return cls(names=(*columns, *RESULT_COLUMNS), kinds=(*(Kind.TEXT for _ in columns), *KINDS.values()))
