"""What keeping campaigns needs of a ledger besides `ledger.port`, which includes it: to mend, forget, and move them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from campaign.domain.model import ResultRow, StagedRow, Status
from campaign.ledger.records import CampaignRecord, Control, RunnerRecord
from campaign.ledger.waiting import Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class MendedRow:
    """What a row of a mended list says now; it can be sent, so neither its id nor its message is empty."""

    row: int
    pass_id: str
    pass_key: str
    message: str
    cells: tuple[str, ...]
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedRow:
    """A row on its way to another ledger; `due_in_seconds` is None where it waits for nothing.

    For `quiet_seconds` more, reading its pass proves nothing of the last attempt.
    """

    staged: StagedRow
    tries: int
    due_in_seconds: float | None
    quiet_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedAttempt:
    """An attempt on its way to another ledger; `message` only where it is no longer the row's. `runner` is the old ledger's number."""

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
class HandedOver:
    """A campaign before it was handed over: what people had asked of it, its API, and the account (a fingerprint) it was sent with."""

    control: Control
    api: str
    account: str


class Upkeep(Protocol):
    async def mend(self, campaign: int, mended: Sequence[MendedRow], again: Sequence[int], statuses: frozenset[Status]) -> int:
        """Make failed and invalid rows pending with what a mended list says, and `again` (of these statuses) as they are; returns how many.

        A mended row whose pass another row of the campaign stands for is skipped as a duplicate, and not counted.
        """

    async def forget(self, campaign: int) -> None:
        """Remove rows and attempts, but for how many stood where; UsageError while anybody works, or before it was at rest for a day."""

    async def clean(self) -> None:
        """See to it that the ledger's files hold no trace of what was forgotten; whoever writes has to wait meanwhile."""

    async def hand_over(self, campaign: int, file: str) -> bool:
        """Let nothing of it be sent from here any more; False if that was so before; UsageError while it is worked on, or in doubt."""

    async def take_back(self, campaign: int) -> None:
        """Undo `hand_over`, for a file that was never made."""

    async def take_in(self, campaign: int, rows: Sequence[MovedRow], attempts: Sequence[MovedAttempt]) -> None:
        """Add rows and attempts of another ledger to a campaign that is being staged; the runners come first."""

    async def take_in_runners(self, campaign: int, runners: Sequence[RunnerRecord]) -> None:
        """Add the history of runs of another ledger to a campaign that is being staged."""

    async def finish_taking_in(self, campaign: int, record: CampaignRecord, before: HandedOver, waits: Sequence[Wait] = ()) -> None:
        """Make the campaign what it was in the other ledger, as `record` says, and before it was handed over; with its senders' waits."""


class UpkeepReader(Protocol):
    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        """The rows of these numbers, as far as there are any."""

    def rows_of_passes(self, campaign: int, keys: Sequence[str]) -> dict[str, list[int]]:
        """Which rows are of these passes; a look through the whole campaign."""

    def matching(
        self,
        campaign: int,
        statuses: frozenset[Status],
        *,
        reasons: frozenset[str] = frozenset(),
        http_statuses: frozenset[int] = frozenset(),
    ) -> int:
        """How many rows `Ledger.retry` would make pending."""

    def attempts_by_runner(self, campaign: int) -> dict[int, int]:
        """How many attempts of the campaign each runner has made."""

    def last_change(self, campaign: int) -> float:
        """When anything was last done about the campaign, in Unix seconds."""

    def moved_rows(self, campaign: int) -> Iterator[MovedRow]:
        """Every row as another ledger needs it, in the list's order, streamed."""

    def moved_attempts(self, campaign: int) -> Iterator[MovedAttempt]:
        """Every attempt as another ledger needs it, in the order it was recorded, streamed."""

    def attempts_by_row(self, campaign: int) -> Iterator[MovedAttempt]:
        """Every attempt, by row, and of a row in the order in which they were made, streamed."""

    def pass_keys(self, campaign: int) -> Iterator[tuple[int, str, Status]]:
        """Every row that can be sent, or was: its number, the key of its pass, and where it stands; in any order, streamed."""

    def exclusions(self, campaign: int) -> Iterator[str]:
        """The keys of the passes that the campaign must not be sent to, streamed."""

    def handed_over(self, campaign: int) -> HandedOver:
        """What a campaign was before it was handed over."""

    def to_clean(self) -> bool:
        """Whether the ledger's files may hold traces of what was forgotten."""
