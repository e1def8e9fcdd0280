"""From a table to staged rows: every row of the list becomes pending, invalid or (a results file's) what it already was."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, Self

from campaign.domain.cells import restore
from campaign.domain.errors import InputError
from campaign.domain.model import UNSENT, Invalid, Outcome, StagedRow, Status
from campaign.domain.results import RESULT_COLUMNS
from campaign.loader.columns import check_pass_id, find_id_column, is_results_file, own_columns, pass_key
from campaign.loader.messages import Messages

KEPT = frozenset({Status.DELIVERED, Status.NOT_DELIVERED, Status.ACCEPTED, Status.SKIPPED, Status.FAILED, Status.UNKNOWN, Status.INVALID})
"""What a row of a results file stays; `sending` there means that the run never learnt how it ended."""


class Source(Protocol):
    """What staging needs of a table."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> int: ...
    def batches(self, size: int = 5000) -> Iterator[list[tuple[str, ...]]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which columns of a table mean what. `neutralised` says that its cells carry the marks of a CSV export."""

    columns: tuple[str, ...]
    own: tuple[int, ...]
    id_place: int
    results: bool
    neutralised: bool

    @classmethod
    def of(cls, columns: Sequence[str], *, id_column: str | None, file: str, csv: bool) -> Self:
        """Raises InputError or UsageError if the columns don't tell which is the pass's."""
        results = is_results_file(columns)
        own = own_columns(columns)
        neutralised = results and csv
        names = tuple(restore(columns[place]) if neutralised else columns[place] for place in own)
        return cls(columns=names, own=own, id_place=find_id_column(names, id_column, file=file), results=results, neutralised=neutralised)

    def cells(self, row: Sequence[str]) -> tuple[str, ...]:
        """The list's own values of a row."""
        own = tuple(row) if len(self.own) == len(row) else tuple(row[place] for place in self.own)
        return tuple(map(restore, own)) if self.neutralised else own


@dataclass(slots=True)
class Stager:
    """Makes staged rows, and the hash of the list's own values by which the same list is known again in another file.

    Args:
        layout: which columns mean what.
        messages: where the texts come from; None takes a results file's own.
    """

    layout: Layout
    messages: Messages | None
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _wasted_units: int = 0

    @property
    def content_sha256(self) -> str:
        return self._hash.hexdigest()

    def batches(self, table: Source, table_columns: Sequence[str]) -> Iterator[list[StagedRow]]:
        places = {name: place for place, name in enumerate(table_columns) if name in RESULT_COLUMNS} if self.layout.results else {}
        number = 0
        for batch in table.batches():
            staged = []
            for values in batch:
                number += 1
                cells = self.layout.cells(values)
                self._hash.update("\x1f".join(cells).encode() + b"\x1e")
                before = {name: self._delivery(values[place]) for name, place in places.items()}
                staged.append(self._row(number, cells, before))
            yield staged

    def _delivery(self, text: str) -> str:
        return restore(text) if self.layout.neutralised else text

    def _row(self, number: int, cells: tuple[str, ...], before: dict[str, str]) -> StagedRow:
        pass_id, reason, error = check_pass_id(cells[self.layout.id_place])
        outcome = _outcome(before) if before else UNSENT
        text = before.get("delivery_message", "")
        if self.messages is not None and (not text or outcome.status is Status.PENDING):
            try:
                rendered = self.messages.render(cells)
            except InputError as runaway:
                raise InputError(runaway.problem, file=runaway.file, row=number, column=runaway.column) from runaway
            text, reason, error = rendered.text, reason or rendered.reason, error or rendered.error
        if outcome.status in {Status.PENDING, Status.FAILED, Status.UNKNOWN} and not reason and not text:
            reason, error = Invalid.EMPTY_MESSAGE, "The message is empty."
        if reason is not None and outcome.status in {Status.PENDING, Status.INVALID, Status.FAILED, Status.UNKNOWN}:
            outcome = Outcome(status=Status.INVALID, reason=reason, error=error)
        return StagedRow(row=number, pass_id=pass_id, pass_key=pass_key(pass_id), message=text, cells=cells, outcome=outcome)


def _outcome(before: dict[str, str]) -> Outcome:
    """What a results file says of a row; unreadable details are left out, an unreadable status is a doubt."""
    text = before.get("delivery_status", "")
    status = Status(text) if text in set(Status) else Status.UNKNOWN if text else Status.PENDING
    if status is Status.PENDING:
        return UNSENT
    reason = before.get("delivery_reason", "")
    if status not in KEPT:
        status, reason = Status.UNKNOWN, "lost"
    http_status, latency_ms = before.get("delivery_http_status", ""), _number(before.get("delivery_latency_ms", ""))
    return Outcome(
        status=status,
        reason=reason,
        notification_status=before.get("delivery_notification_status", ""),
        notification_message=before.get("delivery_notification_message", ""),
        http_status=int(http_status) if http_status.isdecimal() else None,
        error=before.get("delivery_error", ""),
        attempts=int(_number(before.get("delivery_attempts", "")) or 0),
        sent_at=_time(before.get("delivery_sent_at", "")),
        settled_at=_time(before.get("delivery_settled_at", "")),
        latency_seconds=None if latency_ms is None else latency_ms / 1000,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
