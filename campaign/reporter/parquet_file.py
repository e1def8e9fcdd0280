"""Results as Parquet: typed columns, Zstandard, row groups of bounded size; what is missing is null, a text that is empty is empty."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final, assert_never

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from campaign.reporter.batches import Batch, Column, milliseconds
from campaign.reporter.layout import Kind, Layout

GROUP_ROWS: Final = 65_536
GROUP_BYTES: Final = 32 << 20
"""A row group ends at whichever comes first, so that neither side ever holds more in memory than this."""


def write_parquet(sink: BinaryIO, layout: Layout, batches: Iterable[Batch]) -> None:
    """Write every batch."""
    schema = pa.schema([(name, _type(name, kind)) for name, kind in zip(layout.names, layout.kinds, strict=True)])
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for group in _groups(_record_batch(batch, layout, schema) for batch in batches):
            writer.write_table(pa.Table.from_batches(group, schema))


def _groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _record_batch(batch: Batch, layout: Layout, schema: Any) -> Any:
    columns = zip(layout.kinds, batch.columns, schema.types, strict=True)
    return pa.record_batch([_array(kind, column, type_) for kind, column, type_ in columns], schema=schema)


def _type(name: str, kind: Kind) -> Any:
    match kind:
        case Kind.TEXT:
            return pa.string()
        case Kind.WHOLE:
            return pa.int64() if name == "delivery_row" else pa.int32()
        case Kind.TIME:
            return pa.timestamp("ms", tz="UTC")
        case Kind.MILLISECONDS:
            return pa.float64()
        case _:
            assert_never(kind)


def _array(kind: Kind, column: Column, type_: Any) -> Any:
    if kind is Kind.TIME:
        times = milliseconds(column)
        return pa.array(times.astype("datetime64[ms]"), mask=times == np.int64(0), type=type_)
    return pa.array(column, type=type_)
