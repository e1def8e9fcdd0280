"""What the ledger tests stage and how they end it."""

import json

from campaign.domain.model import JSONB_ARRAY, JSONB_TEXT, Claim, Outcome, Settlement, StagedRow
from campaign.domain.status import Status
from campaign.ledger.port import CampaignRecord, CampaignSpec, Ledger

UPGRADED = (
    ({"pending": 0}, False),
    ({"pending": 1}, True),
    ({"pending": 0, "delivered": 1, "failed": 1}, False),
    ({"pending": 0, "not_delivered": 1}, True),
    ({"pending": 0, "unknown": 1}, True),
    ({"unknown": 1, "not_delivered": 1}, False),
)
"""The status and attempts of each row in an older ledger, and whether it has an open retry once it is upgraded."""


def spec(name: str = "promo") -> CampaignSpec:
    return CampaignSpec(
        name=name,
        list_name="promo.csv",
        list_sha256="a",
        message_sha256="b",
        columns=("id", "name"),
        id_column="id",
        settings={"rate": "9"},
    )


def staged(row: int, pass_id: str | None = None, *, status: Status = Status.PENDING, message: str = "Hello") -> StagedRow:
    identity = f"pass-{row}" if pass_id is None else pass_id
    return StagedRow(
        row=row,
        pass_id=identity,
        pass_key=identity.lower(),
        message=message,
        cells=(identity, f"Name {row}"),
        outcome=Outcome(status=status),
    )


def in_jsonb(row: StagedRow, *, short: bool = False) -> bytes:
    """A row as `StagedBatch.plain` has it."""
    texts = (row.pass_id, row.message, json.dumps(row.cells), *(() if short else (row.pass_key, row.zone)))
    inside = b"".join(bytes([JSONB_TEXT]) + len(text.encode()).to_bytes(4, "big") + text.encode() for text in texts)
    return bytes([JSONB_ARRAY]) + len(inside).to_bytes(4, "big") + inside


async def campaign_of(ledger: Ledger, *rows: StagedRow, name: str = "promo", quiet_seconds: float = 0.0) -> CampaignRecord:
    """A campaign with these rows, ready to be sent."""
    record = await ledger.create(spec(name))
    await ledger.stage(record.id, rows)
    await ledger.finish_staging(record.id, content_sha256="c", quiet_seconds=quiet_seconds)
    return record


def ends(
    claim: Claim, status: Status, *, due_in_seconds: float | None = 0.0, reason: str = "", sent_at: float = 10.0, seconds: float = 0.5
) -> Settlement:
    outcome = Outcome(
        status=status,
        reason=reason,
        attempts=claim.attempts + 1,
        http_status=200,
        sent_at=sent_at,
        settled_at=sent_at + seconds,
        latency_seconds=seconds,
    )
    return Settlement(claim=claim, outcome=outcome, counted_attempts=claim.counted_attempts + 1, due_in_seconds=due_in_seconds)
