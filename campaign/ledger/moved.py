"""Rows, attempts and waits on their way from one ledger to another: as tuples of a ledger's tables, and back."""

from typing import Any

import orjson

from campaign.domain.model import Outcome, StagedRow, Status
from campaign.ledger.upkeep import MovedAttempt, MovedRow
from campaign.ledger.waiting import Wait


def moved_row(values: tuple[Any, ...], now: float) -> MovedRow:
    row, pass_id, pass_key, message, cells, status, reason, attempts, tries, notification_status, notification_message, *rest = values
    http_status, error, sent_at, settled_at, latency_seconds, pass_status, device_type, zone, due_at, quiet_until = rest
    outcome = Outcome(
        status=Status(status),
        reason=reason,
        notification_status=notification_status,
        notification_message=notification_message,
        http_status=http_status,
        error=error,
        attempts=attempts,
        sent_at=sent_at,
        settled_at=settled_at,
        latency_seconds=latency_seconds,
        pass_status=pass_status,
        device_type=device_type,
    )
    own = tuple(orjson.loads(cells))
    staged = StagedRow(row=row, pass_id=pass_id, pass_key=pass_key, message=message, cells=own, outcome=outcome, zone=zone)
    return MovedRow(
        staged=staged,
        tries=tries,
        due_in_seconds=None if due_at is None else max(0.0, due_at - now),
        quiet_seconds=max(0.0, quiet_until - now),
    )


def moved_attempt(values: tuple[Any, ...]) -> MovedAttempt:
    row, pass_key, runner, status, reason, http_status, sent_at, settled_at, latency_seconds, message = values
    return MovedAttempt(
        row=row,
        pass_key=pass_key,
        runner=runner,
        status=status,
        reason=reason,
        http_status=http_status,
        sent_at=sent_at,
        settled_at=settled_at,
        latency_seconds=latency_seconds,
        message=message,
    )


def taken_in_row(campaign: int, moved: MovedRow, now: float) -> tuple[Any, ...]:
    row, outcome = moved.staged, moved.staged.outcome
    due_at = now + moved.due_in_seconds if moved.due_in_seconds is not None else None
    # What others have sent to the pass meanwhile, this ledger doesn't know: a person has it read back, as of a results file.
    due_at = None if outcome.status is Status.UNKNOWN else due_at
    return (
        *(campaign, row.row, row.pass_id, row.pass_key, row.message, orjson.dumps(row.cells).decode(), outcome.status.value),
        *(outcome.reason, outcome.attempts, moved.tries, outcome.notification_status, outcome.notification_message),
        *(outcome.http_status, outcome.error, outcome.sent_at, outcome.settled_at, outcome.latency_seconds),
        *(outcome.pass_status, outcome.device_type, row.zone, due_at, now + moved.quiet_seconds if moved.quiet_seconds else 0.0),
    )


def taken_in_attempt(campaign: int, made: MovedAttempt, runners: dict[int, int]) -> tuple[Any, ...]:
    return (
        *(campaign, made.row, made.pass_key, runners.get(made.runner, 0), made.status, made.reason, made.http_status),
        *(made.sent_at, made.settled_at, made.latency_seconds, made.message),
    )


def taken_in_wait(campaign: int, wait: Wait) -> tuple[Any, ...]:
    return campaign, wait.why.value, wait.since, wait.until
