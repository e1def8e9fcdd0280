"""Whether results can be written at all: asked before anything is sent, so that a wrong path costs nothing."""

from collections.abc import Sequence
from pathlib import Path

from campaign.domain.errors import UsageError
from campaign.reporter.atomic import Draft, writing
from campaign.reporter.batches import Layout
from campaign.reporter.target import Format, ResultsTarget, failed_path, same_file
from campaign.reporter.xlsx_file import MOST_ROWS, too_many_rows


def check_writable(path: Path, *, list_file: Path | None = None, columns: Sequence[str] = (), rows: int | None = None) -> None:
    """See that results, and the failed rows beside them, can be written to `path`; a file is made in its folder and removed again.

    Args:
        path: the results file to be.
        list_file: the list, which must not be written over; None if it comes from stdin.
        columns: the list's own columns, where they are known.
        rows: how many rows there will be, where that is known.

    Raises:
        UsageError: they can't; says why and what to do.
        DiskFullError: not even an empty file fits.
        InputError: a column of the list has the name of one that results add, or two have the same name.
    """
    target = ResultsTarget(path=path)
    failed = failed_path(path)
    Layout.of(columns)
    if target.format is Format.XLSX and rows is not None and rows > MOST_ROWS:
        raise too_many_rows(path)
    if list_file is not None:
        _check_not_the_list(path, failed, list_file)
    for file in (path, failed):
        with writing(file):
            _check_replaceable(file)
        with Draft(file):
            pass


def _check_not_the_list(path: Path, failed: Path, list_file: Path) -> None:
    if same_file(path, list_file):
        raise UsageError(f"{path} is the list itself, which would be written over. Choose another place for the results.")
    if same_file(failed, list_file):
        raise UsageError(f"The failed rows would be written to {failed}, over the list itself. Choose another name for the results.")


def _check_replaceable(file: Path) -> None:
    if file.is_dir():
        raise UsageError(f"{file} is a folder. Give the results a file name in it, such as {file / 'results.csv'}.")
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is a device or a pipe, and results are written to a file. Choose another place for them.")
