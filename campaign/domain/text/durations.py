"""Durations as people write them (`500ms`, `10s`, `5m`, `2h`) and as they read them."""

import math
import re
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", re.IGNORECASE | re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds in a text such as `500ms`, `10s`, `5m`, `2h`. Raises ValueError if the text is not a duration."""
    found = _FORM.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2].lower()] if found else math.inf
    if math.isinf(seconds):
        raise ValueError(f"“{text}” is not a duration; write for example 500ms, 10s, 5m, 2h or 3d")
    return seconds


def clamp(value: float, lowest: float, highest: float) -> float:
    """`value` within the bounds. NaN becomes `highest`, the careful end of a wait."""
    return highest if math.isnan(value) else min(max(value, lowest), highest)


def words(seconds: float) -> str:
    """A duration for people: `3 h 5 min`, `2 min 10 s`, `8 s`, `3 d`: two units at most."""
    hours, rest = divmod(round(seconds), 3600)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (rest // 60, "min"), (rest % 60, "s"))
    first = next((place for place, (number, _) in enumerate(parts) if number), len(parts) - 1)
    (number, unit), *after = parts[first : first + 2]
    return f"{number} {unit}" + "".join(f" {more} {smaller}" for more, smaller in after if more)
