"""What the pipeline needs of a ledger: `Ledger` to stage and send, `LedgerReader` to look. Every backend passes `tests/contract`.

Every call is one durable transaction: when it returns, a power cut undoes nothing of it; when it raises, nothing of it happened.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from campaign.domain.batches import Batch
from campaign.domain.ledger_identity import Displaced
from campaign.domain.model import Claim, Counts, ResultRow, Settlement, Skip, StagedRow, Status
from campaign.domain.pacing import Slots
from campaign.domain.standing import Standing
from campaign.domain.verdict import PassReading, Resolution
from campaign.ledger.records import (
    AttemptRecord,
    CampaignRecord,
    CampaignSpec,
    CorrectedRow,
    DesiredState,
    PendingWork,
    ResultColumns,
    RunnerRecord,
    Sends,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """This process's place in the ledger: it may send until `lease_seconds` after its last renewal began.

    `quiet_seconds` is how long after its end the rows it leaves in doubt are not read back; with `hold` they wait for a person.
    """

    id: int
    campaign: int
    lease_seconds: float
    quiet_seconds: float
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedRow:
    """An unknown row whose quiet period is over, why it is in doubt, and what is known of its pass's texts (see `verdict.read_back`).

    A conclusion counts only while nobody else was handed the doubt: `held_until`, on the ledger's clock, tells one from another.
    """

    claim: Claim
    reason: str
    held_until: float
    sent_before: frozenset[str]
    last_before: str | None
    baseline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFilter:
    """What may be claimed now.

    `zones` are the time zones in which it is time, the most urgent first; None is all of them. `daily_cap` is how many messages a pass may
    have had in the 24 hours before; 0 is any number. `only` are the rows that may be claimed at all; None is all of them.
    """

    zones: tuple[str, ...] | None = None
    daily_cap: int = 0
    only: tuple[int, ...] | None = None


ANY_ROW: Final = ClaimFilter()


class Staging(Protocol):
    """To read a list into the ledger."""

    async def create(self, spec: CampaignSpec) -> CampaignRecord:
        """Begin to stage a campaign; raises UsageError if its name is taken, unless by a staging whose process is dead."""

    async def stage(self, campaign: int, rows: Sequence[StagedRow]) -> None:
        """Add rows to a campaign that is being staged."""

    async def finish_staging(self, campaign: int, *, content_sha256: str, duplicates_marked: bool = False) -> None:
        """Mark duplicates, first row of a pass wins, unless they were staged as such; and make the campaign sendable."""

    async def discard(self, campaign: int) -> None:
        """Forget a campaign whose staging did not end."""

    async def delete_if_unsent(self, campaign: int) -> bool:
        """Forget a campaign of which nothing was ever sent, here or elsewhere, and that nobody has begun to send; False if it is not so.

        A paused one is kept: somebody holds it back. A sender that signs on meanwhile keeps the campaign, or gets no row of it.
        """


class Sending(Protocol):
    """To send a campaign: by a runner with a lease, which claims rows and settles them."""

    async def register_runner(self, campaign: int, *, quiet_seconds: float, hold: bool = False, api: str = "", account: str = "") -> Runner:
        """Register this process as a sender of the campaign; raises UsageError if anything of it was, or may be, sent to another API."""

    async def heartbeat(self, runner: Runner, activity: str) -> bool:
        """Prolong the runner's lease; False if it is no longer its own, and it must stop sending."""

    async def deregister_runner(self, runner: Runner, ended: str) -> None:
        """Sign the runner off, with how it ended; what it still holds counts as lost."""

    async def reap_dead_runners(self, *, quiet_seconds: float) -> int:
        """Make the rows of runners known dead, of any campaign, `unknown`; returns how many.

        They are read back after the longer of this quiet period and the dead runner's own.
        """

    async def claim(self, runner: Runner, limit: int, terms: ClaimFilter = ANY_ROW) -> list[Claim]:
        """Take rows that are due, in the list's order; never a row whose pass has a send in flight or in doubt.

        On the way a row is left out (skipped) whose pass has had its share of messages, is excluded, or was told by another row.
        """

    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        """Give back claims of which surely nothing was sent."""

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        """Record how claims ended; returns those that were no longer this runner's, of which nothing was changed."""

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        """Never claim a row of these passes from now on."""

    async def apply_exclusions(self, campaign: int) -> int:
        """Leave out at once what is pending and excluded; returns how many rows."""

    async def skip_pending(self, campaign: int, reason: Skip) -> int:
        """Leave out every pending row; returns how many."""

    async def skip_rows(self, campaign: int, rows: Sequence[int], reason: Skip) -> int:
        """Leave out those of these rows that are pending; returns how many."""

    async def control(self, campaign: int, control: DesiredState) -> None:
        """Pause, go on, or cancel: cancelling leaves every pending row out."""


class Batches(Protocol):
    """To send rows together, by the vendor's batches. A batch belongs to the runner that claimed or adopted it until that one ends."""

    async def claim_batch(
        self, runner: Runner, limit: int, terms: ClaimFilter, *, name: str, entity: str
    ) -> tuple[Batch, list[Claim]] | None:
        """Take rows as `claim` does, and record them as one batch; None where no row is due.

        A runner that dies leaves rows of a batch `sending`: they are found again with their batch, and are not lost to `unknown`.
        """

    async def adopt_batches(self, runner: Runner) -> list[Batch]:
        """Take over the campaign's batches that nobody works on; returns all that are this runner's, oldest first."""

    async def batch_claims(self, batch: Batch) -> list[Claim]:
        """The rows of a batch that have no outcome yet."""

    async def record_batch(self, runner: Runner, batch: Batch) -> bool:
        """Record where a batch stands; False if it is no longer this runner's, and nothing may be done about it."""

    async def settle_batch(self, runner: Runner, batch: Batch, settlements: Sequence[Settlement]) -> bool:
        """Record how rows of a batch ended, and where it stands; False, and nothing changed, if it is no longer this runner's."""

    async def release_batch(self, runner: Runner, batch: Batch) -> bool:
        """Give back the rows that have no outcome, of which surely nothing was sent, and end the batch; False as above."""


class RateLimits(Protocol):
    """One rate for everyone with the same key, a fingerprint of the API and the token, or of the API and the name of `--budget`."""

    async def lease(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        """Take timed slots of the budget that everyone with this key shares."""

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        """The rate was too high: make everyone with this key pause, and go slower if it happens again."""

    async def pause(self, key: str, *, seconds: float) -> None:
        """Make everyone with this key wait, and go on as before."""

    async def set_rate_factor(self, key: str, *, share: float) -> None:
        """Bring everyone with this key down to this share of the wanted rate, as strangers use the API too."""


class Verification(Protocol):
    """To read back what became of messages that may have arrived."""

    async def record_baseline(self, runner: Runner, claim: Claim, reading: PassReading) -> None:
        """Keep what the pass held right before the claim's send, if the reading shows it."""

    async def claim_unverified(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        """Take unknown rows that may be read back now, longest waiting first; for some seconds nobody else gets them."""

    async def claim_unverified_orphans(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        """The same of the account's other campaigns that nobody works on: their doubts may keep this one's rows waiting."""

    async def reference_passes(self, campaign: int) -> list[tuple[str, str]]:
        """A few passes of the campaign, or else of its account, that were surely sent a text, each with that text."""

    async def reference_passes_after(self, doubt: UnverifiedRow) -> list[tuple[str, str]]:
        """The same of the campaign, of messages that were sent after the doubtful attempt was over; few, or none."""

    async def record_verification(self, doubt: UnverifiedRow, conclusion: Resolution, *, again_in_seconds: float | None) -> bool:
        """Record what reading back showed; a row that stays unknown is read again after the given time, or (None) waits for a person."""

    async def reschedule_verification(self, campaign: int) -> int:
        """Have unknown rows that wait for a person read back now; returns how many."""


class Maintenance(Protocol):
    """What people do with a campaign besides sending it."""

    async def retry(
        self,
        campaign: int,
        statuses: frozenset[Status],
        *,
        reasons: frozenset[str] = frozenset(),
        http_statuses: frozenset[int] = frozenset(),
    ) -> int:
        """Make rows of these statuses, and of these reasons and HTTP statuses where any are given, pending again; returns how many."""

    async def apply_corrections(
        self, campaign: int, corrected: Sequence[CorrectedRow], again: Sequence[int], statuses: frozenset[Status]
    ) -> int:
        """Make failed and invalid rows pending as corrected, and `again` (of these statuses) as they are; returns how many.

        A corrected row whose pass another row of the campaign stands for is skipped as a duplicate, and not counted.
        """

    async def purge(self, campaign: int) -> None:
        """Remove rows and attempts, but for how many stood where; UsageError before it has ended and was at rest for a day."""

    async def move_here(self) -> None:
        """From now on this file on this machine is the one that is sent from."""


class Ledger(Staging, Sending, Batches, RateLimits, Verification, Maintenance, Protocol):
    """A ledger, open for staging and sending."""

    async def close(self) -> None:
        """Finish what was begun and let go of everything."""


class LedgerReader(Protocol):
    """A ledger, open for looking."""

    @property
    def place(self) -> str:
        """Where the ledger is, for people, without a password."""

    def displaced(self) -> Displaced | None:
        """Where the ledger was last sent from, if it is a copy, or was moved; None where nothing shows that."""

    def campaign(self, name: str) -> CampaignRecord | None:
        """The campaign of this name."""

    def campaigns(self) -> list[CampaignRecord]:
        """Every campaign, newest first."""

    def counts(self, campaign: int) -> Counts:
        """How many rows stand where."""

    def rows(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultRow]:
        """Rows in the list's order, streamed, as of the moment of the call."""

    def result_columns(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultColumns]:
        """The same rows by column, a part at a time: for whoever writes a million of them, and needs no object for each."""

    def examples(self, campaign: int, status: Status, reason: str, limit: int) -> list[tuple[int, str]]:
        """The first rows of a status and reason, each with its error."""

    def outlook(self, campaign: int) -> PendingWork:
        """What is left to do, found without counting."""

    def batches(self, campaign: int) -> list[Batch]:
        """The campaign's batches that have not ended, oldest first."""

    def doubtful_batches(self, campaign: int, *, since: float) -> list[str]:
        """Names of ended batches of which one more may exist than was ended, and is scheduled for after a Unix time."""

    def first_with_text(self, campaign: int, text: str) -> int | None:
        """The first row that is, or may still become, pending and whose message holds a text."""

    def recent_rate(self, campaign: int) -> float:
        """Attempts of the campaign a second, by whichever process, that ended in the last ten seconds."""

    def sends_over_time(self, campaign: int, *, since: float, until: float, buckets: int) -> list[Sends]:
        """The campaign's attempts from one Unix time until before another, in so many stretches of equal length."""

    def zones(self, campaign: int) -> tuple[str, ...]:
        """The time zones of the campaign's rows; an empty name is of those that have none."""

    def pending_zones(self, campaign: int, only: tuple[int, ...] | None = None) -> tuple[str, ...]:
        """The time zones of the rows that are pending; of these rows only, where any are given."""

    def next_rows(self, campaign: int, count: int, *, zones: tuple[str, ...], only: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """So many rows that have no outcome yet: those under way first, then those pending in these time zones, in the list's order."""

    def sample(self, campaign: int, count: int, seed: int) -> tuple[int, ...]:
        """So many rows, drawn from those that the list can be sent to; the same for the same seed, however far the campaign is."""

    def unfinished(self, campaign: int, only: tuple[int, ...]) -> bool:
        """Whether any of these rows is pending, in flight, or still to be read back."""

    def last_texts(self, pass_keys: Sequence[str], *, api: str) -> dict[str, str]:
        """The text that each of these passes was last sent through an API, or may have been; passes without one are left out."""

    def runners(self, campaign: int) -> list[RunnerRecord]:
        """Every runner that the campaign has had, newest first."""

    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        """The rows of these numbers, as far as there are any."""

    def standings(self, campaign: int, numbers: Sequence[int]) -> list[Standing]:
        """How the rows of these numbers stand, as far as there are any; in any order."""

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

    def has_unfinished_purge(self) -> bool:
        """Whether forgetting a campaign was interrupted, so that rows of it are left."""

    def close(self) -> None:
        """Let go of everything."""


__all__ = [
    "ANY_ROW",
    "CampaignRecord",
    "CampaignSpec",
    "ClaimFilter",
    "DesiredState",
    "Ledger",
    "LedgerReader",
    "PendingWork",
    "ResultColumns",
    "Runner",
    "RunnerRecord",
    "Sends",
    "UnverifiedRow",
]
