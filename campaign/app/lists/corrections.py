"""Compares a corrected results or failed-rows file with its campaign, and decides which rows are sent again, and how."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from campaign.app.lists.correction_file import CorrectionFile, Line, Matcher
from campaign.app.lists.list_source import message_fingerprint
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.columns import find_message_column, listed
from campaign.domain.lists.pass_ids import check_pass_id, pass_key
from campaign.domain.lists.sheet import NO_LINES, SheetLines, places
from campaign.domain.model import Outcome, ResultRow
from campaign.domain.retry_selection import Selection
from campaign.domain.schedule import known_zones
from campaign.domain.status import CORRECTABLE, NEEDS_ATTENTION, Status
from campaign.domain.text.formula_escape import lost_characters
from campaign.domain.text.lines import one_line_end, shown
from campaign.domain.text.lines import rows as rows_in_words
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.ledger.records import CorrectedRow
from campaign.loader.messages.resolve import Messages, plan_messages
from campaign.loader.messages.result import Rendered, as_it_was
from campaign.settings import Settings

SHOWN: Final = 10


def under_way(reader: LedgerReader, record: CampaignRecord, rows: Iterable[ResultRow]) -> frozenset[int]:
    """The numbers of those rows that are being sent or are unverified."""
    only = tuple(row.row for row in rows if row.outcome.status in {Status.SENDING, Status.UNKNOWN})
    return frozenset(reader.next_rows(record.id, len(only), zones=(), only=only)) if only else frozenset()


@dataclass(slots=True)
class Numbers:
    """Some rows of the list or of a file: their count, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, row: int) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(row)

    def places(self, lines: SheetLines = NO_LINES) -> str:
        return places(self.first, lines, count=self.count)


@dataclass(slots=True)
class Totals:
    """What happens to the rows of a whole file.

    `new_ids` has the rows that get another pass, by its key. `waiting` are rows that an earlier retry took from it, and that are still
    under way; `already_retried` are those that it has sent before it was stopped.
    """

    sent: int = 0
    corrected: int = 0
    new_ids: dict[str, int] = field(default_factory=dict)
    rendered: int = 0
    waiting: int = 0
    already_retried: Numbers = field(default_factory=Numbers)
    still_invalid: Numbers = field(default_factory=Numbers)
    untouched: dict[Status, Numbers] = field(default_factory=dict)
    problems: dict[str, Numbers] = field(default_factory=dict)
    others: int = 0


@dataclass(slots=True)
class Batch:
    corrected: list[CorrectedRow] = field(default_factory=list)
    again: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The source of messages that must be rendered again; `given` are the command's options, `own` is a column of the list."""

    given: Messages | None
    own: Messages | None
    same: bool

    @classmethod
    def of(cls, file: CorrectionFile, settings: Settings) -> "Texts":
        """The source according to the options and the campaign's columns.

        Raises:
            UsageError, InputError: see `plan_messages`; InputError also if the file lacks a column that the messages need.
        """
        columns, id_column = file.record.spec.columns, file.record.spec.id_column
        options: dict[str, Any] = {"message": settings.message, "template": settings.template, "templates": settings.templates}

        def planned(names: Sequence[str]) -> Messages:
            return plan_messages(names, **options, max_length=settings.max_length, file=file.table.name)

        if any(value is not None for value in options.values()):
            given = planned(columns)
            _check_needed(file, planned)
            return cls(given=given, own=None, same=message_fingerprint(id_column, given) == file.record.spec.message_sha256)
        if find_message_column(columns, file=file.table.name) is not None:
            own = planned(columns)
            if message_fingerprint(id_column, own) == file.record.spec.message_sha256:
                _check_needed(file, planned)
                return cls(given=None, own=own, same=True)
        return cls(given=None, own=None, same=True)

    @property
    def source(self) -> Messages | None:
        return self.given or self.own


def _check_needed(file: CorrectionFile, planned: Callable[[Sequence[str]], Messages]) -> None:
    """Raises InputError if the file lacks a column that the messages need."""

    def is_needed(column: str) -> bool:
        try:
            planned([name for name in file.record.spec.columns if name != column])
        except (InputError, UsageError):
            return True
        return False

    if needed := [column for column in file.missing if is_needed(column)]:
        raise InputError(
            f"The file lacks {listed(needed)}, and the message is made from it. Put the column back.",
            file=file.table.name,
            code="missing_column",
        )


@dataclass(slots=True, kw_only=True)
class Corrector:
    """Decides about the rows of one file. A row's message is rendered again only if the row's values have changed or it had none."""

    file: CorrectionFile
    texts: Texts
    selection: Selection
    zones_must_be_known: bool
    totals: Totals = field(default_factory=Totals)

    def batches(self, reader: LedgerReader) -> Iterator[Batch]:
        """The changes to make in the ledger, some thousand rows at a time.

        Raises:
            InputError: a line names no row, or (at the end) some rows can't be sent as corrected.
        """
        matcher = Matcher(reader=reader, file=self.file)
        already = reader.already_retried(self.file.record.id)
        for lines in self.file.batches():
            batch, rows = Batch(), matcher.match(lines)
            busy = under_way(reader, self.file.record, rows)
            old, unsure, untried = self._with_old_text(reader, lines, rows)
            for line, row in zip(lines, rows, strict=True):
                is_unsure = row.row in unsure
                is_old = row.row in old or ((is_unsure or row.row in untried) and self._was_rendered(line, row))
                new_text = "" if is_old or not _has_other_text(line, row) else line.message
                self._decide(
                    line,
                    row,
                    batch,
                    new_text=new_text,
                    is_unsure=is_unsure and not is_old,
                    is_busy=row.row in busy,
                    was_retried=row.row in already,
                )
            yield batch
        if self.totals.problems:
            in_file = self.file.table.lines
            wrong = [f"{rows.places(in_file).capitalize()}: {error}" for error, rows in self.totals.problems.items()]
            more = f" And {rows_in_words(self.totals.others)} more." if self.totals.others else ""
            raise InputError(
                f"{' '.join(wrong)}{more} Correct or remove them; nothing was sent.", file=self.file.table.name, code="rows_not_sendable"
            )

    def to_send(self, reader: LedgerReader) -> Iterator[ResultRow]:
        """The rows that would be sent, as corrected; raises as `batches` does."""
        for batch in self.batches(reader):
            for row in batch.corrected:
                outcome = Outcome(status=Status.PENDING)
                yield ResultRow(row=row.row, pass_id=row.pass_id, message=row.message, cells=row.cells, outcome=outcome)
            yield from reader.rows_numbered(self.file.record.id, batch.again).values()

    def _with_old_text(self, reader: LedgerReader, lines: Sequence[Line], rows: Sequence[ResultRow]) -> tuple[set[int], set[int], set[int]]:
        """Of the rows whose lines were written before their last attempt: those with a text that an attempt before it has sent; and those
        that this ledger had not sent yet, whose text from then it does not know. And failed rows whose text was made again when they
        came to this ledger, which it has not sent yet.
        """
        others = {row.row: line for line, row in zip(lines, rows, strict=True) if _has_other_text(line, row)}
        tried = {row.row: row.outcome.attempts for row in rows}
        earlier = {number for number, line in others.items() if line.attempts.strip() != str(tried[number])}
        old, elsewhere = set(), dict(tried)
        for number, text, attempts in reader.sent_texts(self.file.record.id, sorted(others)) if others else ():
            elsewhere[number] -= attempts
            if number in earlier and text is not None and one_line_end(others[number].message) == one_line_end(text):
                old.add(number)
        unsure = {number for number in earlier if _was_written_within(others[number], elsewhere[number])}
        spec = self.file.record.spec
        made = self.texts.given is not None and spec.message_sha256 != message_fingerprint(spec.id_column, None)
        untried = {number for number in others.keys() - earlier if made and elsewhere[number] == tried[number] > 0}
        return old, unsure - old, untried

    def _was_rendered(self, line: Line, row: ResultRow) -> bool:
        """Whether the row's message is what the given text makes of the line's values, so that the line's own message is from before."""
        return self.texts.source is not None and self.texts.source.render(line.filled(row)).text == row.message

    def _decide(
        self, line: Line, row: ResultRow, batch: Batch, *, new_text: str, is_unsure: bool, is_busy: bool, was_retried: bool
    ) -> None:
        status = row.outcome.status
        cells = line.filled(row)
        changes = self._changes(cells, row)
        changed = bool(changes or new_text)
        if self.file.record.retry_is_open and not changes and (was_retried or is_busy or status is Status.PENDING):
            # A file that is given again still has the text from before its correction.
            changed = False
        if changed:
            self._check_saved_whole(line, row, cells)
        if status not in CORRECTABLE and (changed or not self.selection.takes(row.outcome)):
            if (status is Status.PENDING or is_busy) and not changed:
                self.totals.waiting += 1
            elif changed or line.status in NEEDS_ATTENTION:
                self.totals.untouched.setdefault(status, Numbers()).add(row.row)
        elif not self.selection.takes(row.outcome):
            return
        elif not changed and was_retried:
            self.totals.already_retried.add(row.row)
        elif not changed and status is not Status.INVALID:
            batch.again.append(row.row)
            self.totals.sent += 1
        elif is_unsure:
            self._wrong(
                line,
                "The row was sent after this file was written, and has another delivery_message now. Give the same --message or --template "
                "as then, or correct the row in the newest failed-rows file.",
            )
        else:
            self._correct(line, row, batch, cells=cells, changes=changes, new_text=new_text)

    def _correct(self, line: Line, row: ResultRow, batch: Batch, *, cells: tuple[str, ...], changes: list[str], new_text: str) -> None:
        pass_id, _reason, error = check_pass_id(cells[self.file.id_place])
        if row.pass_id != pass_id and row.pass_id.lstrip("0") == pass_id:
            export = command_line("report", self.file.record.spec.name, "--output", "FILE.xlsx")
            error = f"A spreadsheet has dropped the zeros in front of the ids. Begin again with .xlsx, which keeps them ({export})."
        zone = cells[self.file.zone_place].strip() if self.file.zone_place is not None else ""
        if zone and zone not in known_zones():
            if self.zones_must_be_known:
                error = error or f"“{shown(zone)}” is no time zone. Write its IANA name, such as Europe/Berlin, or give --time-zone."
            zone = ""
        rendered, again = self._message(cells, row, changes, new_text)
        error = error or rendered.error
        if error:
            if changes or new_text:
                self._wrong(line, error)
            else:
                self.totals.still_invalid.add(row.row)
            return
        corrected = CorrectedRow(row=row.row, pass_id=pass_id, pass_key=pass_key(pass_id), message=rendered.text, cells=cells, zone=zone)
        batch.corrected.append(corrected)
        self.totals.corrected += 1
        self.totals.rendered += again
        if corrected.pass_key != pass_key(row.pass_id):
            self.totals.new_ids[corrected.pass_key] = row.row
        self.totals.sent += 1

    def _message(self, cells: tuple[str, ...], row: ResultRow, changes: list[str], new_text: str) -> tuple[Rendered, bool]:
        """The row's new message, and whether it was rendered again."""
        if new_text:
            return as_it_was(new_text), False
        id_alone = changes == [self.file.record.spec.id_column] and not (row.pass_id and row.pass_id in row.message)
        if row.message and (not changes or id_alone):
            return Rendered(text=row.message), False
        if self.texts.source is not None:
            return self.texts.source.render(cells), True
        if not changes:
            return Rendered(text="", error=row.outcome.error or "It has no message."), False
        return Rendered(
            text="",
            error=f"“{shown(changes[0])}” was changed, and the message is made from a template. Give it again: --template or --message.",
        ), False

    def _check_saved_whole(self, line: Line, row: ResultRow, cells: tuple[str, ...]) -> None:
        """Raises InputError if the file lost characters when it was saved: they would be sent as question marks."""
        for before, now in ((row.message, line.message), *zip(row.cells, cells, strict=True)):
            if lost := lost_characters(one_line_end(before), one_line_end(now)):
                raise self.file.wrong(
                    line.number,
                    f"“{shown(lost)}” became “?” when the file was saved. Begin again with the file that the run wrote, and save it as CSV "
                    "UTF-8 or .xlsx; nothing was sent.",
                )

    def _changes(self, cells: tuple[str, ...], row: ResultRow) -> list[str]:
        return [
            column for column, now, before in zip(self.file.record.spec.columns, cells, row.cells, strict=True) if not _same(now, before)
        ]

    def _wrong(self, line: Line, error: str) -> None:
        problems = self.totals.problems
        if error in problems or len(problems) < SHOWN:
            problems.setdefault(error, Numbers()).add(line.number)
        else:
            self.totals.others += 1


def describe(corrector: Corrector) -> str:
    """Sentences about what was done with the file, and what was not; empty if there is nothing to say."""
    totals, texts, lines = corrector.totals, corrector.texts, corrector.file.record.spec.lines
    parts = [sentence for _, sentence, _ in corrector.file.odd_columns()]
    if totals.corrected:
        ids = f", {len(totals.new_ids):,} of them with another pass" if totals.new_ids else ""
        parts.append(f"{rows_in_words(totals.corrected)} of the file {'was' if totals.corrected == 1 else 'were'} corrected{ids}.")
    if totals.rendered and not texts.same:
        parts.append(f"The messages of {rows_in_words(totals.rendered)} were made from another text than the campaign's.")
    if totals.still_invalid.count:
        parts.append(f"Still invalid, as nothing was corrected there: {totals.still_invalid.places(lines)} of the list.")
    if totals.already_retried.count:
        parts.append(f"Already sent by a retry that has not ended, and not sent again: {totals.already_retried.places(lines)} of the list.")
    parts += [
        f"Left as they are, being {status.value} in the ledger: {found.places(lines)} of the list."
        for status, found in sorted(totals.untouched.items())
    ]
    return " ".join(parts)


def _same(one: str, other: str) -> bool:
    """Whether two texts are equal except for their line ends, which differ between programs."""
    return one == other or one_line_end(one) == one_line_end(other)


def _has_other_text(line: Line, row: ResultRow) -> bool:
    return bool(line.message.strip()) and not _same(line.message, row.message)


def _was_written_within(line: Line, attempts: int) -> bool:
    """Whether a line of a row that needs attention was written when the row had at most so many attempts."""
    written = line.attempts.strip()
    return line.status in CORRECTABLE and written.isdecimal() and int(written) <= attempts
