"""What the readers of all formats share: the checked header, and the rows as Arrow batches of text and as pandas DataFrames."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from campaign.domain.errors import InputError
from campaign.domain.lists.columns import ID_NAMES, normalize_name
from campaign.domain.lists.sheet import MOST_GAPS, NO_LINES, SheetLines
from campaign.domain.text.formula_escape import strip_unseen
from campaign.loader import limits
from campaign.loader.source import temporary_room

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE: Final = 20_000
TEXT_AT_ONCE: Final = 8 << 20
"""A batch ends after about this many characters, so that long rows don't add up to gigabytes."""

HELD_BYTES: Final = 1 << 20
"""The rows of a list stay in memory up to this size, packed; more are kept in a temporary file."""

TEXT: Final = pa.large_string()
LINE: Final = "line"
"""The last column of a batch, and the index of a frame: each row's line in the file, as a spreadsheet counts."""

_PACKED: Final = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_ROWS_SEARCHED: Final = 25


def schema_of(columns: Iterable[str], metadata: Mapping[bytes, bytes] | None = None) -> pa.Schema:
    """The schema of a list's batches."""
    return pa.schema([*((name, TEXT) for name in columns), (LINE, pa.int64())], metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`names` are the file's column names, cleaned, empty for a column without one; `kept` are the positions of the named columns."""

    names: tuple[str, ...]
    kept: tuple[int, ...]

    @classmethod
    def check(cls, names: Sequence[str]) -> "Header":
        """Clean the names. Raises InputError if there are no names, too many, or the same one twice."""
        if len(names) > limits.COLUMNS:
            problem = f"The list has {len(names):,} columns; at most {limits.COLUMNS:,} are read. Remove those that aren't needed."
            raise InputError(problem, code="too_many_columns")
        clean = tuple(strip_unseen(name) for name in names)
        kept = tuple(position for position, name in enumerate(clean) if name)
        if not kept:
            raise InputError("The first row has no column names. Put a header above the data, such as pass_id.", code="no_header")
        for position in kept:
            before = clean.index(clean[position])
            if before != position:
                problem = f"Columns {before + 1} and {position + 1} have the same name. Rename or remove one of them."
                raise InputError(problem, code="repeated_column", column=clean[position])
        return cls(names=clean, kept=kept)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.names[position] for position in self.kept)

    def batch(self, arrays: Sequence[pa.Array], *, rows_before: int, lines: pa.Array | None = None) -> pa.RecordBatch:
        """The batch of the named columns, from one array of text a column. Without `lines`, a row's number stands for its line.

        Raises:
            InputError: a value is too long, or a column without a name has one.
        """
        for position, (name, array) in enumerate(zip(self.names, arrays, strict=True)):
            if (at := too_long(array)) is not None:
                most = limits.CELL_CHARACTERS
                code, problem = "long_value", f"The value has {len(array[at].as_py()):,} characters; a cell can have {most:,}. Shorten it."
            elif not name and (at := _first_seen(array)) is not None:
                code = "unnamed_column"
                problem = f"Column {position + 1} has no name, but this row has a value in it. Name the column or empty it."
            else:
                continue
            line = None if lines is None else lines[at].as_py()
            raise InputError(problem, code=code, row=rows_before + at + 1, line=line, column=name or None)
        if lines is None:
            lines = pa.array(np.arange(rows_before + 1, rows_before + 1 + len(arrays[0])))
        return pa.RecordBatch.from_arrays([*(arrays[position] for position in self.kept), lines], schema=schema_of(self.columns))

    def batches(self, rows: Iterable[tuple[int, Sequence[str]]], *, rows_before: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield rows, each with its line, in batches; a batch of very long rows has few."""
        held: list[Sequence[str]] = []
        lines: list[int] = []
        characters = 0

        def batch() -> pa.RecordBatch:
            arrays = [pa.array(texts, TEXT) for texts in zip(*held, strict=True)]
            return self.batch(arrays, rows_before=done, lines=pa.array(lines, pa.int64()))

        done = rows_before
        for line, cells in rows:
            held.append(cells)
            lines.append(line)
            characters += sum(map(len, cells))
            if len(held) == ROWS_AT_ONCE or characters > TEXT_AT_ONCE:
                yield batch()
                done, characters = done + len(held), 0
                held.clear()
                lines.clear()
        if held:
            yield batch()


def _first_seen(array: pa.Array) -> int | None:
    """The position of the first value with a visible character."""
    filled = pc.indices_nonzero(pc.not_equal(array, "")).to_pylist()
    return next((at for at in filled if strip_unseen(array[at].as_py())), None)


def too_long(array: pa.Array) -> int | None:
    """The position of the first text that is longer than a cell can be; None if there is none."""
    if (pc.max(pc.binary_length(array)).as_py() or 0) <= limits.CELL_CHARACTERS:
        return None
    at = int(pc.index(pc.greater(pc.utf8_length(array), limits.CELL_CHARACTERS), pa.scalar(value=True)).as_py())
    return at if at >= 0 else None


class Rows:
    """The checked rows of a list, in memory or, if there are many, in an unnamed temporary file; `count` says how many.

    A row whose every cell is empty is none: it was emptied, or left blank between two parts of a list.
    """

    def __init__(self) -> None:
        self.count = 0
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(HELD_BYTES, prefix="campaign-")  # noqa: SIM115 - closed by `close`

    def fill(self, batches: Iterable[pa.RecordBatch], each: "Callable[[pd.DataFrame], None]") -> SheetLines:
        """Store the rows, call `each` with each frame of them, and return their lines in the sheet.

        Raises:
            InputError: there are no rows, or too many.
            DiskFullError: there is no room for temporary files.
        """
        first_line = last_line = 0
        gaps: list[int] | None = []
        for batch in _ahead(self._stored(filter(len, map(_without_empty_rows, batches)))):
            lines = batch.columns[-1].to_numpy()
            blank = np.diff(lines, prepend=last_line or lines[0] - 1) - 1
            if gaps is not None:
                rows = np.arange(self.count + 1, self.count + 1 + len(lines))
                gaps = gaps + np.repeat(rows, blank).tolist() if len(gaps) + blank.sum() <= MOST_GAPS else None
            first_line, last_line = first_line or int(lines[0]), int(lines[-1])
            self.count += len(batch)
            if self.count > limits.ROWS:
                raise InputError(f"The list has more than {limits.ROWS:,} rows. Split it into several.", code="too_many_rows")
            each(frame_of(batch))
        if not self.count:
            raise InputError("The list has a header but no rows. Add the passes below it, or save the list again.", code="no_rows")
        return NO_LINES if gaps is None else SheetLines(first=first_line, gaps=tuple(gaps))

    def _stored(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer: Any = None
        for batch in batches:
            with temporary_room():
                writer = writer or pa.ipc.new_file(self._file, batch.schema, options=_PACKED)
                writer.write_batch(batch)
            yield batch
        if writer is not None:
            with temporary_room():
                writer.close()

    def frames(self) -> "Iterator[pd.DataFrame]":
        """Yield the rows in order."""
        reader = pa.ipc.open_file(self._file, options=pa.ipc.IpcReadOptions(use_threads=False))
        return (frame_of(reader.get_batch(place)) for place in range(reader.num_record_batches))

    def close(self) -> None:
        # What is not written yet is not needed.
        with suppress(OSError):
            self._file.close()


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches; the next one is read and stored while one is used."""
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(next, batches, None)
        while (batch := ahead.result()) is not None:
            ahead = thread.submit(next, batches, None)
            yield batch


def _without_empty_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    sizes = sum(pc.binary_length(texts).to_numpy() for texts in batch.columns[:-1])
    return batch if sizes.all() else batch.filter(pa.array(sizes > 0))


def frame_of(batch: pa.RecordBatch) -> "pd.DataFrame":
    """A batch as a DataFrame, whose index is the line of each row."""
    import pandas as pd  # noqa: PLC0415 - the process that unpacks files does without

    frame: pd.DataFrame = batch.select(range(batch.num_columns - 1)).to_pandas()
    lines = batch.column(batch.num_columns - 1).to_numpy()
    first, last = int(lines[0]), int(lines[-1])
    frame.index = pd.RangeIndex(first, last + 1, name=LINE) if last - first == len(lines) - 1 else pd.Index(lines, name=LINE)
    return frame


def rows_of(frame: "pd.DataFrame") -> list[tuple[str, ...]]:
    """The rows of a frame, each as a tuple of its cells."""
    return list(zip(*(frame.iloc[:, place].array.tolist() for place in range(frame.shape[1])), strict=True))


def guess_header(rows: Mapping[int, Sequence[str]]) -> int | None:
    """The line that the header seems to be in, often below a title; None if that is the first line, or not known.

    `rows` maps lines to the first rows of a file, without blank ones.
    """
    known = {normalize_name(name) for name in ID_NAMES}
    found = [(line, [strip_unseen(cell) for cell in cells]) for line, cells in list(rows.items())[:_ROWS_SEARCHED]]
    filled = [sum(map(bool, cells)) for _, cells in found]
    for at, (line, cells) in enumerate(found[:-1]):
        names = [cell for cell in cells if cell]
        plain = len(set(names)) == len(names) and not any(cell[0].isdecimal() for cell in names)
        if plain and any(normalize_name(cell) in known for cell in names):
            return line if at else None
        if at and plain and 1 < filled[at] == len(cells) >= max(filled[at + 1 :]) and max(filled[:at]) < filled[at]:
            return line
    return None
