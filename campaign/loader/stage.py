"""From frames to staged rows: every row of the list becomes pending, invalid, a duplicate or (a results file's) what it already was."""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import compress
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from campaign.domain.errors import InputError
from campaign.domain.formula_escape import strip_unseen, unescape_formula
from campaign.domain.model import RESULT_COLUMNS, UNSENT, Invalid, Outcome, Skip, StagedBatch, StagedRow, Status
from campaign.domain.schedule import known_zones
from campaign.domain.sheet import NO_LINES, SheetLines
from campaign.loader.columns import Layout, check_pass_id, ids_of, pass_key, shown
from campaign.loader.frames import TEXT, rows_of
from campaign.loader.messages import Columns, Messages, Rendered, as_it_was
from campaign.loader.repeats import Repeated

if TYPE_CHECKING:
    import pandas as pd

_MAY_BE_SENT: Final = frozenset({Status.PENDING, Status.FAILED, Status.UNKNOWN})
"""So that the row has to be one that can be; what is known of its attempts is kept."""

_DUPLICATE: Final = Outcome(status=Status.SKIPPED, reason=Skip.DUPLICATE)
_ESCAPED: Final = np.isin(np.arange(256), [*range(0x20), ord('"'), ord("\\")])
"""Whether JSON can't have a byte of a text as it is."""


def _never_tried(outcome: Outcome) -> bool:
    """Whether a row could not be sent, and nothing tells of an attempt: an invalid one may have been another thing before."""
    traces = (outcome.attempts, outcome.sent_at, outcome.settled_at, outcome.http_status, outcome.notification_status)
    return outcome.status is Status.INVALID and not any(traces)


@dataclass(slots=True)
class Stager:
    """Makes staged rows, and the hash of the list's own values by which the same list is known again in another file.

    Args:
        layout: which columns mean what.
        messages: where the texts come from; None takes a results file's own.
        zones_must_be_known: a row whose time zone is none is invalid, as nobody says which else to take.
        lines: of the list's rows, for errors.
        repeated: tells the passes that are in the list more than once, of which all rows but the first that can be sent are duplicates;
            None leaves them for the ledger to find.
    """

    layout: Layout
    messages: Messages | None
    zones_must_be_known: bool = False
    lines: SheetLines = NO_LINES
    repeated: Repeated | None = None
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def content_sha256(self) -> str:
        return self._hash.hexdigest()

    def batches(self, frames: "Iterable[pd.DataFrame]") -> Iterator[Sequence[StagedRow]]:
        first = 1
        for frame in frames:
            if self.messages is not None and not self.layout.results:
                _add_content(self._hash, frame)
                yield self._of_list(self.messages, first, frame)
            else:
                yield self._of_results(first, frame)
            first += len(frame)

    def _of_results(self, first: int, frame: "pd.DataFrame") -> list[StagedRow]:
        """Rows that may have been sent."""
        rows = list(map(self.layout.cells, rows_of(frame)))
        self._hash.update(b"".join(["\x1f".join(cells).encode() + b"\x1e" for cells in rows]))
        clean = unescape_formula if self.layout.neutralised else str
        delivery = {name: list(map(clean, frame[name].array.tolist())) for name in RESULT_COLUMNS if self.layout.results}
        befores = [{name: texts[at] for name, texts in delivery.items()} for at in range(len(rows))]
        return [self._row(number, cells, before) for number, (cells, before) in enumerate(zip(rows, befores, strict=True), first)]

    def _of_list(self, messages: Messages, first: int, frame: "pd.DataFrame") -> StagedBatch:
        """Rows that were never sent: plain ones at once, each of the others by itself."""
        columns = Columns(frame)
        ids = columns[self.layout.id_place]
        odd, keys = ids_of(ids)
        try:
            rendered = messages.render_columns(columns)
        except InputError as error:
            raise self._at_row(error, first - 1 + (error.row or 1)) from error
        texts = rendered.texts
        zones = self._zones(columns)
        among = self.repeated or Repeated.nothing()
        repeated = set(among.among(keys))
        alone = {*rendered.refused, *odd, *(at for at, zone in enumerate(zones or ()) if zone is None)}
        looked_at = sorted(alone | repeated)
        plain = [True] * len(ids)
        others: list[StagedRow] = []
        for at, cells in zip(looked_at, rows_of(frame.iloc[looked_at]) if looked_at else (), strict=True):
            if at in alone:
                row = self._row(first + at, cells, {}, rendered.refused.get(at) or Rendered(text=texts[at]))
                if at in repeated and row.outcome.status is Status.PENDING and not among.is_first(keys[at]):
                    row = replace(row, outcome=_DUPLICATE)
            elif among.is_first(keys[at]):
                continue
            else:
                zone = zones[at] if zones is not None else ""
                row = StagedRow(
                    row=first + at,
                    pass_id=ids[at],
                    pass_key=keys[at],
                    message=texts[at],
                    cells=cells,
                    zone=zone or "",
                    outcome=_DUPLICATE,
                )
            plain[at] = False
            others.append(row)
        return StagedBatch(
            numbers=list(compress(range(first, first + len(ids)), plain)),
            pass_ids=list(compress(ids, plain)),
            pass_keys=list(compress(keys, plain)),
            messages=list(compress(texts, plain)),
            cells=list(compress(_as_json(frame), plain)),
            zones=[""] * plain.count(True) if zones is None else [zone or "" for zone in compress(zones, plain)],
            others=others,
        )

    def _row(self, number: int, cells: tuple[str, ...], before: dict[str, str], rendered: Rendered | None = None) -> StagedRow:
        pass_id, reason, error = check_pass_id(cells[self.layout.id_place])
        outcome = read_outcome(before) if before else UNSENT
        text = before.get("delivery_message", "")
        if outcome is not UNSENT and _never_tried(outcome) and (text or self.messages is not None):
            # What was wrong with it may have been corrected since.
            outcome = UNSENT
        if self.messages is not None and (not text or outcome.status is Status.PENDING):
            rendered = rendered or self._render(self.messages, number, cells)
            text, reason, error = rendered.text, reason or rendered.reason, error or rendered.error
        elif outcome.status in _MAY_BE_SENT:
            rendered = as_it_was(text)
            text, reason, error = rendered.text or text, reason or rendered.reason, error or rendered.error
        named = cells[self.layout.zone_place] if self.layout.zone_place is not None else ""
        zone = self._zone(named)
        if zone is None:
            zone, reason = "", reason or Invalid.BAD_TIME_ZONE
            error = error or f"“{shown(named)}” is no time zone. Write its IANA name, such as Europe/Berlin, or give --time-zone."
        if reason is not None and (outcome.status in _MAY_BE_SENT or outcome.status is Status.INVALID):
            outcome = replace(outcome, status=Status.INVALID, reason=reason, error=error)
        return StagedRow(row=number, pass_id=pass_id, pass_key=pass_key(pass_id), message=text, cells=cells, outcome=outcome, zone=zone)

    def _zones(self, columns: Columns) -> Sequence[str | None] | None:
        """Each row's time zone, as `_zone`; None if the list has none."""
        place = self.layout.zone_place
        return None if place is None else list(map(self._zone, columns[place]))

    def _zone(self, named: str) -> str | None:
        """A row's time zone, empty for the run's own; None if it is none and has to be one."""
        name = named.strip()
        if not name or name in known_zones():
            return name
        return None if self.zones_must_be_known else ""

    def _render(self, messages: Messages, number: int, cells: tuple[str, ...]) -> Rendered:
        try:
            return messages.render(cells)
        except InputError as error:
            raise self._at_row(error, number) from error

    def _at_row(self, error: InputError, row: int) -> InputError:
        return error.at(row=row, line=self.lines.of(row))


def _add_content(digest: "hashlib._Hash", frame: "pd.DataFrame") -> None:
    """Add rows to the hash, each cell but the last with one sign behind it and each row with another."""
    between, after, nothing = _texts("\x1f", "\x1e", "")
    rows = pc.binary_join_element_wise(pc.binary_join_element_wise(*_arrays(frame), between), nothing, after)
    # The texts of an array lie one behind the other.
    digest.update(rows.buffers()[2])


def _as_json(frame: "pd.DataFrame") -> list[str]:
    """Each row as a JSON array of its cells."""
    arrays = _arrays(frame)
    if any(_ESCAPED[np.frombuffer(array.buffers()[2] or b"", np.uint8)].any() for array in arrays):
        return [orjson.dumps(cells).decode() for cells in rows_of(frame)]
    before, between, after, nothing = _texts('["', '","', '"]', "")
    inside = pc.binary_join_element_wise(*arrays, between)
    texts: list[str] = pc.binary_join_element_wise(before, inside, after, nothing).to_pylist()
    return texts


def _arrays(frame: "pd.DataFrame") -> list[pa.Array]:
    return [pa.array(frame.iloc[:, place]) for place in range(frame.shape[1])]


def _texts(*signs: str) -> pa.Array:
    return pa.array(signs, TEXT)


UNREADABLE_STATUS: Final = "unreadable_status"
LOST: Final = "lost"

_STATUSES: Final = {status.value: status for status in Status}
_TRACES: Final = ("reason", "notification_status", "notification_message", "http_status", "error", "sent_at", "settled_at", "latency_ms")
_NOT_ARRIVED: Final = frozenset({Status.PENDING, Status.FAILED, Status.NOT_DELIVERED})
_SHOWN_BY_A_PHONE: Final = "delivered"
_MOST_ATTEMPTS: Final = 1_000_000
_LAST_SECOND: Final = 253_402_300_799.0
"""Of the year 9999."""


def read_outcome(delivery: Mapping[str, str]) -> Outcome:
    """The outcome that a row's `delivery_` cells describe; details that can't be read are left out.

    A row without a status is pending if nothing else in it tells of an attempt: someone has added it. `sending` means that the run never
    learnt how it ended.
    """
    status = _status(delivery)
    if status is Status.PENDING:
        return UNSENT
    return Outcome(
        status=Status.UNKNOWN if status in {None, Status.SENDING} else status or Status.UNKNOWN,
        reason=UNREADABLE_STATUS if status is None else LOST if status is Status.SENDING else _text(delivery, "reason"),
        notification_status=_text(delivery, "notification_status"),
        notification_message=_text(delivery, "notification_message"),
        http_status=_http_status(_text(delivery, "http_status")),
        error=_text(delivery, "error"),
        attempts=_attempts(_text(delivery, "attempts")),
        sent_at=_time(_text(delivery, "sent_at")),
        settled_at=_time(_text(delivery, "settled_at")),
        latency_seconds=_seconds(_text(delivery, "latency_ms")),
    )


def _text(delivery: Mapping[str, str], name: str) -> str:
    return delivery.get(f"delivery_{name}", "")


def _status(delivery: Mapping[str, str]) -> Status | None:
    """The status, None if it can't be told."""
    word = re.sub(r"[\s-]+", "_", strip_unseen(_text(delivery, "status")).casefold())
    if not word:
        tried = _attempts(_text(delivery, "attempts")) > 0 or any(strip_unseen(_text(delivery, name)) for name in _TRACES)
        return None if tried else Status.PENDING
    status = _STATUSES.get(word)
    # Sorting one column of a sheet alone gives rows the statuses of others.
    if status in _NOT_ARRIVED and _text(delivery, "notification_status").strip().casefold() == _SHOWN_BY_A_PHONE:
        return None
    return status


def _number(text: str) -> float | None:
    """A number, with a decimal comma, too, as some spreadsheets save it."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _attempts(text: str) -> int:
    number = _number(text)
    return int(number) if number is not None and number <= _MOST_ATTEMPTS else 0


def _http_status(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() and 100 <= number <= 999 else None


def _seconds(text: str) -> float | None:
    milliseconds = _number(text)
    return None if milliseconds is None or milliseconds > _LAST_SECOND else milliseconds / 1000


def _time(text: str) -> float:
    try:
        time = datetime.fromisoformat(text.strip())
        # Spreadsheets drop the zone, which is UTC in every results file.
        seconds = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return seconds if 0 < seconds <= _LAST_SECOND else 0.0
