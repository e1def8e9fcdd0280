"""What keeping campaigns needs of a ledger besides `ledger.port`, which includes it: to mend and forget them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from campaign.domain.model import ResultRow, Status
from campaign.ledger.records import AttemptRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class MendedRow:
    """What a row of a mended list says now; it can be sent, so neither its id nor its message is empty."""

    row: int
    pass_id: str
    pass_key: str
    message: str
    cells: tuple[str, ...]
    zone: str = ""


class Upkeep(Protocol):
    async def mend(self, campaign: int, mended: Sequence[MendedRow], again: Sequence[int], statuses: frozenset[Status]) -> int:
        """Make failed and invalid rows pending with what a mended list says, and `again` (of these statuses) as they are; returns how many.

        A mended row whose pass another row of the campaign stands for is skipped as a duplicate, and not counted.
        """

    async def forget(self, campaign: int) -> None:
        """Remove rows and attempts, but for how many stood where; UsageError before it has ended and was at rest for a day."""


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

    def attempts_by_row(self, campaign: int) -> Iterator[AttemptRecord]:
        """Every attempt, by row, and of a row in the order in which they were made, streamed."""

    def pass_keys(self, campaign: int) -> Iterator[tuple[int, str, Status]]:
        """Every row that can be sent, or was: its number, the key of its pass, and where it stands; in any order, streamed."""

    def exclusions(self, campaign: int) -> Iterator[str]:
        """The keys of the passes that the campaign must not be sent to, streamed."""

    def to_clean(self) -> bool:
        """Whether forgetting a campaign was interrupted, so that rows of it are left."""
