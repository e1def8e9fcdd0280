"""Makes staged rows from frames: each row is pending, invalid or a duplicate; a row of a results file keeps its outcome."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from campaign.domain.errors import InputError
from campaign.domain.lists.columns import Layout
from campaign.domain.lists.outcomes import read_outcome
from campaign.domain.lists.pass_ids import check_pass_id, pass_key
from campaign.domain.lists.sheet import NO_LINES, SheetLines
from campaign.domain.model import (
    DUPLICATE,
    JSONB_ARRAY,
    JSONB_HEAD_BYTES,
    JSONB_TEXT,
    RESULT_COLUMNS,
    UNSENT,
    Invalid,
    Outcome,
    StagedBatch,
    StagedRow,
)
from campaign.domain.schedule import known_zones
from campaign.domain.status import LEFT_OUT, NEEDS_ATTENTION, OPEN, Status
from campaign.domain.text.formula_escape import unescape_formula
from campaign.domain.text.lines import shown
from campaign.loader.formats.frames import TEXT, rows_of
from campaign.loader.messages.resolve import ColumnMessages, Messages
from campaign.loader.messages.result import Rendered, as_it_was
from campaign.loader.repeats import Repeated, keys_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

_MAY_BE_SENT: Final = (OPEN | NEEDS_ATTENTION) - LEFT_OUT
"""A row with one of these statuses must have a valid id and message. If it is invalid, it keeps what is known of its attempts."""

_BYTES: Final = pa.large_binary()
_ESCAPED: Final = ("\\", '"', *map(chr, range(0x20)))
"""What JSON has to escape in a text. The backslash comes first, as it begins what the others become."""


def _never_tried(outcome: Outcome) -> bool:
    """Whether a row is invalid without a trace of an attempt. An invalid row may have had another status before."""
    traces = (outcome.attempts, outcome.sent_at, outcome.settled_at, outcome.http_status, outcome.notification_status)
    return outcome.status is Status.INVALID and not any(traces)


@dataclass(slots=True)
class Stager:
    """Makes staged rows, and hashes the list's values, so that the same list is recognised in another file.

    Args:
        layout: what each column means.
        messages: where the texts come from; None keeps those of a results file. Those of failed rows are kept unless they are given as a
            template: a person may have corrected what it is filled from.
        zones_must_be_known: a row with an unknown time zone is invalid, because the run has no other one for it.
        lines: the lines of the list's rows, for errors.
        repeated: the passes that are in the list more than once. Their rows after the first that can be sent are duplicates. None leaves
            the search to the ledger.
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
                yield self._of_list(self.messages, first, frame)
            else:
                yield self._of_results(first, frame)
            first += len(frame)

    def _of_results(self, first: int, frame: "pd.DataFrame") -> list[StagedRow]:
        """Rows that may have been sent before."""
        rows = list(map(self.layout.cells, rows_of(frame)))
        self._hash.update(b"".join(["\x1f".join(cells).encode() + b"\x1e" for cells in rows]))
        clean = unescape_formula if self.layout.neutralised else str
        delivery = {name: list(map(clean, frame[name].array.tolist())) for name in RESULT_COLUMNS if self.layout.results}
        befores = [{name: texts[at] for name, texts in delivery.items()} for at in range(len(rows))]
        return [self._row(number, cells, before) for number, (cells, before) in enumerate(zip(rows, befores, strict=True), first)]

    def _of_list(self, messages: Messages, first: int, frame: "pd.DataFrame") -> StagedBatch:
        """Rows that were never sent: plain rows by column, the others one by one."""
        cells_of = [pa.array(frame.iloc[:, place]) for place in range(frame.shape[1])]
        # With a separator between cells and another after each row. The texts of an array are contiguous in its third buffer.
        self._hash.update(_joined(_joined(*cells_of, "\x1f"), "", "\x1e").buffers()[2])
        ids = cells_of[self.layout.id_place]
        odd, keys = keys_of(ids)
        try:
            rendered = messages.render_columns(frame)
        except InputError as error:
            raise self._at_row(error, first - 1 + (error.row or 1)) from error
        texts = rendered.texts
        zones = None if self.layout.zone_place is None else list(map(self._zone, frame.iloc[:, self.layout.zone_place].tolist()))
        among = self.repeated or Repeated()
        repeated = among.among(first, len(ids))
        alone = sorted({*rendered.refused, *odd, *(at for at, zone in enumerate(zones or ()) if zone is None)})
        cells_alone = dict(zip(alone, rows_of(frame.iloc[alone]) if alone else (), strict=True))
        is_plain, is_duplicate = np.ones(len(ids), bool), np.zeros(len(ids), bool)
        others: list[StagedRow] = []
        for at in sorted({*repeated, *alone}):
            if at in cells_alone:
                row = self._row(first + at, cells_alone[at], {}, rendered.refused.get(at) or Rendered(text=texts[at]))
                if at in repeated and row.outcome.status is Status.PENDING and not among.is_first(repeated[at], row.pass_key):
                    row = replace(row, outcome=DUPLICATE)
                others.append(row)
                is_plain[at] = False
            elif not among.is_first(repeated[at], keys[at].as_py()):
                is_plain[at], is_duplicate[at] = False, True
        short = keys is ids and zones is None
        more = [] if short else [keys, pa.array(zones or [""] * len(ids), TEXT).fill_null("")]
        rows = _as_jsonb(ids, pa.array(texts, TEXT), _as_json(cells_of), *more)
        return StagedBatch(
            first=first,
            short=short,
            plain=_only(is_plain, rows),
            numbers=np.flatnonzero(is_plain) + first,
            pass_keys=keys.filter(pa.array(is_plain)),
            duplicates=_only(is_duplicate, rows),
            others=others,
        )

    def _row(self, number: int, cells: tuple[str, ...], before: dict[str, str], rendered: Rendered | None = None) -> StagedRow:
        pass_id, reason, error = check_pass_id(cells[self.layout.id_place])
        outcome = read_outcome(before) if before else UNSENT
        text = before.get("delivery_message", "")
        if outcome is not UNSENT and _never_tried(outcome) and (text or self.messages is not None):
            # A person may have corrected the row since.
            outcome = UNSENT
        made = outcome.status is Status.PENDING or (outcome.status is Status.FAILED and not isinstance(self.messages, ColumnMessages))
        if self.messages is not None and (made or not text):
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

    def _zone(self, named: str) -> str | None:
        """A row's time zone, empty for the run's time zone; None if it is unknown and `zones_must_be_known`."""
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


def _only(chosen: "NDArray[np.bool_]", rows: pa.Array) -> tuple[bytes, ...]:
    """The rows, with empty places for those that are not chosen; none if no row is."""
    if not chosen.any():
        return ()
    return tuple((rows if chosen.all() else pc.if_else(pa.array(chosen), rows, pa.scalar(b"", _BYTES))).to_pylist())


def _as_json(cells: Sequence[pa.Array]) -> pa.Array:
    """The cells of each row as a JSON array."""
    between = ['["', *['","'] * (len(cells) - 1)]
    return _joined(*chain.from_iterable(zip(between, map(_escaped, cells), strict=True)), '"]', "")


def _as_jsonb(*texts: pa.Array) -> pa.Array:
    """Each row as `StagedBatch.plain` has it."""
    values = [array.cast(_BYTES) for array in texts]
    sizes = [pc.binary_length(array).to_numpy() for array in values]
    heads = [_heads(JSONB_TEXT, size) for size in sizes]
    whole = _heads(JSONB_ARRAY, sum(sizes) + JSONB_HEAD_BYTES * len(values))
    return pc.binary_join_element_wise(whole, *chain.from_iterable(zip(heads, values, strict=True)), pa.scalar(b"", _BYTES))


def _heads(kind: int, sizes: "Numbers") -> pa.Array:
    """What is before each value of binary JSON: its kind, and its size in four bytes."""
    heads = np.empty((len(sizes), JSONB_HEAD_BYTES), np.uint8)
    heads[:, 0] = kind
    heads[:, 1:] = sizes.astype(">u4").view(np.uint8).reshape(len(sizes), -1)
    offsets = np.arange(0, heads.size + 1, JSONB_HEAD_BYTES)
    return pa.Array.from_buffers(_BYTES, len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(heads)])


def _escaped(array: pa.Array) -> pa.Array:
    """The texts as they are between the quotation marks of JSON."""
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
    if ((data < ord(" ")) | (data == ord('"')) | (data == ord("\\"))).any():
        for sign in (sign for sign in _ESCAPED if ord(sign) in data):
            array = pc.replace_substring(array, sign, orjson.dumps(sign)[1:-1].decode())
    return array


def _joined(*parts: pa.Array | str) -> pa.Array:
    """The parts of each row together; the last part goes between them."""
    return pc.binary_join_element_wise(*(pa.scalar(part, TEXT) if isinstance(part, str) else part for part in parts))
