"""Rows for the reporter's tests."""

from pathlib import Path

from campaign.domain.model import Outcome, ResultRow, Status

OWN = ("pass_id", "name")

DELIVERED = Outcome(
    status=Status.DELIVERED,
    notification_status="delivered",
    notification_message="Delivered succesfully",
    http_status=200,
    attempts=1,
    sent_at=1_760_000_000.25,
    settled_at=1_760_000_000.5,
    latency_seconds=0.23456,
)
FAILED = Outcome(
    status=Status.FAILED,
    reason="http_404",
    http_status=404,
    error='{"errors": ["Pass, not found"]}',
    attempts=1,
    sent_at=1_760_000_001.0,
    settled_at=1_760_000_001.125,
    latency_seconds=0.125,
)
PENDING = Outcome(status=Status.PENDING)
INVALID = Outcome(status=Status.INVALID, reason="no_id", error="The row has no pass id.")
UNKNOWN = Outcome(status=Status.UNKNOWN, reason="timeout", attempts=1, sent_at=1_760_000_002.0, settled_at=1_760_000_032.0)


def row(number: int, outcome: Outcome = DELIVERED, *, cells: tuple[str, ...] | None = None, message: str = "Hi!") -> ResultRow:
    own = (f"pass-{number:04}", f"Näme {number}") if cells is None else cells
    return ResultRow(row=number, pass_id=f"pass-{number:04}", message=message, cells=own, outcome=outcome)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}
