"""Which rows come next, and what counts against a pass's share, for every backend."""

from dataclasses import replace

from campaign.domain.model import Status
from campaign.domain.shard import Shard, Share
from campaign.ledger.port import Control, Ledger, LedgerReader, Terms
from tests.contract.given import campaign_of, ends, staged

BERLIN, TOKYO = "Europe/Berlin", "Asia/Tokyo"


async def test_what_is_under_way_comes_first_and_then_what_is_pending_in_the_lists_order(ledger: Ledger, reader: LedgerReader) -> None:
    zones = {1: BERLIN, 2: TOKYO, 3: "", 4: BERLIN, 5: TOKYO, 6: BERLIN, 7: TOKYO}
    record = await campaign_of(ledger, *(replace(staged(row), zone=zone) for row, zone in zones.items()))
    assert set(reader.pending_zones(record.id)) == {"", BERLIN, TOKYO}
    runner = await ledger.enlist(record.id, quiet_seconds=10)
    one, four, six = await ledger.claim(runner, 9, Terms(zones=(BERLIN,)))
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
    one = await ledger.enlist(first.id, quiet_seconds=0, api="https://one", account="one")
    two = await ledger.enlist(second.id, quiet_seconds=0, api="https://one", account="two")
    other = await ledger.enlist(third.id, quiet_seconds=0, api="https://other", account="one at another")
    assert len(await ledger.claim(one, 1, Terms(daily_cap=1))) == 1
    assert await ledger.claim(two, 1, Terms(daily_cap=1)) == []
    assert reader.counts(second.id).reasons(Status.SKIPPED) == {"frequency_cap": 1}
    assert len(await ledger.claim(other, 1, Terms(daily_cap=1))) == 1, "a pass of another API is another pass"


async def test_a_shard_gives_out_its_own_rows_and_knows_how_they_stand(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 8)), staged(8, "", status=Status.INVALID))
    runner = await ledger.enlist(record.id, quiet_seconds=10)
    first, second = Shard(index=1, count=2), Shard(index=0, count=2)
    assert reader.share(record.id, first) == Share(unfinished=True, needs_someone=False)
    claims = await ledger.claim(runner, 9, Terms(shard=first))
    assert [claim.row for claim in claims] == [1, 3, 5, 7]
    assert await ledger.claim(runner, 9, Terms(shard=first)) == []
    assert reader.share(record.id, first).unfinished, "in flight"
    await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in claims[:-1]])
    await ledger.settle(runner, [ends(claims[-1], Status.UNKNOWN, due_in_seconds=10)])
    assert reader.share(record.id, first) == Share(unfinished=True, needs_someone=True), "to be read back"
    assert [claim.row for claim in await ledger.claim(runner, 9, Terms(only=(2, 3, 6), shard=second))] == [2, 6]
    assert reader.share(record.id, second) == Share(unfinished=True, needs_someone=True)
    await ledger.control(record.id, Control.CANCELLED)
    assert reader.share(record.id, Shard(index=4, count=8)) == Share(unfinished=False, needs_someone=False), "left out"


async def test_a_shard_finds_in_the_end_what_came_back_to_it_and_what_it_had_to_pass_over(ledger: Ledger) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 12)))
    other = await campaign_of(ledger, staged(1, "pass-7"), name="other")
    runner = await ledger.enlist(record.id, quiet_seconds=10, account="a")
    elsewhere = await ledger.enlist(other.id, quiet_seconds=10, account="a")
    (under_way,) = await ledger.claim(elsewhere, 1)
    terms = Terms(shard=Shard(index=1, count=2))
    claimed = await ledger.claim(runner, 2, terms)
    assert [claim.row for claim in claimed] == [1, 3]
    await ledger.settle(runner, [ends(claimed[0], Status.PENDING)])

    async def rows_of(asks: int) -> list[int]:
        return [claim.row for _ in range(asks) for claim in await ledger.claim(runner, 2, terms)]

    assert sorted(await rows_of(5)) == [1, 5, 9, 11]
    await ledger.settle(elsewhere, [ends(under_way, Status.FAILED)])
    assert await rows_of(5) == [7]


async def test_a_shard_gives_the_most_urgent_zone_first(ledger: Ledger) -> None:
    zones = ("Asia/Tokyo", "Europe/Rome")
    record = await campaign_of(ledger, *(replace(staged(row), zone=zones[row // 2 % 2]) for row in range(1, 13)))
    runner = await ledger.enlist(record.id, quiet_seconds=10)
    terms = Terms(shard=Shard(index=0, count=2), zones=("Europe/Rome", "Asia/Tokyo"))
    assert [claim.row for claim in await ledger.claim(runner, 4, terms)] == [2, 6, 10, 4]
    assert await ledger.claim(runner, 9, replace(terms, zones=("Europe/Rome",))) == []
    assert [claim.row for claim in await ledger.claim(runner, 9, terms)] == [8, 12]
