"""The values that flow through the pipeline: list row → staged row → claim → settlement → outcome.

No value is ever changed. Those that are made for each send are not frozen all the same: it would more than double the time to make one.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, overload

from campaign.domain.status import LEFT_OUT, NEEDS_ATTENTION, OPEN, SEND_FAILED, SENT_TO, Status

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Skip(StrEnum):
    """Why a row was skipped."""

    DUPLICATE = "duplicate"
    EXCLUDED = "excluded"
    FREQUENCY_CAP = "frequency_cap"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NOT_IN_WALLET = "not_in_wallet"


class Invalid(StrEnum):
    """Why a row can't be sent as it is."""

    NO_ID = "no_id"
    MANGLED_ID = "mangled_id"
    BAD_ID = "bad_id"
    MISSING_FIELD = "missing_field"
    EMPTY_MESSAGE = "empty_message"
    MESSAGE_TOO_LONG = "message_too_long"
    NO_TEMPLATE = "no_template"
    BAD_TIME_ZONE = "bad_time_zone"
    TEMPLATE_FAILED = "template_failed"
    BAD_MESSAGE = "bad_message"


class CampaignState(StrEnum):
    STAGED = "staged"
    SENDING = "sending"
    WAITING = "waiting"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    CANCELLED = "cancelled"


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Outcome:
    """The outcome of a row: the `delivery_*` columns of the results file, and the API's statement about the pass and its device.

    Times are Unix seconds, 0 where there is none.
    """

    status: Status
    reason: str = ""
    notification_status: str = ""
    notification_message: str = ""
    http_status: int | None = None
    error: str = ""
    attempts: int = 0
    sent_at: float = 0.0
    settled_at: float = 0.0
    latency_seconds: float | None = None
    pass_status: str = ""
    device_type: str = ""


UNSENT: Final = Outcome(status=Status.PENDING)
DUPLICATE: Final = Outcome(status=Status.SKIPPED, reason=Skip.DUPLICATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRow:
    """One row of the list, checked and rendered.

    `row` is 1-based, counted from the first row after the header. `cells` are the values of the list in its column order, as text.
    Two rows with an equal `pass_key` mean the same pass. `zone` is the row's time zone, by its IANA name, where the list gives one.
    """

    row: int
    pass_id: str
    pass_key: str
    message: str
    cells: tuple[str, ...]
    outcome: Outcome = UNSENT
    zone: str = ""


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Claim:
    """A row that one runner, and nobody else, may send (or read back) now.

    `fencing_token` is the number of this claim: a settlement with an older one changes nothing. `attempts` counts every attempt made so
    far. `counted_attempts` counts those since the row was staged or a person had it sent again; only these count against the limit.
    `http_status` is the answer to the last attempt. `may_have_arrived`: by an earlier attempt.
    """

    campaign: int
    row: int
    fencing_token: int
    pass_id: str
    message: str
    attempts: int
    counted_attempts: int
    zone: str = ""
    http_status: int | None = None
    may_have_arrived: bool = False


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Settlement:
    """The end of one claim.

    `due_in_seconds` says when a pending row may be tried again, or an unknown one read back (None: it waits for a person).
    `counted_attempts` is the new count. `may_have_arrived` stays true even if the row is sent again.
    """

    claim: Claim
    outcome: Outcome
    counted_attempts: int
    due_in_seconds: float | None = 0.0
    may_have_arrived: bool = False

    @property
    def waits_seconds(self) -> float | None:
        """`due_in_seconds`; None also if nothing is left to do."""
        return self.due_in_seconds if self.outcome.status in OPEN or self.outcome.status is Status.UNKNOWN else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One row as the reporter writes it: the cells of the list and the outcome."""

    row: int
    pass_id: str
    message: str
    cells: tuple[str, ...]
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows of a campaign have which status.

    `by_status` has every status, also those at 0. `unverified` counts the unknown rows that are still to be read back.
    """

    by_status: dict[Status, int]
    by_reason: dict[tuple[Status, str], int] = field(default_factory=dict)
    unverified: int = 0

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())

    @property
    def open(self) -> int:
        return sum(self.by_status[status] for status in OPEN)

    @property
    def unfinished(self) -> int:
        """Rows that a run still has to send or read back."""
        return self.open + self.unverified

    @property
    def left_out(self) -> int:
        return sum(self.by_status[status] for status in LEFT_OUT)

    @property
    def needs_attention(self) -> int:
        return sum(self.by_status[status] for status in NEEDS_ATTENTION)

    @property
    def sent_to(self) -> int:
        """Rows that a message was sent to."""
        return sum(self.by_status[status] for status in SENT_TO)

    @property
    def failed_sends(self) -> int:
        return sum(self.by_status[status] for status in SEND_FAILED)

    @property
    def delivery_rate(self) -> float | None:
        """Delivered rows as a share, 0 to 1, of the rows that a message was sent to; None if there are none."""
        return self.by_status[Status.DELIVERED] / self.sent_to if self.sent_to else None

    def reasons(self, status: Status) -> dict[str, int]:
        """The number of rows of one status by reason, most first."""
        found = {reason: count for (which, reason), count in self.by_reason.items() if which is status}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


JSONB_TEXT: Final = 0xEA
JSONB_ARRAY: Final = 0xEB
JSONB_HEAD_BYTES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedBatch(Sequence[StagedRow]):
    """Rows of a list, in its order. Nearly all are plain: pending, never sent, with no reason or error.

    Plain rows and duplicates become a `StagedRow` only on access: for a million rows, making one for each takes longer than storing them.
    Each is an array in SQLite's binary JSON, of its pass id, message, its cells as a JSON array in a text, pass key, and time zone. With
    `short` the last two are left out, as the key of each row is its id, and no row has a zone. Before each value are its kind, and its size
    in bytes in four bytes, big-endian. An array's place is its row's number, counted from `first`; the places of other rows are empty.
    `numbers` and `pass_keys` are those of the plain rows, also as arrays; `others` are the rows that are neither.
    """

    first: int
    short: bool = False
    plain: tuple[bytes, ...]
    numbers: "Sequence[int] | NDArray[np.int64]"
    pass_keys: "Sequence[str] | pa.Array"
    duplicates: tuple[bytes, ...] = ()
    others: Sequence[StagedRow] = ()

    def __len__(self) -> int:
        return len(self.numbers) + sum(map(bool, self.duplicates)) + len(self.others)

    def __iter__(self) -> Iterator[StagedRow]:
        return iter(self._rows())

    @overload
    def __getitem__(self, place: int) -> StagedRow: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[StagedRow]: ...
    def __getitem__(self, place: int | slice) -> StagedRow | Sequence[StagedRow]:
        return self._rows()[place]

    def _rows(self) -> list[StagedRow]:
        written = [
            StagedRow(
                row=number,
                pass_id=pass_id,
                pass_key=more[0] if more else pass_id,
                message=message,
                zone=more[1] if more else "",
                cells=tuple(json.loads(cells)),
                outcome=outcome,
            )
            for rows, outcome in ((self.plain, UNSENT), (self.duplicates, DUPLICATE))
            for number, array in enumerate(rows, self.first)
            if array
            for pass_id, message, cells, *more in [_texts_in(array)]
        ]
        return sorted([*written, *self.others], key=lambda row: row.row)


def _texts_in(array: bytes) -> Iterator[str]:
    """The values of an array in binary JSON."""
    at = JSONB_HEAD_BYTES
    while at < len(array):
        begin = at + JSONB_HEAD_BYTES
        at = begin + int.from_bytes(array[at + 1 : begin], "big")
        yield array[begin:at].decode()


RESULT_COLUMNS: Final = (
    "delivery_status",
    "delivery_reason",
    "delivery_message",
    "delivery_notification_status",
    "delivery_notification_message",
    "delivery_http_status",
    "delivery_error",
    "delivery_attempts",
    "delivery_sent_at",
    "delivery_settled_at",
    "delivery_latency_ms",
    "delivery_campaign",
    "delivery_row",
)
