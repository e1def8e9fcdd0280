"""Where results go: the path a person gave, and what follows from it. Light enough to be asked before anything heavy is loaded."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from campaign.domain.errors import UsageError
from campaign.domain.places import Place, Url

PlaceT = TypeVar("PlaceT", Path, Url, Place)


class Format(StrEnum):
    """The value is the suffix that chooses it, in any case."""

    CSV = ".csv"
    PARQUET = ".parquet"
    JSONL = ".jsonl"
    XLSX = ".xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsTarget:
    """A path whose suffix names a format.

    Raises:
        UsageError: it names none.
    """

    path: Place

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in set(Format):
            raise UsageError(
                f"{self.path}: a results file ends in .csv, .parquet, .jsonl or .xlsx; give it one of these endings.",
                code="bad_suffix",
                file=self.path,
            )

    @property
    def format(self) -> Format:
        return Format(self.path.suffix.lower())


def failed_path(results: PlaceT) -> PlaceT:
    """The file beside the results that holds only the rows that need someone; always CSV."""
    return results.with_name(f"{results.stem}.failed.csv")


def may_be_there(file: Place) -> bool:
    """Whether a file is there; of an object only its store knows, which nobody should have to wait for."""
    return not isinstance(file, Path) or file.is_file()


def same_file(one: Place, other: Place) -> bool:
    """Whether both places are, or would be, one file: links of both kinds are followed."""
    if isinstance(one, Url) or isinstance(other, Url):
        return isinstance(one, Url) and one.is_same(other)
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)
