"""Everything but sending: the list staged into a ledger that is thrown away, and what was found in it."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from campaign.app.lists import opened
from campaign.app.staging import stage
from campaign.domain.model import Counts, Status
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.loader.messages import length_as_shown
from campaign.settings import Settings

FIRST_ROWS: Final = 10
SAMPLES: Final = 5
SHOWN_ON_A_LOCK_SCREEN: Final = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`rows` are the first ones of their kind, counted from the first row after the header."""

    kind: str
    count: int
    rows: tuple[int, ...]
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    row: int
    pass_id: str
    message: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`rate_per_second` None is without pacing; `long_message_rows` are the first of those that a lock screen cuts off."""

    list_name: str
    description: str
    counts: Counts
    problems: tuple[Problem, ...]
    samples: tuple[Sample, ...]
    long_messages: int
    long_message_rows: tuple[int, ...]
    rate_per_second: float | None
    estimated_seconds: float

    @property
    def exit_code(self) -> int:
        return 3 if self.counts.needs_someone else 0

    def as_json(self) -> dict[str, Any]:
        """What `check --json` prints."""
        return {
            "list": self.list_name,
            "rows": self.counts.rows,
            "sendable": self.counts.by_status[Status.PENDING],
            "by_status": {status.value: self.counts.by_status[status] for status in Status},
            "problems": [
                {"kind": problem.kind, "count": problem.count, "first_rows": list(problem.rows), "example": problem.example}
                for problem in self.problems
            ],
            "samples": [
                {"row": sample.row, "pass_id": sample.pass_id, "message": sample.message, "length": sample.length}
                for sample in self.samples
            ],
            "long_messages": self.long_messages,
            "long_message_rows": list(self.long_message_rows),
            "estimated_seconds": round(self.estimated_seconds, 1),
            "exit_code": self.exit_code,
        }


async def check(source: str, settings: Settings) -> Checked:
    """Look a list through as `run` would; nothing is sent, and nothing stays.

    Raises:
        CampaignError: the list, the template or an option can't be used.
    """
    with opened(source, settings) as given, tempfile.TemporaryDirectory(prefix="campaign-check-") as folder:
        path = Path(folder) / "campaign.db"
        ledger = SqliteLedger(path)
        reader = SqliteReader(path)
        try:
            staged = await stage(ledger, reader, given, stop=asyncio.Event())
            return await asyncio.to_thread(_look, reader, staged.record.id, given.table.name, given.table.description, settings.rate)
        finally:
            await ledger.close()
            reader.close()


def _look(reader: SqliteReader, campaign: int, name: str, description: str, rate_per_second: float | None) -> Checked:
    counts = reader.counts(campaign)
    problems = []
    for status in (Status.INVALID, Status.SKIPPED):
        for reason, count in counts.reasons(status).items():
            first = reader.examples(campaign, status, reason, FIRST_ROWS)
            problems.append(Problem(kind=reason, count=count, rows=tuple(row for row, _ in first), example=first[0][1]))
    samples: list[Sample] = []
    long_messages = 0
    long_message_rows: list[int] = []
    for row in reader.rows(campaign, frozenset({Status.PENDING})):
        if len(samples) < SAMPLES:
            samples.append(Sample(row=row.row, pass_id=row.pass_id, message=row.message, length=length_as_shown(row.message)))
        # Counting what a person sees is slow; fewer code points than the limit can't be more characters.
        if len(row.message) > SHOWN_ON_A_LOCK_SCREEN and length_as_shown(row.message) > SHOWN_ON_A_LOCK_SCREEN:
            long_messages += 1
            if len(long_message_rows) < FIRST_ROWS:
                long_message_rows.append(row.row)
    sendable = counts.by_status[Status.PENDING]
    return Checked(
        list_name=name,
        description=description,
        counts=counts,
        problems=tuple(problems),
        samples=tuple(samples),
        long_messages=long_messages,
        long_message_rows=tuple(long_message_rows),
        rate_per_second=rate_per_second,
        estimated_seconds=sendable / rate_per_second if rate_per_second else 0.0,
    )
