"""Converts values of every type to the text of a cell: values of a workbook's cells and of Arrow columns."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final, assert_never

import orjson
import pyarrow as pa
import pyarrow.types as kinds

TEXT: Final = pa.large_string()
Converter = Callable[[pa.Array], pa.Array]
"""Converts an array to its cells, as `TEXT`. Raises ValueError, OverflowError or an ArrowException for a value that can't be text."""

Value = str | float | bool | dt.date | dt.time | dt.timedelta
"""The value of a workbook's cell. In Python's types an int counts as a float, and a datetime is a date."""

_DIGITS_LOST: Final = 1e15
"""From this number on, a spreadsheet or a float column may have lost digits of an id."""


def number_text(value: float, *, digits: str) -> str:
    """A float as text. A whole number has no fraction, but E-notation if digits may be lost, so that the loss is visible.

    Args:
        value: the number; NaN becomes an empty cell.
        digits: the text for a number that is not whole.
    """
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    if not value.is_integer():  # also infinity
        return digits
    if abs(value) < _DIGITS_LOST:
        return str(int(value))
    mantissa, _, exponent = f"{value:.5E}".partition("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def cell_text(value: Value) -> str:
    """A workbook's cell as text: numbers and booleans as Excel writes them into a CSV file, dates and times in ISO 8601."""
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
    """Hours, minutes and seconds in Excel's format for durations, such as 30:00:00."""
    sign = "-" if value < dt.timedelta() else ""
    seconds, rest = divmod(abs(value), dt.timedelta(seconds=1))
    fraction = f".{rest.microseconds:06}".rstrip("0") if rest else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, which can be text only if they are valid UTF-8."""
    return any(test(kind) for test in (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary))


def converter(kind: pa.DataType) -> Converter:
    """The converter to text for a column of this type. Nested values become JSON."""
    if isinstance(kind, pa.BaseExtensionType):
        return _each(str) if isinstance(kind, pa.UuidType) else _within(kind.storage_type, lambda array: array.storage)
    if kinds.is_dictionary(kind):
        return _within(kind.value_type, lambda array: array.dictionary_decode())
    return next((convert for test, convert in _CONVERTERS if test(kind)), _json)


def _within(kind: pa.DataType, unwrap: Callable[[pa.Array], pa.Array]) -> Converter:
    inner = converter(kind)
    return lambda array: inner(unwrap(array))


def _text(array: pa.Array) -> pa.Array:
    """Convert with Arrow's cast: exact for integers, and possible for bytes only if they are UTF-8."""
    text = array.cast(TEXT)
    return text.fill_null("") if text.null_count else text


def _fixed_bytes(array: pa.Array) -> pa.Array:
    return _text(array.cast(pa.binary()))


def _nulls(array: pa.Array) -> pa.Array:
    return pa.repeat(pa.scalar("", TEXT), len(array))


def _each(text: Callable[[Any], str], *, cast_to: pa.DataType | None = None) -> Converter:
    def convert(array: pa.Array) -> pa.Array:
        values = array if cast_to is None else array.cast(cast_to, safe=False)
        return pa.array(["" if value is None else text(value) for value in values.to_pylist()], TEXT)

    return convert


def _short_floats(array: pa.Array) -> pa.Array:
    """Floats of 16 and 32 bits, with the fewest digits that identify them: 0.1, not 0.10000000149011612."""
    numbers = array.to_numpy(zero_copy_only=False)
    return pa.array([number_text(float(number), digits=str(number)) for number in numbers], TEXT)


def _dates(array: pa.Array) -> pa.Array:
    return pa.array([text.partition("T")[0] for text in _iso(array.cast(pa.timestamp("s")))], TEXT)


def _times(array: pa.Array) -> pa.Array:
    if array.type.tz:
        # Local time with the offset of the column's zone, to the microsecond: 2026-07-02T18:00:00+02:00.
        return _each(lambda value: str(value.isoformat()), cast_to=pa.timestamp("us", array.type.tz))(array)
    return pa.array([text.rstrip("0").rstrip(".") if "." in text else text for text in _iso(array)], TEXT)


def _iso(array: pa.Array) -> list[str]:
    """Times in ISO 8601, also for years that Python's dates can't hold."""
    import numpy as np  # noqa: PLC0415 - few lists have times

    texts: list[str] = np.datetime_as_string(array.to_numpy(zero_copy_only=False)).tolist()
    return ["" if text == "NaT" else text for text in texts]


def _json(array: pa.Array) -> pa.Array:
    values = array.to_pylist(maps_as_pydicts="lossy")
    return pa.array(["" if value is None else json_text(value) for value in values], TEXT)


def json_text(value: object) -> str:
    """A nested value as JSON, the text of one cell."""
    return orjson.dumps(value, _plain, orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: object) -> str:
    """A text for a value inside a nested one that JSON has no form for."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value)


_CONVERTERS: Final[tuple[tuple[Callable[[pa.DataType], bool], Converter], ...]] = (
    (kinds.is_string, _text),
    (kinds.is_large_string, _text),
    (kinds.is_string_view, _text),
    (kinds.is_integer, _text),
    (kinds.is_boolean, _text),
    (kinds.is_float64, _each(lambda value: number_text(value, digits=repr(value)))),
    (kinds.is_floating, _short_floats),
    (kinds.is_decimal, _each(lambda value: format(value, "f"))),
    (kinds.is_date, _dates),
    (kinds.is_timestamp, _times),
    (kinds.is_time, _each(lambda value: str(value.isoformat()), cast_to=pa.time64("us"))),
    (kinds.is_duration, _each(lambda value: f"PT{value.total_seconds():g}S", cast_to=pa.duration("us"))),
    (kinds.is_null, _nulls),
    (kinds.is_fixed_size_binary, _fixed_bytes),
    (is_binary, _text),
)
