"""Lists that a program has in memory: DataFrames and Arrow streams, written to a private Parquet file while they are used.

From then on such a list is a Parquet file like any other: the same text, the same limits, the same errors by row and column. The caller's
later changes have no effect, and a stream that can be read only once can be read twice.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, TypeGuard, runtime_checkable
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from campaign.domain.errors import InputError
from campaign.loader.source import Source, Spool
from campaign.loader.text_cells import json_text, number_text

_ROWS_AT_ONCE: Final = 65_536
_MOST_BYTES: Final = 4 << 30
_NO_CATEGORY: Final = -1
_NUMPY_KINDS: Final = frozenset("biufmM")
"""The kinds of numpy types whose values Arrow has too: booleans, numbers, times and durations."""


@runtime_checkable
class ArrowStream(Protocol):
    """A table of any library with Arrow's stream interface: polars, DuckDB, pyarrow, ..."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


def is_given(rows: object) -> TypeGuard["pd.DataFrame | ArrowStream"]:
    """Whether `rows` is a list in memory; a DataFrame has Arrow's stream interface too."""
    return isinstance(rows, ArrowStream)


@contextmanager
def given(rows: "pd.DataFrame | ArrowStream") -> Iterator[Source]:
    """The rows as a list's source, until the block ends.

    Raises:
        InputError: a column can't be text; with its name and the first row that causes it.
    """
    name = type(rows).__name__
    spool = Spool()
    try:
        reader = _table(rows, name).to_reader(_ROWS_AT_ONCE) if isinstance(rows, pd.DataFrame) else _stream(rows, name)
        write(spool.path, reader.schema, reader, name)
        found = Source.find(spool.path, file_bytes=_MOST_BYTES)
        yield replace(found, name=name, suffix=".parquet", written_here=True)
    finally:
        spool.close()


def _stream(rows: ArrowStream, name: str) -> pa.RecordBatchReader:
    try:
        return pa.RecordBatchReader.from_stream(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"It is no table ({error}). Give a table with named columns.", code="no_table", file=name) from error


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], name: str) -> None:
    """Write rows to a Parquet file. Raises InputError if Parquet can't store a column."""
    schema = pa.schema([(field.name, _stored(field.type)) for field in schema])
    try:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                arrays = [_as(kind, array) for array, kind in zip(batch.columns, schema.types, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=schema), row_group_size=_ROWS_AT_ONCE)
    except pa.ArrowException as error:
        raise InputError(f"It can't be read ({error}). Convert the column to text.", code="unsupported_type", file=name) from error


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type in which a Parquet file stores values of this type."""
    if kinds.is_dictionary(kind):
        return _stored(kind.value_type)
    if kinds.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if kinds.is_binary_view(kind) else kind


def _as(kind: pa.DataType, array: pa.Array) -> pa.Array:
    return _as(kind, array.dictionary).take(array.indices) if kinds.is_dictionary(array.type) else array.cast(kind)


def _table(frame: pd.DataFrame, name: str) -> pa.Table:
    """A DataFrame as a table; the named levels of its index become columns."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError("Its columns have several levels. Give each column one name.", code="column_levels", file=name)
    if named := [level for level in frame.index.names if level is not None]:
        if repeated := [level for level in named if level in frame.columns]:
            raise InputError("The index has the name of a column, too.", code="repeated_column", file=name, column=str(repeated[0]))
        frame = frame.reset_index(level=named)
    names = [str(column) for column in frame.columns]
    return pa.Table.from_arrays([_array(frame.iloc[:, place], column, name) for place, column in enumerate(names)], names)


def _array(series: "pd.Series[Any]", column: str, name: str) -> pa.Array:
    """A column with its type if Arrow has that type; else as text, cell by cell."""
    kind = series.dtype
    if isinstance(kind, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        return _array(pd.Series(kind.categories), column, name).take(pa.array(codes, mask=codes == _NO_CATEGORY))
    if isinstance(kind, np.dtype) and kind.kind == "M" and (series.isna() | (series == series.dt.normalize())).all():
        # pandas has no type for dates, and writes such a column as dates too.
        return pa.array(series.to_numpy().astype("datetime64[D]"), from_pandas=True)
    if _is_typed(kind):
        with _encoded(series, column, name):
            array = pa.array(series, from_pandas=True)
            return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    with _encoded(series, column, name):
        return pa.array([cell_text(value, row, column, name) for row, value in enumerate(series.astype(object), 1)], pa.large_string())


def _is_typed(kind: Any) -> bool:
    if isinstance(kind, np.dtype):
        return kind.kind in _NUMPY_KINDS
    # The nullable numbers and booleans of pandas are numpy arrays with a mask.
    is_masked = isinstance(getattr(kind, "numpy_dtype", None), np.dtype)
    return is_masked or isinstance(kind, pd.StringDtype | pd.ArrowDtype | pd.DatetimeTZDtype)


@contextmanager
def _encoded(series: "pd.Series[Any]", column: str, name: str) -> Iterator[None]:
    """Raises InputError for a text that UTF-8 can't encode: half of a surrogate pair."""
    try:
        yield
    except UnicodeEncodeError as error:
        row = next(row for row, value in enumerate(series, 1) if value is error.object or value == error.object)
        raise _unsupported("a text with half a character", row, column, name) from error


def cell_text(value: Any, row: int, column: str, name: str) -> str:
    """A cell of an untyped column as text, the same text as in a typed column. Raises InputError if its type can't be text."""
    match value:
        case str():
            return value
        case _ if value is None or value is pd.NA or value is pd.NaT:
            return ""
        case bool() | np.bool_():
            return "true" if value else "false"
        case int() | np.integer():
            return str(int(value))
        case float() | np.floating():
            return number_text(float(value), digits=str(value))
        case Decimal():
            return "" if value.is_nan() else format(value, "f")
        case dt.date() | dt.time():
            return _moment_text(value)
        case UUID():
            return str(value)
        case list() | dict():
            return json_text(value)
        case _:
            raise _unsupported(f"of the type {type(value).__name__}", row, column, name)


def _moment_text(value: dt.date | dt.time) -> str:
    text = value.isoformat()
    return text.rstrip("0") if "." in text and getattr(value, "tzinfo", None) is None else text


def _unsupported(what: str, row: int, column: str, name: str) -> InputError:
    problem = f"The value is {what}, which can't be written as text. Convert the column to text, or leave it out."
    return InputError(problem, code="unsupported_value", file=name, row=row, column=column)
