"""Reads a corrected results or failed-rows file, and finds the campaign's row that each of its lines means."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from campaign.app.lists.list_source import CheckedList, FileSource
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.columns import find_zone_column, listed, normalize_name
from campaign.domain.lists.outcomes import read_outcome
from campaign.domain.lists.pass_ids import pass_key
from campaign.domain.lists.sheet import place
from campaign.domain.model import RESULT_COLUMNS, Outcome, ResultRow
from campaign.domain.row_state import is_another_attempt
from campaign.domain.status import NEEDS_ATTENTION, Status
from campaign.domain.text.formula_escape import strip_unseen, unescape_formula
from campaign.domain.text.lines import capitalized
from campaign.domain.verdict import same_text
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.messages.resolve import ColumnMessages
from campaign.loader.table import Table, open_table

CAMPAIGN, ROW, STATUS, MESSAGE = "delivery_campaign", "delivery_row", "delivery_status", "delivery_message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the file.

    `number` counts the file's rows; `row` is the number of the list's row that it names. `cells` are in the order of the campaign's
    columns, None for a column that the file lacks; `status`, `message` and `attempts` are empty if their columns are missing. `told` is the
    outcome that they describe.
    """

    number: int
    row: int | None
    cells: tuple[str | None, ...]
    status: str
    message: str
    attempts: str
    told: Outcome

    def filled(self, row: ResultRow) -> tuple[str, ...]:
        """The cells, with those of the campaign's row for columns that the file lacks."""
        return tuple(before if now is None else now for now, before in zip(self.cells, row.cells, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionFile:
    """The file, its campaign, and the places of the campaign's columns in the file (None if the file lacks one).

    `ignored` are the columns that someone has added; `missing` are those of the campaign that the file lacks.
    """

    table: Table
    record: CampaignRecord
    places: tuple[int | None, ...]
    ignored: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name, found in zip(self.record.spec.columns, self.places, strict=True) if found is None)

    @property
    def id_place(self) -> int:
        """The pass id's place in a line's cells."""
        return self.record.spec.columns.index(self.record.spec.id_column)

    @property
    def zone_place(self) -> int | None:
        """The time zone's place in a line's cells; None if the list has none."""
        return find_zone_column(self.record.spec.columns, file=self.table.name)

    def batches(self) -> Iterator[list[Line]]:
        """The file's lines, some thousand at a time. Raises InputError if a row belongs to another campaign."""
        from campaign.loader.formats.frames import rows_of

        clean = unescape_formula if self.table.format.is_spreadsheet else str
        columns = self.table.columns
        delivery: dict[str, int] = {name: columns.index(name) for name in RESULT_COLUMNS if name in columns}
        number = 0
        for frame in self.table.frames():
            lines = []
            for values in rows_of(frame):
                number += 1
                found = {name: clean(values[at]) for name, at in delivery.items()}
                if found[CAMPAIGN] != self.record.spec.name:
                    raise self.wrong(
                        number,
                        f"The row is of the campaign “{found[CAMPAIGN]}”, the rows before it are of “{self.record.spec.name}”. "
                        "Keep the rows of each campaign in a file of their own; nothing was sent.",
                        column=CAMPAIGN,
                        code="other_campaign",
                    )
                row = found[ROW].strip()
                lines.append(
                    Line(
                        number=number,
                        row=int(row) if row.isascii() and row.isdecimal() and len(row) < 12 else None,
                        cells=tuple(None if at is None else clean(values[at]) for at in self.places),
                        status=found.get(STATUS, ""),
                        message=found.get(MESSAGE, ""),
                        attempts=found.get("delivery_attempts", ""),
                        told=read_outcome(found),
                    )
                )
            yield lines

    def wrong(self, number: int, problem: str, *, column: str | None = None, code: str = "row_does_not_match") -> InputError:
        """The error for the row of the file with this number."""
        return InputError(problem, code=code, file=self.table.name, row=number, line=self.table.lines.of(number), column=column)

    def in_list(self, row: int) -> str:
        """The place of a row in the list, in words."""
        return f"{place(row, self.record.spec.lines.of(row))} of the list"

    def odd_columns(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """The columns that were added or removed, and how they are treated: a kind, a sentence, and their names."""
        if self.ignored:
            noun = "column" if len(self.ignored) == 1 else "columns"
            yield "columns_ignored", f"The campaign has no {noun} {listed(self.ignored)}: ignored.", self.ignored
        if self.missing:
            yield "columns_missing", f"The file lacks {listed(self.missing)}: the list's values stay.", self.missing


@contextmanager
def correction_file(source: FileSource, reader: LedgerReader) -> Iterator[CorrectionFile | None]:
    """Read a whole corrected file; None if this ledger does not have its campaign.

    Raises:
        InputError: it can't be read, or its columns don't identify the rows.
        UsageError: it is no results file.
    """
    with open_table(source) as table:
        if not set(RESULT_COLUMNS) & set(table.columns):
            raise UsageError(
                f"{table.name} is not a results file: it has no delivery_ columns. Give one, or a campaign's name.", code="no_results_file"
            )
        if absent := [name for name in (CAMPAIGN, ROW) if name not in table.columns]:
            raise InputError(
                f"The file lacks {listed(absent)}, so it does not say which rows are meant. Put back what was there.",
                file=table.name,
                code="missing_column",
            )
        clean = unescape_formula if table.format.is_spreadsheet else str
        name = clean(str(next(table.frames()).iat[0, table.columns.index(CAMPAIGN)])) if table.rows else ""
        record = reader.campaign(name)
        if record is None:
            yield None
            return
        if record.purged_at:
            raise UsageError(
                f"The campaign “{record.spec.name}” was forgotten: the ledger no longer has the rows that {table.name} is of.",
                code="forgotten",
                campaign=record.spec.name,
            )
        own = {clean(column): at for at, column in enumerate(table.columns) if column not in RESULT_COLUMNS}
        file = CorrectionFile(
            table=table,
            record=record,
            places=tuple(own.get(column) for column in record.spec.columns),
            ignored=tuple(column for column in own if column not in record.spec.columns),
        )
        _check_columns(file)
        yield file


def check_texts(given: CheckedList) -> None:
    """Check that it is known what to send to failed rows, in a file whose campaign the ledger does not know.

    Raises:
        InputError: no message is given, and all rows need attention, as in a file of failed rows, whose columns may have been corrected; or
            a row's message and its column of messages differ.
    """
    layout, messages = given.layout, given.messages
    if not layout.results or len(layout.columns) == 1 or not (messages is None or isinstance(messages, ColumnMessages)):
        return
    clean = unescape_formula if layout.neutralised else str
    row = unsure = 0
    for frame, rows in zip(given.table.frames(), given.own_cells(), strict=True):
        texts = map(clean, frame[MESSAGE].array.tolist())
        for cells, status, text in zip(rows, frame[STATUS].array.tolist(), texts, strict=True):
            row += 1
            if messages is None and status not in NEEDS_ATTENTION:
                return
            if not unsure and status == Status.FAILED and text.strip():
                unsure = row if messages is None or not same_text(messages.render(cells).text, text) else 0
    if unsure:
        problem, advice = "It may have been corrected since its delivery_message was made", "Give that text again: --message or --template"
        if messages is not None:
            problem, advice = "Its delivery_message and its column of messages differ", "Make both the same, or empty delivery_message"
        raise InputError(
            f"{problem}, and this ledger does not know the campaign “{given.spec.name}”, so it can't tell what was corrected. {advice}; or "
            "name the ledger that has sent the campaign with --ledger. Nothing was sent.",
            code="texts_not_known",
            file=given.table.name,
            row=unsure,
            line=given.table.lines.of(unsure),
        )


def _check_columns(file: CorrectionFile) -> None:
    """Raises InputError if the file lacks the ids, or has a column that may be one of the campaign's under another name."""
    id_column = file.record.spec.id_column
    renamed = {normalize_name(name): name for name in file.ignored}
    for column in file.missing:
        if (now := renamed.get(normalize_name(column))) is not None:
            raise InputError(
                f"The column “{column}” seems to have become “{now}”. Give it its name back.",
                file=file.table.name,
                column=now,
                code="renamed_column",
            )
    if id_column in file.missing:
        raise InputError(
            f"The file lacks the column “{id_column}”, which holds the pass ids. Put it back.",
            file=file.table.name,
            code="missing_column",
            column=id_column,
        )


@dataclass(slots=True, kw_only=True)
class Matcher:
    """Finds the campaign's row of each line: by its pass within the campaign, or, if the id was corrected, by its `delivery_row`."""

    reader: LedgerReader
    file: CorrectionFile
    _seen: bytearray = field(default_factory=bytearray)

    def match(self, lines: Sequence[Line]) -> list[ResultRow]:
        """One row for each line.

        Raises:
            InputError: a line names no row, or several, or the same as another line.
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
                self._check_same_attempt(line, rows[line.row])
                return line.row
            raise self._wrong(
                line,
                f"It says {self.file.in_list(line.row)}, but its pass is in {self.file.in_list(places[0])}. Was one column sorted or moved "
                "alone? Put it back. If this id is meant, remove the row: the pass is in the list already.",
            )
        if len(places) == 1:
            return places[0]
        if places:
            raise self._wrong(line, f"Its pass is in {len(places)} rows of the list. Put the number of the row meant into delivery_row.")
        raise self._wrong(
            line, f"The campaign “{self.file.record.spec.name}” has no such row. Keep the delivery_row of each row as it was."
        )

    def _check_same_attempt(self, line: Line, row: ResultRow) -> None:
        """Check that a row whose id was corrected is the one that it names, and not one of another ledger's campaign of this name."""
        if pass_key(row.pass_id) != self._key(line) and is_another_attempt(line.told, row.outcome):
            raise self._wrong(
                line,
                f"It says {self.file.in_list(line.row or 0)}, but that row's pass is another one, and it was sent at another time. Another "
                "ledger may have sent it: name that one with --ledger or CAMPAIGN_LEDGER.",
            )

    def _check_once(self, line: Line, row: int) -> None:
        if row >= len(self._seen):
            self._seen.extend(bytes(row + 1 - len(self._seen)))
        if self._seen[row]:
            raise self._wrong(line, f"{capitalized(self.file.in_list(row))} is in the file twice. Keep one of the two.")
        self._seen[row] = 1

    def _key(self, line: Line) -> str:
        return pass_key(strip_unseen(line.cells[self.file.id_place] or ""))

    def _wrong(self, line: Line, problem: str) -> InputError:
        return self.file.wrong(line.number, f"{problem} Nothing was sent.")
