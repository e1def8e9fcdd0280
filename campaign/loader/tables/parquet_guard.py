"""How much of a Parquet file may be unpacked at once, and whether it may be at all; found without unpacking more than a page."""

from itertools import islice
from typing import Any, Final

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds

from campaign.domain.errors import InputError
from campaign.loader.tables.parquet_pages import DELTA_BYTE_ARRAY, Footer, Kind, Page, pages, read_footer
from campaign.loader.tables.source import Source
from campaign.loader.tables.table import Limits

_MAGIC: Final = b"PAR1"
_FOOTER_BYTES: Final = 4 << 20
_PAGES: Final = 500_000
_AT_ONCE_BYTES: Final = 32 << 20
_SMALL_DICTIONARY_BYTES: Final = 4 << 10


def check_footer(source: Source, limits: Limits) -> Footer:
    """The file's footer.

    Raises:
        InputError: there is none, it is too large, or it says that the file is more than a list can be.
        ValueError: it can't be read.
    """
    with source.path.open("rb") as file:
        file.seek(max(0, source.size_bytes - len(_MAGIC) - 4))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > source.size_bytes - 12:
            raise InputError("The Parquet file is cut off or damaged. Copy or save it again.", file=source.name)
        if length > _FOOTER_BYTES:
            raise InputError("The Parquet file's footer is too large. Save the list with fewer columns or row groups.", file=source.name)
        file.seek(source.size_bytes - len(tail) - length)
        footer = read_footer(file.read(length))
    for found, most, what in (
        (footer.rows, limits.rows, "rows"),
        (max(map(len, footer.groups), default=0), limits.columns, "columns"),
        (len(footer.groups), limits.row_groups, "row groups"),
        (footer.unpacked_bytes, limits.unpacked_bytes, "bytes when unpacked"),
    ):
        if found > most:
            raise InputError(f"The list has {found:,} {what}; at most {most:,} are read. Split it, or leave out columns.", file=source.name)
    return footer


def rows_at_once(source: Source, footer: Footer, metadata: Any, limits: Limits, options: dict[str, Any]) -> int:
    """How many rows can be unpacked together in a few dozen megabytes, whatever is in them: at least 1.

    Args:
        source: the file.
        footer: as `check_footer` gave it.
        metadata: pyarrow's own reading of the footer, of which some parts end the process if they are damaged, and are not used.
        limits: how large a list may be.
        options: for pyarrow's ParquetFile.

    Raises:
        InputError: the pages come to more than a list can be.
        ValueError, OSError, ArrowException: the file is damaged.
    """
    heaviest = 1
    left_bytes, left_pages = limits.unpacked_bytes, _PAGES
    with source.path.open("rb") as file:
        for group, chunks in enumerate(footer.groups):
            if len(chunks) != metadata.num_columns:
                raise ValueError("a row group lacks columns")
            found = [list(islice(pages(file, chunk), left_pages + 1)) for chunk in chunks]
            left_bytes -= sum(page.unpacked_bytes for chunk in found for page in chunk)
            left_pages -= sum(map(len, found))
            largest = max((page.unpacked_bytes for chunk in found for page in chunk), default=0)
            if left_bytes < 0 or left_pages < 0 or largest > limits.page_bytes:
                problem = "The Parquet file unpacks to more than a list can be, whatever its footer says. Save the list again."
                raise InputError(problem, file=source.name)
            heaviest = max(heaviest, _row_bytes(source, group, found, metadata, options))
    return max(1, _AT_ONCE_BYTES // heaviest)


def _row_bytes(source: Source, group: int, chunks: list[list[Page]], metadata: Any, options: dict[str, Any]) -> int:
    """How many bytes a row of the group can have at most, but for plain values, which are at most what their page has."""
    if any(page.kind == Kind.DICTIONARY and page.unpacked_bytes > _SMALL_DICTIONARY_BYTES for chunk in chunks for page in chunk):
        longest = _longest_in_dictionaries(source, group, metadata, options)
    else:
        longest = {}
    return sum(
        max((_value_bytes(page, longest.get(column)) for page in chunk), default=0) + metadata.schema.column(column).length
        for column, chunk in enumerate(chunks)
    )


def _value_bytes(page: Page, longest: int | None) -> int:
    if page.kind == Kind.DICTIONARY:
        return page.unpacked_bytes if longest is None else longest
    if page.encoding == DELTA_BYTE_ARRAY:
        return page.unpacked_bytes
    return page.unpacked_bytes // max(1, page.values)


def _longest_in_dictionaries(source: Source, group: int, metadata: Any, options: dict[str, Any]) -> dict[int, int]:
    """The length of the longest value in a row group's dictionaries, by column: of text only, in bytes."""
    names = [metadata.schema.column(column).path for column in range(metadata.num_columns)]
    longest = {}
    with pq.ParquetFile(source.path, metadata=metadata, read_dictionary=names, **options) as file:
        for batch in file.iter_batches(batch_size=1, row_groups=[group], use_threads=False):
            for column, array in enumerate(batch.columns):
                if kinds.is_dictionary(array.type) and len(array.dictionary):
                    longest[column] = int(pc.max(pc.binary_length(array.dictionary)).as_py() or 0)
            break
    return longest
