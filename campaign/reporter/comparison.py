"""Compares two campaigns, and collects the delivery rates of all campaigns of a ledger."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from campaign.domain.model import Counts
from campaign.domain.status import RETRYABLE, Status
from campaign.insights import iso
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.conversions import Conversions, Redemptions
from campaign.reporter.figures import Figures
from campaign.reporter.pauses import Kind

PERCENTILES: Final = (50, 90, 99, 100)
WITH_REASONS: Final = tuple(sorted(RETRYABLE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two campaigns, in the order in which they were named."""

    both: tuple[Figures, Figures]
    redemptions: Redemptions | None = None
    conversions: tuple[Conversions, Conversions] | None = None
    column: str = ""

    @property
    def different(self) -> dict[str, tuple[str, str]]:
        """The settings that differ, with an empty text for a missing one."""
        one, other = (found.view.record.spec.settings for found in self.both)
        # Each campaign has its own results file, so that difference means nothing.
        names = sorted((one.keys() | other.keys()) - {"results"})
        return {name: (one.get(name, ""), other.get(name, "")) for name in names if one.get(name, "") != other.get(name, "")}

    def as_json(self) -> dict[str, Any]:
        """The output of `compare --json`; scripts rely on its keys."""
        sides = [_as_json(found) for found in self.both]
        found: dict[str, Any] = {
            "campaigns": sides,
            "settings_that_differ": {name: list(values) for name, values in self.different.items()},
        }
        if self.redemptions is not None and self.conversions is not None:
            for side, conversions in zip(sides, self.conversions, strict=True):
                side["conversions"] = conversions.as_json()
            found["conversions"] = {**self.redemptions.as_json(), "column": self.column or None}
        return found


def _as_json(found: Figures) -> dict[str, Any]:
    record, counts, latencies = found.view.record, found.view.counts, found.latencies
    return {
        "campaign": record.spec.name,
        "state": found.view.state.value,
        "list": record.spec.list_name,
        "rows": counts.rows,
        "sent_to": counts.sent_to,
        "delivery_rate": _rounded(counts.delivery_rate),
        "by_status": {status.value: counts.by_status[status] for status in Status},
        "by_reason": {status.value: counts.reasons(status) for status in WITH_REASONS},
        "started_at": iso(record.started_at),
        "first_sent_at": iso(found.first_sent_at or 0.0),
        "finished_at": iso(record.finished_at),
        "working_seconds": round(found.working_seconds, 1),
        "sends": found.sends,
        "sends_per_second": round(found.sends_per_second, 3),
        "throttled": found.throttled,
        "paused_seconds": {kind.value: round(found.pauses.seconds(kind=kind), 1) for kind in Kind},
        "latency_ms": {str(part): latencies.percentile_ms(part) for part in PERCENTILES} if latencies.count else None,
        "settings": record.spec.settings,
        "messages": [text for text, _ in found.shared_texts()],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A campaign that was sent, and its rows by status; a purged campaign keeps its counts."""

    record: CampaignRecord
    counts: Counts
    conversions: Conversions | None = None

    def as_json(self) -> dict[str, Any]:
        conversions = {} if self.conversions is None else {"conversions": self.conversions.as_json()}
        return {
            "campaign": self.record.spec.name,
            "started_at": iso(self.record.started_at),
            "finished_at": iso(self.record.finished_at),
            **_figures(self.counts),
            "by_status": {status.value: count for status, count in self.counts.by_status.items()},
            **conversions,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """`campaigns` are in the order in which their sending began. `unsent` counts the campaigns that have not begun."""

    campaigns: tuple[Rate, ...]
    unsent: int
    redemptions: Redemptions | None = None
    column: str = ""

    @property
    def total(self) -> Counts:
        return Counts(by_status={status: sum(one.counts.by_status[status] for one in self.campaigns) for status in Status})

    @property
    def conversions(self) -> Conversions | None:
        """The conversions of all campaigns together; a pass counts once for each campaign that was sent to it."""
        found = [one.conversions for one in self.campaigns if one.conversions is not None]
        return Conversions.together(found) if self.redemptions is not None else None

    def as_json(self) -> dict[str, Any]:
        """The output of `stats --json`; scripts rely on its keys."""
        found: dict[str, Any] = {
            "campaigns": [one.as_json() for one in self.campaigns],
            "total": _figures(self.total),
            "unsent_campaigns": self.unsent,
        }
        if self.redemptions is not None and self.conversions is not None:
            found["conversions"] = {**self.redemptions.as_json(), "column": self.column or None, **self.conversions.as_json()}
        return found


def rates(
    reader: LedgerReader,
    *,
    since: float = 0.0,
    until: float = math.inf,
    redemptions: Redemptions | None = None,
    converted: Callable[[CampaignRecord], Conversions | None] = lambda _: None,
    column: str = "",
) -> Rates:
    """The rates of the campaigns whose sending began from `since` to before `until`, in Unix seconds, with their conversions."""
    records = reader.campaigns()
    chosen = sorted(
        (record for record in records if record.started_at and since <= record.started_at < until),
        key=lambda record: (record.started_at, record.id),
    )
    found = tuple(Rate(record=record, counts=reader.counts(record.id), conversions=converted(record)) for record in chosen)
    unsent = sum(not record.started_at for record in records)
    return Rates(campaigns=found, unsent=unsent, redemptions=redemptions, column=column)


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "rows": counts.rows,
        "sent_to": counts.sent_to,
        "delivered": counts.by_status[Status.DELIVERED],
        "delivery_rate": _rounded(counts.delivery_rate),
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 6)
