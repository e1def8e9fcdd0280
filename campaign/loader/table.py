"""Opens the list that a person named: `open_table` checks it from start to end, then `Table.frames` reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from campaign.domain.errors import InputError
from campaign.domain.lists.locations import Location
from campaign.domain.lists.sheet import NO_LINES, SheetLines
from campaign.loader.formats.file_format import Format, Head, List, detect
from campaign.loader.source import Source

if TYPE_CHECKING:
    import pandas as pd

    from campaign.loader.formats.frames import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list whose whole structure has been checked. Use it in a `with` block, which removes temporary files at its end.

    `lines` maps each row to its line in the sheet or the file of JSON lines. `progress` is called with the number of rows that `frames`
    has yielded.
    """

    source: Source = field(repr=False)
    format: Format
    head: Head
    lines: SheetLines = field(default=NO_LINES, repr=False)
    checked: "Rows" = field(repr=False, compare=False)
    progress: Callable[[int], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The list's name in messages: the path as it was given, or “stdin”."""
        return self.source.name

    @property
    def columns(self) -> tuple[str, ...]:
        return self.head.columns

    @property
    def rows(self) -> int:
        """How many data rows there are, without the header."""
        return self.checked.count

    def frames(self) -> "Iterator[pd.DataFrame]":
        """Yield the data rows in order, as they were when they were checked, in frames of some thousand rows.

        Raises:
            InputError: the file has changed since it was checked.
        """
        self.source.check_unchanged()
        done = 0
        for frame in self.checked.frames():
            yield frame
            done += len(frame)
            self.progress(done)

    def close(self) -> None:
        self.checked.close()
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_table(
    given: Location | Source | str, *, header_row: int | None = None, each: "Callable[[pd.DataFrame], None]" = lambda _: None
) -> Table:
    """Read a list from start to end, so that no run begins with a list that it can't finish.

    Args:
        given: a path, a URL, `-` for CSV on stdin, or a source.
        header_row: the line of the header in a CSV file or a sheet; None takes the first line that is not empty. Whether that line really
            holds names can't be known.
        each: is called with each frame, once it has been checked.

    Raises:
        UsageError: the URL can't be used.
        InputError: the list can't be used; with the file, row and column, what to do, and the line that the header seems to be in, if it
            differs from the first.
        DiskFullError: there is no room for temporary files.
    """
    from campaign.loader.formats.frames import Rows

    source = given if isinstance(given, Source) else Source.find(given)
    checked = Rows()
    head: Head | None = None
    try:
        found = detect(source)
        head, batches = _read(source, found, header_row)
        lines = checked.fill(batches, each)
        source.check_unchanged()
    except BaseException as error:
        checked.close()
        source.close()
        if not isinstance(error, InputError):
            raise
        raise error.at(file=source.name, header_row=error.header_row if head is None else head.header_guess) from error
    return Table(source=source, format=found, head=head, lines=lines if found.has_lines else NO_LINES, checked=checked)


def _read(source: Source, found: Format, header_row: int | None) -> List:
    if found.unpacks and not source.written_here:
        from campaign.loader.formats.child import read_apart

        head, batches = read_apart(found, source.path, header_row)
    else:
        head, batches = found.read(source.path, header_row)
    columns = f"{len(head.columns)} column{'s' * (len(head.columns) != 1)}"
    parts = [columns if source.written_here else head.description]
    if head.left_out:
        parts.append(f"left out, as they hold bytes or too much: {', '.join(f'“{name}”' for name in head.left_out)}")
    return replace(head, description="; ".join(parts)), batches
