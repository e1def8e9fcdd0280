"""Reads from a row of a results file what became of it."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from campaign.domain.model import UNSENT, Outcome
from campaign.domain.status import MAY_HAVE_ARRIVED, SENT_TO, Status
from campaign.domain.text.formula_escape import strip_unseen
from campaign.domain.verdict import DELIVERED_VALUE, EARLIER_ATTEMPT, UNREADABLE_STATUS, WAS_SENDING

_STATUSES: Final = {status.value: status for status in Status}
_TRACES: Final = ("reason", "notification_status", "notification_message", "http_status", "error", "sent_at", "settled_at", "latency_ms")
_NOT_ARRIVED: Final = SENT_TO - MAY_HAVE_ARRIVED | {Status.PENDING, Status.NOT_DELIVERED}
_MOST_ATTEMPTS: Final = 1_000_000
_LAST_ROW: Final = 2**31 - 1
"""PostgreSQL's integers end there."""
_LAST_SECOND: Final = 253_402_300_799.0
"""The last second of the year 9999, since the epoch."""


def read_outcome(delivery: Mapping[str, str]) -> Outcome:
    """The outcome that a row's `delivery_` cells describe, without details that can't be read.

    A row without a status and without a trace of an attempt is pending, because a person added it. `sending` becomes `unknown`, because
    another ledger, or a batch, may still send it. A status that can't be read becomes `unknown` too, and `unknown` without a reason counts
    as one.
    """
    status, reason = _status(delivery), _text(delivery, "reason")
    if status in {Status.PENDING, Status.UNKNOWN}:
        # These are Campaign's own words; others may be the vendor's.
        reason = strip_unseen(reason).casefold()
    if status is Status.UNKNOWN and not reason:
        status = None
    attempts = _attempts(_text(delivery, "attempts"))
    if status is Status.PENDING and reason == EARLIER_ATTEMPT:
        # A ledger does not count the attempt of a row that it found as `sending` in a file.
        attempts = max(attempts, 1)
    if status is Status.PENDING and not attempts:
        return UNSENT
    return Outcome(
        status=Status.UNKNOWN if status is None or status is Status.SENDING else status,
        reason=UNREADABLE_STATUS if status is None else WAS_SENDING if status is Status.SENDING else reason,
        notification_status=_text(delivery, "notification_status"),
        notification_message=_text(delivery, "notification_message"),
        http_status=_http_status(_text(delivery, "http_status")),
        error=_text(delivery, "error"),
        attempts=attempts,
        sent_at=_time(_text(delivery, "sent_at")),
        settled_at=_time(_text(delivery, "settled_at")),
        latency_seconds=_seconds(_text(delivery, "latency_ms")),
    )


def row_number(delivery_row: str) -> int:
    """A row's number in its campaign, which a spreadsheet may have made a decimal one; 0 if it has none."""
    number = _number(delivery_row)
    return int(number) if number is not None and number <= _LAST_ROW else 0


def _text(delivery: Mapping[str, str], name: str) -> str:
    return delivery.get(f"delivery_{name}", "")


def _status(delivery: Mapping[str, str]) -> Status | None:
    """The status, or None if it can't be read."""
    word = re.sub(r"[\s-]+", "_", strip_unseen(_text(delivery, "status")).casefold())
    if not word:
        tried = _attempts(_text(delivery, "attempts")) > 0 or any(strip_unseen(_text(delivery, name)) for name in _TRACES)
        return None if tried else Status.PENDING
    status = _STATUSES.get(word)
    # If a person sorts only one column of a sheet, rows get the statuses of other rows.
    if status in _NOT_ARRIVED and _text(delivery, "notification_status").strip().casefold() == DELIVERED_VALUE:
        return None
    return status


def _number(text: str) -> float | None:
    """A finite number from 0, also with a decimal comma, as some spreadsheets save it; None if the text is none."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _attempts(text: str) -> int:
    number = _number(text)
    return int(number) if number is not None and number <= _MOST_ATTEMPTS else 0


def _http_status(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() and 100 <= number <= 999 else None


def _seconds(text: str) -> float | None:
    milliseconds = _number(text)
    return None if milliseconds is None or milliseconds > _LAST_SECOND else milliseconds / 1000


def _time(text: str) -> float:
    try:
        time = datetime.fromisoformat(text.strip())
        # Spreadsheets drop the zone, which is UTC in every results file.
        seconds = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return seconds if 0 < seconds <= _LAST_SECOND else 0.0
