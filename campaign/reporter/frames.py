"""Streams a campaign's rows from the ledger: as Arrow tables for results files, as pandas DataFrames for figures and the Python API.

A DataFrame has the list's columns, then `RESULT_COLUMNS`. Texts are `str`; status, reason, the API's status and the campaign are
categories; `delivery_http_status` and `delivery_attempts` are `Int32`, `delivery_row` is `Int64`; times are `datetime64[ms, UTC]`, with
`NaT` for none; `delivery_latency_ms` is `float64` with one decimal, with `NaN` for none.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from campaign.domain.model import RESULT_COLUMNS
from campaign.domain.status import NEEDS_ATTENTION, Status
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.ledger.records import AttemptColumns, ResultColumns
from campaign.reporter.files.target import check_columns

if TYPE_CHECKING:
    import pandas as pd

PartT = TypeVar("PartT", ResultColumns, AttemptColumns)

FRAME_ROWS: Final = 32_768
FRAME_BYTES: Final = 16 << 20
"""A table ends with the part of rows that reaches either limit, so that memory use stays close to it."""

TEXT: Final = pa.large_string()
CATEGORIES: Final = pa.dictionary(pa.int32(), TEXT)
_TIMES: Final = pa.timestamp("ms", tz="UTC")
TYPES: Final[dict[str, pa.DataType]] = dict.fromkeys(RESULT_COLUMNS, TEXT) | {
    "delivery_status": CATEGORIES,
    "delivery_reason": CATEGORIES,
    "delivery_notification_status": CATEGORIES,
    "delivery_http_status": pa.int32(),
    "delivery_attempts": pa.int32(),
    "delivery_sent_at": _TIMES,
    "delivery_settled_at": _TIMES,
    "delivery_latency_ms": pa.float64(),
    "delivery_campaign": CATEGORIES,
    "delivery_row": pa.int64(),
}
_SHORT: Final = 100
_READ: Final[dict[str, pa.DataType]] = {
    "message": TEXT,
    "error": TEXT,
    "row": pa.int64(),
    "http_status": pa.int32(),
    "attempts": pa.int32(),
    "sent_at": pa.float64(),
    "settled_at": pa.float64(),
    "latency_seconds": pa.float64(),
} | dict.fromkeys(("status", "reason", "notification_status", "notification_message", "pass_status", "device_type"), CATEGORIES)
_OF_ROWS: Final = ("row", "status", "reason", "attempts", "sent_at", "latency_seconds", "pass_status", "device_type")
_OF_ATTEMPTS: Final[dict[str, pa.DataType]] = {
    "row": pa.int32(),
    "runner": pa.int32(),
    "status": CATEGORIES,
    "reason": CATEGORIES,
    "http_status": pa.float32(),
    "sent_at": pa.float64(),
    "latency_seconds": pa.float64(),
}


def schema_of(columns: Sequence[str]) -> pa.Schema:
    """The schema of the results of a list with these columns; raises as `check_columns` does."""
    check_columns(columns)
    return pa.schema([*((name, TEXT) for name in columns), *TYPES.items()])


def rows_frame(
    reader: LedgerReader, record: CampaignRecord, *, statuses: frozenset[Status] | None = None, by: int | None = None, ids: bool = False
) -> "pd.DataFrame":
    """The rows of a campaign for figures: row, status, reason, attempts, sent_at, latency_seconds, pass_status and device_type.

    Texts are categories, times are Unix seconds. A row takes about 50 bytes. `by` is the position of a column of the list, whose values are
    added as the column `by`; with `ids`, the ids are added as the column `id`.
    """
    own = ({} if by is None else {"by": by}) | ({"id": record.spec.columns.index(record.spec.id_column)} if ids else {})
    schema = pa.schema([*((name, _READ[name]) for name in _OF_ROWS), *((name, TEXT if name == "id" else CATEGORIES) for name in own)])

    def columns(part: ResultColumns) -> list[Sequence[Any]]:
        return [*(getattr(part, name) for name in _OF_ROWS), *([*map(str.strip, part.cells[place])] for place in own.values())]

    return _one_frame(_gathered(reader.result_columns(record.id, statuses), schema, columns), schema)


def attempts_frame(reader: LedgerReader, record: CampaignRecord) -> "pd.DataFrame":
    """The attempts of a campaign: row, runner, status, reason, http_status, sent_at and latency_seconds; NaN for no answer."""
    return _one_frame(_attempts(reader, record), pa.schema(_OF_ATTEMPTS))


def attempt_frames(reader: LedgerReader, record: CampaignRecord) -> "Iterator[pd.DataFrame]":
    """The same attempts, about `FRAME_ROWS` at a time."""
    return (table.to_pandas(use_threads=False) for table in _attempts(reader, record))


def _attempts(reader: LedgerReader, record: CampaignRecord) -> Iterator[pa.Table]:
    def columns(part: AttemptColumns) -> list[Sequence[Any]]:
        return [getattr(part, name) for name in _OF_ATTEMPTS]

    return _gathered(reader.attempt_columns(record.id), pa.schema(_OF_ATTEMPTS), columns)


def by_status(found: "pd.DataFrame", by: "str | pd.Series[Any]", status: str = "status") -> "pd.DataFrame":
    """How many rows have a value (index) and a status (columns, every one)."""
    counted = found.groupby([by, status], observed=True).size().unstack(fill_value=0)  # noqa: PD010 - a pivot table calls a function for each group
    return counted.rename(columns=str).reindex(columns=[one.value for one in Status], fill_value=0)


def _one_frame(some: Iterable[pa.Table], schema: pa.Schema, **options: Any) -> "pd.DataFrame":
    table = pa.concat_tables([schema.empty_table(), *some]).unify_dictionaries()
    found: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True, use_threads=False, **options)
    return found


def tables(parts: Iterable[ResultColumns], *, schema: pa.Schema, campaign: str) -> Iterator[pa.Table]:
    """Yield a ledger's rows as tables whose columns have one chunk. A part is read only when its table is needed."""
    own = len(schema) - len(TYPES)
    read = pa.schema([*((f"{place}", TEXT) for place in range(own)), *_READ.items()])

    def columns(part: ResultColumns) -> list[Sequence[Any]]:
        if len(part.cells) != own:
            raise ValueError(f"rows {part.row[0]} to {part.row[-1]} have {len(part.cells)} cells for {own} columns")
        return [*part.cells, *(getattr(part, name) for name in _READ)]

    for table in _gathered(parts, read, columns):
        yield pa.table([*table.columns[:own], *_result_columns(table, campaign)], schema=schema)


def frame_of(some: Iterable[pa.Table], *, schema: pa.Schema) -> "pd.DataFrame":
    """Tables as one DataFrame."""
    import pandas as pd  # noqa: PLC0415 - it takes a while to import, and results files do without

    nullable = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}
    return _one_frame(some, schema, types_mapper=nullable.get)


def needing_attention(table: pa.Table) -> pa.Table:
    """Only the rows that need attention, which also go to the failed-rows file."""
    wanted = pa.array([status.value for status in NEEDS_ATTENTION], TEXT)
    status = table["delivery_status"].chunk(0)
    return table.filter(pc.is_in(status.dictionary, wanted).take(status.indices)).combine_chunks()


def milliseconds(seconds: Any) -> Any:
    """Unix seconds as whole milliseconds; 0 for no time. It rounds to microseconds first, like `datetime`, so that both agree."""
    times = np.asarray(seconds, dtype=np.float64)
    whole_seconds = np.floor(times)
    micros = np.rint((times - whole_seconds) * 1e6).astype(np.int64)
    return whole_seconds.astype(np.int64) * 1000 + micros // 1000


def _gathered(parts: Iterable[PartT], schema: pa.Schema, columns: Callable[[PartT], list[Sequence[Any]]]) -> Iterator[pa.Table]:
    """Yield a ledger's columns as tables of bounded size."""
    coded = [field.name for field in schema if field.type == CATEGORIES]
    names, types = schema.names, [pa.int32() if field.type == CATEGORIES else field.type for field in schema]
    group, codes, rows, size = [], _new_codes(coded), 0, 0
    for part in parts:
        arrays = [_array(values, type_, codes.get(name)) for name, type_, values in zip(names, types, columns(part), strict=True)]
        group.append(pa.RecordBatch.from_arrays(arrays, names=names))
        rows += len(part)
        size += group[-1].get_total_buffer_size()
        if rows >= FRAME_ROWS or size >= FRAME_BYTES:
            yield _table(group, codes)
            group, codes, rows, size = [], _new_codes(coded), 0, 0
    if group:
        yield _table(group, codes)


def _new_codes(names: Iterable[str]) -> dict[str, defaultdict[str, int]]:
    """For each column with few different texts, a code for each text: looking a code up is faster than passing the text to Arrow."""
    codes: dict[str, defaultdict[str, int]] = {name: defaultdict() for name in names}
    codes["status"].update((status.value, place) for place, status in enumerate(Status))
    for found in codes.values():
        found.default_factory = found.__len__
    return codes


def _table(group: list[pa.RecordBatch], codes: Mapping[str, Mapping[str, int]]) -> pa.Table:
    table = pa.Table.from_batches(group).combine_chunks()
    for name, found in codes.items():
        texts = pa.DictionaryArray.from_arrays(table[name].chunk(0), _without_nul(pa.array(list(found), TEXT)))
        if len(texts.dictionary.unique()) < len(found):
            texts = texts.dictionary_decode().dictionary_encode()
        table = table.set_column(table.schema.get_field_index(name), name, texts)
    return table


def _array(values: Sequence[Any], type_: pa.DataType, codes: defaultdict[str, int] | None = None) -> pa.Array:
    # Most result columns have the same value in all rows. Counting it takes a tenth of the time of converting each.
    first = values[0]
    if first == values[-1] and values.count(first) == len(values) and (not isinstance(first, str) or len(first) <= _SHORT):
        return _repeated(first if codes is None else codes[first], len(values), type_)
    if codes is not None:
        return pa.array(np.fromiter(map(codes.__getitem__, values), np.int32, len(values)))
    return pa.array(values, type_)


@lru_cache(maxsize=64)
def _repeated(value: Any, count: int, type_: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, type_), count)


def _result_columns(table: pa.Table, campaign: str) -> Iterator[Any]:
    for name, type_ in TYPES.items():
        match name:
            case "delivery_campaign":
                yield pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), dtype=np.int32)), pa.array([campaign], TEXT))
            case "delivery_latency_ms":
                yield pa.array(np.round(table["latency_seconds"].to_numpy() * 1000, 1), from_pandas=True)
            case _ if type_ == _TIMES:
                times = milliseconds(table[name.removeprefix("delivery_")])
                yield pa.array(times.astype("datetime64[ms]"), mask=times == 0, type=_TIMES)
            case "delivery_message" | "delivery_error":
                yield _without_nul(table[name.removeprefix("delivery_")].chunk(0))
            case _:
                # Some coded columns, such as `notification_message`, are plain texts in a frame.
                yield table[name.removeprefix("delivery_")].cast(type_)


def _without_nul(texts: pa.Array) -> pa.Array:
    # A reply may contain a NUL, which no list may: the loader would refuse the results file.
    held = texts.buffers()[2]
    if held is None or b"\0" not in held.to_pybytes():
        return texts
    return pc.replace_substring(texts, "\0", "\N{REPLACEMENT CHARACTER}")
