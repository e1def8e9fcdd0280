"""Reads Parquet files: every column as text, nested ones as JSON; columns that can't be text are left out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from campaign.domain.errors import InputError
from campaign.loader import limits
from campaign.loader.formats.cells import column_text, is_binary
from campaign.loader.formats.frames import ROWS_AT_ONCE, TEXT_AT_ONCE, Header, too_long
from campaign.loader.table import Head, List

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


def read_parquet(path: Path, header_row: int | None = None) -> List:
    """Return the list in a Parquet file.

    Raises:
        InputError: `header_row` is given, or the file is damaged or exceeds the limits. While the rows are read: a value can't be a cell.
    """
    if header_row is not None:
        raise InputError("A Parquet file says itself what its columns are called: leave --header-row out.", code="header_row_not_possible")
    with _damage():
        file = pq.ParquetFile(path, **_OPTIONS)
        _check_sizes(file.metadata)
        given = Header.check(file.schema_arrow.names)
        kept = _usable(file)
        header = Header.check([given.names[place] for place in kept])
    left_out = tuple(column for place, column in enumerate(given.names) if column and place not in kept)
    groups = file.num_row_groups
    head = Head(columns=header.columns, description=f"Parquet, {groups} row group{'s' * (groups != 1)}", left_out=left_out)
    return head, _rows(file, kept, header)


@contextmanager
def _damage() -> Iterator[None]:
    """Raises InputError for what pyarrow raises."""
    try:
        yield
    except MemoryError:
        raise
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0][:200]
        problem = f"The Parquet file is damaged or cut off ({reason}). Copy or save it again."
        raise InputError(problem, code="damaged_file") from None


def _check_sizes(metadata: Any) -> None:
    """Check the sizes that the file declares. Raises InputError if one exceeds its limit."""
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    for found, most, what, code in (
        (metadata.num_rows, limits.ROWS, "rows", "too_many_rows"),
        (metadata.num_columns, limits.COLUMNS, "columns", "too_many_columns"),
        (metadata.num_row_groups, limits.ROW_GROUPS, "row groups", "too_many_row_groups"),
        (unpacked, limits.UNPACKED_BYTES, "bytes when unpacked", "too_much_to_unpack"),
    ):
        if found > most:
            problem = f"The list has {found:,} {what}; at most {most:,} are read. Split it, or leave out columns."
            raise InputError(problem, code=code)


def _read(file: pq.ParquetFile, columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield batches of some columns, in the file's order."""
    names = [file.schema_arrow.names[place] for place in columns]
    whole = len(columns) == len(file.schema_arrow)
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=None if whole else names, use_threads=False):
        yield batch if len(batch.columns) == len(columns) else batch.select(names)


def _usable(file: pq.ParquetFile) -> list[int]:
    """The positions of the columns that can be text. Columns of bytes or nested values have to be read to know."""
    doubtful = [place for place, field in enumerate(file.schema_arrow) if is_binary(field.type) or kinds.is_nested(field.type)]
    bad: set[int] = set()
    for batch in _read(file, doubtful) if doubtful else ():
        bad.update(place for place, array in zip(doubtful, batch.columns, strict=True) if place not in bad and not _are_cells(array))
    return [place for place in range(len(file.schema_arrow)) if place not in bad]


def _are_cells(array: pa.Array) -> bool:
    try:
        texts = column_text(array)
        texts.validate(full=True)
    except MemoryError:
        raise
    except _DAMAGED:
        return False
    return too_long(texts) is None


def _rows(file: pq.ParquetFile, kept: Sequence[int], header: Header) -> Iterator[pa.RecordBatch]:
    """Yield the rows of these columns, as text."""
    done = rows = size = 0
    expected = file.metadata.num_rows
    held: list[list[pa.Array]] = []

    def together() -> pa.RecordBatch:
        return header.batch([pa.concat_arrays(parts) for parts in zip(*held, strict=True)], rows_before=done)

    with file, _damage():
        for batch in _read(file, kept):
            held.append([_cells(array, done + rows, name) for array, name in zip(batch.columns, header.names, strict=True)])
            rows += len(batch)
            size += sum(texts.nbytes for texts in held[-1])
            if rows >= ROWS_AT_ONCE or size > TEXT_AT_ONCE:
                yield together()
                done, rows, size = done + rows, 0, 0
                held.clear()
        if held:
            yield together()
            done += rows
    if done != expected:
        raise InputError("The Parquet file has not as many rows as it says. Save the list again.", code="damaged_file")


def _cells(array: pa.Array, rows_before: int, column: str) -> pa.Array:
    try:
        texts = column_text(array)
        texts.validate(full=True)
    except MemoryError:
        raise
    except _DAMAGED:
        at = next((at for at in range(len(array)) if not _are_cells(array.slice(at, 1))), 0)
        problem = f"The value can't be written as text ({array.type}). Convert the column to text in UTF-8, or leave it out."
        raise InputError(problem, code="not_text", row=rows_before + at + 1, column=column or None) from None
    return texts
