"""A campaign as DataFrames: typed, in the list's order, bounded, for every ledger backend."""

import pandas as pd
import pyarrow as pa
import pytest

from campaign.domain.model import RESULT_COLUMNS
from campaign.domain.status import NEEDS_ATTENTION, Status
from campaign.ledger.port import CampaignRecord, Ledger, LedgerReader
from campaign.ledger.records import ROWS_AT_ONCE
from campaign.reporter import frames as made
from campaign.reporter.frames import frame_of, needing_attention, schema_of, tables
from tests.contract.given import campaign_of, staged
from tests.contract.test_result_columns import of_every_kind

COUNT = 2 * ROWS_AT_ONCE + 5
TYPES = {
    "id": "str",
    "name": "str",
    "delivery_status": "category",
    "delivery_reason": "category",
    "delivery_message": "str",
    "delivery_notification_status": "category",
    "delivery_notification_message": "str",
    "delivery_http_status": "Int32",
    "delivery_error": "str",
    "delivery_attempts": "Int32",
    "delivery_sent_at": "datetime64[ms, UTC]",
    "delivery_settled_at": "datetime64[ms, UTC]",
    "delivery_latency_ms": "float64",
    "delivery_campaign": "category",
    "delivery_row": "Int64",
}


def made_of(reader: LedgerReader, record: CampaignRecord, statuses: frozenset[Status] | None = None) -> list[pa.Table]:
    parts = reader.result_columns(record.id, statuses)
    return list(tables(parts, schema=schema_of(record.spec.columns), campaign=record.spec.name))


def one_frame(some: list[pa.Table], record: CampaignRecord) -> pd.DataFrame:
    return frame_of(some, schema=schema_of(record.spec.columns))


async def test_they_hold_the_rows_typed(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *of_every_kind(COUNT))
    frame = one_frame(made_of(reader, record), record)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == TYPES
    rows = list(reader.rows(record.id))
    assert frame["delivery_row"].tolist() == [row.row for row in rows]
    assert frame["name"].tolist() == [row.cells[1] for row in rows]
    assert frame["delivery_status"].tolist() == [row.outcome.status for row in rows]
    assert frame["delivery_message"].tolist() == [row.message for row in rows]
    assert frame["delivery_http_status"].isna().tolist() == [row.outcome.http_status is None for row in rows]
    assert frame["delivery_sent_at"].isna().tolist() == [not row.outcome.sent_at for row in rows]
    latest = max(row.outcome.settled_at for row in rows)
    assert abs(frame["delivery_settled_at"].max() - pd.Timestamp(latest, unit="s", tz="UTC")) < pd.Timedelta(milliseconds=1)
    assert set(frame["delivery_campaign"]) == {"promo"}


async def test_they_are_bounded_and_become_one_again(ledger: Ledger, reader: LedgerReader, monkeypatch: pytest.MonkeyPatch) -> None:
    record = await campaign_of(ledger, *of_every_kind(COUNT))
    (at_once,) = made_of(reader, record)
    monkeypatch.setattr(made, "FRAME_ROWS", ROWS_AT_ONCE)
    some = made_of(reader, record)
    assert [len(table) for table in some] == [ROWS_AT_ONCE, ROWS_AT_ONCE, 5]
    one = one_frame(some, record)
    assert {name: str(dtype) for name, dtype in one.dtypes.items()} == TYPES
    pd.testing.assert_frame_equal(one, one_frame([at_once], record), check_categorical=False)


async def test_only_the_rows_that_need_someone(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *of_every_kind(40))
    (failed,) = (needing_attention(table).to_pandas() for table in made_of(reader, record))
    assert set(failed["delivery_status"]) == {status.value for status in NEEDS_ATTENTION}
    assert len(failed) == sum(reader.counts(record.id).by_status[status] for status in NEEDS_ATTENTION)


async def test_of_no_rows_there_is_an_empty_frame_of_the_same_types(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 4)))
    assert reader.counts(record.id).by_status[Status.PENDING] == 3
    empty = one_frame(made_of(reader, record, NEEDS_ATTENTION), record)
    assert {name: str(dtype) for name, dtype in empty.dtypes.items()} == TYPES
    assert (len(empty), list(empty.columns)) == (0, ["id", "name", *RESULT_COLUMNS])
