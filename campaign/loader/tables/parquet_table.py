"""Parquet files as tables: looked at before they are unpacked, then unpacked a little at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from campaign.domain.errors import InputError
from campaign.loader.tables.header import Header
from campaign.loader.tables.parquet_guard import check_footer, rows_at_once
from campaign.loader.tables.parquet_text import Converter, converter, is_text
from campaign.loader.tables.source import Source
from campaign.loader.tables.table import CELL_CHARACTERS, Batch, Format, Limits, Table

_ROWS_AT_ONCE: Final = 5_000
_OPTIONS: Final[dict[str, Any]] = {
    "buffer_size": 1 << 18,  # else a whole column chunk is held, packed
    "pre_buffer": False,  # (same)
    "page_checksum_verification": True,  # of pages that have one
    "arrow_extensions_enabled": True,  # UUIDs as such, not as 16 bytes
    "coerce_int96_timestamp_unit": "us",  # years after 2262, too
}
_DAMAGED: Final = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError, RuntimeError)
"""What pyarrow raises over a file that is not as it should be, fuzzed ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ParquetFile:
    """How a file is read, the same way in both passes."""

    source: Source
    metadata: Any
    header: Header
    converters: tuple[Converter, ...]
    rows_at_once: int

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.source.path, metadata=self.metadata, **_OPTIONS) as file:
            yield from file.iter_batches(batch_size=min(size, self.rows_at_once), use_threads=False)


def open_parquet(source: Source, limits: Limits) -> Table:
    """A Parquet file as a table; raises InputError if it can't be read as one from start to end."""
    try:
        footer = check_footer(source, limits)
        metadata = pq.read_metadata(source.path)
        with pq.ParquetFile(source.path, metadata=metadata, **_OPTIONS) as opened:
            schema = opened.schema_arrow
        header = Header.check(schema.names, file=source.name, limits=limits)
        if not footer.rows:
            raise InputError("The file has columns but no rows. Save the list again.", file=source.name)
        file = _ParquetFile(
            source=source,
            metadata=metadata,
            header=header,
            converters=_converters(source, schema),
            rows_at_once=rows_at_once(source, footer, metadata, limits, _OPTIONS),
        )
        if _check(file, limits) != footer.rows:
            raise InputError("The Parquet file has not as many rows as it says. Save the list again.", file=source.name)
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0][:200]
        raise InputError(f"The Parquet file is damaged or cut off ({reason}). Copy or save it again.", file=source.name) from None
    groups = len(footer.groups)
    return Table(
        source=source,
        format=Format.PARQUET,
        columns=header.columns,
        rows=footer.rows,
        description=f"Parquet, {groups} row group{'s' * (groups != 1)}",
        read=partial(_read, file),
    )


def _converters(source: Source, schema: pa.Schema) -> tuple[Converter, ...]:
    found: list[Converter] = []
    for field in schema:
        convert = converter(field.type)
        if convert is None:
            problem = f"The column holds nested values ({field.type}), which can't be one cell. Flatten it, or leave it out."
            raise InputError(problem, file=source.name, column=field.name)
        found.append(convert)
    return tuple(found)


def _check(file: _ParquetFile, limits: Limits) -> int:
    """Looks at every value; the number of rows."""
    rows = 0
    left_bytes = limits.unpacked_bytes
    for batch in file.batches(_ROWS_AT_ONCE):
        left_bytes -= sum(_check_column(file, column, array, rows) for column, array in enumerate(batch.columns))
        if left_bytes < 0:
            problem = f"The list unpacks to more than {limits.unpacked_bytes:,} bytes of text. Split it, or leave out columns."
            raise InputError(problem, file=file.source.name)
        if file.header.unnamed:
            for row, cells in enumerate(zip(*_cells(file, batch), strict=True), rows + 1):
                file.header.check_unnamed(cells, row=row, line=None)
        rows += len(batch)
    return rows


def _check_column(file: _ParquetFile, column: int, array: pa.Array, rows_before: int) -> int:
    """Raises InputError if a value of the array can't be a cell; else the bytes of its text."""
    try:
        texts = array.cast(pa.string()) if is_text(array.type) else pa.array(file.converters[column](array), pa.string())
        texts.validate(full=True)
    except _DAMAGED:
        row = rows_before + 1 + _first_bad(file.converters[column], array)
        problem = f"The value can't be written as text ({array.type}). Convert the column to text in UTF-8, or leave it out."
        raise InputError(problem, file=file.source.name, row=row, column=file.header.names[column]) from None
    lengths = pc.binary_length(texts)
    if (pc.max(lengths).as_py() or 0) > CELL_CHARACTERS:
        characters = pc.utf8_length(texts).to_pylist()
        longest = max(range(len(characters)), key=lambda row: characters[row] or 0)
        if characters[longest] > CELL_CHARACTERS:
            problem = f"The value has {characters[longest]:,} characters; a cell can have {CELL_CHARACTERS:,}. Shorten it."
            raise InputError(problem, file=file.source.name, row=rows_before + longest + 1, column=file.header.names[column])
    return pc.sum(lengths).as_py() or 0


def _first_bad(convert: Converter, array: pa.Array) -> int:
    """The position of the first value that can't be converted."""
    for position in range(len(array)):
        try:
            pa.array(convert(array.slice(position, 1)), pa.string())
        except _DAMAGED:
            return position
    return 0


def _read(file: _ParquetFile, size: int) -> Iterator[Batch]:
    pick = file.header.pick()
    try:
        for batch in file.batches(size):
            rows = zip(*_cells(file, batch), strict=True)
            yield [pick(cells) for cells in rows] if file.header.unnamed else list(rows)
    except _DAMAGED:
        raise file.source.changed() from None


def _cells(file: _ParquetFile, batch: pa.RecordBatch) -> Sequence[list[str]]:
    return [convert(array) for convert, array in zip(file.converters, batch.columns, strict=True)]
