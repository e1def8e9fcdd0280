"""Rows for the reporter's tests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from campaign.domain.model import Outcome, ResultRow
from campaign.domain.status import Status
from campaign.ledger.records import ROWS_AT_ONCE, ResultColumns
from campaign.reporter.timeline import Timeline

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
INVALID = Outcome(status=Status.INVALID, reason="no_id", error="It has no id.")
UNKNOWN = Outcome(status=Status.UNKNOWN, reason="timeout", attempts=1, sent_at=1_760_000_002.0, settled_at=1_760_000_032.0)


def row(number: int, outcome: Outcome = DELIVERED, *, cells: tuple[str, ...] | None = None, message: str = "Hi!") -> ResultRow:
    own = (f"pass-{number:04}", f"Näme {number}") if cells is None else cells
    return ResultRow(row=number, pass_id=f"pass-{number:04}", message=message, cells=own, outcome=outcome)


def by_column(rows: Iterable[ResultRow]) -> Iterator[ResultColumns]:
    """The rows as a ledger gives them to the reporter."""
    source = iter(rows)
    while part := list(islice(source, ROWS_AT_ONCE)):
        outcomes = [row.outcome for row in part]
        yield ResultColumns(
            row=[row.row for row in part],
            message=[row.message for row in part],
            cells=list(zip(*(row.cells for row in part), strict=True)),
            status=[outcome.status.value for outcome in outcomes],
            reason=[outcome.reason for outcome in outcomes],
            notification_status=[outcome.notification_status for outcome in outcomes],
            notification_message=[outcome.notification_message for outcome in outcomes],
            http_status=[outcome.http_status for outcome in outcomes],
            error=[outcome.error for outcome in outcomes],
            attempts=[outcome.attempts for outcome in outcomes],
            sent_at=[outcome.sent_at for outcome in outcomes],
            settled_at=[outcome.settled_at for outcome in outcomes],
            latency_seconds=[outcome.latency_seconds for outcome in outcomes],
            pass_status=[outcome.pass_status for outcome in outcomes],
            device_type=[outcome.device_type for outcome in outcomes],
        )


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def attempts(*some: tuple[float, float, float], runner: int = 1) -> pd.DataFrame:
    """Attempts by when they were sent, how long they took, and their HTTP status."""
    return pd.DataFrame(some, columns=["sent_at", "latency_seconds", "http_status"], dtype=float).assign(runner=runner)


def timeline_given(
    *counts: Mapping[Any, int], since: float = 0.0, seconds: int = 10, latency: float = 0.25, throttled: Sequence[int] = ()
) -> Timeline:
    """A timeline of so many attempts by status in each stretch, each with the same latency."""
    sends = pd.DataFrame([{status.value: by_status.get(status, 0) for status in Status} for by_status in counts], columns=[*Status])
    answered = sends.sum(axis="columns")
    numbers = {"throttled": list(throttled) or 0, "throttled_again": 0}
    return Timeline(
        since=since,
        seconds=seconds,
        sends=sends.assign(**numbers, answered=answered, latency=answered * latency, longest=latency * answered.gt(0)),
    )
