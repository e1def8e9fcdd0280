"""Reads Parquet files in a child process: every column as text, nested ones as JSON; columns that can't be text are left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds

from campaign.domain.errors import InputError
from campaign.loader.child import Batches, Order, read_apart
from campaign.loader.frames import CELL_CHARACTERS, ROWS_AT_ONCE, TEXT_AT_ONCE, Header, without_empty_rows
from campaign.loader.source import Source
from campaign.loader.table import Head, Limits, List
from campaign.loader.text_cells import converter, is_binary

_ROWS_AT_ONCE: Final = 1_000
"""Rows read at once. A column of the longest cells takes 130 MB; the real size is not known before, whatever the file declares."""

_OPTIONS: Final[dict[str, Any]] = {
    "buffer_size": 1 << 18,  # otherwise a whole packed column chunk is in memory
    "pre_buffer": False,  # (same)
    "page_checksum_verification": True,  # for pages that have one
    "arrow_extensions_enabled": True,  # UUIDs as UUIDs, not as 16 bytes
    "coerce_int96_timestamp_unit": "us",  # for years after 2262
}
_DAMAGED: Final = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError, RuntimeError)
"""What pyarrow raises for a damaged file, as fuzzing showed too."""


def read_parquet(source: Source, limits: Limits, header_row: int | None = None) -> List:
    """Return the list in a Parquet file. A file that this process wrote is read here, any other in a child process.

    Raises:
        InputError: `header_row` is given, or the file is damaged or exceeds the limits. While the rows are read: a value can't be a cell.
    """
    if header_row is not None:
        raise InputError(
            "A Parquet file says itself what its columns are called: leave --header-row out.",
            code="header_row_not_possible",
            file=source.name,
        )
    if not source.written_here:
        return read_apart("parquet", source, limits)
    head, rows = batches(Order(format="parquet", path=str(source.path), name=source.name, limits=limits))
    columns = f"{len(head.columns)} column{'s' * (len(head.columns) != 1)}"
    return replace(head, description=_description(columns, head.left_out)), rows


def batches(order: Order) -> Batches:
    """Return a Parquet file's head and rows, unpacked in this process."""
    try:
        metadata = pq.read_metadata(order.path)
        _check_sizes(metadata, order)
        with pq.ParquetFile(order.path, metadata=metadata, **_OPTIONS) as opened:
            file = _ParquetFile(order=order, metadata=metadata, schema=opened.schema_arrow)
        header = Header.check(file.schema.names, file=order.name, limits=order.limits)
        kept = file.usable()
        named = Header.check([header.names[place] for place in kept], file=order.name, limits=order.limits)
    except MemoryError:
        raise
    except _DAMAGED as error:
        raise _damaged(error, order) from None
    left_out = tuple(name for place, name in enumerate(header.names) if name and place not in kept)
    groups = metadata.num_row_groups
    head = Head(
        columns=named.columns,
        description=_description(f"Parquet, {groups} row group{'s' * (groups != 1)}", left_out),
        left_out=left_out,
    )
    return head, without_empty_rows(file.rows(kept, named))


def _description(what: str, left_out: Sequence[str]) -> str:
    return f"{what}; left out, as they hold bytes or too much: {', '.join(f'“{name}”' for name in left_out)}" if left_out else what


def _check_sizes(metadata: Any, order: Order) -> None:
    """Check the sizes that the file declares. Raises InputError if one exceeds its limit."""
    limits = order.limits
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    for found, most, what, code in (
        (metadata.num_rows, limits.rows, "rows", "too_many_rows"),
        (metadata.num_columns, limits.columns, "columns", "too_many_columns"),
        (metadata.num_row_groups, limits.row_groups, "row groups", "too_many_row_groups"),
        (unpacked, limits.unpacked_bytes, "bytes when unpacked", "too_much_to_unpack"),
    ):
        if found > most:
            raise InputError(
                f"The list has {found:,} {what}; at most {most:,} are read. Split it, or leave out columns.",
                code=code,
                file=order.name,
            )


def _damaged(error: Exception, order: Order) -> InputError:
    reason = str(error).partition("\n")[0][:200]
    return InputError(f"The Parquet file is damaged or cut off ({reason}). Copy or save it again.", code="damaged_file", file=order.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ParquetFile:
    order: Order
    metadata: Any
    schema: pa.Schema

    def usable(self) -> list[int]:
        """The positions of the columns that can be text. Columns of bytes or nested values have to be read to know."""
        doubtful = [place for place, field in enumerate(self.schema) if is_binary(field.type) or kinds.is_nested(field.type)]
        bad: set[int] = set()
        if doubtful:
            for batch in self._read(doubtful):
                for place, array in zip(doubtful, batch.columns, strict=True):
                    if place not in bad and not _is_cells(array):
                        bad.add(place)
        return [place for place in range(len(self.schema)) if place not in bad]

    def rows(self, kept: Sequence[int], header: Header) -> Iterator[pa.RecordBatch]:
        """Yield the rows of these columns, as text."""
        done = 0
        left_bytes = self.order.limits.unpacked_bytes
        try:
            for batch in _together(self._read(kept)):
                arrays = [self._cells(array, done, name) for array, name in zip(batch.columns, header.names, strict=True)]
                left_bytes -= sum(int(pc.sum(pc.binary_length(array)).as_py() or 0) for array in arrays)
                if left_bytes < 0:
                    problem = f"The list unpacks to more than {self.order.limits.unpacked_bytes:,} bytes of text."
                    raise InputError(f"{problem} Split it, or leave out columns.", code="too_much_to_unpack", file=self.order.name)
                lines = pa.array(np.arange(done + 1, done + len(batch) + 1))
                yield header.batch(arrays, lines, rows_before=done)
                done += len(batch)
        except MemoryError:
            raise
        except _DAMAGED as error:
            raise _damaged(error, self.order) from None
        if done != self.metadata.num_rows:
            raise InputError(
                "The Parquet file has not as many rows as it says. Save the list again.", code="damaged_file", file=self.order.name
            )

    def _read(self, columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Yield batches of some columns, in the file's order."""
        names = [self.schema.field(place).name for place in columns]
        whole = len(columns) == len(self.schema)
        with pq.ParquetFile(self.order.path, metadata=self.metadata, **_OPTIONS) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=None if whole else names, use_threads=False):
                yield batch if len(batch.columns) == len(columns) else batch.select(names)

    def _cells(self, array: pa.Array, rows_before: int, column: str) -> pa.Array:
        try:
            if (at := _too_long(array)) is None:
                texts = converter(array.type)(array)
                texts.validate(full=True)
                at = _too_long(texts)
        except MemoryError:
            raise
        except _DAMAGED:
            row = rows_before + 1 + _first_bad(array)
            problem = f"The value can't be written as text ({array.type}). Convert the column to text in UTF-8, or leave it out."
            raise InputError(problem, code="not_text", file=self.order.name, row=row, column=column or None) from None
        if at is not None:
            length = len(converter(array.type)(array.slice(at, 1))[0].as_py())
            problem = f"The value has {length:,} characters; a cell can have {CELL_CHARACTERS:,}. Shorten it."
            raise InputError(problem, code="long_value", file=self.order.name, row=rows_before + at + 1, column=column or None)
        return texts


def _is_cells(array: pa.Array) -> bool:
    try:
        texts = converter(array.type)(array)
        texts.validate(full=True)
    except MemoryError:
        raise
    except _DAMAGED:
        return False
    return _too_long(texts) is None


def _too_long(array: pa.Array) -> int | None:
    """The position of a text that is longer than a cell can be; None if there is none.

    A dictionary is checked packed: a few bytes can repeat one long value a million times, and unpacking it would take the memory.
    """
    if kinds.is_dictionary(array.type):
        if _too_long(array.dictionary) is None:
            return None
        # A dictionary may hold values that no row has.
        is_long = pc.greater(pc.utf8_length(array.dictionary), CELL_CHARACTERS)
        at = int(pc.index(pc.take(is_long, array.indices), pa.scalar(value=True)).as_py())
        return None if at < 0 else at
    if not _is_text(array.type) or (pc.max(pc.binary_length(array)).as_py() or 0) <= CELL_CHARACTERS:
        return None
    characters = pc.utf8_length(array)
    most = pc.max(characters)
    return int(pc.index(characters, most).as_py()) if most.as_py() > CELL_CHARACTERS else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def _first_bad(array: pa.Array) -> int:
    """The position of the first value that can't be text; 0 if each can by itself."""
    convert = converter(array.type)
    for position in range(len(array)):
        try:
            convert(array.slice(position, 1)).validate(full=True)
        except _DAMAGED:
            return position
    return 0


def _together(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in larger batches."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows += len(batch)
        size += sum(map(_unpacked_bytes, batch.columns))
        if rows >= ROWS_AT_ONCE or size > TEXT_AT_ONCE:
            yield pa.concat_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.concat_batches(held)


def _unpacked_bytes(array: pa.Array) -> int:
    """The approximate size of an array as text, in bytes."""
    if not kinds.is_dictionary(array.type) or not _is_text(array.type.value_type):
        return int(array.nbytes)
    return int(pc.sum(pc.take(pc.binary_length(array.dictionary), array.indices)).as_py() or 0)
