"""A session in figures, and a violation with everything that is known of its row."""

import os
import platform
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from campaign.settings import Via
from tests.chaos.audit import Kind, Violation
from tests.chaos.driver import Story
from tests.chaos.evidence import Evidence
from tests.chaos.points import LedgerKind


@dataclass(slots=True, kw_only=True)
class Session:
    """What all campaigns together came to."""

    seed: int
    ledger: LedgerKind
    via: Via
    campaigns: int = 0
    batches: int = 0
    rows: int = 0
    processes: int = 0
    most_at_once: int = 0
    freezes: int = 0
    processed: int = 0
    requests: int = 0
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    blows: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    unknown_reasons: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)

    def add(self, story: Story, evidence: Evidence, violations: list[Violation]) -> None:
        self.campaigns += 1
        self.rows += len(evidence.listed)
        self.batches += len(evidence.batches)
        self.processes += story.processes
        self.most_at_once = max(self.most_at_once, story.most_at_once)
        self.freezes += story.freezes
        self.processed += sum(map(len, evidence.processed.values()))
        self.requests += sum(map(len, evidence.requests.values()))
        self.seconds += story.seconds
        self.kills += story.kills
        self.blows += story.blows
        self.exits.update({str(code): count for code, count in story.exits.items()})
        self.statuses.update(row.status for row in evidence.rows.values())
        self.unknown_reasons.update(row.reason for row in evidence.rows.values() if row.status == "unknown")
        self.violations.update(violation.kind.value for violation in violations)

    def as_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "ledger": self.ledger.value,
            "via": self.via.value,
            "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "campaigns": self.campaigns,
            "kills": self.kills.total(),
            "kills_by_moment": dict(self.kills.most_common()),
            "blows": self.blows.total(),
            "blows_by_kind": dict(self.blows.most_common()),
            "processes": self.processes,
            "most_processes_at_once": self.most_at_once,
            "freezes": self.freezes,
            "exit_codes": dict(sorted(self.exits.items())),
            "rows": self.rows,
            "rows_by_status": dict(sorted(self.statuses.items())),
            "unknown_by_reason": dict(sorted(self.unknown_reasons.items())),
            "batches": self.batches,
            "requests": self.requests,
            "processed": self.processed,
            "doubles": self.violations[Kind.DOUBLE],
            "lost": self.violations[Kind.LOST],
            "other_violations": sum(count for kind, count in self.violations.items() if kind not in {Kind.DOUBLE, Kind.LOST}),
            "seconds": round(self.seconds, 1),
        }


def in_words(session: Session) -> str:
    """A table, one figure a line."""
    lines = []
    for name, value in session.as_json().items():
        shown = (
            str(value)
            if name == "seed"
            else ", ".join(f"{key}: {count:,}" for key, count in value.items())
            if isinstance(value, dict)
            else value
        )
        lines.append(f"{name.replace('_', ' '):24} {shown:,}" if isinstance(shown, int) else f"{name.replace('_', ' '):24} {shown}")
    return "\n".join(lines)


def row_in_full(row: int, evidence: Evidence, *, quiet_seconds: float) -> Iterator[str]:
    """The row, its attempts by the ledger, and its requests and messages by the simulator; Unix seconds."""
    found = evidence.rows.get(row)
    if found is None:
        return
    yield f"  row {row}: {found}"
    pass_id = found.pass_id
    for attempt in evidence.attempts.get(row, []):
        yield f"    attempt  {attempt}"
    for request in evidence.requests.get(pass_id, []):
        yield f"    request  {request.number} at {request.unix_seconds:.3f}: {request.status} {request.ending} {request.fault or ''}"
    messages = evidence.processed.get(pass_id, [])
    for message in messages:
        batch = f" in the batch {message.batch_name} ({message.batch_id})" if message.batch_id else ""
        yield f"    processed request {message.request} at {message.unix_seconds:.3f}{batch}"
    arrivals = {request.number: request.unix_seconds for request in evidence.requests.get(pass_id, [])}
    for message in messages:
        took = message.unix_seconds - arrivals.get(message.request, message.unix_seconds)
        if took > quiet_seconds:
            yield f"    request {message.request} was processed {took:.2f} s after it came: beyond the quiet period, so outside the promise"
