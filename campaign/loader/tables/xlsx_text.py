"""What a worksheet's cell holds, as text."""

import datetime as dt
from typing import assert_never

from campaign.loader.tables.numbers import number_text

Value = str | float | bool | dt.date | dt.time | dt.timedelta
"""What calamine gives; an int can stand for a float, and a datetime is a date."""


def cell_text(value: Value) -> str:
    """A cell as text: numbers, truths and errors as Excel writes them into a CSV file, dates and times in ISO 8601."""
    match value:
        case str():
            return value
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return number_text(value, digits=f"{value:.15g}".upper())  # Excel shows no more than 15 digits
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return _duration(value)
        case _:
            assert_never(value)


def _duration(value: dt.timedelta) -> str:
    """Hours, minutes and seconds, as Excel's own format for durations has them: 30:00:00."""
    sign = "-" if value < dt.timedelta() else ""
    seconds, rest = divmod(abs(value), dt.timedelta(seconds=1))
    fraction = f".{rest.microseconds:06}".rstrip("0") if rest else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
