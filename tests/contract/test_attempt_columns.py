"""The attempts of a campaign, by column."""

from dataclasses import replace

from campaign.domain.model import Claim, Settlement
from campaign.domain.status import Status
from campaign.domain.verdict import Resolution
from campaign.ledger.port import Ledger, LedgerReader
from campaign.ledger.records import ROWS_AT_ONCE
from tests.contract.backends import HandClock
from tests.contract.given import campaign_of, ends, staged

BEGIN = 1_800_000_000.0


def sent(claim: Claim, status: Status, clock: HandClock, latency_seconds: float | None = 0.5) -> Settlement:
    settlement = ends(claim, status)
    return replace(settlement, outcome=replace(settlement.outcome, sent_at=clock.wall(), latency_seconds=latency_seconds))


async def test_attempts_are_in_the_order_of_rows_and_then_of_time(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 4)))
    other = await campaign_of(ledger, staged(1, "other"), name="other")
    runner, elsewhere = await ledger.register_runner(record.id, quiet_seconds=10), await ledger.register_runner(other.id, quiet_seconds=10)

    first, second = await ledger.claim(runner, 2)
    await ledger.settle(runner, [sent(second, Status.FAILED, clock, None), sent(first, Status.PENDING, clock, 3.0)])
    await ledger.settle(elsewhere, [sent(claim, Status.DELIVERED, clock) for claim in await ledger.claim(elsewhere, 1)])
    clock.advance(25.0)
    for claim in await ledger.claim(runner, 3):
        await ledger.settle(runner, [sent(claim, Status.DELIVERED, clock, 1.0)])

    (found,) = reader.attempt_columns(record.id)
    assert (len(found), found.row, found.runner) == (4, (1, 1, 2, 3), (runner.id,) * 4)
    assert found.status == ("pending", "delivered", "failed", "delivered")
    assert found.sent_at == (BEGIN, BEGIN + 25, BEGIN, BEGIN + 25)
    assert found.latency_seconds == (3.0, 1.0, None, 1.0)
    assert list(reader.attempt_columns(other.id + 1)) == []


async def test_many_attempts_come_in_parts(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, ROWS_AT_ONCE + 2)))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    await ledger.settle(runner, [sent(claim, Status.DELIVERED, clock) for claim in await ledger.claim(runner, ROWS_AT_ONCE + 1)])
    assert [len(part) for part in reader.attempt_columns(record.id)] == [ROWS_AT_ONCE, 1]


async def test_a_row_that_was_read_back_counts_as_what_it_is_now(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    (claim,) = await ledger.claim(runner, 1)
    await ledger.settle(runner, [sent(claim, Status.UNKNOWN, clock, None)])
    (before,) = reader.attempt_columns(record.id)
    (unverified,) = await ledger.claim_unverified(record.id, 1)
    await ledger.record_verification(unverified, Resolution(status=Status.ACCEPTED, reason=""), again_in_seconds=None)
    (after,) = reader.attempt_columns(record.id)
    assert (before.status, after.status) == (("unknown",), ("accepted",))
