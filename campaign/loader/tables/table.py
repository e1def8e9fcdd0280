"""A list that has been looked through from start to end and can be read: `Table`, and the sizes up to which lists are taken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from campaign.domain.sheet import NO_LINES, SheetLines
from campaign.loader.tables.source import Source

CELL_CHARACTERS: Final = 131_072
"""The longest value of one cell: where Python's csv module stops, too, which is how CSV files are held to it."""

Row = tuple[str, ...]
Batch = list[Row]


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a list may be. All are far above any real one: they keep a damaged or hostile file from taking the machine's memory.

    `unpacked_bytes` is what a Parquet file's pages or a workbook's parts may come to, and the text read from a Parquet file, too.
    `page_bytes` is one Parquet page. `workbook_cells` counts the rectangle around a sheet's cells, since all of it is held in memory.
    """

    file_bytes: int = 4 << 30
    unpacked_bytes: int = 2 << 30
    rows: int = 20_000_000
    columns: int = 1_000
    line_characters: int = 1 << 20
    row_groups: int = 20_000
    page_bytes: int = 128 << 20
    workbook_bytes: int = 1 << 30
    workbook_cells: int = 25_000_000


DEFAULT: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list whose whole structure has been checked. Use it in a `with` block: what was read from stdin is removed at its end.

    `rows` counts data rows, without the header; `lines` says which line of the sheet, or of a file of JSON lines, each of them is on.
    `description` says what was found, for people. `encoding`, whether it was `guessed`, and `separator` (a single character, empty if there
    is only one column) are a CSV file's, `sheet` a workbook's.
    """

    source: Source = field(repr=False)
    format: Format
    columns: tuple[str, ...]
    rows: int
    description: str
    encoding: str = ""
    guessed: bool = False
    separator: str = ""
    sheet: str = ""
    lines: SheetLines = field(default=NO_LINES, repr=False)
    read: Callable[[int], Iterator[Batch]] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What to call the list in messages: the path as it was given, or “stdin”."""
        return self.source.name

    @property
    def path(self) -> Path:
        """Where the bytes are; a temporary file for stdin."""
        return self.source.path

    @property
    def sha256(self) -> str:
        """Of the file's bytes, in hexadecimal."""
        return self.source.sha256

    def batches(self, size: int = 5000) -> Iterator[Batch]:
        """The data rows as text cells, in order, each row as long as `columns`; at most `size` rows at once, fewer if they are long.

        Raises:
            InputError: the file is no longer the one that was checked. What was read until then must not be used.
        """
        self.source.check_unchanged()
        count = 0
        for batch in self.read(size):
            count += len(batch)
            yield batch
        self.source.check_unchanged()
        if count != self.rows:
            raise self.source.changed()

    def close(self) -> None:
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
