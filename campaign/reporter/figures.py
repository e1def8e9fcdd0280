"""Every figure of the page, as values: worked out in one look through the rows and one through the attempts, neither of them held."""

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from campaign.domain.errors import UsageError
from campaign.domain.model import Counts, ResultRow, Status
from campaign.insights import CampaignView
from campaign.ledger.port import CampaignSpec, LedgerReader
from campaign.reporter.attempts import Attempting, Attempts
from campaign.reporter.breakdown import MOST_VALUES, Breakdown, Tally
from campaign.reporter.latencies import Latencies
from campaign.reporter.pauses import Kind, Pauses, pauses
from campaign.reporter.reasons import printable
from campaign.reporter.rests import Spell, spells
from campaign.reporter.retries import Retried, Retries
from campaign.reporter.timeline import Timeline, timeline
from campaign.reporter.wording import Wordings

EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A campaign at one moment. `view.counts` are those of the rows that all other figures are of.

    `examples` are the first rows of each status and reason. `by_attempts` is how many rows of each status have had how many attempts; those
    that were never tried are left out. `by_column` is None where nobody asked.
    """

    view: CampaignView
    now: float
    examples: dict[tuple[Status, str], tuple[int, ...]]
    latencies: Latencies
    by_attempts: dict[int, dict[Status, int]]
    by_pass_status: Breakdown
    by_device: Breakdown
    by_column: Breakdown | None
    column: str
    wordings: Wordings
    timeline: Timeline
    attempts: Attempts
    spells: tuple[Spell, ...]
    pauses: Pauses
    retried: tuple[Retried, ...]
    retried_unexplained: int

    @property
    def counts(self) -> Counts:
        return self.view.counts

    @property
    def working_seconds(self) -> float:
        """How long somebody was there to send and it was time to, with all other waits: how fast it went does not depend on the nights."""
        return sum(spell.seconds for spell in self.spells) - self.idle_seconds

    @property
    def idle_seconds(self) -> float:
        """How long somebody was there to send, and it was not the time to."""
        return sum(pause.seconds for pause in self.pauses.of(Kind.HOURS))

    @property
    def sends_per_second(self) -> float:
        """In the time at work; 0 if nothing was sent."""
        return self.attempts.total / self.working_seconds if self.working_seconds > 0 else 0.0


def figures(reader: LedgerReader, view: CampaignView, *, by: str = "", now: float | None = None) -> Figures:
    """Look a campaign through.

    Args:
        reader: its ledger.
        view: where it stands.
        by: a column of the list to divide the rows by; empty for none.
        now: Unix time; None for the present.

    Raises:
        UsageError: there is no such column, or it has too many values; says which there are.
    """
    now = time.time() if now is None else now
    record = view.record
    place = _place(record.spec, by)
    rows, retries = _Rows(record.spec, place), Retries()
    over_time = timeline(reader, record, now=now)
    attempting = Attempting(reader.attempts_by_row(record.id), over_time)
    for row in reader.rows(record.id):
        rows.add(row)
        retries.add(row.outcome, attempting.of(row.row))
        if rows.by_column.overflowed:
            raise UsageError(
                f"--by {by}: the column has more than {MOST_VALUES:,} different values, so it divides the rows into nothing that can be "
                f"shown. Choose another. {_others(record.spec)}",
                code="too_many_values",
                option="--by",
            )
    attempts = attempting.all()
    spent = spells(reader.runners(record.id), last_seen=attempts.last_seen, now=now)
    return Figures(
        # Of one that is forgotten the counts are all that is left.
        view=view if record.forgotten_at else replace(view, counts=rows.counts(in_doubt=view.counts.in_doubt)),
        now=now,
        examples={key: tuple(numbers) for key, numbers in rows.examples.items()},
        latencies=rows.latencies,
        by_attempts=dict(sorted(rows.by_attempts.items())),
        by_pass_status=rows.by_pass_status.breakdown(),
        by_device=rows.by_device.breakdown(),
        # What only one row has, such as a name, may tell who that is.
        by_column=rows.by_column.breakdown(least_rows=2) if by else None,
        column=by,
        wordings=rows.wordings,
        timeline=over_time,
        attempts=attempts,
        spells=spent,
        pauses=pauses(spent, reader.waits(record.id)),
        retried=retries.found(),
        retried_unexplained=retries.unexplained,
    )


class _Rows:
    """What is counted of rows as they pass by."""

    def __init__(self, spec: CampaignSpec, place: int | None) -> None:
        self._place = place
        self._by_reason: Counter[tuple[Status, str]] = Counter()
        self.examples: dict[tuple[Status, str], list[int]] = {}
        self.latencies = Latencies()
        self.by_attempts: dict[int, dict[Status, int]] = {}
        self.by_pass_status, self.by_device, self.by_column = Tally(), Tally(), Tally()
        self.wordings = Wordings(spec.columns)

    def add(self, row: ResultRow) -> None:
        outcome = row.outcome
        key = outcome.status, outcome.reason
        self._by_reason[key] += 1
        if self._by_reason[key] <= EXAMPLES:
            self.examples.setdefault(key, []).append(row.row)
        if outcome.latency_seconds is not None:
            self.latencies.add(outcome.latency_seconds)
        if outcome.attempts:
            by_status = self.by_attempts.setdefault(outcome.attempts, {})
            by_status[outcome.status] = by_status.get(outcome.status, 0) + 1
        self.by_pass_status.add(outcome.pass_status, outcome.status)
        self.by_device.add(outcome.device_type, outcome.status)
        if self._place is not None:
            self.by_column.add(row.cells[self._place].strip(), outcome.status)
        self.wordings.add(row.message, row.cells)

    def counts(self, *, in_doubt: int) -> Counts:
        by_status = dict.fromkeys(Status, 0)
        for (status, _), count in self._by_reason.items():
            by_status[status] += count
        return Counts(by_status=by_status, by_reason=dict(self._by_reason), in_doubt=in_doubt)


def _place(spec: CampaignSpec, by: str) -> int | None:
    if not by:
        return None
    if by == spec.id_column:
        raise UsageError(
            f"--by {by}: that is the column of the passes' ids, and no two of them are the same. {_others(spec)}",
            code="no_column_but_id",
            option="--by",
        )
    if by not in spec.columns:
        raise UsageError(f"--by {by}: the list has no such column. {_others(spec)}", code="unknown_column", option="--by")
    return spec.columns.index(by)


def _others(spec: CampaignSpec) -> str:
    names = [printable(name) for name in spec.columns if name != spec.id_column]
    return f"There are: {', '.join(names)}." if names else "The list has no other column."
