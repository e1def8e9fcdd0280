"""From what a person named to a list that can be read: `open_table` checks it from start to end, `Table.frames` then reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, assert_never

from campaign.domain.errors import InputError
from campaign.domain.locations import Location
from campaign.domain.sheet import MOST_GAPS, NO_LINES, SheetLines
from campaign.loader.detect import Format, detect
from campaign.loader.source import Source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a list may be. All are far above any real one: they keep a damaged or hostile file from taking the machine's memory.

    `unpacked_bytes` and `workbook_bytes` are what a Parquet file or a workbook may unpack to. `child_bytes` and `child_seconds` are what
    the process that unpacks it may take.
    """

    file_bytes: int = 4 << 30
    unpacked_bytes: int = 2 << 30
    rows: int = 20_000_000
    columns: int = 1_000
    line_characters: int = 1 << 20
    row_groups: int = 20_000
    workbook_bytes: int = 1 << 30
    child_bytes: int = 3 << 30
    child_seconds: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is known of a list before its rows are read; `description` is for people.

    `encoding`, whether it was `guessed`, and `separator` (empty for one column) are a CSV file's, `sheet` a workbook's. `left_out` are
    columns that can't be text, `positions` those that are read. `header_guess` is the line that the header seems to be in, if another.
    """

    columns: tuple[str, ...]
    description: str
    encoding: str = ""
    guessed: bool = False
    separator: str = ""
    sheet: str = ""
    left_out: tuple[str, ...] = ()
    positions: tuple[int, ...] | None = None
    header_guess: int | None = None


List = tuple[Head, "Callable[[], Iterator[pd.DataFrame]]"]
"""A list's head, and its rows, as often as they are asked for: the columns are the head's, the index is each row's line in the file."""


DEFAULT: Final = Limits()
KEPT_BYTES: Final = 8 << 20
"""A list that takes no more than this is kept from its check, and not read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list whose whole structure has been checked. Use it in a `with` block: what was read from stdin is removed at its end.

    `rows` counts data rows, without the header; `lines` says which line of the sheet, or of a file of JSON lines, each of them is on.
    """

    source: Source = field(repr=False)
    format: Format
    head: Head
    rows: int
    lines: SheetLines = field(default=NO_LINES, repr=False)
    read: "Callable[[], Iterator[pd.DataFrame]]" = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What to call the list in messages: the path as it was given, or “stdin”."""
        return self.source.name

    @property
    def columns(self) -> tuple[str, ...]:
        return self.head.columns

    def frames(self) -> "Iterator[pd.DataFrame]":
        """The data rows, in order, some thousand at a time.

        Raises:
            InputError: the file is no longer the one that was checked. What was read until then must not be used.
        """
        self.source.check_unchanged()
        rows = 0
        for frame in self.read():
            rows += len(frame)
            yield frame
        self.source.check_unchanged()
        if rows != self.rows:
            raise self.source.changed()

    def close(self) -> None:
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_table(
    given: Location | Source | str,
    *,
    header_row: int | None = None,
    limits: Limits = DEFAULT,
    each: "Callable[[pd.DataFrame], None]" = lambda _: None,
) -> Table:
    """Read a list from start to end, so that nothing is begun with one that can't be finished.

    Args:
        given: a file, or the URL of one; a pipe, or `-` for CSV on stdin; or one that is found already.
        header_row: the line of the header in a CSV file or a sheet; None is the first that holds something. Whether it really holds names
            can't be known.
        limits: how large a list may be.
        each: takes each frame that was found good.

    Returns:
        The table; close it (or use `with`) to remove what was copied from stdin or a store.

    Raises:
        UsageError: it is a URL that can't be used.
        InputError: the file can't be used, with the file, row and column, and what to do; where its header seems to be in another line,
            also with that.
    """
    source = given if isinstance(given, Source) else Source.find(given, file_bytes=limits.file_bytes)
    try:
        found = detect(source)
        head, read = _reader(found)(source, limits, header_row)
        check = _Check(source.name, limits)
        try:
            for frame in read():
                check.add(frame)
                each(frame)
            check.finish()
        except InputError as error:
            error.header_row = head.header_guess
            raise
        lines = SheetLines.counted(check.first_line, check.gaps) if found is not Format.PARQUET else NO_LINES
        kept = check.kept
        return Table(
            source=source, format=found, head=head, rows=check.rows, lines=lines, read=read if kept is None else lambda: iter(kept)
        )
    except BaseException:
        source.close()
        raise


def _reader(found: Format) -> Callable[[Source, Limits, int | None], List]:
    match found:
        case Format.CSV:
            from campaign.loader.csv import read_csv  # noqa: PLC0415 - what the other formats need takes a while to import

            return read_csv
        case Format.PARQUET:
            from campaign.loader.parquet import read_parquet  # noqa: PLC0415 - (same)

            return read_parquet
        case Format.EXCEL:
            from campaign.loader.excel import read_excel  # noqa: PLC0415 - (same)

            return read_excel
        case Format.JSONL:
            from campaign.loader.jsonl import read_jsonl  # noqa: PLC0415 - (same)

            return read_jsonl
        case never:
            assert_never(never)


class _Check:
    """What is noted of a list while it is read for the first time.

    `first_line` and `gaps` are as in `SheetLines`; `kept` are all frames, if they are small.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._size = 0
        self.rows = 0
        self.first_line = 0
        self.gaps: list[int] = []
        self.kept: list[pd.DataFrame] | None = []

    def add(self, frame: "pd.DataFrame") -> None:
        self.first_line = self.first_line or int(frame.index[0])
        blank = int(frame.index[-1]) - self.first_line - (self.rows + len(frame) - 1) - len(self.gaps)
        for row, line in enumerate(frame.index if blank else (), self.rows + 1):
            self.gaps += [row] * min(int(line) - self.first_line - (row - 1) - len(self.gaps), MOST_GAPS + 1 - len(self.gaps))
        self.rows += len(frame)
        if self.rows > self._limits.rows:
            raise InputError(
                f"The list has more than {self._limits.rows:,} rows. Split it into several.", code="too_many_rows", file=self._name
            )
        self._size += int(frame.memory_usage(index=False).sum())
        self.kept = [*self.kept, frame] if self.kept is not None and self._size <= KEPT_BYTES else None

    def finish(self) -> None:
        if not self.rows:
            raise InputError(
                "The list has a header but no rows. Add the passes below it, or save the list again.", code="no_rows", file=self._name
            )
