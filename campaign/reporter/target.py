"""Where results go: the path a person gave, and what follows from it. Light enough to be asked before anything heavy is loaded."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from campaign.domain.errors import UsageError


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

    path: Path

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in set(Format):
            raise UsageError(f"{self.path}: a results file ends in .csv, .parquet, .jsonl or .xlsx; give it one of these endings.")

    @property
    def format(self) -> Format:
        return Format(self.path.suffix.lower())


def failed_path(results: Path) -> Path:
    """The file beside the results that holds only the rows that need someone; always CSV."""
    return results.with_name(f"{results.stem}.failed.csv")


def same_file(one: Path, other: Path) -> bool:
    """Whether both paths are, or would be, one file: links of both kinds are followed."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)
