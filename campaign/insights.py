"""The read-only service for command, console and report: the state of a campaign, as values."""

import shlex
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from campaign.domain.batches import MOST_RECIPIENTS, NONE_IN_BATCHES, InBatches
from campaign.domain.model import CampaignState, Counts
from campaign.domain.status import Status
from campaign.domain.text.durations import words as duration
from campaign.domain.text.lines import rows
from campaign.domain.text.reasons import ended_in_words
from campaign.domain.verdict import READ_IN_VAIN
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader, RunnerRecord

CODES_OF_SIGNALS: Final = {"interrupted": 130, "terminated": 143, "hung_up": 129}
"""The exit code of a run that a signal stopped, by the word in the ledger: Ctrl-C, SIGTERM, a closed terminal."""

FAULT: Final = "fault"
"""The end of a run, in the ledger, that a fault of the program stopped."""

_NEVER_SENT: Final = frozenset({"staging", "staged", "imported", "discarded", "refused"})
"""The ends of runners that did not send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """The state of a campaign at one time. `exit_code` is that of a run that would end now.

    `rate_per_second` is the measured rate, 0 if nothing is being sent; `eta_seconds` is by this rate, or else by the wanted one. `staging`
    is True while another process is staging the campaign. `ledger` is the value of `--ledger` in a command about this campaign; empty if it
    needs none. `is_worked_on` is True while a process sends the campaign, or waits to send it. `go_on` is the command that goes on with a
    stopped campaign; empty if that is `resume`.
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
    go_on: str = ""

    @property
    def half_staged(self) -> bool:
        """Whether its list was not, or is not yet, read to its end: rows are missing, and nothing of it was sent."""
        return self.record.desired_state is DesiredState.STAGING

    @property
    def interrupted(self) -> int:
        """Rows that a run was sending when it was killed; the next command that writes to the ledger makes them unknown."""
        return 0 if self.is_worked_on else max(0, self.counts.by_status.get(Status.SENDING, 0) - self.in_batches.rows)

    @property
    def to_read(self) -> int:
        """Unknown rows of which a reading of their pass may tell what became of them."""
        in_vain = sum(self.counts.by_reason.get((Status.UNKNOWN, reason), 0) for reason in READ_IN_VAIN)
        return max(self.counts.unverified, self.counts.by_status.get(Status.UNKNOWN, 0) - in_vain)

    @property
    def state_word(self) -> str:
        """The word for the state, also for a purged or exported campaign."""
        return "forgotten" if self.record.purged_at else "exported" if self.record.exported_at else self.state.value

    @property
    def state_in_words(self) -> str:
        """The state as the end of a sentence that begins with the campaign's name: `is paused: 12 rows left.`"""
        counts = self.counts
        left = f"{rows(counts.open)} left" if counts.open or not counts.unverified else f"{rows(counts.unverified)} to read back"
        match self.state:
            case CampaignState.STAGED if self.staging:
                return f"is being staged by another process: {rows(self.counts.rows)} of its list so far. Nothing was sent."
            case CampaignState.STAGED if self.half_staged:
                return f"was not staged to its end: only {rows(self.counts.rows)} of its list were read. Nothing was sent."
            case CampaignState.STAGED:
                return "is ready; nothing has been sent yet."
            case CampaignState.SENDING:
                return (
                    f"is being sent: {left}."
                    if self.eta_seconds is None
                    else f"is being sent: {left}, about {duration(max(1.0, self.eta_seconds))} to go."
                )
            case CampaignState.WAITING:
                return f"is waiting and goes on by itself: {left}."
            case CampaignState.PAUSED:
                return f"is paused: {left}."
            case CampaignState.STOPPED:
                return f"has stopped before its end: {left}. {ended_in_words(self.record.ended)}"
            case CampaignState.CANCELLED:
                return "was cancelled."
            case CampaignState.FINISHED:
                return "is finished."
            case _:
                assert_never(self.state)

    @property
    def why(self) -> str:
        """Why the last run of a campaign with rows left ended, as a sentence; empty while another run goes on."""
        has_stopped = self.state in {CampaignState.STOPPED, CampaignState.PAUSED} and self.record.started_at and not self.is_worked_on
        return ended_in_words(self.record.ended) if has_stopped else ""

    def label_of(self, status: Status) -> str:
        """The word for the rows of a status, after their count."""
        return "interrupted" if status is Status.SENDING and self.interrupted else status.info.label

    def command(self, verb: str, *options: str) -> str:
        """A command line about this campaign, to copy into a shell."""
        return command_line(verb, self.record.spec.name, *options, ledger=self.ledger)

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints; its keys are part of the contract with scripts."""
        return {
            "campaign": self.record.spec.name,
            "state": self.state.value,
            "why": self.why,
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
        if not found.batches:
            return None
        return {
            "batches": found.batches,
            "rows": found.rows,
            "unreleased_rows": found.held,
            "send_themselves_at": iso(found.send_themselves_at),
            "worked_on": self.is_worked_on,
        }


def command_line(verb: str, name: str, *options: str, ledger: str = "") -> str:
    """`campaign VERB NAME ...`, quoted for a shell."""
    given = [*options, *(("--ledger", ledger) if ledger else ())]
    words = [verb, *given, "--", name] if name.startswith("-") else [verb, name, *given]
    return shlex.join(["campaign", *words])


def iso(seconds: float) -> str | None:
    """A time as ISO 8601 in UTC with milliseconds; None for 0, which means no time."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if seconds else None


def state_of(*, desired_state: DesiredState, counts: Counts, activities: tuple[str, ...], has_run: bool) -> CampaignState:
    """The state of a campaign, for which people want `desired_state`.

    `activities` are those of its live runners, "sending" or "waiting"; `has_run` says whether any runner has ever begun to send it.
    """
    if desired_state is DesiredState.STAGING:
        return CampaignState.STAGED
    if desired_state is DesiredState.CANCELLED:
        return CampaignState.CANCELLED
    # A runner that is still deregistering, or writing results, has no rows left.
    if not counts.unfinished:
        return CampaignState.FINISHED
    if desired_state is DesiredState.PAUSED:
        return CampaignState.PAUSED
    if activities:
        return CampaignState.SENDING if "sending" in activities else CampaignState.WAITING
    return CampaignState.STOPPED if has_run else CampaignState.STAGED


def rows_left(counts: Counts, state: CampaignState) -> int:
    """Rows that a run still has to send or read back. No run of a cancelled campaign reads its unknown rows back."""
    return counts.open if state is CampaignState.CANCELLED else counts.unfinished


def exit_code_of(counts: Counts, state: CampaignState, *, rows_left_code: int = 5) -> int:
    """The exit code: `rows_left_code` with rows left, else 3 if rows need attention, else 0."""
    if rows_left(counts, state):
        return rows_left_code
    return 3 if counts.needs_attention else 0


def has_sent(runner: RunnerRecord) -> bool:
    """Whether a runner sent, and did not only stage or import."""
    return runner.ended not in _NEVER_SENT and runner.activity != "staging"


def rows_left_code(ended: str) -> int:
    """The exit code of a run that ended with rows left. `ended` is from the ledger: a word, a safeguard's sentence, or empty."""
    if ended == FAULT:
        return 1
    return CODES_OF_SIGNALS.get(ended, 4 if " " in ended else 5)


def view(reader: LedgerReader, record: CampaignRecord, *, ledger: str = "") -> CampaignView:
    """The present state of the campaign. `ledger` is the value of `--ledger` for the same ledger; empty if a command needs none."""
    counts = reader.counts(record.id)
    runners = reader.runners(record.id)
    activities = tuple(runner.activity for runner in runners if runner.alive)
    state = state_of(desired_state=record.desired_state, counts=counts, activities=activities, has_run=bool(record.started_at))
    half_staged = record.desired_state is DesiredState.STAGING
    rate = reader.recent_rate(record.id) if state is CampaignState.SENDING else 0.0
    many = MOST_RECIPIENTS if record.spec.settings.get("via") == "batch" else 1
    expected = rate or many * float(record.spec.settings.get("rate") or 0.0)
    left = rows_left(counts, state)
    return CampaignView(
        record=record,
        state=state,
        counts=counts,
        results=record.spec.settings.get("results", ""),
        rate_per_second=rate,
        eta_seconds=left / expected if left and expected and not half_staged else None,
        exit_code=5 if half_staged else exit_code_of(counts, state, rows_left_code=rows_left_code(record.ended)),
        staging=half_staged and bool(activities),
        ledger=ledger,
        in_batches=InBatches.of(reader.batches(record.id), now=time.time()),
        is_worked_on=bool(activities),
    )
