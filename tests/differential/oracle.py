"""What a list says, by the standard library's csv and json, by openpyxl and pyarrow: slowly, and with the whole list in memory.

It shares nothing with the loader but the rules: names are cleaned, a column without a name has to be empty and is no column, rows of
nothing at the end are no rows, every value is text, and a list that can't be taken as it stands is refused.
"""

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from tests.differential.corpus import Case

CELL: Final = 131_072
COLUMNS: Final = 1_000
_UNSEEN: Final = r"[\s\xad\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\x1c-\x1f\x85]+"


class RefusedError(Exception):
    """The list can't be taken as it stands: `justified` says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def read(case: Case) -> Said:
    """What a list says.

    Raises:
        RefusedError: nothing that a list may say.
    """
    data, suffix = _unpacked(case)
    readers: dict[str, Callable[[], Said]] = {
        ".csv": lambda: _csv(case, data),
        ".parquet": lambda: _parquet(case, data),
        ".xlsx": lambda: _workbook(case, data),
        ".xlsm": lambda: _workbook(case, data),
        ".jsonl": lambda: _json_lines(data),
    }
    if not data:
        raise RefusedError("nothing in it")
    said = readers[suffix]()
    if not said.rows:
        raise RefusedError("no rows")
    return said


def _unpacked(case: Case) -> tuple[bytes, str]:
    suffixes = Path(f"list{case.suffix}").suffixes
    try:
        match suffixes[-1]:
            case ".gz":
                data = gzip.decompress(case.data)
            case ".bz2":
                data = bz2.decompress(case.data)
            case ".zst":
                data = pa.input_stream(io.BytesIO(case.data), compression="zstd").read()
            case suffix:
                return case.data, suffix
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        raise RefusedError(f"not unpacked: {error}") from error
    return data, suffixes[-2] if len(suffixes) > 1 else ".csv"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Said:
    """A header and rows of the same length."""
    clean = [re.sub(rf"^{_UNSEEN}|{_UNSEEN}$", "", name) for name in names]
    kept = [place for place, name in enumerate(clean) if name]
    if not kept or len(names) > COLUMNS or len({clean[place] for place in kept}) != len(kept):
        raise RefusedError("the names are none, too many, or not clear")
    for row in rows:
        if any(len(cell) > CELL for cell in row):
            raise RefusedError("a value that is too long")
        if any(not clean[place] and re.sub(_UNSEEN, "", cell) for place, cell in enumerate(row)):
            raise RefusedError("a value without a column's name")
    found = [tuple(row[place] for place in kept) for row in rows]
    found = [row for row in found if any(row)]
    return Said(columns=tuple(clean[place] for place in kept), rows=found)


def _csv(case: Case, data: bytes) -> Said:
    if data.startswith(b"%PDF"):
        raise RefusedError("no list")
    try:
        text = data.decode("utf-8-sig" if case.codec == "utf-8" else case.codec)
    except UnicodeDecodeError as error:
        raise RefusedError(f"no text: {error}") from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise RefusedError("a NUL")
    if text.lower().startswith("sep="):
        text = text.partition("\n")[2]
    for _ in range((case.header or 1) - 1):
        text = text[re.match(r'(?:"(?:[^"]|"")*"|[^"\r\n])*(?:\r\n|\r|\n|$)', text).end() :]  # type: ignore[union-attr]  # it always matches
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=case.separator or "\0", strict=True))
    except csv.Error as error:
        raise RefusedError(f"no CSV: {error}") from error
    blank = [not row or (len(row) == 1 and not row[0].strip()) for row in rows]
    first = next((place for place, is_blank in enumerate(blank) if not is_blank), None)
    if first is None:
        raise RefusedError("nothing in it")
    width = len(rows[first])
    below = [row for row, is_blank in zip(rows[first + 1 :], blank[first + 1 :], strict=True) if row and not (is_blank and width > 1)]
    if any(len(row) != width for row in below):
        raise RefusedError("a row that is longer or shorter than the header")
    return _table(rows[first], below)


def _json_lines(data: bytes) -> Said:
    try:
        texts = [line for line in data.decode().split("\n") if line.strip()]
        pairs = [json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str) for text in texts]
        # What is nested keeps its numbers as they are.
        plain = [json.loads(text) for text in texts]
        json.dumps(plain, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"no JSON lines: {error}") from error
    if any(len(text) > 1 << 20 for text in texts) or not pairs or not all(isinstance(found, dict) for found in plain):
        raise RefusedError("no objects")
    names = [name for name, _ in pairs[0]]
    rows = []
    for found, values in zip(pairs, plain, strict=True):
        if len(found) != len(names) or set(values) != set(names) or len(set(names)) != len(names):
            raise RefusedError("other keys")
        rows.append([_json_text(dict(found)[name], values[name]) for name in names])
    return _table(names, rows)


def _json_text(written: Any, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        case _:
            return str(written)


def _number(value: float, digits: str) -> str:
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    if not float(value).is_integer():
        return digits
    if abs(value) < 1e15:
        return f"{value:.0f}".replace("-0", "0") if not value else f"{value:.0f}"
    return re.sub(r"\.?0*E", "E", f"{value:.5E}")


def _workbook(case: Case, data: bytes) -> Said:
    if case.name in {"xlsx data descriptors and no sizes", "xlsx errors and no sizes"}:
        # Python's zipfile believes the directory; the sizes that are right are behind the parts.
        data = _with_sizes(data)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    except Exception as error:
        raise RefusedError(f"no workbook: {error}") from error
    for sheet in book.worksheets:
        rows = [[_cell(cell) for cell in row] for row in sheet.iter_rows()] if sheet.sheet_state == "visible" else []
        if not any(map(any, rows)):
            continue
        left = min(place for row in rows for place, cell in enumerate(row) if cell)
        right = max(place for row in rows for place, cell in enumerate(row) if cell) + 1
        found = [row[left:right] for row in rows[(case.header or 1) - 1 :]]
        first = next((place for place, row in enumerate(found) if any(row)), None)
        if first is None:
            raise RefusedError("nothing there")
        return _table(found[first], found[first + 1 :])
    raise RefusedError("nothing in it")


def _with_sizes(data: bytes) -> bytes:
    found = bytearray(data)
    for entry in re.finditer(b"PK\x01\x02", data):
        offset = int.from_bytes(data[entry.start() + 42 : entry.start() + 46], "little")
        after = data.index(b"PK\x07\x08", offset)
        found[entry.start() + 24 : entry.start() + 28] = data[after + 12 : after + 16]
    return bytes(found)


def _cell(cell: Any) -> str:
    match cell.value:
        case None:
            return ""
        case bool():
            return "TRUE" if cell.value else "FALSE"
        case dt.datetime() if cell.value.time() == dt.time() and "h" not in cell.number_format:
            return cell.value.date().isoformat()
        case dt.datetime() | dt.date() | dt.time():
            return cell.value.isoformat()
        case dt.timedelta():
            seconds = int(cell.value.total_seconds())
            return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case int() | float():
            return _number(cell.value, f"{cell.value:.15g}".upper())
        case _:
            return str(cell.value)


def _parquet(case: Case, data: bytes) -> Said:
    if case.header is not None:
        raise RefusedError("it has a header of its own")
    try:
        table = pq.read_table(io.BytesIO(data))
        columns = dict(zip(table.column_names, table.columns, strict=True))
        texts = {name: list(_texts(column)) for name, column in columns.items()}
    except Exception as error:
        raise RefusedError(f"no Parquet: {error}") from error
    # A column that is not text by its kind, and can't be made text, is left out.
    optional = {name for name, column in columns.items() if pa.types.is_nested(column.type) or "binary" in str(column.type)}
    out = {name for name in optional if any(text is None or len(text) > CELL for text in texts[name])}
    if any(text is None for name, found in texts.items() if name not in out for text in found):
        raise RefusedError("a text that is none")
    names = [name for name in table.column_names if name not in out]
    if len(names) != len(set(names)):
        raise RefusedError("the names are not clear")
    return _table(names, [*zip(*(texts[name] for name in names), strict=True)])


def _texts(column: pa.ChunkedArray) -> Iterator[str | None]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.binary())
    numbers = column.to_numpy().tolist() if pa.types.is_floating(kind) else []
    small = column.to_numpy() if pa.types.is_floating(kind) and not pa.types.is_float64(kind) else None
    for place, (value, number) in enumerate(zip_longest(column.to_pylist(maps_as_pydicts="lossy"), numbers)):
        if isinstance(value, float):
            yield _number(value, repr(number) if small is None else str(small[place]))
        else:
            yield _text(value)


def _text(value: Any) -> str | None:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
        case dt.datetime():
            return value.isoformat() if value.tzinfo or not value.microsecond else value.isoformat().rstrip("0")
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return f"PT{value.total_seconds():g}S"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
        case _:
            return str(value)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)
