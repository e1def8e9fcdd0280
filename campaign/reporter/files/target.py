"""The path and format of a results file, its limits, and those of an Excel sheet. This module imports nothing heavy."""

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.locations import Location, ObjectUrl
from campaign.domain.model import RESULT_COLUMNS

MOST_ROWS: Final = 1_048_575
MOST_COLUMNS: Final = 16_384
CELL_UNITS: Final = 32_767
SURELY_FITS: Final = CELL_UNITS // 2 - 1
"""Any text of this many characters fits: each takes at most two units, and an apostrophe may come before them."""
INSTEAD: Final = "Write the results as .csv or .parquet, which have no such limit."

PlaceT = TypeVar("PlaceT", Path, ObjectUrl, Location)


class Format(StrEnum):
    """A format of results; the value is its suffix, which ignores case."""

    CSV = ".csv"
    PARQUET = ".parquet"
    JSONL = ".jsonl"
    XLSX = ".xlsx"


def format_of(path: Location, *, also: str = "") -> Format:
    """The format that a path's suffix determines.

    Raises:
        UsageError: no format has this suffix; `also` says in it what else can be written.
    """
    if path.suffix.lower() not in set(Format):
        raise UsageError(
            f"{path}: a results file ends in .csv, .parquet, .jsonl or .xlsx{also}; give it one of these endings.",
            code="bad_suffix",
            file=path,
        )
    return Format(path.suffix.lower())


def failed_path(results: PlaceT) -> PlaceT:
    """The file beside the results that holds only the rows that need attention; always CSV."""
    return results.with_name(f"{results.stem}.failed.csv")


def same_file(one: Location, other: Location) -> bool:
    """Whether both places are, or would be, the same file; symbolic and hard links are followed."""
    if isinstance(one, ObjectUrl) or isinstance(other, ObjectUrl):
        return isinstance(one, ObjectUrl) and one.is_same(other)
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def check_columns(columns: Iterable[str]) -> None:
    """Check the columns of a list.

    Raises:
        InputError: two columns of its results would have the same name, so a reader could not tell them apart.
    """
    seen = set(RESULT_COLUMNS)
    for column in columns:
        if column in seen:
            whose = "a column that the results add" if column in RESULT_COLUMNS else "another column of the list"
            raise InputError(f"It has the same name as {whose}. Rename it in the list.", column=column, code="repeated_column")
        seen.add(column)


def too_many_rows(path: Location) -> UsageError:
    return UsageError(
        f"{path}: an Excel sheet holds at most {MOST_ROWS:,} rows, and the list has more. {INSTEAD}", code="too_many_rows", file=path
    )


def too_many_columns(path: Location, columns: int) -> UsageError:
    return UsageError(
        f"{path}: an Excel sheet holds at most {MOST_COLUMNS:,} columns, and there are {columns:,}. {INSTEAD}",
        code="too_many_columns",
        file=path,
    )


def fits(text: str) -> bool:
    """Whether a text fits into a cell of an Excel sheet."""
    return len(text) <= SURELY_FITS or len(text.encode("utf-16-le")) <= 2 * CELL_UNITS
