"""Reads Parquet files: every column as text, nested ones as JSON; columns that can't be text are left out."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from campaign.domain.errors import InputError
from campaign.loader import limits
from campaign.loader.formats.cells import damage, text_batches, usable_columns
from campaign.loader.formats.file_format import Head, List
from campaign.loader.formats.frames import Header

_ROWS_AT_ONCE: Final = 1_000
"""Rows read at once. A column of the longest cells takes 130 MB; the real size is not known before, whatever the file declares."""

_OPTIONS: Final[dict[str, Any]] = {
    "buffer_size": 1 << 18,  # otherwise a whole packed column chunk is in memory
    "pre_buffer": False,  # (same)
    "page_checksum_verification": True,  # for pages that have one
    "arrow_extensions_enabled": True,  # UUIDs as UUIDs, not as 16 bytes
    "coerce_int96_timestamp_unit": "us",  # for years after 2262
}


def read_parquet(path: Path, header_row: int | None = None) -> List:
    """Return the list in a Parquet file.

    Raises:
        InputError: `header_row` is given, or the file is damaged or exceeds the limits. While the rows are read: a value can't be a cell.
    """
    if header_row is not None:
        raise InputError("A Parquet file says itself what its columns are called: leave --header-row out.", code="header_row_not_possible")
    with damage("Parquet file"):
        file = pq.ParquetFile(path, **_OPTIONS)
        _check_sizes(file.metadata)
        given = Header.check(file.schema_arrow.names)
        kept = usable_columns(file.schema_arrow, partial(_read, file))
        header = Header.check([given.names[place] for place in kept])
    left_out = tuple(column for place, column in enumerate(given.names) if column and place not in kept)
    groups = file.num_row_groups
    head = Head(columns=header.columns, description=f"Parquet, {groups} row group{'s' * (groups != 1)}", left_out=left_out)
    return head, _rows(file, kept, header)


def _check_sizes(metadata: Any) -> None:
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
    names = [file.schema_arrow.names[place] for place in columns]
    whole = len(columns) == len(file.schema_arrow)
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=None if whole else names, use_threads=False):
        yield batch if len(batch.columns) == len(columns) else batch.select(names)


def _rows(file: pq.ParquetFile, kept: Sequence[int], header: Header) -> Iterator[pa.RecordBatch]:
    done, expected = 0, file.metadata.num_rows
    with file, damage("Parquet file"):
        for batch in text_batches(_read(file, kept), header):
            done += len(batch)
            yield batch
    if done != expected:
        raise InputError("The Parquet file has not as many rows as it says. Save the list again.", code="damaged_file")
