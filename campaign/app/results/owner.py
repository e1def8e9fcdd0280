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

_NAMES: Final = frozenset(map(normalize_name, RESULT_COLUMNS))
_CAMPAIGN: Final = normalize_name("delivery_campaign")
_NAMED: Final = re.compile(r"\.(results|resumed)(\.failed)?$")
_NO_ROW: Final = ""
_MOST_ABOVE: Final = 10
"""In how many of the first lines a header is looked for."""

_ROWS_NEEDED: Final = _MOST_ABOVE + 1

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


def owner_of(place: Location) -> str:
    """The campaign of a file's first row; empty if there is no such file, or it is no results file, or has no row.

    Raises:
        InputError: an object exists, but can't be read.
    """
    return _found(place) or ""


def holds_results(place: Location) -> bool:
    """Whether a file is a results file, of any campaign; raises as `owner_of` does."""
    return _found(place) is not None


def may_hold_results_of(place: Location, campaign: str, reader: LedgerReader | None = None) -> bool:
    """Whether a file is this campaign's results, or may be, as it names no campaign of the ledger or can't be read.

    A person may have renamed the campaign in the file. Raises as `owner_of` does.
    """
    found = _found(place)
    return found in {campaign, _NO_ROW} or (found is not None and (reader is None or reader.campaign(found) is None))


def _found(place: Location) -> str | None:
    if isinstance(place, Path):
        return _owner_of(place)
    if object_store.find(place) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="campaign-results-") as folder:
        copy = Path(folder) / f"results{place.suffix}"
        copy.touch()
        _copy(place, copy)
        return _owner_of(copy)


def _copy(url: ObjectUrl, into: Path) -> None:
    if url.suffix.lower() in {Format.CSV, Format.JSONL}:
        object_store.fetch_head(url, into, most_bytes=_HEAD_BYTES)
    else:
        object_store.fetch(url, into, most_bytes=_MOST_BYTES)


def _owner_of(path: Path) -> str | None:
    """The campaign; `_NO_ROW` for a results file that names none or that only another user may read, None if it is no results file."""
    from campaign.loader.formats import file_format

    readers = {file_format.CSV: _of_csv, file_format.JSONL: _of_jsonl, file_format.PARQUET: _of_parquet, file_format.EXCEL: _of_workbook}
    read = next((reader for found, reader in readers.items() if path.suffix.lower() in found.suffixes), None)
    if read is None or not path.is_file():
        return None
    # One that was emptied or damaged is known by its name alone.
    named = _NO_ROW if _NAMED.search(path.stem) else None
    try:
        return read(path) if path.stat().st_size else named
    except PermissionError:
        # Results are private to the user who ran the campaign.
        return _NO_ROW
    except Exception:  # noqa: BLE001 - a file that no reader can read is no results file, and each reader has other errors
        return named


def _of_table(rows: Iterable[Sequence[object]]) -> str | None:
    """The campaign of a table, whose header a person may have written in another way, or put a title above."""
    found = (row for row in rows if any(row))
    for header in islice(found, _MOST_ABOVE):
        names = [normalize_name(str(name)) for name in header]
        row = next(found, None) if _CAMPAIGN in names else None
        if row is not None:
            return unescape_formula(str(dict(zip(names, row, strict=False)).get(_CAMPAIGN, _NO_ROW)))
        if len(_NAMES.intersection(names)) > 1:
            return _NO_ROW
    return None


def _of_csv(path: Path) -> str | None:
    from campaign.loader.formats.csv import SEPARATORS

    for units in (_FIRST_UNITS, _MOST_UNITS):
        with path.open("rb") as file:
            head = file.read(units)
        text = _decoded(head)
        tables = [list(islice(filter(any, _rows(text, separator)), _ROWS_NEEDED + 1)) for separator in SEPARATORS]
        # Where the head ends within the file, its last row may be cut off.
        if len(head) < units or all(len(rows) > _ROWS_NEEDED for rows in tables):
            break
    return next((name for rows in tables if (name := _of_table(rows)) is not None), None)


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


def _of_jsonl(path: Path) -> str | None:
    with path.open(encoding="utf-8") as file:
        row = json.loads(file.readline(_MOST_UNITS))
    return _of_table([list(row), list(row.values())])


def _of_parquet(path: Path) -> str | None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        columns = [name for name in names if normalize_name(name) == _CAMPAIGN]
        rows = next(file.iter_batches(batch_size=1, columns=columns)).to_pylist() if columns and file.metadata.num_rows else []
    return _of_table([names, *([row.get(name, " ") for name in names] for row in rows)])


def _of_workbook(path: Path) -> str | None:
    """The campaign of the first sheet with results: a pivot table that a person makes of them comes before them."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum

    if zipfile.is_zipfile(path) and not _has_delivery_columns(path):
        return None
    with CalamineWorkbook.from_path(path) as workbook:
        names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
        tables = (workbook.get_sheet_by_name(name).to_python(nrows=_ROWS_NEEDED) for name in names)
        owners = [owner for owner in map(_of_table, tables) if owner is not None]
    return next(filter(None, owners), owners[0] if owners else None)


def results_in_workbook(path: Path) -> "pd.DataFrame | None":
    """The results in a workbook, in whatever sheet and row they begin; None if there are none."""
    import pandas as pd
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

    from campaign.loader.formats.cells import workbook_text

    with suppress(CalamineError, OSError), CalamineWorkbook.from_path(path) as workbook:
        for sheet in workbook.sheets_metadata:
            rows = workbook.get_sheet_by_name(sheet.name).to_python() if sheet.typ is SheetTypeEnum.WorkSheet else []
            for place, header in enumerate(rows[:_MOST_ABOVE]):
                if len(_NAMES.intersection(normalize_name(str(name)) for name in header)) > 1:
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
