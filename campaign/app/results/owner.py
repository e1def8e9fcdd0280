"""Finds out which campaign's results a file holds; the first row says it."""

import codecs
import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from campaign import object_store
from campaign.domain.lists.columns import normalize_name
from campaign.domain.lists.locations import Location, ObjectUrl
from campaign.domain.model import RESULT_COLUMNS
from campaign.domain.text.formula_escape import unescape_formula
from campaign.ledger.port import LedgerReader
from campaign.reporter.files.target import Format

if TYPE_CHECKING:
    import pandas as pd

_NAMES: Final = {normalize_name(name): name for name in RESULT_COLUMNS}
_NAMED: Final = re.compile(r"\.(results|resumed)(\.failed)?$")
_MOST_ABOVE: Final = 10
"""In how many of the first lines a header is looked for."""

_MOST_ROWS: Final = 10
_ROWS_NEEDED: Final = _MOST_ABOVE + _MOST_ROWS

_FIRST_UNITS: Final = 1 << 16
"""What is read of a file at first, as there may be thousands in a folder."""

_MOST_UNITS: Final = 10_000_000
"""More than a header and a row of results need; a file of another kind may consist of one line."""

_FIRST_TEXTS: Final = 1 << 20
"""What is read of each part of a workbook, in bytes."""
_IN_WORKBOOKS: Final = tuple("delivery".encode(encoding) for encoding in ("utf-8", "utf-16-le"))

_HEAD_BYTES: Final = 16 << 20
"""More than that in UTF-8, as a line of a list has at most a megabyte."""

_MOST_BYTES: Final = 4 << 30


FirstRows = list[dict[str, str]]
"""The first rows of a results file: the columns that results add by their usual names, the list's own by their normalized names."""


def owner_of(place: Location) -> str:
    """The campaign of a file's first row; empty if there is no such file, or it is no results file, or has no row.

    Raises:
        InputError: an object exists, but can't be read.
    """
    return owner_in(first_rows(place))


def owner_in(rows: FirstRows | None) -> str:
    """The campaign of the first of these rows that names one; empty if none does. Others may have been added by a person."""
    return next(filter(None, (row.get("delivery_campaign", "") for row in rows or ())), "")


def holds_results(place: Location) -> bool:
    """Whether a file is a results file, of any campaign; raises as `owner_of` does."""
    return first_rows(place) is not None


def may_hold_results_of(rows: FirstRows | None, campaign: str, reader: LedgerReader | None = None) -> bool:
    """Whether a file with these first rows is this campaign's results, or may be: it names no campaign of the ledger, or can't be read.

    A person may have renamed the campaign in the file.
    """
    owner = owner_in(rows)
    return rows is not None and (owner in {campaign, ""} or reader is None or reader.campaign(owner) is None)


def first_rows(place: Location) -> FirstRows | None:
    """A few rows; none of a results file that has no row or that only another user may read. None if it is no results file.

    Raises:
        InputError: an object exists, but can't be read.
    """
    if isinstance(place, Path):
        return _of_file(place)
    if object_store.find(place) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="campaign-results-") as folder:
        copy = Path(folder) / f"results{place.suffix}"
        copy.touch()
        _copy(place, copy)
        return _of_file(copy)


def _copy(url: ObjectUrl, into: Path) -> None:
    if url.suffix.lower() in {Format.CSV, Format.JSONL}:
        object_store.fetch_head(url, into, most_bytes=_HEAD_BYTES)
    else:
        object_store.fetch(url, into, most_bytes=_MOST_BYTES)


def _of_file(path: Path) -> FirstRows | None:
    from campaign.loader.formats import file_format

    readers = {file_format.CSV: _of_csv, file_format.JSONL: _of_jsonl, file_format.PARQUET: _of_parquet, file_format.EXCEL: _of_workbook}
    read = next((reader for found, reader in readers.items() if path.suffix.lower() in found.suffixes), None)
    if read is None or not path.is_file():
        return None
    # One that was emptied, damaged, or freed of its columns of results is known by its name alone.
    named: FirstRows | None = [] if _NAMED.search(path.stem) else None
    try:
        found = read(path) if path.stat().st_size else None
    except PermissionError:
        # Results are private to the user who ran the campaign.
        return []
    except Exception:  # noqa: BLE001 - a file that no reader can read is no results file, and each reader has other errors
        return named
    return named if found is None else found


def _of_table(rows: Iterable[Sequence[object]]) -> FirstRows | None:
    """The first rows of a table, whose header a person may have written in another way, or put a title above."""
    found = (row for row in rows if any(row))
    for header in islice(found, _MOST_ABOVE):
        names = [_NAMES.get(name, name) for name in (normalize_name(str(one)) for one in header)]
        if ours := set(names) & set(RESULT_COLUMNS):
            cells = [dict(zip(names, (_text(cell) for cell in row), strict=False)) for row in islice(found, _MOST_ROWS)]
            if len(ours) > 1 or ("delivery_campaign" in ours and cells):
                return cells
    return None


def _text(cell: object) -> str:
    return "" if cell is None else unescape_formula(str(cell))


def _of_csv(path: Path) -> FirstRows | None:
    from campaign.loader.formats.csv import SEPARATORS

    for units in (_FIRST_UNITS, _MOST_UNITS):
        with path.open("rb") as file:
            head = file.read(units)
        text = _decoded(head)
        tables = [list(islice(filter(any, _rows(text, separator)), _ROWS_NEEDED + 1)) for separator in SEPARATORS]
        # Where the head ends within the file, its last row may be cut off.
        if len(head) < units or all(len(rows) > _ROWS_NEEDED for rows in tables):
            break
    return next((found for rows in tables if (found := _of_table(rows)) is not None), None)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _decoded(head: bytes) -> str:
    """The text, in the encodings of spreadsheets, too; it may end within a character."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.getincrementaldecoder("utf-16")().decode(head)
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return head.decode("cp1252", errors="replace")


def _of_jsonl(path: Path) -> FirstRows | None:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(iter(partial(file.readline, _MOST_UNITS), ""), _MOST_ROWS)]
    return _of_table([list(rows[0]), *(list(row.values()) for row in rows)])


def _of_parquet(path: Path) -> FirstRows | None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        columns = file.schema_arrow.names
        if _NAMES.keys().isdisjoint(map(normalize_name, columns)):
            return None
        rows = next(file.iter_batches(batch_size=_MOST_ROWS)).to_pylist() if file.metadata.num_rows else []
    return _of_table([columns, *(list(row.values()) for row in rows)])


def _of_workbook(path: Path) -> FirstRows | None:
    """The rows of the first sheet with results: a pivot table that a person makes of them comes before them."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum

    if zipfile.is_zipfile(path) and not _has_delivery_columns(path):
        return None
    with CalamineWorkbook.from_path(path) as workbook:
        names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
        tables = (workbook.get_sheet_by_name(name).to_python(nrows=_ROWS_NEEDED) for name in names)
        sheets = [rows for rows in map(_of_table, tables) if rows is not None]
    return next(filter(owner_in, sheets), sheets[0] if sheets else None)


def results_in_workbook(path: Path) -> "pd.DataFrame | None":
    """The results in a workbook, in whatever sheet and row they begin; None if there are none."""
    import pandas as pd
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

    from campaign.loader.formats.cells import workbook_text

    with suppress(CalamineError, OSError), CalamineWorkbook.from_path(path) as workbook:
        for sheet in workbook.sheets_metadata:
            rows = workbook.get_sheet_by_name(sheet.name).to_python() if sheet.typ is SheetTypeEnum.WorkSheet else []
            for place, header in enumerate(rows[:_MOST_ABOVE]):
                if len(_NAMES.keys() & {normalize_name(str(name)) for name in header}) > 1:
                    texts = [[workbook_text(cell) for cell in row] for row in rows[place + 1 :]]
                    return pd.DataFrame(texts, columns=list(map(str, header)))
    return None


def _has_delivery_columns(workbook: Path) -> bool:
    """Whether results may be in a workbook: to open it takes long, whatever is read of it, and headers are among its first texts."""
    with zipfile.ZipFile(workbook) as parts:
        for name in parts.namelist():
            if name.endswith((".xml", ".bin")):
                with parts.open(name) as part:
                    texts = part.read(_FIRST_TEXTS).lower()
                if any(column in texts for column in _IN_WORKBOOKS):
                    return True
    return False
