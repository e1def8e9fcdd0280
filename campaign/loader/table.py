"""Opens the list that a person named: `open_table` checks it from start to end, then `Table.frames` reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, assert_never

from campaign.domain.errors import InputError
from campaign.domain.lists.locations import Location
from campaign.domain.lists.sheet import MOST_GAPS, NO_LINES, SheetLines
from campaign.loader.file_format import Format, detect
from campaign.loader.source import Source, Spool, no_room

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a list may be. All limits are far above any real list; they keep a damaged or hostile file from exhausting the memory.

    `unpacked_bytes` and `workbook_bytes` limit the unpacked size of a Parquet file and of a workbook. `child_bytes` and `child_seconds`
    limit the memory and processor time of the child process that unpacks them.
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

    A CSV file has an `encoding`, which may be `guessed`, and a `separator`, which is empty for one column. A workbook has a `sheet`.
    `left_out` are the columns of a Parquet file that can't be text. `header_guess` is the line that the header seems to be in, if it
    differs from the first.
    """

    columns: tuple[str, ...]
    description: str
    encoding: str = ""
    guessed: bool = False
    separator: str = ""
    sheet: str = ""
    left_out: tuple[str, ...] = ()
    header_guess: int | None = None


List = tuple[Head, "Iterator[pa.RecordBatch]"]
"""A list's head and its rows; each batch has the head's columns, then each row's line in the file."""


DEFAULT: Final = Limits()
HELD_BYTES: Final = 8 << 20
"""A list of up to this size stays in memory; a larger one is kept in a temporary file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list whose whole structure has been checked. Use it in a `with` block, which removes temporary files at its end.

    `rows` counts data rows, without the header. `lines` maps each row to its line in the sheet or the file of JSON lines. `progress` is
    called with the number of rows that `frames` has yielded.
    """

    source: Source = field(repr=False)
    format: Format
    head: Head
    rows: int
    lines: SheetLines = field(default=NO_LINES, repr=False)
    text: "Text" = field(repr=False, compare=False)
    progress: Callable[[int], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The list's name in messages: the path as it was given, or “stdin”."""
        return self.source.name

    @property
    def columns(self) -> tuple[str, ...]:
        return self.head.columns

    def frames(self) -> "Iterator[pd.DataFrame]":
        """Yield the data rows in order, as they were when they were checked, in frames of some thousand rows.

        Raises:
            InputError: the file has changed since it was checked.
        """
        from campaign.loader.frames import frame_of  # noqa: PLC0415 - pandas takes a while to import

        self.source.check_unchanged()
        done = 0
        for batch in self.text.batches():
            yield frame_of(batch)
            done += len(batch)
            self.progress(done)

    def close(self) -> None:
        self.text.close()
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
    """Read a list from start to end, so that no run begins with a list that it can't finish.

    Args:
        given: a path, a URL, `-` for CSV on stdin, or a source.
        header_row: the line of the header in a CSV file or a sheet; None takes the first line that is not empty. Whether that line really
            holds names can't be known.
        limits: how large a list may be.
        each: is called with each frame, once it has been checked.

    Returns:
        The table. Close it, or use `with`, to remove temporary files.

    Raises:
        UsageError: the URL can't be used.
        InputError: the list can't be used; with the file, row and column, what to do, and the line that the header seems to be in, if it
            differs from the first.
        DiskFullError: there is no room for temporary files.
    """
    source = given if isinstance(given, Source) else Source.find(given, file_bytes=limits.file_bytes)
    try:
        found = detect(source)
        head, batches = _reader(found)(source, limits, header_row)
        text = Text()
        try:
            lines = _checked(batches, text, source, limits, each)
        except BaseException as error:
            text.close()
            if isinstance(error, InputError):
                error.header_row = head.header_guess
            raise
        return Table(
            source=source, format=found, head=head, rows=text.rows, lines=lines if found is not Format.PARQUET else NO_LINES, text=text
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


class Text:
    """The checked rows of a list, in memory or, if they take more than `HELD_BYTES`, in a temporary file. `rows` counts them."""

    def __init__(self) -> None:
        self.rows = 0
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._spool: Spool | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, batch: "pa.RecordBatch") -> None:
        """Store some rows. Raises DiskFullError if there is no room for them."""
        import pyarrow as pa  # noqa: PLC0415 - it takes a while to import

        self.rows += len(batch)
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if self._held_bytes <= HELD_BYTES:
            return
        try:
            if self._writer is None:
                self._spool = Spool()
                options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
                self._writer = pa.ipc.new_stream(str(self._spool.path), batch.schema, options=options)
            for held in self._held:
                self._writer.write_batch(held)
        except OSError as error:
            raise no_room(error) from error
        self._held.clear()

    def finish(self) -> None:
        """Complete the file after the last `add`. Raises as `add` does."""
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                raise no_room(error) from error

    def batches(self) -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa  # noqa: PLC0415 - (same)

        if self._spool is None:
            yield from self._held
            return
        with pa.OSFile(str(self._spool.path)) as file, pa.ipc.open_stream(file, options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
            yield from reader

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()


def _checked(
    batches: "Iterator[pa.RecordBatch]", text: Text, source: Source, limits: Limits, each: "Callable[[pd.DataFrame], None]"
) -> SheetLines:
    """Store the rows in `text`, and return their lines in the sheet. Raises InputError for no rows, or more than `limits.rows`."""
    from campaign.loader.frames import frame_of  # noqa: PLC0415 - pandas takes a while to import

    first_line = 0
    gaps: list[int] = []
    for batch in batches:
        lines = batch.column(batch.num_columns - 1).to_numpy()
        first_line = first_line or int(lines[0])
        blank = int(lines[-1]) - first_line - (text.rows + len(batch) - 1) - len(gaps)
        for row, line in enumerate(lines if blank else (), text.rows + 1):
            gaps += [row] * min(int(line) - first_line - (row - 1) - len(gaps), MOST_GAPS + 1 - len(gaps))
        text.add(batch)
        if text.rows > limits.rows:
            raise InputError(f"The list has more than {limits.rows:,} rows. Split it into several.", code="too_many_rows", file=source.name)
        each(frame_of(batch))
    if not text.rows:
        raise InputError(
            "The list has a header but no rows. Add the passes below it, or save the list again.", code="no_rows", file=source.name
        )
    text.finish()
    source.check_unchanged()
    return SheetLines.counted(first_line, gaps)
