"""Whether results can be written at all: asked before anything is sent, so that a wrong path costs nothing."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from campaign import object_store
from campaign.app.owner import owner_of
from campaign.atomic import Draft, writing
from campaign.domain.errors import InputError, UsageError
from campaign.domain.formula_escape import neutralise
from campaign.domain.locations import Place, Url
from campaign.domain.model import RESULT_COLUMNS
from campaign.domain.sanitize import sanitize_for_terminal
from campaign.domain.sheet import NO_LINES, SheetLines
from campaign.reporter.target import (
    CELL_UNITS,
    MOST_COLUMNS,
    MOST_ROWS,
    SURELY_FITS,
    Format,
    Layout,
    ResultsTarget,
    failed_path,
    fits,
    same_file,
    too_many_columns,
    too_many_rows,
)


def check_writable(
    path: Place,
    *,
    campaign: str = "",
    list_file: Place | None = None,
    columns: Sequence[str] = (),
    rows: int | None = None,
    batches: Callable[[], Iterable[Sequence[Sequence[str]]]] | None = None,
    lines: SheetLines = NO_LINES,
) -> None:
    """See that results, and the failed rows beside them, can be written to `path`; a file is made in its folder and removed again.

    Args:
        path: the results file to be.
        campaign: whose results they are: those of another are not written over. Empty for nobody's.
        list_file: the list, which must not be written over; None if it comes from stdin.
        columns: the list's own columns, where they are known.
        rows: how many rows there will be, where that is known.
        batches: reads the list's rows, some at a time; only asked where the format can't hold every cell.
        lines: of these rows in the list.

    Raises:
        UsageError: they can't; says why and what to do.
        DiskFullError: not even an empty file fits.
        InputError: a column of the list has the name of one that results add, or two have the same name; or a cell is longer than the
            format can hold.
    """
    target = ResultsTarget(path=path)
    failed = failed_path(path)
    Layout.of(columns)
    if target.format is Format.XLSX:
        _check_fits_a_sheet(path, columns, rows, batches, list_file=list_file, lines=lines)
    if list_file is not None:
        _check_not_the_list(path, failed, list_file)
    for file in (path, failed):
        with writing(file):
            _check_replaceable(file)
            if campaign:
                _check_not_anothers(file, campaign)
        with Draft(file):
            pass
    if not isinstance(path, Path):
        object_store.check_writable(path)


def _check_fits_a_sheet(
    path: Place,
    columns: Sequence[str],
    rows: int | None,
    batches: Callable[[], Iterable[Sequence[Sequence[str]]]] | None,
    *,
    list_file: Place | None,
    lines: SheetLines,
) -> None:
    if rows is not None and rows > MOST_ROWS:
        raise too_many_rows(path)
    if len(columns) + len(RESULT_COLUMNS) > MOST_COLUMNS:
        raise too_many_columns(path, len(columns) + len(RESULT_COLUMNS))
    number = 0
    for batch in batches() if batches is not None else ():
        for row in batch:
            number += 1
            if max(map(len, row), default=0) > SURELY_FITS:
                _check_cells(path, columns, row, number, list_file=list_file, line=lines.of(number))


def _check_cells(
    path: Place, columns: Sequence[str], row: Sequence[str], number: int, *, list_file: Place | None, line: int | None
) -> None:
    for position, text in enumerate(row):
        if not fits(neutralise(text)):
            problem = (
                f"The value has {len(text):,} characters, and a cell of {path.name} holds at most {CELL_UNITS:,}. "
                "Shorten it, or write the results as .csv or .parquet."
            )
            raise InputError(
                problem,
                file=str(list_file) if isinstance(list_file, Url) else list_file,
                row=number,
                line=line,
                column=columns[position] if position < len(columns) else None,
                code="cell_too_long",
            )


def _check_not_the_list(path: Place, failed: Place, list_file: Place) -> None:
    if same_file(path, list_file):
        raise UsageError(
            f"{path} is the list itself, which would be written over. Choose another place for the results.",
            code="over_the_list",
            file=path,
        )
    if same_file(failed, list_file):
        raise UsageError(
            f"The failed rows would be written to {failed}, over the list itself. Choose another name for the results.",
            code="over_the_list",
            file=failed,
        )


def _check_replaceable(file: Place) -> None:
    if not isinstance(file, Path):
        return
    if file.is_dir():
        raise UsageError(
            f"{file} is a folder. Give the results a file name in it, such as {file / 'results.csv'}.", code="is_a_folder", file=file
        )
    if file.exists() and not file.is_file():
        raise UsageError(
            f"{file} is a device or a pipe, and results are written to a file. Choose another place for them.", code="not_a_file", file=file
        )


def _check_not_anothers(file: Place, campaign: str) -> None:
    if (owner := owner_of(file)) and owner != campaign:
        raise UsageError(
            f"{file} holds the results of the campaign “{sanitize_for_terminal(owner)}”, which those of "
            f"“{sanitize_for_terminal(campaign)}” would replace. "
            "Give another file (--results FILE; to report it is --output FILE), or move that one away.",
            code="other_results",
            file=file,
            owner=owner,
        )
