"""What the headers of an answer say about the rate. Pure text in, numbers out; nonsense becomes None."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from campaign.domain.backoff import LONGEST_RETRY_AFTER_SECONDS

_DECIMAL: Final = re.compile(r"\d{1,300}(?:\.\d{0,300})?|\.\d{1,300}", re.ASCII)
_MOST_DIGITS: Final = 9


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """How long the answer asks to wait: from 0 to LONGEST_RETRY_AFTER_SECONDS, None where it does not say.

    Args:
        headers: looked up by any case.
        now: Unix seconds on this machine's clock; used where a date is given and the answer has no `Date` of its own to measure it by.
    """
    for name in ("x-rate-limit-retry-after", "Retry-After"):
        value = headers.get(name)
        if value is None:
            continue
        seconds = _decimal(value) if name != "Retry-After" else _decimal_or_date(value, headers, now=now)
        if seconds is not None:
            return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    return None


def count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS else None


def _decimal(value: str) -> float | None:
    value = value.strip()
    return float(value) if _DECIMAL.fullmatch(value) else None


def _decimal_or_date(value: str, headers: Mapping[str, str], *, now: float) -> float | None:
    seconds = _decimal(value)
    if seconds is not None:
        return seconds
    until = _date(value)
    if until is None:
        return None
    # The server's own clock is the one its date was made by.
    asked_at = _date(headers.get("Date", ""))
    return until - (now if asked_at is None else asked_at)


def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
