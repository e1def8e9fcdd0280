"""Whose results a file holds, read from its first row alone: results are replaced by the same campaign's, never by another's.

Without a row a file names no campaign. By its header it is a results file all the same, but for JSON Lines, which have none.
"""

import codecs
import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from campaign import object_store
from campaign.domain.formula_escape import restore
from campaign.domain.locations import Place, Url
from campaign.domain.model import RESULT_COLUMNS
from campaign.reporter.target import Format

_COLUMN: Final = "delivery_campaign"
_NO_ROW: Final = ""
_SEPARATORS: Final = ",;\t|"
_MOST_UNITS: Final = 10_000_000
"""More than a header and a row of results take; a file of another kind may be one line from start to end."""
_HEAD_BYTES: Final = 16 << 20
"""More than that in UTF-8: a line of a list is at most a megabyte."""
_MOST_BYTES: Final = 4 << 30


def owner_of(place: Place) -> str:
    """The campaign that the first row of a file is of; empty if there is no such file, or it is no results file, or has no row.

    Raises:
        InputError: an object is there, but can't be read.
    """
    return _found(place) or ""


def holds_results(place: Place) -> bool:
    """Whether a file is a results file, of whichever campaign; raises as `owner_of` does."""
    return _found(place) is not None


def may_hold_results_of(place: Place, campaign: str) -> bool:
    """Whether a file is this campaign's results, or a results file without a row, which may be anybody's; raises as `owner_of` does."""
    return _found(place) in {campaign, _NO_ROW}


def _found(place: Place) -> str | None:
    if isinstance(place, Path):
        return _owner_of(place)
    if object_store.find(place) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="campaign-results-") as folder:
        copy = Path(folder) / f"results{place.suffix}"
        copy.touch()
        _copy(place, copy)
        return _owner_of(copy)


def _copy(url: Url, into: Path) -> None:
    if url.suffix.lower() in {Format.CSV, Format.JSONL}:
        object_store.fetch_head(url, into, most_bytes=_HEAD_BYTES)
    else:
        object_store.fetch(url, into, most_bytes=_MOST_BYTES)


def _owner_of(path: Path) -> str | None:
    """The campaign; `_NO_ROW` if it is a results file without rows, None if it is none."""
    readers: dict[str, Callable[[Path], Any]] = {
        Format.CSV: _of_csv,
        Format.JSONL: _of_jsonl,
        Format.PARQUET: _of_parquet,
        Format.XLSX: _of_xlsx,
    }
    read = readers.get(path.suffix.lower())
    if read is None or not path.is_file():
        return None
    try:
        name = read(path)
    except Exception:  # noqa: BLE001 - what no reader can read is nobody's results, and each reader has errors of its own
        return None
    return name if isinstance(name, str) else None


def _of_header(names: Iterable[object]) -> str | None:
    return _NO_ROW if set(RESULT_COLUMNS).issubset(names) else None


def _of_csv(path: Path) -> str | None:
    with path.open("rb") as file:
        text = _decoded(file.read(_MOST_UNITS))
    for separator in _SEPARATORS:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        if _COLUMN in (rows.fieldnames or []):
            row = next(rows, None)
            return _of_header(rows.fieldnames or ()) if row is None else restore(row.get(_COLUMN) or "")
    return None


def _decoded(head: bytes) -> str:
    """The text, also as a spreadsheet saves it; its end may be cut off within a character."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.getincrementaldecoder("utf-16")().decode(head)
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return head.decode("cp1252", errors="replace")


def _of_jsonl(path: Path) -> Any:
    with path.open(encoding="utf-8") as file:
        return json.loads(file.readline(_MOST_UNITS)).get(_COLUMN)


def _of_parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if not file.metadata.num_rows:
            return _of_header(file.schema_arrow.names)
        batch = next(file.iter_batches(batch_size=1, columns=[_COLUMN]))
        return batch.column(0)[0].as_py()


def _of_xlsx(path: Path) -> str | None:
    from python_calamine import CalamineWorkbook

    with CalamineWorkbook.from_path(path) as workbook:
        header, *rows = workbook.get_sheet_by_index(0).to_python(nrows=2)
    return restore(str(rows[0][header.index(_COLUMN)])) if rows else _of_header(header)
