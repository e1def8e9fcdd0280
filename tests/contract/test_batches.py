"""Claims and settlements go to the ledger many at a time: each still is its own, letter by letter."""

from dataclasses import replace
from typing import Final

import pytest

from campaign.domain.model import Outcome, Settlement
from campaign.domain.retry_selection import Selection
from campaign.domain.row_state import RowState
from campaign.domain.status import Status
from campaign.ledger.port import Ledger, LedgerReader
from tests.contract.given import campaign_of, ends, staged

ODD: Final = (
    "plain",
    'quoted "twice" and \\ back \\u0041',
    "lines\nand\r\ntabs\t",
    "\x01\x1f\x7f",
    "\u2028\u2029\ufeff",
    "🎁👩‍👩‍👧 Grüße",
    "null",
    "true",
    "1e5",
    "007",
    '["a", {"b": 1}]',
    "'; DROP TABLE rows; --",
)


@pytest.mark.parametrize("together", [1, 3, len(ODD)])
async def test_texts_and_numbers_of_a_batch_come_back_as_they_went(ledger: Ledger, reader: LedgerReader, together: int) -> None:
    """SQLite takes few one by one."""
    record = await campaign_of(ledger, *(staged(row, f"p {text}", message=text) for row, text in enumerate(ODD, 1)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    claims = await ledger.claim(runner, 100)
    assert [(claim.row, claim.pass_id, claim.message) for claim in claims] == [(row, f"p {text}", text) for row, text in enumerate(ODD, 1)]
    outcomes = [
        Outcome(
            status=Status.NOT_DELIVERED,
            reason=text,
            notification_status=text,
            notification_message=text,
            http_status=200 + row,
            error=text,
            attempts=row,
            sent_at=1_800_000_000 + row / 7,
            settled_at=1_800_000_001 + row / 7,
            latency_seconds=None if row == 1 else 1 / row,
            pass_status=text,
            device_type=text,
        )
        for row, text in enumerate(ODD, 1)
    ]
    settlements = [Settlement(claim=claim, outcome=outcome, counted_attempts=1) for claim, outcome in zip(claims, outcomes, strict=True)]
    for first in range(0, len(ODD), together):
        assert await ledger.settle(runner, settlements[first : first + together]) == []
    assert [row.outcome for row in reader.rows(record.id)] == outcomes


async def test_of_two_settlements_of_one_claim_the_first_counts(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    one, other = await ledger.claim(runner, 2)
    late = await ledger.settle(runner, [ends(one, Status.DELIVERED), ends(other, Status.DELIVERED), ends(one, Status.FAILED)])
    assert late == [one]
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 2
    assert reader.row_states(record.id, [2, 3]) == [RowState(2, staged(2).pass_key, Status.DELIVERED, 1, 10.0, begun=True)]
    assert reader.attempts_by_runner(record.id) == {runner.id: 2}


async def test_an_attempt_that_did_not_end_or_that_a_results_file_tells_of_has_begun(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2), staged(3, status=Status.UNKNOWN))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.release(runner, await ledger.claim(runner, 1))
    await ledger.retry(record.id, Selection(statuses=frozenset({Status.UNKNOWN})))
    found = {one.row: (one.status, one.begun) for one in reader.row_states(record.id, [1, 2, 3])}
    assert found == {1: (Status.PENDING, True), 2: (Status.PENDING, False), 3: (Status.PENDING, True)}


async def test_an_old_claim_and_the_new_one_of_a_row_in_one_batch_are_told_apart(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    new, other = await ledger.claim(runner, 2)
    old = replace(new, fencing_token=new.fencing_token - 1)
    late = await ledger.settle(runner, [ends(old, Status.FAILED), ends(other, Status.DELIVERED), ends(new, Status.DELIVERED)])
    assert late == [old]
    assert [row.outcome.status for row in reader.rows(record.id)] == [Status.DELIVERED] * 2
    assert reader.attempts_by_runner(record.id) == {runner.id: 2}


async def test_of_a_large_batch_only_what_is_late_is_refused(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 301)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    claims = await ledger.claim(runner, 300)
    given_back = [claim for claim in claims if claim.row % 7 == 0]
    await ledger.release(runner, given_back)
    assert len(await ledger.claim(runner, 10)) == 10, "some of them are claimed again, and so have a newer claim"
    assert await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in claims]) == given_back
    assert {row.row for row in reader.rows(record.id) if row.outcome.status is not Status.DELIVERED} == {claim.row for claim in given_back}
    assert reader.attempts_by_runner(record.id) == {runner.id: 300 - len(given_back)}


async def test_rows_staged_in_any_number_are_all_there_in_their_order(ledger: Ledger, reader: LedgerReader) -> None:
    """SQLite takes many in one statement, and what is left one by one."""
    for count in (1, 49, 50, 51, 149):
        record = await campaign_of(ledger, *(staged(row, f"{count}-{row}") for row in range(1, count + 1)), name=f"of {count}")
        assert [(row.row, row.pass_id) for row in reader.rows(record.id)] == [(row, f"{count}-{row}") for row in range(1, count + 1)]
