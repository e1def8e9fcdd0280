"""A results or failed-rows file that a person has mended, and the campaign's rows that its lines mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from campaign.domain.cells import restore, strip_unseen
from campaign.domain.errors import InputError, UsageError
from campaign.domain.model import ResultRow
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.columns import is_results_file, pass_key
from campaign.loader.names import find_zone_column, listed
from campaign.loader.stage import Layout
from campaign.loader.tables import Table, open_table

CAMPAIGN, ROW, STATUS, MESSAGE = "delivery_campaign", "delivery_row", "delivery_status", "delivery_message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the file. `number` counts the file's rows, `row` is the list's row that it names; `cells` are in the campaign's order."""

    number: int
    row: int | None
    cells: tuple[str, ...]
    status: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MendedFile:
    """The file, its campaign, and where the file has the campaign's columns."""

    table: Table
    record: CampaignRecord
    layout: Layout
    order: tuple[int, ...]

    @property
    def id_place(self) -> int:
        """The pass id's place in a line's cells."""
        return self.record.spec.columns.index(self.record.spec.id_column)

    @property
    def zone_place(self) -> int | None:
        """The time zone's place in a line's cells; None if the list has none."""
        return find_zone_column(self.record.spec.columns, file=self.table.name)

    def batches(self) -> Iterator[list[Line]]:
        """The file's lines, some thousand at a time.

        Raises:
            InputError: a row is of another campaign.
        """
        places = {name: self.table.columns.index(name) for name in (CAMPAIGN, ROW, STATUS, MESSAGE)}
        number = 0
        for batch in self.table.batches():
            lines = []
            for values in batch:
                number += 1
                told = {name: self._told(values[place]) for name, place in places.items()}
                if told[CAMPAIGN] != self.record.spec.name:
                    raise InputError(
                        f"The row is of the campaign “{told[CAMPAIGN]}”, the rows before it are of “{self.record.spec.name}”. "
                        "Keep the rows of each campaign in a file of their own; nothing was sent.",
                        file=self.table.name,
                        row=number,
                        column=CAMPAIGN,
                    )
                own = self.layout.cells(values)
                row = told[ROW].strip()
                lines.append(
                    Line(
                        number=number,
                        row=int(row) if row.isascii() and row.isdecimal() and len(row) < 12 else None,
                        cells=tuple(own[place] for place in self.order),
                        status=told[STATUS],
                        message=told[MESSAGE],
                    )
                )
            yield lines

    def _told(self, text: str) -> str:
        return restore(text) if self.layout.neutralised else text


@contextmanager
def mended_file(source: str, reader: LedgerReader) -> Iterator[MendedFile | None]:
    """Look a file through, from start to end; None if this ledger has no campaign that it is of.

    Raises:
        InputError: it can't be read, or its columns are not the campaign's.
        UsageError: it is no results file.
    """
    with open_table(source) as table:
        if not is_results_file(table.columns):
            raise UsageError(f"{source} is not a results file: it has no delivery_ columns. Give one, or a campaign's name.")
        spreadsheet = table.format in {"csv", "xlsx"}
        name = next(table.batches(1))[0][table.columns.index(CAMPAIGN)] if table.rows else ""
        record = reader.campaign(restore(name) if spreadsheet else name)
        if record is None:
            yield None
            return
        if record.forgotten_at:
            raise UsageError(f"The campaign “{record.spec.name}” was forgotten: the ledger no longer has the rows that {source} is of.")
        layout = Layout.of(table.columns, id_column=record.spec.id_column, file=table.name, spreadsheet=spreadsheet)
        _check_columns(layout.columns, record.spec.columns, table.name)
        order = tuple(layout.columns.index(column) for column in record.spec.columns)
        yield MendedFile(table=table, record=record, layout=layout, order=order)


def _check_columns(found: Sequence[str], wanted: Sequence[str], file: str) -> None:
    missing = [column for column in wanted if column not in found]
    more = [column for column in found if column not in wanted]
    if missing or more:
        parts = [f"it lacks {listed(missing)}" if missing else "", f"it has {listed(more)} besides" if more else ""]
        problem = " and ".join(part for part in parts if part)
        raise InputError(
            f"The file has not the campaign's columns: {problem}. Mend values only, and leave the columns as they are.", file=file
        )


@dataclass(slots=True, kw_only=True)
class Matcher:
    """Finds the campaign's row of each line: by its pass within the campaign, or, where the id itself was mended, by its `delivery_row`."""

    reader: LedgerReader
    file: MendedFile
    _seen: bytearray = field(default_factory=bytearray)

    def match(self, lines: Sequence[Line]) -> list[ResultRow]:
        """One row for each line.

        Raises:
            InputError: a line means no row, or not clearly one, or the same as another line.
        """
        campaign = self.file.record.id
        rows = self.reader.rows_numbered(campaign, [line.row for line in lines if line.row is not None])
        moved = {self._key(line) for line in lines if line.row not in rows or pass_key(rows[line.row].pass_id) != self._key(line)} - {""}
        elsewhere = self.reader.rows_of_passes(campaign, sorted(moved)) if moved else {}
        single = [places[0] for places in elsewhere.values() if len(places) == 1]
        rows |= self.reader.rows_numbered(campaign, single)
        found = [rows[self._row(line, rows, elsewhere)] for line in lines]
        for line, row in zip(lines, found, strict=True):
            self._check_once(line, row.row)
        return found

    def _row(self, line: Line, rows: dict[int, ResultRow], elsewhere: dict[str, list[int]]) -> int:
        places = elsewhere.get(self._key(line), [])
        if line.row is not None and line.row in rows:
            if not places or line.row in places:
                return line.row
            raise self._wrong(
                line,
                f"It says row {line.row} of the list, but its pass is in row {places[0]}. Was one column sorted or moved alone? Put it "
                "back. If this id is meant, take the row out: the pass is in the list already.",
            )
        if len(places) == 1:
            return places[0]
        if places:
            raise self._wrong(line, f"Its pass is in {len(places)} rows of the list. Put the number of the row meant into delivery_row.")
        raise self._wrong(
            line, f"The campaign “{self.file.record.spec.name}” has no such row. Keep the delivery_row of each row as it was."
        )

    def _check_once(self, line: Line, row: int) -> None:
        if row >= len(self._seen):
            self._seen.extend(bytes(row + 1 - len(self._seen)))
        if self._seen[row]:
            raise self._wrong(line, f"Row {row} of the list is in the file twice. Keep one of the two.")
        self._seen[row] = 1

    def _key(self, line: Line) -> str:
        return pass_key(strip_unseen(line.cells[self.file.id_place]))

    def _wrong(self, line: Line, problem: str) -> InputError:
        return InputError(f"{problem} Nothing was sent.", file=self.file.table.name, row=line.number)
