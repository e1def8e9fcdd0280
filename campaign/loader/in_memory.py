"""Lists that a program has in memory: DataFrames and Arrow streams, written to a private Parquet file while they are used.

From then on such a list is a Parquet file like any other: the same text, the same limits, the same errors by row and column. The caller's
later changes have no effect, and a stream that can be read only once can be read twice.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from campaign.domain.errors import InputError
from campaign.loader import limits
from campaign.loader.formats.cells import object_text
from campaign.loader.source import Source

_ROWS_AT_ONCE: Final = 65_536


@runtime_checkable
class ArrowStream(Protocol):
    """A table of any library with Arrow's stream interface: pandas, polars, DuckDB, pyarrow, ..."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@contextmanager
def as_source(rows: ArrowStream) -> Iterator[Source]:
    """The rows as a list's source, until the block ends.

    Raises:
        InputError: a column can't be text; with its name and the first row that causes it.
    """
    name = type(rows).__name__
    reader = _table(rows, name).to_reader(_ROWS_AT_ONCE) if isinstance(rows, pd.DataFrame) else _stream(rows, name)
    source = parquet_source(lambda path: write(path, reader.schema, reader, name), name)
    try:
        yield source
    finally:
        source.close()


def parquet_source(fill: Callable[[Path], None], name: str) -> Source:
    """The list in a Parquet file that `fill` writes; the file is removed when the source is closed."""
    return replace(Source.copied(fill, name=name), suffix=".parquet", written_here=True)


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], name: str) -> None:
    """Write rows to a Parquet file. Raises InputError if Parquet can't store a column, or if a query's join goes on without end."""
    plain = pa.schema([(field.name, _stored(field.type)) for field in schema])
    left = limits.ROWS
    try:
        with pq.ParquetWriter(path, plain, compression="zstd") as writer:
            for batch in batches:
                left -= len(batch)
                if left < 0:
                    raise InputError(f"The list has more than {limits.ROWS:,} rows. Narrow it down.", code="too_many_rows", file=name)
                arrays = [_as(kind, array) for array, kind in zip(batch.columns, plain.types, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=plain), row_group_size=_ROWS_AT_ONCE)
    except pa.ArrowException as error:
        raise InputError(f"It can't be read ({error}). Convert the column to text.", code="unsupported_type", file=name) from error


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type in which a Parquet file stores values of this type: it has no dictionaries of views."""
    kind = kind.value_type if kinds.is_dictionary(kind) else kind
    return pa.large_string() if kinds.is_string_view(kind) else kind


def _as(kind: pa.DataType, array: pa.Array) -> pa.Array:
    return array.dictionary.cast(kind).take(array.indices) if kinds.is_dictionary(array.type) else array.cast(kind)


def _stream(rows: ArrowStream, name: str) -> pa.RecordBatchReader:
    try:
        return pa.RecordBatchReader.from_stream(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"It is no table ({error}). Give a table with named columns.", code="no_table", file=name) from error


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
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        return _array(pd.Series(series.dtype.categories), column, name).take(pa.array(codes, mask=codes < 0))
    if pd.api.types.is_datetime64_dtype(series.dtype) and (series.isna() | (series == series.dt.normalize())).all():
        # pandas has no type for dates, and writes such a column as dates too.
        return pa.array(series.to_numpy().astype("datetime64[D]"), from_pandas=True)
    if series.dtype != object:
        with suppress(pa.ArrowException, TypeError, ValueError):
            array = pa.array(series, from_pandas=True)
            # Arrow knows periods and the like only as pandas' own types.
            if not isinstance(array.type, pa.BaseExtensionType):
                return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return objects(series.astype(object).where(series.notna(), None).tolist(), column, name)


def objects(values: Iterable[Any], column: str, name: str, *, rows_before: int = 0) -> pa.Array:
    """Python objects as text. Raises InputError for a value that can't be text."""
    texts = []
    for row, value in enumerate(values, rows_before + 1):
        try:
            texts.append(text := object_text(value))
            text.encode()
        except (TypeError, UnicodeEncodeError) as error:
            what = "a text with half a character" if isinstance(error, UnicodeEncodeError) else f"of the type {type(value).__name__}"
            problem = f"The value is {what}, which can't be written as text. Convert the column to text, or leave it out."
            raise InputError(problem, code="unsupported_value", file=name, row=row, column=column) from error
    return pa.array(texts, pa.large_string())
