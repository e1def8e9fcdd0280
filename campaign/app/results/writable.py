"""Checks, before anything is sent, that results can be written to their place, so that a wrong path costs nothing.

Only the same campaign's results replace a results file; its first row says which campaign it belongs to.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from campaign import object_store
from campaign.app.results.owner import owner_of
from campaign.atomic import AtomicFile, writing
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.locations import Location, ObjectUrl, place_of
from campaign.domain.lists.sheet import NO_LINES, SheetLines
from campaign.domain.model import RESULT_COLUMNS
from campaign.domain.text.formula_escape import escape_formula
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord
from campaign.reporter.files.target import (
    CELL_UNITS,
    MOST_COLUMNS,
    MOST_ROWS,
    SURELY_FITS,
    Format,
    check_columns,
    failed_path,
    fits,
    format_of,
    same_file,
    too_many_columns,
    too_many_rows,
)


def check_writable(
    path: Location,
    *,
    campaign: str = "",
    list_file: Location | None = None,
    columns: Sequence[str] = (),
    rows: int | None = None,
    batches: Callable[[], Iterable[Sequence[Sequence[str]]]] | None = None,
    lines: SheetLines = NO_LINES,
) -> None:
    """Check that results, and the failed rows beside them, can be written to `path`: creates a file in its folder and removes it.

    Neither results of another campaign nor the list, `list_file`, are overwritten. `columns` are the list's own, and `rows` counts its
    rows, if known. `batches` reads the rows, some at a time; it is only called if the format can't hold every cell. `lines` are their
    lines.

    Raises:
        UsageError: they can't be written; says why and what to do.
        DiskFullError: not even an empty file fits.
        InputError: a column of the list has the name of one that results add, or two have the same name; or a cell is longer than the
            format can hold.
    """
    format_ = format_of(path)
    failed = failed_path(path)
    check_columns(columns)
    if format_ is Format.XLSX:
        _check_fits_a_sheet(path, columns, rows, batches, list_file=list_file, lines=lines)
    if list_file is not None:
        _check_not_the_list(path, failed, list_file)
    for file in (path, failed):
        with writing(file):
            _check_replaceable(file)
            if campaign:
                check_not_anothers(file, campaign)
        with AtomicFile(file):
            pass
    if not isinstance(path, Path):
        object_store.check_writable(path)


def check_writable_of(record: CampaignRecord, results: Location) -> None:
    """`check_writable` for the results of a staged campaign."""
    place = record.spec.list_place
    list_file = place_of(place) if place else None
    check_writable(results, campaign=record.spec.name, list_file=list_file, columns=record.spec.columns, rows=record.rows)


def _check_fits_a_sheet(
    path: Location,
    columns: Sequence[str],
    rows: int | None,
    batches: Callable[[], Iterable[Sequence[Sequence[str]]]] | None,
    *,
    list_file: Location | None,
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
    path: Location, columns: Sequence[str], row: Sequence[str], number: int, *, list_file: Location | None, line: int | None
) -> None:
    for position, text in enumerate(row):
        if not fits(escape_formula(text)):
            problem = (
                f"The value has {len(text):,} characters, and a cell of {path.name} holds at most {CELL_UNITS:,}. "
                "Shorten it, or write the results as .csv or .parquet."
            )
            raise InputError(
                problem,
                file=str(list_file) if isinstance(list_file, ObjectUrl) else list_file,
                row=number,
                line=line,
                column=columns[position] if position < len(columns) else None,
                code="cell_too_long",
            )


def _check_not_the_list(path: Location, failed: Location, list_file: Location) -> None:
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


def _check_replaceable(file: Location) -> None:
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


def check_not_anothers(file: Location, campaign: str) -> None:
    """Check that a file is not the results of another campaign.

    Raises:
        UsageError: it is.
        InputError: an object exists, but can't be read.
    """
    if (owner := owner_of(file)) and owner != campaign:
        raise UsageError(
            f"{file} holds the results of the campaign “{sanitize_for_terminal(owner)}”, which those of "
            f"“{sanitize_for_terminal(campaign)}” would replace. "
            "Give another file (--results FILE; to report it is --output FILE), or move that one away.",
            code="other_results",
            file=file,
            owner=owner,
        )
