"""The delivery rates of a ledger's campaigns, oldest first, and of all of them together."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from campaign.domain.model import Counts, Status
from campaign.insights import iso
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.conversions import Conversions, Redemptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A campaign that was sent, and where its rows stand; a forgotten one has kept its counts."""

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
    """`campaigns` are in the order in which they were begun; of `unsent` others nothing was sent yet."""

    campaigns: tuple[Rate, ...]
    unsent: int
    redemptions: Redemptions | None = None
    column: str = ""

    @property
    def total(self) -> Counts:
        return Counts(by_status={status: sum(one.counts.by_status[status] for one in self.campaigns) for status in Status})

    @property
    def conversions(self) -> Conversions | None:
        """Those of all campaigns; a pass that several were sent to counts for each."""
        found = [one.conversions for one in self.campaigns if one.conversions is not None]
        return Conversions.together(found) if self.redemptions is not None else None

    def as_json(self) -> dict[str, Any]:
        """What `stats --json` prints; its keys are part of the contract with scripts."""
        return {
            "campaigns": [one.as_json() for one in self.campaigns],
            "total": _figures(self.total),
            "unsent_campaigns": self.unsent,
            **self._conversions(),
        }

    def _conversions(self) -> dict[str, Any]:
        if self.redemptions is None or self.conversions is None:
            return {}
        return {"conversions": {**self.redemptions.as_json(), "column": self.column or None, **self.conversions.as_json()}}


def rates(
    reader: LedgerReader,
    *,
    since: float = 0.0,
    until: float = math.inf,
    redemptions: Redemptions | None = None,
    converted: Callable[[CampaignRecord], Conversions | None] = lambda _: None,
    column: str = "",
) -> Rates:
    """Of the campaigns whose sending was begun from `since` until before `until`, in Unix seconds; with the conversions of each."""
    sent, unsent = _parted(reader.campaigns())
    chosen = sorted((record for record in sent if since <= record.started_at < until), key=lambda record: (record.started_at, record.id))
    found = tuple(Rate(record=record, counts=reader.counts(record.id), conversions=converted(record)) for record in chosen)
    return Rates(campaigns=found, unsent=unsent, redemptions=redemptions, column=column)


def _parted(records: Iterable[CampaignRecord]) -> tuple[list[CampaignRecord], int]:
    records = list(records)
    sent = [record for record in records if record.started_at]
    return sent, len(records) - len(sent)


def _figures(counts: Counts) -> dict[str, Any]:
    rate = counts.delivery_rate
    return {
        "rows": counts.rows,
        "sent_to": counts.sent_to,
        "delivered": counts.by_status[Status.DELIVERED],
        "delivery_rate": None if rate is None else round(rate, 6),
    }
