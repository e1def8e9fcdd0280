"""The records of a ledger: campaigns, rows, attempts and runners."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from campaign.domain.lists.sheet import SheetLines

ROWS_AT_ONCE: Final = 512
"""Few enough that rows with huge cells take little memory, and enough that the work for each part does not matter.

More are slower: after 700 new objects Python runs its garbage collector, which finds nothing.
"""


class DesiredState(StrEnum):
    """What people want of a campaign. What it is doing follows from this, its counts and its runners."""

    STAGING = "staging"
    GO = "go"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSpec:
    """The identity of a campaign: a new run with an equal `list_sha256` and `message_sha256` resumes it.

    `list_place` is the list's absolute path or URL; empty if it has none. `lines_text` is the stored form of `lines`. `mark` is a random
    text that no other ledger's campaign has.
    """

    name: str
    list_name: str
    list_sha256: str
    message_sha256: str
    columns: tuple[str, ...]
    id_column: str
    settings: dict[str, str]
    list_place: str = ""
    lines_text: str = ""
    mark: str = ""

    @property
    def lines(self) -> SheetLines:
        """The line of each row in the list, as far as it is known."""
        return SheetLines.parse(self.lines_text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign in the ledger. Times are Unix seconds, 0 where there is none.

    `account` is the fingerprint of the API and the token that it was last sent with, `api` the address of the API; empty if it never was.
    `near_ids` is False if no ids were near when it was staged, and neither an id nor the exclusions changed since.
    `retry_is_open` from the moment a retry makes rows pending until `Ledger.end_retry` finds none left.
    """

    id: int
    spec: CampaignSpec
    content_sha256: str
    rows: int
    desired_state: DesiredState
    created_at: float
    started_at: float
    finished_at: float
    ended: str
    purged_at: float = 0.0
    exported_at: float = 0.0
    exported_to: str = ""
    account: str = ""
    api: str = ""
    near_ids: bool = True
    retry_is_open: bool = False


class RowMessage(NamedTuple):
    """The message of a row."""

    row: int
    pass_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRecord:
    """One process that sends, or has sent. `alive` is an estimate from this machine, at this moment.

    `rows_left` and `rows_needing_attention` (failed, unknown, invalid) are the campaign's counts when the runner ended; None if they were
    not counted.
    """

    id: int
    campaign: int
    host: str
    pid: int
    started_at: float
    ended_at: float
    ended: str
    activity: str
    alive: bool
    username: str = ""
    rows_left: int | None = None
    rows_needing_attention: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """The work that is left of a campaign. Seconds count from now, 0 or less if due; None if there is no such row."""

    desired_state: DesiredState
    pending_in_seconds: float | None
    sending: bool
    unverified_in_seconds: float | None

    @property
    def finished(self) -> bool:
        """Whether nothing is pending, in flight, or still to be read back."""
        return self.pending_in_seconds is None and not self.sending and self.unverified_in_seconds is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassHolder:
    """A campaign in whose batches are the passes of `rows` pending rows of another one."""

    campaign: str
    rows: int
    worked_on: bool
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPasses:
    """Whose batches hold the passes of a campaign's pending rows, of which there are `pending`."""

    pending: int = 0
    holders: tuple[PassHolder, ...] = ()

    @property
    def is_stuck(self) -> bool:
        """Whether every pending row waits for a batch, and no process works on any of these batches."""
        left = [holder.rows for holder in self.holders if not holder.worked_on]
        return bool(left) and sum(left) >= self.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumns:
    """Between one and ROWS_AT_ONCE rows in the list's order; each column has one value per row.

    The columns are the fields of `ResultRow` and of its `Outcome`. `cells` has one column per column of the list; `status` has the values
    of `Status`. Times are Unix seconds, 0 where there is none.
    """

    row: Sequence[int]
    message: Sequence[str]
    cells: Sequence[Sequence[str]]
    status: Sequence[str]
    reason: Sequence[str]
    notification_status: Sequence[str]
    notification_message: Sequence[str]
    http_status: Sequence[int | None]
    error: Sequence[str]
    attempts: Sequence[int]
    sent_at: Sequence[float]
    settled_at: Sequence[float]
    latency_seconds: Sequence[float | None]
    pass_status: Sequence[str]
    device_type: Sequence[str]

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptColumns:
    """Between one and ROWS_AT_ONCE attempts that ended; each column has one value per attempt. `sent_at` is in Unix seconds.

    `status` is what the attempt came to: pending if its row was sent again. `http_status` and `latency_seconds` are None without an answer.
    """

    row: Sequence[int]
    runner: Sequence[int]
    status: Sequence[str]
    reason: Sequence[str]
    http_status: Sequence[int | None]
    sent_at: Sequence[float]
    latency_seconds: Sequence[float | None]

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRow:
    """A row of a corrected list. It can be sent, so neither its id nor its message is empty."""

    row: int
    pass_id: str
    pass_key: str
    message: str
    cells: tuple[str, ...]
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFilter:
    """Which rows may be claimed now.

    `zones` are the time zones in which rows may be sent now, the most urgent first; None is all of them. `daily_cap` is how many messages a
    pass may get in 24 hours; 0 is any number. `only` are the rows that may be claimed at all; None is all of them.
    """

    zones: tuple[str, ...] | None = None
    daily_cap: int = 0
    only: tuple[int, ...] | None = None


ANY_ROW: Final = ClaimFilter()
