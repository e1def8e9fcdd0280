"""Every type a Parquet column can have, as text."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds

from campaign.loader.tables.numbers import number_text

Converter = Callable[[pa.Array], list[str]]
"""From an array to its cells. Raises ValueError, OverflowError or an ArrowException for a value that can't be text."""


def is_text(kind: pa.DataType) -> bool:
    """Whether a column's values are text already."""
    return any(test(kind) for test in (kinds.is_string, kinds.is_large_string, kinds.is_string_view))


def converter(kind: pa.DataType) -> Converter | None:
    """How to make text of a column of this type; None if it is nested, and can't be one cell."""
    if isinstance(kind, pa.BaseExtensionType):
        return _each(str) if isinstance(kind, pa.UuidType) else _within(kind.storage_type, lambda array: array.storage)
    if kinds.is_dictionary(kind):
        return _within(kind.value_type, lambda array: array.dictionary_decode())
    if kinds.is_nested(kind):
        return None
    return next((convert for test, convert in _CONVERTERS if test(kind)), None)


def _within(kind: pa.DataType, unwrap: Callable[[pa.Array], pa.Array]) -> Converter | None:
    inner = converter(kind)
    return None if inner is None else lambda array: inner(unwrap(array))


def _nulls(array: pa.Array) -> list[str]:
    return [""] * len(array)


def _text(array: pa.Array) -> list[str]:
    """By Arrow's own cast: exact for integers, and for bytes only if they are UTF-8."""
    text = array.cast(pa.string())
    cells: list[str] = (text.fill_null("") if text.null_count else text).to_pylist()
    return cells


def _fixed_bytes(array: pa.Array) -> list[str]:
    return _text(array.cast(pa.binary()))


def _each(text: Callable[[Any], str], *, cast_to: pa.DataType | None = None) -> Converter:
    def convert(array: pa.Array) -> list[str]:
        values = array if cast_to is None else array.cast(cast_to, safe=False)
        return ["" if value is None else text(value) for value in values.to_pylist()]

    return convert


def _short_floats(array: pa.Array) -> list[str]:
    """Floats of 16 and 32 bits, with no more digits than tell them apart: 0.1, not 0.10000000149011612."""
    numbers = array.to_numpy(zero_copy_only=False)
    return [number_text(float(number), digits=str(number)) for number in numbers]


def _dates(array: pa.Array) -> list[str]:
    return [text.partition("T")[0] for text in _iso(array.cast(pa.timestamp("s")))]


def _times(array: pa.Array) -> list[str]:
    if array.type.tz:
        return _local_times(array)
    return [text.rstrip("0").rstrip(".") if "." in text else text for text in _iso(array)]


def _iso(array: pa.Array) -> list[str]:
    """ISO 8601, for any year, which Python's own dates can't hold."""
    texts: np.ndarray[Any, Any] = np.datetime_as_string(array.to_numpy(zero_copy_only=False))
    return ["" if text == "NaT" else text for text in texts.tolist()]


def _local_times(array: pa.Array) -> list[str]:
    """Times with a zone, as they are there, with the offset: 2026-07-02T18:00:00+02:00; to the microsecond."""
    return _each(lambda value: str(value.isoformat()), cast_to=pa.timestamp("us", array.type.tz))(array)


def _times_of_day(array: pa.Array) -> list[str]:
    return _each(lambda value: str(value.isoformat()), cast_to=pa.time64("us"))(array)


_CONVERTERS: Final[tuple[tuple[Callable[[pa.DataType], bool], Converter], ...]] = (
    (is_text, _text),
    (kinds.is_integer, _text),
    (kinds.is_boolean, _each(lambda value: "true" if value else "false")),
    (kinds.is_float64, _each(lambda value: number_text(value, digits=repr(value)))),
    (kinds.is_floating, _short_floats),
    (kinds.is_decimal, _each(lambda value: format(value, "f"))),
    (kinds.is_date, _dates),
    (kinds.is_timestamp, _times),
    (kinds.is_time, _times_of_day),
    (kinds.is_duration, _each(lambda value: f"PT{value.total_seconds():g}S", cast_to=pa.duration("us"))),
    (kinds.is_null, _nulls),
    (kinds.is_fixed_size_binary, _fixed_bytes),
    (kinds.is_binary, _text),
    (kinds.is_large_binary, _text),
    (kinds.is_binary_view, _text),
)
