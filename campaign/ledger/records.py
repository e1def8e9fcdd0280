"""Campaigns, rows, attempts and runners as a ledger keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from campaign.domain.model import Status
from campaign.domain.sheet import SheetLines

ROWS_AT_ONCE: Final = 512
"""Few enough that rows of huge cells stay small in memory, enough that the work for each part is not felt.

More are slower: beyond 700 objects that come at once Python looks for garbage among them, and finds none.
"""


class DesiredState(StrEnum):
    """What people have asked of a campaign; what it is doing is worked out from this, its counts and its runners."""

    STAGING = "staging"
    GO = "go"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSpec:
    """What makes a campaign this one: run again with an equal `sha256` and `message_sha256`, it is resumed.

    `lines_text` is what is remembered of `lines`.
    """

    name: str
    list_name: str
    list_sha256: str
    message_sha256: str
    columns: tuple[str, ...]
    id_column: str
    settings: dict[str, str]
    lines_text: str = ""

    @property
    def lines(self) -> SheetLines:
        """Which line of the list each row is on, as far as it is known."""
        return SheetLines.parse(self.lines_text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign as the ledger has it. Times are Unix seconds, 0 where there is none.

    `account` is the fingerprint of the API and the token that it was last sent with, empty if it never was.
    """

    id: int
    spec: CampaignSpec
    content_sha256: str
    rows: int
    control: DesiredState
    created_at: float
    started_at: float
    finished_at: float
    ended: str
    forgotten_at: float = 0.0
    exported_at: float = 0.0
    exported_to: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRecord:
    """One process that sends, or has sent. `alive` is what can be known of it from here and now.

    `rows_left` and `rows_in_need` (failed, unknown, invalid) are the campaign's when it ended; None where they were not counted.
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
    rows_in_need: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """An attempt that ended. `message` only where it is no longer the row's."""

    row: int
    pass_key: str
    runner: int
    status: str
    reason: str
    http_status: int | None
    sent_at: float
    settled_at: float
    latency_seconds: float | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sends:
    """The attempts that were begun in a stretch of time; `at` is when it begins, in Unix seconds.

    `by_status` is what each attempt came to (pending: it is tried again), only those that there are. Of the attempts that were answered,
    the time that took on average, and at most; 0 if there are none.
    """

    at: float
    by_status: dict[Status, int] = field(default_factory=dict)
    mean_latency_seconds: float = 0.0
    max_latency_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """What is left of a campaign. Seconds are from now, 0 or less for what is due; None where there is nothing of the kind."""

    control: DesiredState
    pending_in_seconds: float | None
    sending: bool
    doubt_in_seconds: float | None

    @property
    def finished(self) -> bool:
        """Nothing is pending, in flight, or still to be read back."""
        return self.pending_in_seconds is None and not self.sending and self.doubt_in_seconds is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumns:
    """At most ROWS_AT_ONCE rows, at least one, in the list's order; each column has one value for each of them.

    They are the fields of `ResultRow` and of its `Outcome`; `cells` are columns themselves, the list's own, and `status` has the texts.
    Times are Unix seconds, 0 where there is none.
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
class CorrectedRow:
    """What a row of a corrected list says now; it can be sent, so neither its id nor its message is empty."""

    row: int
    pass_id: str
    pass_key: str
    message: str
    cells: tuple[str, ...]
    zone: str = ""
