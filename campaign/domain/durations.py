"""Durations as people write them (`500ms`, `10s`, `5m`, `2h`) and as they read them."""

import math
import re
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", re.IGNORECASE | re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds in a text such as `500ms`, `10s`, `5m`, `2h`.

    Raises:
        ValueError: it is none of these.
    """
    found = _FORM.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2].lower()] if found else math.inf
    if math.isinf(seconds):
        raise ValueError(f"“{text}” is not a duration; write for example 500ms, 10s, 5m or 2h")
    return seconds


def clamp(value: float, lowest: float, highest: float) -> float:
    """`value` within the bounds; what is not a number becomes `highest`, the careful end of a wait."""
    return highest if math.isnan(value) else min(max(value, lowest), highest)


def words(seconds: float) -> str:
    """A duration for people: `3 h 5 min`, `2 min 10 s`, `8 s`."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {rest} s"
    return f"{whole} s"
