"""What the readers of all formats share: the checked header, and the rows as Arrow batches of text or as pandas DataFrames."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from campaign.domain.errors import InputError
from campaign.domain.text.formula_escape import strip_unseen
from campaign.loader.columns import ID_NAMES, loosely
from campaign.loader.table import Limits

if TYPE_CHECKING:
    import pandas as pd

CELL_CHARACTERS: Final = 131_072
"""The longest value of a cell, in characters: the limit of Python's csv module."""

ROWS_AT_ONCE: Final = 20_000
TEXT_AT_ONCE: Final = 8 << 20
"""A batch ends after about this many characters, so that long rows don't add up to gigabytes."""

TEXT: Final = pa.large_string()
LINE: Final = "line"
"""The last column of a batch, and the index of a frame: each row's line in the file, as a spreadsheet counts."""

_ROWS_SEARCHED: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`names` are the file's column names, cleaned, empty for a column without one; `kept` are the positions of the named columns."""

    file: str
    names: tuple[str, ...]
    kept: tuple[int, ...]

    @classmethod
    def check(cls, names: Sequence[str], *, file: str, limits: Limits) -> "Header":
        """Clean the names. Raises InputError if there are no names, too many, or the same one twice."""
        if len(names) > limits.columns:
            problem = f"The list has {len(names):,} columns; at most {limits.columns:,} are read. Remove those that aren't needed."
            raise InputError(problem, code="too_many_columns", file=file)
        clean = tuple(strip_unseen(name) for name in names)
        kept = tuple(position for position, name in enumerate(clean) if name)
        if not kept:
            raise InputError(
                "The first row has no column names. Put a header above the data, such as pass_id.", code="no_header", file=file
            )
        first: dict[str, int] = {}
        for position in kept:
            before = first.setdefault(clean[position], position)
            if before != position:
                problem = f"Columns {before + 1} and {position + 1} have the same name. Rename or remove one of them."
                raise InputError(problem, code="repeated_column", file=file, column=clean[position])
        return cls(file=file, names=clean, kept=kept)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.names[position] for position in self.kept)

    def batch(self, arrays: Sequence[pa.Array], lines: pa.Array, *, rows_before: int) -> pa.RecordBatch:
        """The batch of the named columns, from one array of text a column. Raises InputError if a column without a name has a value."""
        for position, name in enumerate(self.names):
            if not name and (at := _first_seen(arrays[position])) is not None:
                problem = f"Column {position + 1} has no name, but this row has a value in it. Name the column or empty it."
                raise InputError(problem, code="unnamed_column", file=self.file, row=rows_before + at + 1, line=lines[at].as_py())
        return pa.RecordBatch.from_arrays([*(arrays[position] for position in self.kept), lines], [*self.columns, LINE])

    def batches(self, rows: Iterable[tuple[int, Sequence[str]]], *, rows_before: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield rows, each with its line, in batches; a batch of very long rows has few."""
        held: list[Sequence[str]] = []
        lines: list[int] = []
        characters = 0

        def batch() -> pa.RecordBatch:
            return self.batch([pa.array(texts, TEXT) for texts in zip(*held, strict=True)], pa.array(lines, pa.int64()), rows_before=done)

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


def frame_of(batch: pa.RecordBatch) -> "pd.DataFrame":
    """A batch as a DataFrame, whose index is the line of each row."""
    import pandas as pd  # noqa: PLC0415 - the process that unpacks files does without

    frame: pd.DataFrame = batch.select(range(batch.num_columns - 1)).to_pandas()
    lines = batch.column(batch.num_columns - 1).to_numpy()
    first, last = int(lines[0]), int(lines[-1])
    frame.index = pd.RangeIndex(first, last + 1, name=LINE) if last - first == len(lines) - 1 else pd.Index(lines, name=LINE)
    return frame


def without_empty_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches without their empty rows: a row that was emptied, or left blank between two parts of a list, is no pass."""
    for batch in batches:
        empty = pa.scalar(value=True)
        for text in batch.columns[:-1]:
            empty = pc.and_(empty, pc.equal(text, ""))
            if not pc.any(empty).as_py():
                yield batch
                break
        else:
            if len(filled := batch.filter(pc.invert(empty))):
                yield filled


def rows_of(frame: "pd.DataFrame") -> list[tuple[str, ...]]:
    """The rows of a frame, each as a tuple of its cells."""
    return list(zip(*(frame.iloc[:, place].array.tolist() for place in range(frame.shape[1])), strict=True))


def guess_header(rows: Mapping[int, Sequence[str]]) -> int | None:
    """The line that the header seems to be in, often below a title; None if that is the first line, or not known.

    `rows` maps lines to the first rows of a file, without blank ones.
    """
    known = {loosely(name) for name in ID_NAMES}
    found = [(line, [strip_unseen(cell) for cell in cells]) for line, cells in list(rows.items())[:_ROWS_SEARCHED]]
    filled = [sum(map(bool, cells)) for _, cells in found]
    for at, (line, cells) in enumerate(found[:-1]):
        names = [cell for cell in cells if cell]
        plain = len(set(names)) == len(names) and not any(cell[0].isdecimal() for cell in names)
        if plain and any(loosely(cell) in known for cell in names):
            return line if at else None
        if at and plain and 1 < filled[at] == len(cells) >= max(filled[at + 1 :]) and max(filled[:at]) < filled[at]:
            return line
    return None
