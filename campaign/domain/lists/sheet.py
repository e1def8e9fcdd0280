"""Where a row of a list is, in the numbers that people see: a spreadsheet numbers its lines, including the header."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

MOST_GAPS: Final = 1_000
"""At most this many blank lines are remembered. In a file with more, the lines of rows are unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLines:
    """The line of each row of a list. A row of a CSV file is one line, as in a spreadsheet, however many line breaks its values have.

    Attributes:
        first: the line of row 1; 0 if there are no lines, as in a Parquet file, or if they are unknown.
        gaps: the rows with a blank line before them, once for each blank line, in ascending order.
    """

    first: int = 0
    gaps: tuple[int, ...] = ()

    @classmethod
    def counted(cls, first: int, gaps: Sequence[int]) -> Self:
        """The lines of a file that was read to its end."""
        return cls(first=first, gaps=tuple(gaps)) if len(gaps) <= MOST_GAPS else cls()

    def of(self, row: int) -> int | None:
        """The line of a row; None if unknown."""
        return self.first - 1 + row + bisect_right(self.gaps, row) if self.first else None

    def of_all(self, rows: Sequence[int]) -> list[int] | None:
        """The lines of some rows; None if unknown."""
        return [self.first - 1 + row + bisect_right(self.gaps, row) for row in rows] if self.first else None

    def row_on(self, line: int) -> int | None:
        """The row on a line; None if the line is the header or has no row."""
        row = 1 + bisect_left(range(1, max(line, 0) + 1), line, key=lambda row: self.of(row) or 0)
        return row if self.of(row) == line else None

    def __str__(self) -> str:
        """The text that `parse` reads: `2`, or `2 5 9` with gaps; empty without lines."""
        return " ".join(map(str, (self.first, *self.gaps))) if self.first else ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The lines in a text that `str` has made; no lines for any other text."""
        parts = text.split()
        if not parts or not all(part.isascii() and part.isdecimal() for part in parts):
            return cls()
        return cls(first=int(parts[0]), gaps=tuple(sorted(map(int, parts[1:]))))


NO_LINES: Final = SheetLines()


def place(row: int, line: int | None = None) -> str:
    """`line 3 (row 2)`, or `row 2` if the line is unknown."""
    return f"line {line} (row {row})" if line else f"row {row}"


def places(rows: Sequence[int], lines: SheetLines = NO_LINES, *, count: int = 0) -> str:
    """`lines 3, 8 (rows 2, 7) and 120 more`: `rows` are the first of `count` rows, or all of them."""
    count = max(count, len(rows))
    plural = "s" if count > 1 else ""
    named = f"row{plural} {', '.join(map(str, rows))}"
    if (found := lines.of_all(rows)) is not None:
        named = f"line{plural} {', '.join(map(str, found))} ({named})"
    return f"{named} and {count - len(rows):,} more" if count > len(rows) else named


def where_rows_are_counted(lines: SheetLines) -> str:
    """How lines and rows are counted, as a sentence."""
    if not lines.first:
        return "Rows are counted from the first one of the data."
    return "Lines are counted as a spreadsheet does, rows from the first one below the header."
