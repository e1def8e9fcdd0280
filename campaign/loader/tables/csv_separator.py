"""What separates the values of a CSV file: found from its first lines."""

import csv
import io
from dataclasses import dataclass
from itertools import islice
from typing import Final

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_CANDIDATES: Final = ("\t", "|", ";", ",")
"""The rarer inside a value, the sooner it is believed to separate: `price,eur;code` has two columns either way."""

_ROWS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Separator:
    """`character` is empty if the file has one column. `skipped_lines` come before the header: Excel's own `sep=;`."""

    character: str
    skipped_lines: int = 0

    @property
    def delimiter(self) -> str:
        """For the csv module, which needs one in any case: a NUL can't be in a list."""
        return self.character or "\0"

    @property
    def label(self) -> str:
        return _NAMES.get(self.character, f"“{self.character}”")

    @property
    def description(self) -> str:
        return f"separated by {self.label}s" if self.character else "with one column"


def find_separator(sample: str) -> Separator:
    """The separator of a file that begins with these lines."""
    said = sample.partition("\n")[0].rstrip("\r")
    if len(said) == len("sep=;") and said[:4].lower() == "sep=" and not said[4].isalnum() and said[4] not in "\"' ":
        return Separator(character=said[4], skipped_lines=1)
    return Separator(character=_most_even(sample))


def _most_even(sample: str) -> str:
    """The separator that gives the header several columns, and the most rows just as many."""
    best, best_score = "", (0.0, 0)
    for character in _CANDIDATES:
        header, *rows = _widths(sample, character) or [0]
        score = (sum(width == header for width in rows) / len(rows) if rows else 1.0, header)
        if header > 1 and score > best_score:
            best, best_score = character, score
    return best or next((character for character in _CANDIDATES if _splits_every_row(sample, character)), "")


def _splits_every_row(sample: str, character: str) -> bool:
    """Whether all rows have as many values, but the header one: better reported as uneven than sent to as one long id."""
    rows = _widths(sample, character)[1:]
    return len(set(rows)) == 1 and rows[0] > 1


def _widths(sample: str, character: str) -> list[int]:
    """How many values the first rows have, blank lines left out."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=character)
    return [len(row) for row in islice(reader, _ROWS) if not is_blank(row)]


def is_blank(cells: list[str]) -> bool:
    """Whether the csv module made this of a blank line, or of one with nothing but blanks."""
    return not cells or (len(cells) == 1 and not cells[0].strip())
