"""The campaigns of a ledger: a list, the history of each, and the purge of their rows."""

import time
from dataclasses import dataclass
from typing import Any, Final

from campaign.app.open_ledger import find, open_ledger, reading
from campaign.domain.errors import UsageError
from campaign.domain.status import OPEN, Status
from campaign.domain.text.durations import words
from campaign.domain.text.reasons import ended_in_words
from campaign.insights import FAULT, CampaignView, has_sent, iso, rows_left_code, view
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader, RunnerRecord
from campaign.settings import Settings

SHORTEST_SECONDS: Final = 86_400.0
"""The daily cap needs the messages of the last 24 h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process that sent. `exit_code` is None if it is not known, as for a process that was killed."""

    runner: RunnerRecord
    attempts: int

    @property
    def end(self) -> str:
        """How it ended, as a sentence; empty if it still works, or reached the campaign's end."""
        if self.runner.alive or not self.runner.ended:
            return ""
        return ended_in_words("" if self.runner.ended == "lost" else self.runner.ended)

    @property
    def exit_code(self) -> int | None:
        left, in_need = self.runner.rows_left, self.runner.rows_needing_attention
        if left is None or in_need is None:
            return None
        if left or self.runner.ended == FAULT:
            return rows_left_code(self.runner.ended)
        return 3 if in_need else 0

    def as_json(self) -> dict[str, Any]:
        return {
            "user": self.runner.username or None,
            "host": self.runner.host,
            "pid": self.runner.pid,
            "started_at": iso(self.runner.started_at),
            "ended_at": iso(self.runner.ended_at),
            "ended": self.runner.ended or None,
            "alive": self.runner.alive,
            "attempts": self.attempts,
            "rows_left": self.runner.rows_left,
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A campaign with its runs, newest first; `sample` is one of its messages."""

    view: CampaignView
    runs: tuple[Run, ...]
    sample: str

    def as_json(self) -> dict[str, Any]:
        """The object that `show --json` prints."""
        record = self.view.record
        return listed(self.view) | {
            "list_sha256": record.spec.list_sha256,
            "columns": list(record.spec.columns),
            "id_column": record.spec.id_column,
            "settings": record.spec.settings,
            "sample": self.sample or None,
            "runs": [run.as_json() for run in self.runs],
        }


def listed(seen: CampaignView) -> dict[str, Any]:
    """The object that `list --json` prints for one campaign: that of `status`, and how the campaign is kept."""
    record = seen.record
    kept = {"created_at": record.created_at, "forgotten_at": record.purged_at, "exported_at": record.exported_at}
    return seen.as_json() | {name: iso(at) for name, at in kept.items()} | {"exported_to": record.exported_to or None}


def all_campaigns(settings: Settings) -> list[CampaignView]:
    """Every campaign of the ledger, newest first."""
    with reading(settings) as reader:
        return [view(reader, record, ledger=settings.ledger_to_name) for record in reader.campaigns()]


def history(name: str, settings: Settings) -> History:
    """All data about a campaign except its rows. Raises UsageError if there is none of this name."""
    with reading(settings) as reader:
        record = find(reader, name)
        attempts = reader.attempts_by_runner(record.id)
        runs = tuple(Run(runner=runner, attempts=attempts.get(runner.id, 0)) for runner in reader.runners(record.id) if has_sent(runner))
        sample = next((row.message for row in reader.rows(record.id) if row.message), "")
        return History(view=view(reader, record, ledger=settings.ledger_to_name), runs=runs, sample=sample)


def to_forget(name: str | None, older_than_seconds: float | None, settings: Settings) -> list[CampaignRecord]:
    """The campaigns that `forget` would purge: the named one, or all that have ended and were at rest for so long.

    A purged campaign is among them if a purge in this ledger is unfinished.

    Raises:
        UsageError: the named one can't be purged yet, or the time is too short.
    """
    age = SHORTEST_SECONDS if older_than_seconds is None else older_than_seconds
    if age < SHORTEST_SECONDS:
        raise UsageError(
            "--older-than: at least 1d. What was sent to a pass in the last 24 h is needed to hold the daily cap.",
            code="too_recent",
            option="--older-than",
        )
    if name is None and older_than_seconds is None:
        raise UsageError(
            "Say which campaign to forget, or all that are --older-than a time, such as 90d.", code="nothing_chosen", option="--older-than"
        )
    with reading(settings) as reader:
        if name is not None:
            record = find(reader, name)
            if not record.purged_at:
                _check_may_be_forgotten(reader, record, age)
                return [record]
            return [record] if reader.has_unfinished_purge() else []
        return [
            record
            for record in reader.campaigns()
            if (record.purged_at and reader.has_unfinished_purge())
            or (not record.purged_at and _has_ended(reader, record) and _idle_seconds(reader, record) >= age)
        ]


async def forget(records: list[CampaignRecord], settings: Settings) -> None:
    """Purge the rows and attempts of these campaigns. Raises UsageError if one of them is no longer at rest."""
    ledger = open_ledger(settings)
    try:
        await ledger.reap_dead_runners(quiet_seconds=settings.quiet_period)
        for record in records:
            await ledger.purge(record.id)
    finally:
        await ledger.close()


def _check_may_be_forgotten(reader: LedgerReader, record: CampaignRecord, age: float) -> None:
    name = record.spec.name
    if not _has_ended(reader, record):
        left = (
            "rows are left to be sent. Let it end, or campaign cancel it first."
            if reader.counts(record.id).open
            else "unknown rows are left to be read back. Use campaign verify first."
        )
        raise UsageError(
            f"The campaign “{name}” has not ended: {left}",
            code="not_ended",
            campaign=name,
        )
    resting = _idle_seconds(reader, record)
    if resting < age:
        raise UsageError(
            f"The campaign “{name}” was at rest for {words(max(0.0, resting))} only, and is to be forgotten after {words(age)}. "
            "Nothing was removed.",
            code="too_recent",
            campaign=name,
        )


def _has_ended(reader: LedgerReader, record: CampaignRecord) -> bool:
    if record.desired_state is DesiredState.STAGING:
        return False
    counts, work = reader.counts(record.id), reader.pending_work(record.id)
    open_rows = sum(counts.by_status[status] for status in OPEN)
    if any(runner.alive for runner in reader.runners(record.id)) or counts.by_status[Status.SENDING]:
        return False
    return work.unverified_in_seconds is None and (not open_rows or bool(record.exported_at))


def _idle_seconds(reader: LedgerReader, record: CampaignRecord) -> float:
    return time.time() - reader.last_change(record.id)
