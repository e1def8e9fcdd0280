"""Whose results a file holds, read from its first row alone: results are replaced by the same campaign's, never by another's."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from python_calamine import CalamineWorkbook

from campaign.domain.cells import restore
from campaign.reporter.target import Format

_COLUMN: Final = "delivery_campaign"
_MOST_UNITS: Final = 10_000_000
"""More than a header and a row of results take; a file of another kind may be one line from start to end."""


def owner_of(path: Path) -> str:
    """The campaign that the first row of a file is of; empty if there is no such file, or it is no results file, or has no row."""
    readers: dict[str, Callable[[Path], Any]] = {
        Format.CSV: _of_csv,
        Format.JSONL: _of_jsonl,
        Format.PARQUET: _of_parquet,
        Format.XLSX: _of_xlsx,
    }
    read = readers.get(path.suffix.lower())
    if read is None or not path.is_file():
        return ""
    try:
        name = read(path)
    except Exception:  # noqa: BLE001 - what no reader can read is nobody's results, and each reader has errors of its own
        return ""
    return name if isinstance(name, str) else ""


def _of_csv(path: Path) -> str | None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = next(csv.DictReader(io.StringIO(file.read(_MOST_UNITS), newline="")), {})
    return restore(found.get(_COLUMN) or "")


def _of_jsonl(path: Path) -> Any:
    with path.open(encoding="utf-8") as file:
        return json.loads(file.readline(_MOST_UNITS)).get(_COLUMN)


def _of_parquet(path: Path) -> Any:
    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=1, columns=[_COLUMN]))
        return batch.column(0)[0].as_py()


def _of_xlsx(path: Path) -> str:
    with CalamineWorkbook.from_path(path) as workbook:
        header, row = workbook.get_sheet_by_index(0).to_python(nrows=2)
    return restore(str(row[header.index(_COLUMN)]))
