"""How many sends there were when, and what they came to."""

from dataclasses import replace

from campaign.domain.model import Claim, Settlement, Status
from campaign.domain.verdict import Resolution
from campaign.ledger.port import Ledger, LedgerReader
from tests.contract.backends import HandClock
from tests.contract.given import campaign_of, ends, staged

BEGIN = 1_800_000_000.0


def sent(claim: Claim, status: Status, clock: HandClock, latency_seconds: float | None = 0.5) -> Settlement:
    settlement = ends(claim, status)
    return replace(settlement, outcome=replace(settlement.outcome, sent_at=clock.wall(), latency_seconds=latency_seconds))


async def test_each_attempt_counts_when_it_was_begun_with_what_it_came_to(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 11)))
    other = await campaign_of(ledger, *(staged(row, f"other-{row}") for row in range(1, 11)), name="other")
    runner, elsewhere = await ledger.register_runner(record.id, quiet_seconds=10), await ledger.register_runner(other.id, quiet_seconds=10)

    first, second, third = await ledger.claim(runner, 3)
    await ledger.settle(runner, [sent(first, Status.DELIVERED, clock, 1.0), sent(second, Status.DELIVERED, clock, 3.0)])
    await ledger.settle(runner, [sent(third, Status.FAILED, clock, None)])
    await ledger.settle(elsewhere, [sent(claim, Status.DELIVERED, clock) for claim in await ledger.claim(elsewhere, 5)])
    clock.advance(25.0)
    again, *rest = await ledger.claim(runner, 3)
    await ledger.settle(runner, [sent(again, Status.PENDING, clock, 7.0), *(sent(claim, Status.UNKNOWN, clock, None) for claim in rest)])

    one, none, last = reader.sends_over_time(record.id, since=BEGIN, until=BEGIN + 30, buckets=3)
    assert (one.at, one.by_status) == (BEGIN, {Status.DELIVERED: 2, Status.FAILED: 1})
    assert (one.mean_latency_seconds, one.max_latency_seconds) == (2.0, 3.0)
    assert (none.at, none.by_status, none.mean_latency_seconds, none.max_latency_seconds) == (BEGIN + 10, {}, 0.0, 0.0)
    assert (last.at, last.by_status) == (BEGIN + 20, {Status.PENDING: 1, Status.UNKNOWN: 2})
    assert (last.mean_latency_seconds, last.max_latency_seconds) == (7.0, 7.0)


async def test_what_is_before_or_after_is_left_out(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 4)))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    for _ in range(3):
        await ledger.settle(runner, [sent(claim, Status.DELIVERED, clock) for claim in await ledger.claim(runner, 1)])
        clock.advance(1.0)
    (only,) = reader.sends_over_time(record.id, since=BEGIN + 1, until=BEGIN + 2, buckets=1)
    assert only.by_status == {Status.DELIVERED: 1}


async def test_a_row_that_was_read_back_counts_as_what_it_is_now(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    (claim,) = await ledger.claim(runner, 1)
    await ledger.settle(runner, [sent(claim, Status.UNKNOWN, clock, None)])
    (before,) = reader.sends_over_time(record.id, since=BEGIN, until=BEGIN + 1, buckets=1)
    (doubt,) = await ledger.claim_unverified(record.id, 1)
    await ledger.record_verification(doubt, Resolution(status=Status.ACCEPTED, reason=""), again_in_seconds=None)
    (after,) = reader.sends_over_time(record.id, since=BEGIN, until=BEGIN + 1, buckets=1)
    assert (before.by_status, after.by_status) == ({Status.UNKNOWN: 1}, {Status.ACCEPTED: 1})


async def test_a_campaign_that_was_not_sent_has_empty_stretches(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    found = reader.sends_over_time(record.id, since=BEGIN, until=BEGIN + 10, buckets=5)
    assert [stretch.at - BEGIN for stretch in found] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert not any(stretch.by_status for stretch in found)
