"""What a row of a results file says became of it. People edit these files in spreadsheets, so whatever is not plain is a doubt.

A doubt is `unknown`, which is held: never is a row sent because its status could not be read.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from campaign.domain.cells import strip_unseen
from campaign.domain.model import UNSENT, Outcome, Status

UNREADABLE_STATUS: Final = "unreadable_status"
LOST: Final = "lost"

_STATUSES: Final = {status.value: status for status in Status}
_TRACES: Final = ("reason", "notification_status", "notification_message", "http_status", "error", "sent_at", "settled_at", "latency_ms")
_MAY_BE_SENT: Final = frozenset({Status.PENDING, Status.FAILED, Status.NOT_DELIVERED})
_SHOWN_BY_A_PHONE: Final = "delivered"
_MOST_ATTEMPTS: Final = 1_000_000
_LAST_SECOND: Final = 253_402_300_799.0
"""Of the year 9999."""


def read_outcome(delivery: Mapping[str, str]) -> Outcome:
    """The outcome that a row's `delivery_` cells describe; details that can't be read are left out.

    A row without a status is pending if nothing else in it tells of an attempt: someone has added it. `sending` means that the run never
    learnt how it ended.
    """
    status = _status(delivery)
    if status is Status.PENDING:
        return UNSENT
    return Outcome(
        status=Status.UNKNOWN if status in {None, Status.SENDING} else status or Status.UNKNOWN,
        reason=UNREADABLE_STATUS if status is None else LOST if status is Status.SENDING else _text(delivery, "reason"),
        notification_status=_text(delivery, "notification_status"),
        notification_message=_text(delivery, "notification_message"),
        http_status=_http_status(_text(delivery, "http_status")),
        error=_text(delivery, "error"),
        attempts=_attempts(_text(delivery, "attempts")),
        sent_at=_time(_text(delivery, "sent_at")),
        settled_at=_time(_text(delivery, "settled_at")),
        latency_seconds=_seconds(_text(delivery, "latency_ms")),
    )


def _text(delivery: Mapping[str, str], name: str) -> str:
    return delivery.get(f"delivery_{name}", "")


def _status(delivery: Mapping[str, str]) -> Status | None:
    """The status, None if it can't be told."""
    word = re.sub(r"[\s-]+", "_", strip_unseen(_text(delivery, "status")).casefold())
    if not word:
        tried = _attempts(_text(delivery, "attempts")) > 0 or any(strip_unseen(_text(delivery, name)) for name in _TRACES)
        return None if tried else Status.PENDING
    status = _STATUSES.get(word)
    # Sorting one column of a sheet alone gives rows the statuses of others.
    if status in _MAY_BE_SENT and _text(delivery, "notification_status").strip().casefold() == _SHOWN_BY_A_PHONE:
        return None
    return status


def _number(text: str) -> float | None:
    """A number, with a decimal comma, too, as some spreadsheets save it."""
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
