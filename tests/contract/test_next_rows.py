"""Which rows come next, and what counts against a pass's share, for every backend."""

from dataclasses import replace

from campaign.domain.status import Status
from campaign.ledger.port import ClaimFilter, Ledger, LedgerReader
from tests.contract.given import campaign_of, ends, staged

BERLIN, TOKYO = "Europe/Berlin", "Asia/Tokyo"


async def test_what_is_under_way_comes_first_and_then_what_is_pending_in_the_lists_order(ledger: Ledger, reader: LedgerReader) -> None:
    zones = {1: BERLIN, 2: TOKYO, 3: "", 4: BERLIN, 5: TOKYO, 6: BERLIN, 7: TOKYO}
    record = await campaign_of(ledger, *(replace(staged(row), zone=zone) for row, zone in zones.items()))
    assert set(reader.pending_zones(record.id)) == {"", BERLIN, TOKYO}
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    one, four, six = await ledger.claim(runner, 9, ClaimFilter(zones=(BERLIN,)))
    await ledger.settle(runner, [ends(one, Status.DELIVERED), ends(four, Status.UNKNOWN, due_in_seconds=10)])
    assert six.row == 6
    assert set(reader.pending_zones(record.id)) == {"", TOKYO}
    assert reader.pending_zones(record.id, (1, 3, 4)) == ("",)
    assert reader.pending_zones(record.id, ()) == ()
    assert reader.next_rows(record.id, 9, zones=(TOKYO,)) == (2, 4, 5, 6, 7)
    assert reader.next_rows(record.id, 3, zones=(TOKYO,)) == (2, 4, 6), "those under way, and one more"
    assert reader.next_rows(record.id, 9, zones=("", TOKYO), only=(1, 3, 6, 7)) == (3, 6, 7)
    assert reader.next_rows(record.id, 9, zones=()) == (4, 6)
    await ledger.settle(runner, [ends(six, Status.UNKNOWN, due_in_seconds=None)])
    assert reader.next_rows(record.id, 9, zones=()) == (4,), "what waits for a person is not under way"


async def test_what_another_token_has_under_way_counts_against_the_daily_cap(ledger: Ledger, reader: LedgerReader) -> None:
    first = await campaign_of(ledger, staged(1, "A"), name="first")
    second = await campaign_of(ledger, staged(1, "A"), name="second")
    third = await campaign_of(ledger, staged(1, "A"), name="third")
    one = await ledger.register_runner(first.id, quiet_seconds=0, api="https://one", account="one")
    two = await ledger.register_runner(second.id, quiet_seconds=0, api="https://one", account="two")
    other = await ledger.register_runner(third.id, quiet_seconds=0, api="https://other", account="one at another")
    assert len(await ledger.claim(one, 1, ClaimFilter(daily_cap=1))) == 1
    assert await ledger.claim(two, 1, ClaimFilter(daily_cap=1)) == []
    assert reader.counts(second.id).reasons(Status.SKIPPED) == {"frequency_cap": 1}
    assert len(await ledger.claim(other, 1, ClaimFilter(daily_cap=1))) == 1, "a pass of another API is another pass"
