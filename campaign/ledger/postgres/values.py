"""Converts values of the domain to parameters of PostgreSQL's statements: one array per column."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from campaign.domain.model import Settlement
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.domain.verdict import quiet_after
from campaign.ledger.port import Runner
from campaign.ledger.records import CorrectedRow


def text(value: str) -> str:
    """`value` with each NUL replaced by U+FFFD, as PostgreSQL's text can't hold one. Messages never have one; answers and cells may."""
    return value.replace("\0", "\ufffd") if "\0" in value else value


def cleaned(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(text(value) if isinstance(value, str) else value for value in values)


def selected(selection: Selection) -> dict[str, list[Any]]:
    """The parameters of statements that select rows to retry; of an empty list, every value is taken."""
    return {name: list(values) for name, values in asdict(selection).items()}


def settled(runner: Runner, settlements: Sequence[Settlement]) -> dict[str, Any]:
    """The parameters of `settle`. Future times are in seconds from now."""
    outcomes = [settlement.outcome for settlement in settlements]
    claims = [settlement.claim for settlement in settlements]
    return {
        "campaign": runner.campaign,
        "runner": runner.id,
        "row": [claim.row for claim in claims],
        "fencing_token": [claim.fencing_token for claim in claims],
        "due_in": [settlement.waits_seconds for settlement in settlements],
        "counted_attempts": [settlement.counted_attempts for settlement in settlements],
        "noted_as": [(Status.UNKNOWN if one.may_have_arrived else one.outcome.status).value for one in settlements],
        "status": [outcome.status.value for outcome in outcomes],
        "reason": [text(outcome.reason) for outcome in outcomes],
        "attempts": [outcome.attempts for outcome in outcomes],
        "notification_status": [text(outcome.notification_status) for outcome in outcomes],
        "notification_message": [text(outcome.notification_message) for outcome in outcomes],
        "http_status": [outcome.http_status for outcome in outcomes],
        "error": [text(outcome.error) for outcome in outcomes],
        "sent_at": [outcome.sent_at for outcome in outcomes],
        "settled_at": [outcome.settled_at for outcome in outcomes],
        "latency_seconds": [outcome.latency_seconds for outcome in outcomes],
        "pass_status": [text(outcome.pass_status) for outcome in outcomes],
        "device_type": [text(outcome.device_type) for outcome in outcomes],
        "quiet_seconds": [float(quiet_after(outcome.latency_seconds, quiet_seconds=runner.quiet_seconds)) for outcome in outcomes],
    }


def corrected_columns(campaign: int, rows: Sequence[CorrectedRow]) -> dict[str, Any]:
    """The parameters of `keep_text`, `correct` and `add_zones`."""
    return {
        "campaign": campaign,
        "rows": [row.row for row in rows],
        "pass_ids": [row.pass_id for row in rows],
        "pass_keys": [row.pass_key for row in rows],
        "messages": [row.message for row in rows],
        "cells": [orjson.dumps(row.cells).decode() for row in rows],
        "zones": [row.zone for row in rows],
    }
