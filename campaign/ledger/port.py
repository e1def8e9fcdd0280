"""The interface of a ledger: `Ledger` to stage and send, `LedgerReader` to read. Every backend passes `tests/contract`.

Every call is one transaction: if it raises, nothing of it happened. After it returns, a power cut undoes nothing of it; only rows that
`stage` added may be lost until `finish_staging` returns, and staging then starts over.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from campaign.domain.batches import Batch
from campaign.domain.ledger_identity import Displaced
from campaign.domain.model import Claim, Counts, ResultRow, Settlement, Skip, StagedRow
from campaign.domain.pace.pacing import Slots
from campaign.domain.retry_selection import Selection
from campaign.domain.row_state import RowState
from campaign.domain.status import Status
from campaign.domain.verdict import PassReading, Resolution
from campaign.ledger.records import (
    ANY_ROW,
    AttemptColumns,
    CampaignRecord,
    CampaignSpec,
    ClaimFilter,
    CorrectedRow,
    DesiredState,
    HeldPasses,
    PassHolder,
    PendingWork,
    ResultColumns,
    RowMessage,
    RunnerRecord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """This process as a sender in the ledger: it may send until `lease_seconds` after its last heartbeat began.

    The rows that it leaves unknown are not read back until `quiet_seconds` after its end; with `hold_unverified` they wait for a person.
    """

    id: int
    campaign: int
    lease_seconds: float
    quiet_seconds: float
    hold_unverified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedRow:
    """An unknown row whose quiet period is over, the reason why it is unknown, and the known texts of its pass (see `verdict.read_back`).

    A verification is recorded only while nobody else has claimed the row: `held_until`, on the ledger's clock, identifies the claim.
    """

    claim: Claim
    reason: str
    held_until: float
    sent_before: frozenset[str]
    last_before: str | None
    baseline: bool


class Staging(Protocol):
    """Reads a list into the ledger."""

    async def create(self, spec: CampaignSpec) -> CampaignRecord:
        """Begin to stage a campaign.

        Raises:
            UsageError: its name is taken.
        """

    async def stage(self, campaign: int, rows: Sequence[StagedRow]) -> None:
        """Add rows to a campaign that is being staged. Pending rows that have attempts open a retry: another ledger may have stopped it."""

    async def finish_staging(
        self, campaign: int, *, content_sha256: str, duplicates_marked: bool = False, near_ids: bool = True, quiet_seconds: float = 0.0
    ) -> None:
        """Make the campaign sendable. Marks duplicates, unless they were staged as such: the first row of a pass wins.

        `near_ids` is False if none were found. Rows that were staged as `unknown` are not read back until `quiet_seconds` from now.
        """

    async def abort_staging(self, campaign: int) -> None:
        """Delete a campaign whose staging did not end.

        Raises:
            UsageError: another process is still staging it.
        """

    async def delete_if_unsent(self, campaign: int) -> bool:
        """Delete a campaign if nothing of it was ever sent, here or elsewhere, and nobody has begun to send it; False if it is kept.

        A paused campaign is kept: somebody holds it back. If a runner registers meanwhile, the campaign is kept, or the runner gets no row.
        """


class Sending(Protocol):
    """Sends a campaign: a runner with a lease claims rows and settles them."""

    async def register_runner(
        self, campaign: int, *, quiet_seconds: float, hold_unverified: bool = False, api: str = "", account: str = ""
    ) -> Runner:
        """Register this process as a sender of the campaign.

        Raises:
            UsageError: the campaign is gone, purged or exported, or a message of it was, or may be, sent to another API.
        """

    async def while_none_registers(self, campaign: int, work: Callable[[], None]) -> None:
        """Call `work` in a thread, perhaps twice; meanwhile no runner of the campaign can register."""

    async def heartbeat(self, runner: Runner, activity: str) -> bool:
        """Renew the runner's lease; False if the runner has lost it, and must stop sending."""

    async def deregister_runner(self, runner: Runner, ended: str) -> None:
        """Deregister the runner, and record how it ended. The rows that it still holds become `unknown`, except those in batches."""

    async def reap_dead_runners(self, *, quiet_seconds: float) -> int:
        """Make the rows of dead runners, of any campaign, `unknown`, except those in batches; returns how many rows.

        They are read back after this quiet period or the dead runner's, whichever is longer.
        """

    async def claim(self, runner: Runner, limit: int, terms: ClaimFilter = ANY_ROW) -> list[Claim]:
        """Take rows that are due, in the list's order; never a row whose pass has a row in flight or unverified.

        A row is skipped if its pass has reached the daily cap, is excluded, or has got, or may have got, the message by another row of the
        campaign.
        """

    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        """Give back claims of which certainly nothing was sent."""

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        """Record how claims ended; returns the claims that were no longer this runner's, which change nothing."""

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        """Never claim a row of these passes from now on."""

    async def apply_exclusions(self, campaign: int) -> int:
        """Skip the pending rows whose passes are excluded; returns how many."""

    async def skip_pending(self, campaign: int, reason: Skip) -> int:
        """Skip every pending row; returns how many."""

    async def skip_rows(self, campaign: int, rows: Sequence[int], reason: Skip) -> int:
        """Skip those of `rows` that are pending; returns how many."""

    async def set_desired_state(self, campaign: int, desired_state: DesiredState) -> None:
        """Pause, resume or cancel a campaign. Cancelling skips every pending row.

        Raises:
            UsageError: the campaign is cancelled, or still being staged; or it can't be resumed from this ledger.
        """


class Batches(Protocol):
    """Sends rows together, in the vendor's batches. A batch belongs to the runner that claimed or adopted it until that runner ends."""

    async def claim_batch(
        self, runner: Runner, limit: int, terms: ClaimFilter, *, name: str, entity: str
    ) -> tuple[Batch, list[Claim]] | None:
        """Take rows as `claim` does, and record them as one batch; None if no row is due.

        If the runner dies, the rows of a batch stay `sending` and do not become `unknown`: the next runner adopts them with the batch.
        """

    async def adopt_batches(self, runner: Runner) -> list[Batch]:
        """Take over the campaign's batches that nobody works on; returns all batches of this runner, oldest first."""

    async def batch_claims(self, batch: Batch) -> list[Claim]:
        """The rows of a batch that have no outcome yet."""

    async def record_batch(self, runner: Runner, batch: Batch) -> bool:
        """Record the state of a batch; False if it is no longer this runner's, which must then leave it alone."""

    async def settle_batch(self, runner: Runner, batch: Batch, settlements: Sequence[Settlement]) -> bool:
        """Record how rows of a batch ended, and its state; False, with nothing changed, if it is no longer this runner's."""

    async def release_batch(self, runner: Runner, batch: Batch) -> bool:
        """Give back the rows without an outcome, of which certainly nothing was sent, and end the batch; False as above."""


class RateLimits(Protocol):
    """One rate for everyone with the same key: a fingerprint of the API and the token, or of the API and the name of `--budget`."""

    async def reserve_slots(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        """Take timed slots of the rate that everyone with this key shares."""

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        """Make everyone with this key pause after a 429, and slow down if it happens again."""

    async def pause(self, key: str, *, seconds: float) -> None:
        """Make everyone with this key wait, without a change of the rate."""

    async def set_rate_factor(self, key: str, *, rate_factor: float) -> None:
        """Slow everyone with this key down to this part of the wanted rate, because of foreign traffic."""


class Verification(Protocol):
    """Reads back messages that may have arrived."""

    async def record_baseline(self, runner: Runner, claim: Claim, reading: PassReading) -> None:
        """Record what the pass held right before the claim's send, if the reading shows it."""

    async def claim_unverified(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        """Take unknown rows that may be read back now, longest waiting first; for VERIFICATION_CLAIM_SECONDS nobody else gets them."""

    async def claim_unverified_orphans(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        """The same for the account's other campaigns that nobody works on: their unverified rows may keep rows of this campaign waiting."""

    async def reference_passes(self, campaign: int) -> list[tuple[str, str]]:
        """A few passes of the campaign, or else of its account, that certainly got a text, each with that text.

        It is the newest of the pass that this ledger knows of, unless all of those passes were written over.
        """

    async def reference_passes_after(self, unverified: UnverifiedRow) -> list[tuple[str, str]]:
        """The same for messages that were sent after the row's attempt was over; few, or none."""

    async def record_verification(self, unverified: UnverifiedRow, resolution: Resolution, *, again_in_seconds: float | None) -> bool:
        """Record the result of reading back; False if somebody else has claimed the row since.

        A row that stays unknown is read again after `again_in_seconds`; with None it waits for a person.
        """

    async def reschedule_verification(self, campaign: int) -> int:
        """Have the unknown rows that wait for a person read back, after their quiet period; returns how many."""


class Maintenance(Protocol):
    """Changes to a campaign besides sending it."""

    async def retry(self, campaign: int, selection: Selection, since: int | None = None) -> int:
        """Make the rows of the selection pending again, and open a retry; returns how many.

        As long as a retry is open, neither this nor `apply_corrections` takes a row, unchanged, that it has sent before, or that was sent
        after the attempt `since`, the `last_attempt` when the rows were selected.
        """

    async def end_retry(self, campaign: int) -> None:
        """End the open retry, unless rows are pending, in flight, or still to be read back."""

    async def apply_corrections(
        self, campaign: int, corrected: Sequence[CorrectedRow], again: Sequence[int], statuses: frozenset[Status], since: int | None = None
    ) -> int:
        """Make corrected failed and invalid rows pending, and the rows of `again` that have these statuses, unchanged; returns how many.

        A corrected row whose pass already has another row in the campaign is skipped as a duplicate, and not counted.
        """

    async def purge(self, campaign: int) -> None:
        """Remove rows and attempts, and keep the counts by status.

        Raises:
            UsageError: the campaign has not ended, has unverified rows, or changed in the last 24 hours.
        """

    async def move_here(self) -> None:
        """Declare this file on this machine, or this database on its server, to be the original from now on."""


class Ledger(Staging, Sending, Batches, RateLimits, Verification, Maintenance, Protocol):
    """A ledger, open for staging and sending."""

    async def close(self) -> None:
        """Finish pending writes, close connections and release locks."""


class LedgerReader(Protocol):
    """A ledger, open for reading."""

    @property
    def place(self) -> str:
        """The path or URL of the ledger, for people, without a password."""

    def displaced(self) -> Displaced | None:
        """Where the ledger was last sent from, if it is a copy or was moved; None if nothing shows that."""

    def campaign(self, name: str) -> CampaignRecord | None:
        """The campaign of this name; None if there is none."""

    def campaigns(self) -> list[CampaignRecord]:
        """Every campaign, newest first."""

    def counts(self, campaign: int) -> Counts:
        """How many rows have which status."""

    def rows(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultRow]:
        """Rows in the list's order, streamed, as of the moment of the call."""

    def messages(self, campaign: int, statuses: frozenset[Status]) -> Iterator[RowMessage]:
        """The messages of rows with these statuses, in the list's order, streamed."""

    def result_columns(self, campaign: int, statuses: frozenset[Status] | None = None) -> Iterator[ResultColumns]:
        """The same rows by column, a part at a time: for writing a million rows without an object for each."""

    def examples(self, campaign: int, status: Status, reason: str, limit: int) -> list[tuple[int, str]]:
        """The first rows with a status and reason, each with its error."""

    def pending_work(self, campaign: int) -> PendingWork:
        """The work that is left, found without counting."""

    def batches(self, campaign: int) -> list[Batch]:
        """The campaign's batches that have not ended, oldest first."""

    def held_passes(self, campaign: int, only: tuple[int, ...] | None = None) -> HeldPasses:
        """Whose batches hold the passes of pending rows; with `only`, of those rows alone. Looks at every pending row."""

    def unidentified_batches(self, campaign: int, *, since: float) -> list[str]:
        """Names of ended batches of which one may still exist at PassEntry, unidentified; scheduled after `since`, in Unix seconds."""

    def first_with_text(self, campaign: int, text: str) -> int | None:
        """The first row that is, or may still become, pending, and whose message contains `text`; None if there is none."""

    def recent_rate(self, campaign: int) -> float:
        """Attempts of the campaign per second, by all processes, that ended in the last ten seconds."""

    def zones(self, campaign: int) -> tuple[str, ...]:
        """The time zones of the campaign's rows; an empty name means rows without one."""

    def pending_zones(self, campaign: int, only: tuple[int, ...] | None = None) -> tuple[str, ...]:
        """The time zones of the pending rows; with `only`, of those rows alone."""

    def next_rows(self, campaign: int, count: int, *, zones: tuple[str, ...], only: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """`count` rows without an outcome: those under way first, then those pending in these time zones, in the list's order."""

    def sample(self, campaign: int, count: int, seed: int) -> tuple[int, ...]:
        """`count` rows, drawn from all but invalid, duplicate and excluded ones; always the same for the same seed."""

    def unfinished(self, campaign: int, only: tuple[int, ...]) -> bool:
        """Whether any of these rows is pending, in flight, or still to be read back."""

    def last_texts(self, pass_keys: Sequence[str], *, api: str) -> dict[str, str]:
        """The last text that was, or may have been, sent to each of these passes through an API; passes without one are left out."""

    def runners(self, campaign: int) -> list[RunnerRecord]:
        """Every runner that the campaign has had, newest first."""

    def rows_numbered(self, campaign: int, numbers: Sequence[int]) -> dict[int, ResultRow]:
        """The rows with these numbers, as far as they exist."""

    def sent_texts(self, campaign: int, numbers: Sequence[int]) -> list[tuple[int, str | None, int]]:
        """Each text that attempts of these rows have sent: the row's number, the text, and how many of the row's attempts these are.

        The text is None if the row still has it; others are from before a correction.
        """

    def row_states(self, campaign: int, numbers: Sequence[int]) -> list[RowState]:
        """The state of the rows with these numbers, as far as they exist, in any order."""

    def rows_of_passes(self, campaign: int, keys: Sequence[str]) -> dict[str, list[int]]:
        """The rows of each of these passes. Scans the whole campaign."""

    def matching(self, campaign: int, selection: Selection) -> int:
        """How many rows `Ledger.retry` would make pending."""

    def already_retried(self, campaign: int) -> frozenset[int]:
        """The rows with an attempt since the open retry began."""

    def last_attempt(self, campaign: int) -> int:
        """The attempt after which the open retry began, or else the last one; 0 if there is none."""

    def attempts_by_runner(self, campaign: int) -> dict[int, int]:
        """How many attempts of the campaign each runner has made."""

    def last_change(self, campaign: int) -> float:
        """When the campaign last changed, in Unix seconds."""

    def attempt_columns(self, campaign: int) -> Iterator[AttemptColumns]:
        """Every attempt, ordered by row and then by time, by column, a part at a time."""

    def pass_keys(self, campaign: int) -> Iterator[tuple[int, str, Status]]:
        """Every row that can be sent, or was: its number, the key of its pass, and its status; in any order, streamed."""

    def exclusions(self, campaign: int) -> Iterator[str]:
        """The keys of the passes that the campaign must not be sent to, streamed."""

    def has_unfinished_purge(self) -> bool:
        """Whether the purge of a campaign was interrupted, so that rows of it are left."""

    def close(self) -> None:
        """Close every connection."""


__all__ = [
    "ANY_ROW",
    "CampaignRecord",
    "CampaignSpec",
    "ClaimFilter",
    "DesiredState",
    "HeldPasses",
    "Ledger",
    "LedgerReader",
    "PassHolder",
    "PendingWork",
    "ResultColumns",
    "RowMessage",
    "Runner",
    "RunnerRecord",
    "UnverifiedRow",
]
