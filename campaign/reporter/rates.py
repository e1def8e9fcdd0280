"""The delivery rates of a ledger's campaigns, oldest first, and of all of them together."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from campaign.domain.model import Counts, Status
from campaign.insights import iso
from campaign.ledger.port import CampaignRecord, LedgerReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A campaign that was sent, and where its rows stand; a forgotten one has kept its counts."""

    record: CampaignRecord
    counts: Counts

    def as_json(self) -> dict[str, Any]:
        return {
            "campaign": self.record.spec.name,
            "started_at": iso(self.record.started_at),
            "finished_at": iso(self.record.finished_at),
            **_figures(self.counts),
            "by_status": {status.value: count for status, count in self.counts.by_status.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """`campaigns` are in the order in which they were begun; of `unsent` others nothing was sent yet."""

    campaigns: tuple[Rate, ...]
    unsent: int

    @property
    def total(self) -> Counts:
        return Counts(by_status={status: sum(one.counts.by_status[status] for one in self.campaigns) for status in Status})

    def as_json(self) -> dict[str, Any]:
        """What `stats --json` prints; its keys are part of the contract with scripts."""
        return {
            "campaigns": [one.as_json() for one in self.campaigns],
            "total": _figures(self.total),
            "unsent_campaigns": self.unsent,
        }


def rates(reader: LedgerReader, *, since: float = 0.0, until: float = math.inf) -> Rates:
    """Of the campaigns whose sending was begun from `since` until before `until`, in Unix seconds."""
    sent, unsent = _parted(reader.campaigns())
    chosen = sorted((record for record in sent if since <= record.started_at < until), key=lambda record: (record.started_at, record.id))
    return Rates(campaigns=tuple(Rate(record=record, counts=reader.counts(record.id)) for record in chosen), unsent=unsent)


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
