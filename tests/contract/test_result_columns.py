"""Rows by column are the rows, whatever stands in them, for every backend."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from campaign.domain.model import Outcome, ResultRow, StagedRow
from campaign.domain.status import Status
from campaign.ledger.port import Ledger, LedgerReader
from campaign.ledger.records import ROWS_AT_ONCE, ResultColumns
from tests.contract.given import campaign_of, ends, staged

ODD = ('"], ["', "[", "a,b", "\\", "two\nlines", "", " ", "null", "李 👩‍👩‍👧", "\u2028", "\x7f\x01")


def row_by_row(parts: Iterable[ResultColumns]) -> Iterator[ResultRow]:
    """The rows again, but for their passes."""
    for part in parts:
        assert 1 <= len(part) <= ROWS_AT_ONCE
        outcomes = zip(
            *(part.status, part.reason, part.notification_status, part.notification_message, part.http_status, part.error),
            *(part.attempts, part.sent_at, part.settled_at, part.latency_seconds, part.pass_status, part.device_type),
            strict=True,
        )
        for row, message, cells, (status, reason, *answer, attempts, sent_at, settled_at, latency, pass_status, device_type) in zip(
            part.row, part.message, zip(*part.cells, strict=True), outcomes, strict=True
        ):
            notification_status, notification_message, http_status, error = answer
            outcome = Outcome(
                status=Status(status),
                reason=reason,
                notification_status=notification_status,
                notification_message=notification_message,
                http_status=http_status,
                error=error,
                attempts=attempts,
                sent_at=sent_at,
                settled_at=settled_at,
                latency_seconds=latency,
                pass_status=pass_status,
                device_type=device_type,
            )
            yield ResultRow(row=row, pass_id="", message=message, cells=cells, outcome=outcome)


def as_written(rows: Iterable[ResultRow]) -> list[ResultRow]:
    return [replace(row, pass_id="") for row in rows]


def of_every_kind(count: int) -> Iterator[StagedRow]:
    statuses = [status for status in Status if status is not Status.SENDING]
    for number in range(1, count + 1):
        status, odd = statuses[number % len(statuses)], ODD[number % len(ODD)]
        never = status in {Status.PENDING, Status.INVALID, Status.SKIPPED}
        outcome = Outcome(
            status=status,
            reason=f"reason {number % 3}",
            notification_status=odd if number % 2 else "delivered",
            notification_message=odd,
            http_status=None if never else 200 + number % 5,
            error=f"{odd}{number}",
            attempts=0 if never else number % 4,
            sent_at=0.0 if never else 1e9 + number / 7,
            settled_at=0.0 if never else 1e9 + number / 3,
            latency_seconds=None if number % 3 else number / 9,
            pass_status="" if number % 2 else "active",
            device_type=odd if number % 5 else "",
        )
        yield replace(staged(number), message=f"Hello {odd}", cells=(f"pass-{number}", odd), outcome=outcome)


async def test_they_are_the_same_rows(ledger: Ledger, reader: LedgerReader) -> None:
    count = 2 * ROWS_AT_ONCE + 5
    record = await campaign_of(ledger, *of_every_kind(count))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    *settled, _ = await ledger.claim(runner, 20)
    await ledger.settle(runner, [ends(claim, Status.NOT_DELIVERED) for claim in settled])
    rows = as_written(reader.rows(record.id))
    assert {row.outcome.status for row in rows} == set(Status)
    assert [row.row for row in rows] == list(range(1, count + 1))
    assert list(row_by_row(reader.result_columns(record.id))) == rows
    some = frozenset({Status.UNKNOWN, Status.SENDING, Status.FAILED})
    assert list(row_by_row(reader.result_columns(record.id, some))) == [row for row in rows if row.outcome.status in some]
    messages = [(row.row, row.pass_id, row.message) for row in reader.rows(record.id) if row.outcome.status in some]
    assert list(reader.messages(record.id, some)) == messages


async def test_where_there_are_no_rows_there_is_no_part(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 4)))
    assert list(reader.result_columns(record.id, frozenset({Status.DELIVERED}))) == []
    assert list(reader.result_columns(record.id + 1)) == []


async def test_a_look_at_columns_is_of_one_moment(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 5 * ROWS_AT_ONCE)))
    parts = reader.result_columns(record.id)
    assert next(parts).row[0] == 1
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, 5 * ROWS_AT_ONCE)])
    assert {status for part in parts for status in part.status} == {"pending"}
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 5 * ROWS_AT_ONCE - 1
