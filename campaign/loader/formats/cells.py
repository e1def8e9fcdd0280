"""Converts values of every type to the text of a cell: of a workbook, of Python objects, and of columns that pyarrow reads."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.types as kinds

from campaign.domain.errors import InputError
from campaign.loader.formats.frames import ROWS_AT_ONCE, TEXT, TEXT_AT_ONCE, Header, too_long

_DIGITS_LOST: Final = 1e15
"""From this number on, a spreadsheet or a float column may have lost digits of an id."""


def _number(value: float, digits: str) -> str:
    """A float as text: `digits` if it is not whole. A whole number is in E-notation if digits may be lost, so that the loss is visible."""
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    if not value.is_integer():  # also infinity
        return digits
    if abs(value) < _DIGITS_LOST:
        return str(int(value))
    mantissa, _, exponent = f"{value:.5E}".partition("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def workbook_text(value: str | float | dt.date | dt.time | dt.timedelta) -> str:
    """A workbook's cell as text: numbers and booleans as Excel writes them into a CSV file, dates and times in ISO 8601."""
    match value:
        case bool():
            return str(value).upper()
        case float():
            return _number(value, f"{value:.15g}".upper())  # Excel shows no more than 15 digits
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            # Excel's format for durations, such as 30:00:00
            sign = "-" if value < dt.timedelta() else ""
            seconds, rest = divmod(abs(value), dt.timedelta(seconds=1))
            fraction = f".{rest.microseconds:06}".rstrip("0") if rest else ""
            return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
        case _:
            return str(value)


def object_text(value: Any) -> str:
    """A Python object as text, the same as in a column of its type. Raises TypeError if its type can't be text."""
    match value:
        case str() | UUID():
            return str(value)
        case None:
            return ""
        case bool() | np.bool_():
            return str(value).lower()
        case int() | np.integer():
            return str(int(value))
        case float() | np.floating():
            return _number(float(value), str(value))
        case Decimal():
            return "" if value.is_nan() else format(value, "f")
        case dt.date() | dt.time():
            text = value.isoformat()
            return text.rstrip("0") if "." in text and getattr(value, "tzinfo", None) is None else text
        case list() | dict():
            return json_text(value)
        case _:
            raise TypeError


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


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, which can be text only if they are valid UTF-8."""
    return any(test(kind) for test in (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary))


def column_text(array: pa.Array) -> pa.Array:
    """A column's cells as text. Nested values become JSON.

    Raises:
        ValueError, OverflowError, pyarrow.ArrowException: a value can't be text.
    """
    kind = array.type
    if isinstance(kind, pa.UuidType):
        return _each(array, str)
    if isinstance(kind, pa.BaseExtensionType):
        return column_text(array.storage)
    if kinds.is_dictionary(kind):
        return column_text(array.dictionary_decode())
    if any(test(kind) for test in _CAST):
        # Arrow's cast is exact for integers, and possible for bytes only if they are UTF-8.
        text = array.cast(TEXT)
        return text.fill_null("") if text.null_count else text
    if kinds.is_floating(kind):
        # With the fewest digits that identify a number of its size: 0.1, not 0.10000000149011612.
        return pa.array([_number(float(number), str(number)) for number in array.to_numpy(zero_copy_only=False)], TEXT)
    if kinds.is_date(kind) or (kinds.is_timestamp(kind) and not kind.tz):
        # NumPy writes also the years that Python's dates can't hold.
        days_or_times = array.cast(pa.date32()) if kinds.is_date64(kind) else array
        texts: list[str] = np.datetime_as_string(days_or_times.to_numpy(zero_copy_only=False)).tolist()
        return pa.array(["" if text == "NaT" else text.rstrip("0").rstrip(".") if "." in text else text for text in texts], TEXT)
    for test, unit, convert in _IN_PYTHON:
        if test(kind):
            return _each(array.cast(unit(kind), safe=False), convert)
    return _each(array, json_text)


_CAST: Final = (kinds.is_null, kinds.is_string, kinds.is_large_string, kinds.is_string_view, kinds.is_integer, kinds.is_boolean, is_binary)
_IN_PYTHON: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any], pa.DataType], Callable[[Any], str]], ...]] = (
    (kinds.is_decimal, lambda kind: kind, lambda value: format(value, "f")),
    # Local time with the offset of the column's zone, to the microsecond: 2026-07-02T18:00:00+02:00.
    (kinds.is_timestamp, lambda kind: pa.timestamp("us", kind.tz), lambda value: str(value.isoformat())),
    (kinds.is_time, lambda _: pa.time64("us"), lambda value: str(value.isoformat())),
    (kinds.is_duration, lambda _: pa.duration("us"), lambda value: f"PT{value.total_seconds():g}S"),
)


def _each(array: pa.Array, text: Callable[[Any], str]) -> pa.Array:
    values = array.to_pylist(maps_as_pydicts="lossy")
    return pa.array(["" if value is None else text(value) for value in values], TEXT)


_DAMAGED: Final = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError, RuntimeError)
"""What pyarrow raises for a damaged file, as fuzzing showed too."""


@contextmanager
def damage(what: str) -> Iterator[None]:
    """Raises InputError for what pyarrow raises; `what` is what the file is called."""
    try:
        yield
    except MemoryError:
        raise
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0][:200]
        problem = f"The {what} is damaged or cut off ({reason}). Copy or save it again."
        raise InputError(problem, code="damaged_file") from None


def usable_columns(schema: pa.Schema, read: Callable[[Sequence[int]], Iterable[pa.RecordBatch]]) -> list[int]:
    """The positions of the columns that can be text. `read` reads columns of bytes or nested values, which have to be read to know."""
    uncertain = [place for place, field in enumerate(schema) if is_binary(field.type) or kinds.is_nested(field.type)]
    bad: set[int] = set()
    for batch in read(uncertain) if uncertain else ():
        bad.update(place for place, array in zip(uncertain, batch.columns, strict=True) if place not in bad and not _are_cells(array))
    return [place for place in range(len(schema)) if place not in bad]


def text_batches(batches: Iterable[pa.RecordBatch], header: Header) -> Iterator[pa.RecordBatch]:
    """Yield the rows as text, in batches of the usual size. Raises InputError for a value that can't be text."""
    done = rows = size = 0
    held: list[list[pa.Array]] = []

    def together() -> pa.RecordBatch:
        return header.batch([pa.concat_arrays(parts) for parts in zip(*held, strict=True)], rows_before=done)

    for batch in batches:
        held.append([_cells(array, done + rows, name) for array, name in zip(batch.columns, header.names, strict=True)])
        rows += len(batch)
        size += sum(texts.nbytes for texts in held[-1])
        if rows >= ROWS_AT_ONCE or size > TEXT_AT_ONCE:
            yield together()
            done, rows, size = done + rows, 0, 0
            held.clear()
    if held:
        yield together()


def _cells(array: pa.Array, rows_before: int, column: str) -> pa.Array:
    if (texts := _texts(array)) is None:
        at = next((at for at in range(len(array)) if not _are_cells(array.slice(at, 1))), 0)
        problem = f"The value can't be written as text ({array.type}). Convert the column to text in UTF-8, or leave it out."
        raise InputError(problem, code="not_text", row=rows_before + at + 1, column=column or None)
    return texts


def _are_cells(array: pa.Array) -> bool:
    return (texts := _texts(array)) is not None and too_long(texts) is None


def _texts(array: pa.Array) -> pa.Array | None:
    """The cells as text; None if one of them can't be."""
    try:
        texts = column_text(array)
        texts.validate(full=True)
    except MemoryError:
        raise
    except _DAMAGED:
        return None
    return texts
