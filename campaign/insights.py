"""The one read-only service that command, console and report ask: where a campaign stands, as values."""

import shlex
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from campaign.domain.batches import MOST_RECIPIENTS, NONE_IN_BATCHES, InBatches
from campaign.domain.model import CampaignState, Counts, Status
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader, RunnerRecord

CODES_OF_SIGNALS: Final = {"interrupted": 130, "terminated": 143, "hung_up": 129}
"""What a run that was told to stop has answered, by the word that the ledger keeps: Ctrl-C, SIGTERM, a terminal that was closed."""

FAULT: Final = "fault"
"""How a run ended that a fault of the program broke off."""

_NEVER_SENT: Final = frozenset({"staging", "staged", "imported", "discarded", "refused"})
"""How runners ended that did not send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """A campaign at one moment. Times are Unix seconds, 0 where there is none; `exit_code` is what a run that ended now would answer.

    `rate_per_second` is what is really being sent, 0 where nothing is; `eta_seconds` goes by it, or else by the rate that was asked for.
    `staging` is True while another process reads the list of one that is half staged. `ledger` is what a command line has to give as
    `--ledger` to mean this campaign, empty if nothing. `is_worked_on` says that some process sends it, or waits to.
    """

    record: CampaignRecord
    state: CampaignState
    counts: Counts
    results: str
    rate_per_second: float = 0.0
    eta_seconds: float | None = None
    exit_code: int = 0
    staging: bool = False
    ledger: str = ""
    in_batches: InBatches = NONE_IN_BATCHES
    is_worked_on: bool = False

    @property
    def half_staged(self) -> bool:
        """Its list was not read to its end, or is being read: its rows are not all there yet, and nothing of it was sent."""
        return self.record.control is DesiredState.STAGING

    def command(self, verb: str, *options: str) -> str:
        """A command line about this campaign, to be copied into a shell."""
        return command_line(verb, self.record.spec.name, *options, ledger=self.ledger)

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints; its keys are part of the contract with scripts."""
        return {
            "campaign": self.record.spec.name,
            "state": self.state.value,
            "list": self.record.spec.list_name,
            "rows": self.counts.rows,
            "by_status": {status.value: self.counts.by_status.get(status, 0) for status in Status},
            "skipped_by_reason": self.counts.reasons(Status.SKIPPED),
            "failed_by_reason": self.counts.reasons(Status.FAILED),
            "rate_per_second": round(self.rate_per_second, 3),
            "eta_seconds": None if self.eta_seconds is None else round(self.eta_seconds, 1),
            "started_at": iso(self.record.started_at),
            "finished_at": iso(self.record.finished_at),
            "batches": self._batches_as_json(),
            "results": self.results or None,
            "exit_code": self.exit_code,
        }

    def _batches_as_json(self) -> dict[str, Any] | None:
        found = self.in_batches
        return (
            {
                "batches": found.batches,
                "rows": found.rows,
                "unreleased_rows": found.held,
                "send_themselves_at": iso(found.send_themselves_at),
                "worked_on": self.is_worked_on,
            }
            if found.batches
            else None
        )


def command_line(verb: str, name: str, *options: str, ledger: str = "") -> str:
    """`campaign VERB NAME ...` as a shell needs it, whatever the name is."""
    given = [*options, *(("--ledger", ledger) if ledger else ())]
    words = [verb, *given, "--", name] if name.startswith("-") else [verb, name, *given]
    return shlex.join(["campaign", *words])


def iso(seconds: float) -> str | None:
    """A time as ISO 8601 in UTC with milliseconds; None for 0, which stands for no time."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if seconds else None


def state_of(*, control: DesiredState, counts: Counts, activities: tuple[str, ...], has_run: bool) -> CampaignState:
    """What a campaign is doing.

    Args:
        control: what people asked of it.
        counts: where its rows stand.
        activities: what each live runner says it does, "sending" or "waiting".
        has_run: whether any runner has ever begun to send it.
    """
    if control is DesiredState.STAGING:
        return CampaignState.STAGED
    if control is DesiredState.CANCELLED:
        return CampaignState.CANCELLED
    # Whoever still signs off, or writes results, has no row left either.
    if not counts.unfinished:
        return CampaignState.FINISHED
    if control is DesiredState.PAUSED:
        return CampaignState.PAUSED
    if activities:
        return CampaignState.SENDING if "sending" in activities else CampaignState.WAITING
    return CampaignState.STOPPED if has_run else CampaignState.STAGED


def exit_code_of(counts: Counts, *, rows_left_code: int = 5) -> int:
    """0, 3 or, with rows left, what the reason for stopping says."""
    if counts.unfinished:
        return rows_left_code
    return 3 if counts.needs_attention else 0


def has_sent(runner: RunnerRecord) -> bool:
    """Whether it was a sender's, and did not only stage or import."""
    return runner.ended not in _NEVER_SENT and runner.activity != "staging"


def rows_left_code(ended: str) -> int:
    """What a run that ended so, with rows left, has answered; `ended` is the ledger's: a word, a safeguard's sentence, or nothing."""
    if ended == FAULT:
        return 1
    return CODES_OF_SIGNALS.get(ended, 4 if " " in ended else 5)


def view(reader: LedgerReader, record: CampaignRecord, *, ledger: str = "") -> CampaignView:
    """Where the campaign stands now.

    Args:
        reader: the ledger to ask.
        record: the campaign.
        ledger: what has to be given as `--ledger` to mean the same one.
    """
    counts = reader.counts(record.id)
    runners = reader.runners(record.id)
    activities = tuple(runner.activity for runner in runners if runner.alive)
    state = state_of(control=record.control, counts=counts, activities=activities, has_run=bool(record.started_at))
    half_staged = record.control is DesiredState.STAGING
    rate = reader.recent_rate(record.id) if state is CampaignState.SENDING else 0.0
    many = MOST_RECIPIENTS if record.spec.settings.get("via") == "batch" else 1
    expected = rate or many * float(record.spec.settings.get("rate") or 0.0)
    return CampaignView(
        record=record,
        state=state,
        counts=counts,
        results=record.spec.settings.get("results", ""),
        rate_per_second=rate,
        eta_seconds=counts.unfinished / expected if counts.unfinished and expected and not half_staged else None,
        exit_code=5 if half_staged else exit_code_of(counts, rows_left_code=rows_left_code(record.ended)),
        staging=half_staged and bool(activities),
        ledger=ledger,
        in_batches=InBatches.of(reader.batches(record.id), now=time.time()),
        is_worked_on=bool(activities),
    )
