"""What a Parquet file's footer and its pages say of their places and sizes, read before anything is unpacked.

The footer sums the pages up and may not tell the truth, and even a true sum says little: a dictionary of one long value and a run of a
million references to it is a few bytes that unpack to gigabytes. So each page's own header is looked at, as the reader will.

The field ids are those of `FileMetaData` and `PageHeader` in parquet-format's parquet.thrift.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, Final

from campaign.loader.tables.thrift import CompactReader, ThriftError

_HEADER_BYTES: Final = 1 << 12
_HEADER_BYTES_MOST: Final = 16 << 20


class Kind(IntEnum):
    DATA = 0
    INDEX = 1
    DICTIONARY = 2
    DATA_V2 = 3


DELTA_BYTE_ARRAY: Final = 7
"""The encoding in which a value repeats the beginning of the one before, so that a page can hold far more text than it has bytes."""

_VALUES_AND_ENCODING: Final[dict[int, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    Kind.DATA: ((5, 1), (5, 2)),
    Kind.DICTIONARY: ((7, 1), (7, 2)),
    Kind.DATA_V2: ((8, 1), (8, 4)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`values` and `encoding` are 0 where the page has none."""

    kind: int
    unpacked_bytes: int
    packed_bytes: int
    values: int
    encoding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One column of one row group: its pages lie from `start` to `end` in the file."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """`groups` are the row groups, each with a chunk a column. `unpacked_bytes` is what the footer says they come to."""

    rows: int
    unpacked_bytes: int
    groups: tuple[tuple[Chunk, ...], ...]


def read_footer(data: bytes) -> Footer:
    """The footer of a file, from its bytes.

    Raises:
        ThriftError: it is no footer.
    """
    reader = CompactReader(data)
    try:
        reader.struct()
    except IndexError:
        raise ThriftError("the footer is cut off") from None
    numbers = reader.numbers
    groups: list[list[Chunk]] = []
    unpacked = 0
    while (4, len(groups), 3) in numbers:  # each row group says how many rows it has
        group = len(groups)
        unpacked += numbers.get((4, group, 2), 0)
        groups.append([])
        while (data_page := numbers.get((4, group, 1, len(groups[group]), 3, 9))) is not None:
            about = (4, group, 1, len(groups[group]), 3)
            dictionary_page = numbers.get((*about, 11), 0)
            start = dictionary_page if 0 < dictionary_page < data_page else data_page
            groups[group].append(Chunk(start=start, end=start + numbers.get((*about, 7), -1)))
    return Footer(rows=numbers.get((3,), -1), unpacked_bytes=unpacked, groups=tuple(map(tuple, groups)))


def pages(file: BinaryIO, chunk: Chunk) -> Iterator[Page]:
    """The pages of one column chunk.

    Raises:
        ThriftError: the chunk is not a row of pages.
    """
    start = chunk.start
    if not 0 <= start <= chunk.end:
        raise ThriftError("a column has no place in the file")
    while start < chunk.end:
        numbers, header_bytes = _header(file, start, chunk.end)
        kind = numbers.get((1,), -1)
        values, encoding = _VALUES_AND_ENCODING.get(kind, ((), ()))
        page = Page(
            kind=kind,
            unpacked_bytes=numbers.get((2,), -1),
            packed_bytes=numbers.get((3,), -1),
            values=numbers.get(values, 0),
            encoding=numbers.get(encoding, 0),
        )
        if page.unpacked_bytes < 0 or page.packed_bytes < 0:
            raise ThriftError("a page has no size")
        yield page
        start += header_bytes + page.packed_bytes
    if start != chunk.end:
        raise ThriftError("a page goes on behind the end of its column")


def _header(file: BinaryIO, start: int, end: int) -> tuple[dict[tuple[int, ...], int], int]:
    """The numbers of the page header at `start`, by the path of field ids that leads to them, and its length in bytes."""
    size = _HEADER_BYTES
    while True:
        file.seek(start)
        data = file.read(min(size, end - start))
        reader = CompactReader(data)
        try:
            reader.struct()
        except IndexError:
            if len(data) < size or size >= _HEADER_BYTES_MOST:
                raise ThriftError("a page header is cut off") from None
            size *= 16  # it may carry long values as statistics
        else:
            return reader.numbers, reader.position
