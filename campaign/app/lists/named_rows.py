"""Reads a list and looks up its passes in a campaign: which of the campaign's rows it names, and what becomes of each."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from campaign.app.lists.corrections import Numbers, under_way
from campaign.app.lists.list_source import FileSource
from campaign.domain.errors import InputError
from campaign.domain.lists.columns import find_id_column
from campaign.domain.lists.pass_ids import check_pass_id, pass_key
from campaign.domain.model import Invalid, Outcome, ResultRow
from campaign.domain.retry_selection import Selection
from campaign.domain.status import BY_OUTCOME, Status
from campaign.domain.text.formula_escape import unescape_formula
from campaign.domain.text.lines import rows as rows_in_words
from campaign.domain.text.lines import shown
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.table import Table, open_table

RETRIED: Final = "retried"
NOT_IN_CAMPAIGN: Final = "not_in_campaign"
NO_ID: Final = "no_id"
BAD_ID: Final = "bad_id"
REPEATED: Final = "repeated"
UNDER_WAY: Final = "in_doubt"
ALREADY_RETRIED: Final = "already_retried"
LINES_AT_ONCE: Final = 50_000
"""How many lines' passes are searched in one scan of the campaign."""

ROWS_AT_ONCE: Final = 2_000
_IN_WORDS: Final[dict[str, str]] = {
    NOT_IN_CAMPAIGN: "not in the campaign",
    NO_ID: "without an id",
    BAD_ID: "with an id that can't be one",
    REPEATED: "named before in the file",
    ALREADY_RETRIED: "sent before by a retry that has not ended",
    Status.DELIVERED: "delivered already",
    Status.ACCEPTED: "accepted already",
    Status.NOT_DELIVERED: "not delivered (--status not_delivered sends them)",
    Status.UNKNOWN: "unknown: the message may have arrived (campaign verify)",
    Status.SKIPPED: "skipped on purpose",
    Status.INVALID: "invalid (correct them in the failed-rows file)",
    Status.FAILED: "failed in another way than asked for",
    Status.SENDING: "being sent now",
}
_STANDS_FOR: Final = tuple(dict.fromkeys((Status.SENDING, Status.UNKNOWN, *BY_OUTCOME)))
"""If a pass has several rows, the first of these statuses is the pass's."""


@dataclass(slots=True, kw_only=True)
class NamedRows:
    """The rows of a campaign that the lines of a list name; each line is of one kind.

    `chosen` are the rows that are sent again, `waiting` those that are pending anyway, and `under_way` those that are being sent or are
    unverified: these are sent if they did not arrive.
    """

    table: Table
    chosen: "array[int]" = field(default_factory=lambda: array("q"))
    waiting: "array[int]" = field(default_factory=lambda: array("q"))
    under_way: "array[int]" = field(default_factory=lambda: array("q"))
    kinds: dict[str, Numbers] = field(default_factory=dict)

    def all_rows(self) -> tuple[int, ...]:
        """The campaign's rows that are sent, in the list's order."""
        return tuple(sorted((*self.chosen, *self.waiting, *self.under_way)))

    def parts(self) -> Iterator["array[int]"]:
        """The chosen rows, some at a time."""
        return (self.chosen[first : first + ROWS_AT_ONCE] for first in range(0, len(self.chosen), ROWS_AT_ONCE))

    def as_json(self) -> dict[str, Any]:
        kinds = {RETRIED: 0} | {kind: numbers.count for kind, numbers in self.kinds.items()}
        return {"rows_file": {"file": self.table.name, "rows": self.table.rows, "by_kind": kinds}}

    def in_words(self) -> str:
        """Sentences about what happens to the file's rows."""
        waiting = f", {self.count(Status.PENDING):,} still to be sent" if self.count(Status.PENDING) else ""
        waiting += f", {self.count(UNDER_WAY):,} to be read back first" if self.count(UNDER_WAY) else ""
        sentence = f"{rows_in_words(self.table.rows)} of {self.table.name}: {self.count(RETRIED):,} to send again{waiting}."
        left = [
            f"{numbers.count:,} {_IN_WORDS.get(kind, kind)} ({numbers.places(self.table.lines)})"
            for kind, numbers in self.kinds.items()
            if kind not in {RETRIED, Status.PENDING, UNDER_WAY}
        ]
        return f"{sentence} Left as they are: {'; '.join(left)}." if left else sentence

    def count(self, kind: str) -> int:
        return self.kinds[kind].count if kind in self.kinds else 0


def named_rows(
    source: FileSource, reader: LedgerReader, record: CampaignRecord, selection: Selection, *, id_column: str | None
) -> NamedRows:
    """Read a whole list, and look up its passes among the campaign's rows that may be sent again.

    `id_column` is the column of the ids; None for the campaign's own, one of the usual names, or the only column.

    Raises:
        InputError: the list can't be read, or it is not clear which column holds the ids.
    """
    with open_table(source) as table:
        place = _id_place(table, record, id_column)
        header = pass_key(table.columns[place])
        if reader.rows_of_passes(record.id, [header]):
            raise InputError(
                f"The first line has “{shown(header)}”, a pass of the campaign, where the column's name should be. Put a header above it, "
                "such as pass_id; nothing was sent.",
                file=table.name,
                code="no_header",
            )
        found = NamedRows(table=table)
        lookup = _Lookup(reader=reader, record=record, selection=selection, found=found, already=reader.already_retried(record.id))
        ids: list[str] = []
        for frame in table.frames():
            ids += frame.iloc[:, place].array.tolist()
            if len(ids) >= LINES_AT_ONCE:
                lookup.look_up(ids)
                ids = []
        lookup.look_up(ids)
        return found


def _id_place(table: Table, record: CampaignRecord, id_column: str | None) -> int:
    if id_column is None and record.spec.id_column in table.columns:
        return table.columns.index(record.spec.id_column)
    if id_column is None and len(table.columns) == 1:
        return 0
    return find_id_column(table.columns, id_column, file=table.name, otherwise=record.spec.id_column)


@dataclass(slots=True, kw_only=True)
class _Lookup:
    reader: LedgerReader
    record: CampaignRecord
    selection: Selection
    found: NamedRows
    already: frozenset[int]
    _lines: int = 0
    _seen: set[int] = field(default_factory=set)

    def look_up(self, ids: Sequence[str]) -> None:
        keys = [_keys(text) for text in ids]
        by_pass = self.reader.rows_of_passes(self.record.id, sorted({key for found in keys for key in found}))
        numbers = sorted({row for rows in by_pass.values() for row in rows})
        found = {row.row: row for row in numbered(self.reader, self.record, numbers)}
        busy = under_way(self.reader, self.record, found.values())
        for text, own in zip(ids, keys, strict=True):
            self._lines += 1
            rows = next((by_pass[key] for key in own if key in by_pass), [])
            kind = self._kind({row: found[row].outcome for row in rows}, busy) if rows else _why_none(text)
            self.found.kinds.setdefault(kind, Numbers()).add(self._lines)

    def _kind(self, rows: dict[int, Outcome], busy: frozenset[int]) -> str:
        if not self._seen.isdisjoint(rows):
            return REPEATED
        self._seen.update(rows)
        taken = [row for row, outcome in rows.items() if self.selection.takes(outcome)]
        if chosen := [row for row in taken if row not in self.already]:
            self.found.chosen.extend(chosen)
            return RETRIED
        statuses = {outcome.status for outcome in rows.values()}
        if Status.PENDING in statuses:
            self.found.waiting.extend(row for row, outcome in rows.items() if outcome.status is Status.PENDING)
            return Status.PENDING.value
        if among := busy.intersection(rows):
            self.found.under_way.extend(among)
            return UNDER_WAY
        if taken:
            return ALREADY_RETRIED
        return next(status.value for status in _STANDS_FOR if status in statuses)


def numbered(reader: LedgerReader, record: CampaignRecord, numbers: Sequence[int]) -> Iterator[ResultRow]:
    """The rows with these numbers, in the given order; read some at a time."""
    for first in range(0, len(numbers), ROWS_AT_ONCE):
        found = reader.rows_numbered(record.id, numbers[first : first + ROWS_AT_ONCE])
        yield from (found[number] for number in sorted(found))


def _keys(text: str) -> list[str]:
    """The pass keys that a cell may mean: with and without the mark of a spreadsheet's export, as it can't be seen whether it is one."""
    ids = [check_pass_id(one) for one in dict.fromkeys((text, unescape_formula(text)))]
    return [pass_key(pass_id) for pass_id, problem, _ in ids if problem is None]


def _why_none(text: str) -> str:
    """Why a line names no row of the campaign."""
    _, problem, _ = check_pass_id(text)
    return NOT_IN_CAMPAIGN if problem is None else NO_ID if problem is Invalid.NO_ID else BAD_ID
