"""How fast a campaign is being sent, as any process can see it in the ledger."""

from dataclasses import replace

from campaign.domain.model import Claim, Settlement
from campaign.domain.status import Status
from campaign.ledger.port import Ledger, LedgerReader
from tests.contract.backends import HandClock
from tests.contract.given import campaign_of, ends, staged


def settled(claim: Claim, clock: HandClock) -> Settlement:
    settlement = ends(claim, Status.DELIVERED)
    return replace(settlement, outcome=replace(settlement.outcome, settled_at=clock.wall()))


async def test_the_last_ten_seconds_of_this_campaign_count(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 61)))
    other = await campaign_of(ledger, *(staged(row, f"other-{row}") for row in range(1, 61)), name="other")
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    elsewhere = await ledger.register_runner(other.id, quiet_seconds=10)
    assert reader.recent_rate(record.id) == 0.0
    for _ in range(20):
        await ledger.settle(runner, [settled(claim, clock) for claim in await ledger.claim(runner, 3)])
        await ledger.settle(elsewhere, [settled(claim, clock) for claim in await ledger.claim(elsewhere, 1)])
        clock.advance(1.0)
    assert reader.recent_rate(record.id) == 3.0
    assert reader.recent_rate(other.id) == 1.0
    clock.advance(5.0)
    assert reader.recent_rate(record.id) == 1.5
    clock.advance(10.0)
    assert reader.recent_rate(record.id) == 0.0


async def test_the_first_second_is_not_blown_up(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1), staged(2))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    await ledger.settle(runner, [settled(claim, clock) for claim in await ledger.claim(runner, 2)])
    clock.advance(0.01)
    assert reader.recent_rate(record.id) == 2.0
