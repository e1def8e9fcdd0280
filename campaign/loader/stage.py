"""From a table to staged rows: every row of the list becomes pending, invalid or (a results file's) what it already was."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import not_
from typing import Final, Protocol, Self

from campaign.domain.batch import StagedBatch
from campaign.domain.cells import restore
from campaign.domain.errors import InputError
from campaign.domain.model import UNSENT, Invalid, Outcome, StagedRow, Status
from campaign.domain.results import RESULT_COLUMNS
from campaign.domain.schedule import known_zones
from campaign.domain.sheet import NO_LINES, SheetLines
from campaign.loader.columns import check_pass_id, find_id_column, is_results_file, own_columns, pass_key, pass_keys, plain_ids
from campaign.loader.messages import Messages, Rendered, as_it_was
from campaign.loader.names import find_zone_column, shown
from campaign.loader.outcomes import read_outcome

_MAY_BE_SENT: Final = frozenset({Status.PENDING, Status.FAILED, Status.UNKNOWN})
"""So that the row has to be one that can be; what is known of its attempts is kept."""


def _never_tried(outcome: Outcome) -> bool:
    """Whether a row could not be sent, and nothing tells of an attempt: an invalid one may have been another thing before."""
    traces = (outcome.attempts, outcome.sent_at, outcome.settled_at, outcome.http_status, outcome.notification_status)
    return outcome.status is Status.INVALID and not any(traces)


class Source(Protocol):
    """What staging needs of a table."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> int: ...
    def batches(self, size: int = 5000) -> Iterator[list[tuple[str, ...]]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which columns of a table mean what. `neutralised` says that its cells carry the marks of a spreadsheet's export."""

    columns: tuple[str, ...]
    own: tuple[int, ...]
    id_place: int
    results: bool
    neutralised: bool
    zone_place: int | None = None

    @classmethod
    def of(cls, columns: Sequence[str], *, id_column: str | None, file: str, spreadsheet: bool) -> Self:
        """Which column is which.

        Args:
            columns: the table's, results' ones included.
            id_column: as asked for, if it was.
            file: the list, for messages.
            spreadsheet: the list is in a format that spreadsheets open, so that a results file's cells are neutralised.

        Raises:
            InputError: the columns don't tell which is the pass's, or are neither a list's nor a results file's.
        """
        results = is_results_file(columns)
        own = own_columns(columns, file=file)
        neutralised = results and spreadsheet
        names = tuple(restore(columns[place]) if neutralised else columns[place] for place in own)
        return cls(
            columns=names,
            own=own,
            id_place=find_id_column(names, id_column, file=file),
            results=results,
            neutralised=neutralised,
            zone_place=find_zone_column(names, file=file),
        )

    def cells(self, row: Sequence[str]) -> tuple[str, ...]:
        """The list's own values of a row."""
        own = tuple(row) if len(self.own) == len(row) else tuple(row[place] for place in self.own)
        return tuple(map(restore, own)) if self.neutralised else own

    def all_cells(self, rows: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
        """`cells` of many rows."""
        return [self.cells(row) for row in rows] if self.results else rows


@dataclass(slots=True)
class Stager:
    """Makes staged rows, and the hash of the list's own values by which the same list is known again in another file.

    Args:
        layout: which columns mean what.
        messages: where the texts come from; None takes a results file's own.
        zones_must_be_known: a row whose time zone is none is invalid, as nobody says which else to take.
        lines: of the list's rows, for errors.
    """

    layout: Layout
    messages: Messages | None
    zones_must_be_known: bool = False
    lines: SheetLines = NO_LINES
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def content_sha256(self) -> str:
        return self._hash.hexdigest()

    def batches(self, table: Source, table_columns: Sequence[str]) -> Iterator[Sequence[StagedRow]]:
        places = {name: place for place, name in enumerate(table_columns) if name in RESULT_COLUMNS} if self.layout.results else {}
        first = 1
        for batch in filter(None, table.batches()):
            rows = self.layout.all_cells(batch)
            self._hash.update(b"".join(["\x1f".join(cells).encode() + b"\x1e" for cells in rows]))
            if self.messages is not None and not places:
                yield self._of_list(self.messages, first, rows)
            else:
                befores = ({name: self._delivery(values[place]) for name, place in places.items()} for values in batch)
                yield [self._row(number, cells, before) for number, (cells, before) in enumerate(zip(rows, befores, strict=True), first)]
            first += len(batch)

    def _of_list(self, messages: Messages, first: int, rows: Sequence[tuple[str, ...]]) -> StagedBatch:
        """Rows that were never sent: plain ones at once, each of the others by itself."""
        columns = list(zip(*rows, strict=True))
        ids = columns[self.layout.id_place]
        try:
            rendered = messages.render_columns(columns)
        except InputError as error:
            raise self._at_row(error, first - 1 + (error.row or 1)) from error
        texts = rendered.texts
        zones = [""] * len(rows) if self.layout.zone_place is None else list(map(self._zone, rows))
        plain = [
            bool(text) and zone is not None and id_is_plain for text, zone, id_is_plain in zip(texts, zones, plain_ids(ids), strict=True)
        ]
        pass_ids = list(compress(ids, plain))
        return StagedBatch(
            numbers=list(compress(range(first, first + len(rows)), plain)),
            pass_ids=pass_ids,
            pass_keys=pass_keys(pass_ids),
            messages=list(compress(texts, plain)),
            cells=list(compress(rows, plain)),
            zones=[zone or "" for zone in compress(zones, plain)],
            others=[
                self._row(first + at, rows[at], {}, rendered.refused.get(at) or Rendered(text=texts[at]))
                for at in compress(range(len(rows)), map(not_, plain))
            ],
        )

    def _delivery(self, text: str) -> str:
        return restore(text) if self.layout.neutralised else text

    def _row(self, number: int, cells: tuple[str, ...], before: dict[str, str], rendered: Rendered | None = None) -> StagedRow:
        pass_id, reason, error = check_pass_id(cells[self.layout.id_place])
        outcome = read_outcome(before) if before else UNSENT
        text = before.get("delivery_message", "")
        if outcome is not UNSENT and _never_tried(outcome) and (text or self.messages is not None):
            # What was wrong with it may have been mended since.
            outcome = UNSENT
        if self.messages is not None and (not text or outcome.status is Status.PENDING):
            rendered = rendered or self._render(self.messages, number, cells)
            text, reason, error = rendered.text, reason or rendered.reason, error or rendered.error
        elif outcome.status in _MAY_BE_SENT:
            rendered = as_it_was(text)
            text, reason, error = rendered.text or text, reason or rendered.reason, error or rendered.error
        zone = self._zone(cells)
        if zone is None:
            place = self.layout.zone_place
            named = shown(cells[place]) if place is not None else ""
            zone, reason = "", reason or Invalid.BAD_TIME_ZONE
            error = error or f"“{named}” is no time zone. Write its IANA name, such as Europe/Berlin, or give --time-zone."
        if reason is not None and (outcome.status in _MAY_BE_SENT or outcome.status is Status.INVALID):
            outcome = replace(outcome, status=Status.INVALID, reason=reason, error=error)
        return StagedRow(row=number, pass_id=pass_id, pass_key=pass_key(pass_id), message=text, cells=cells, outcome=outcome, zone=zone)

    def _zone(self, cells: tuple[str, ...]) -> str | None:
        """The row's time zone, empty for the run's own; None if it is none and has to be one."""
        name = cells[self.layout.zone_place].strip() if self.layout.zone_place is not None else ""
        if not name or name in known_zones():
            return name
        return None if self.zones_must_be_known else ""

    def _render(self, messages: Messages, number: int, cells: tuple[str, ...]) -> Rendered:
        try:
            return messages.render(cells)
        except InputError as error:
            raise self._at_row(error, number) from error

    def _at_row(self, error: InputError, row: int) -> InputError:
        return InputError(error.problem, file=error.file, row=row, line=self.lines.of(row), column=error.column)
