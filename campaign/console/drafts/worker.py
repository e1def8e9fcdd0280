"""The process that reads lists. A list may be huge or hostile, so the pages' process must not read it.

    python -m campaign.console.drafts.worker < TASK

The task is one JSON object. Lines on stdout report the progress; the result goes into the draft's folder, or to stdout.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from campaign.console.drafts.inspection import CHECKED, PREVIEW, ListPreview, SampleRow, WorkerTask, as_json, without_paths
from campaign.console.drafts.store import write_atomically
from campaign.domain.errors import CampaignError, InputError
from campaign.domain.lists.columns import (
    ID_NAMES,
    Layout,
    find_id_column,
    find_message_column,
    find_zone_column,
    is_results_file,
    normalize_name,
)
from campaign.loader.formats.child import restrict
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import Table, open_table

FIRST_ROWS: Final = 100
COLUMNS_WATCHED: Final = 60
"""With more columns, the samples have no rows with the longest and with empty values."""

CELL_CHARACTERS: Final = 2_000
ALL_CHARACTERS: Final = 400_000


def look(path: Path, key: str, *, header_row: int | None = None) -> ListPreview:
    """Read a whole list, and return its preview.

    Raises:
        InputError: the list can't be used.
    """
    with open_table(path, header_row=header_row) as table:
        columns = table.columns
        if is_results_file(columns):
            raise InputError(
                "These are the results of a campaign, not a new list. To send its failed rows again, open that campaign; "
                "to use the file as a new list, remove its delivery_ columns.",
                code="results_file",
            )
        candidates = _candidates(columns)
        # Problems of any other column are reported now, not after the message is written.
        Layout.of(columns, id_column=(candidates or columns)[0], file=table.name, spreadsheet=False)
        message = find_message_column(columns, file=table.name)
        first, samples = _samples(table)
        return ListPreview(
            key=key,
            # Offered if no column has a name for passes.
            header_guess=0 if candidates else table.head.header_guess or 0,
            description=table.head.description,
            rows=table.rows,
            columns=columns,
            samples=samples,
            first=first,
            suggested=_suggested(columns, candidates),
            candidates=candidates,
            message_column="" if message is None else columns[message],
            own_zones=find_zone_column(columns, file=table.name) is not None,
        )


def _candidates(columns: Sequence[str]) -> tuple[str, ...]:
    names = {normalize_name(name) for name in ID_NAMES}
    return tuple(column for column in columns if normalize_name(column) in names)


def _suggested(columns: Sequence[str], candidates: Sequence[str]) -> str:
    return columns[find_id_column(columns, None)] if len(candidates) == 1 else ""


def _samples(table: Table) -> tuple[int, tuple[SampleRow, ...]]:
    """The number of samples that are the first rows, and all samples."""
    first: list[SampleRow] = []
    chosen = _Chosen(len(table.columns))
    left = ALL_CHARACTERS
    for row, cells in _numbered(table):
        if len(first) < FIRST_ROWS and left > 0:
            first.append(_sample(row, cells, table))
            left -= sum(map(len, first[-1].cells))
        elif chosen.wide:
            break
        chosen.look_at(row, cells)
    known = {sample.row for sample in first}
    more: list[SampleRow] = []
    for row in sorted(set(chosen.rows) - known):
        sample = _sample(row, chosen.rows[row], table)
        left -= sum(map(len, sample.cells))
        if left < 0 and first:
            break
        more.append(sample)
    return len(first), (*first, *more)


def _numbered(table: Table) -> Iterator[tuple[int, tuple[str, ...]]]:
    row = 0
    for frame in table.frames():
        for cells in rows_of(frame):
            row += 1
            yield row, cells


class _Chosen:
    """Rows worth showing, wherever they are: for each column, those with the longest value and with the first empty one."""

    def __init__(self, columns: int) -> None:
        self.wide = columns > COLUMNS_WATCHED
        self._longest = [(0, 0, ())] * columns if not self.wide else []
        self._empty: list[tuple[int, tuple[str, ...]] | None] = [None] * len(self._longest)

    def look_at(self, row: int, cells: tuple[str, ...]) -> None:
        for place in range(len(self._longest)):
            length = len(cells[place])
            if length > self._longest[place][0]:
                self._longest[place] = (length, row, cells)  # type: ignore[assignment]  # the empty tuple means no row
            elif not length and self._empty[place] is None:
                self._empty[place] = (row, cells)

    @property
    def rows(self) -> dict[int, tuple[str, ...]]:
        return {row: cells for _, row, cells in self._longest if row} | {found[0]: found[1] for found in self._empty if found is not None}


def _sample(row: int, cells: Sequence[str], table: Table) -> SampleRow:
    return SampleRow(row=row, line=table.lines.of(row), cells=tuple(cell[:CELL_CHARACTERS] for cell in cells))


MOST_BYTES: Final = 4 << 30
MOST_SECONDS: Final = 3600


def main() -> None:
    """Run the task from stdin."""
    restrict(MOST_BYTES, MOST_SECONDS)
    order = TypeAdapter(WorkerTask).validate_json(sys.stdin.buffer.read())
    folder = Path(order.folder)
    match order.task:
        case "look":
            write_atomically(folder / PREVIEW, as_json(_preview(order)))
        case "check":
            from campaign.console.drafts.list_check import inspect  # noqa: PLC0415 - its imports take half a second

            write_atomically(folder / CHECKED, as_json(inspect(order)))
        case "corrected":
            from campaign.console.campaigns.corrections import answer  # noqa: PLC0415 - (same)

            sys.stdout.write(json.dumps(answer(order)) + "\n")
        case _:
            from campaign.console.drafts.list_check import exclude  # noqa: PLC0415 - (same)

            sys.stdout.write(json.dumps({"error": exclude(order)}) + "\n")


def _preview(order: WorkerTask) -> ListPreview:
    try:
        return look(Path(order.source), order.key, header_row=order.flags.get("header_row"))
    except CampaignError as error:
        guess = error.header_row or 0 if isinstance(error, InputError) else 0
        if not guess and not order.flags.get("header_row"):
            # The list can't be used, so there is no reason to keep what may be a gigabyte of customers' data.
            Path(order.source).unlink(missing_ok=True)
        return ListPreview(key=order.key, error=without_paths(str(error), order.names), header_guess=guess)


if __name__ == "__main__":
    main()
