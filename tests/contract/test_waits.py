"""When senders had to wait, and why: kept by whoever makes everyone wait."""

from campaign.domain.model import Status
from campaign.ledger.port import Ledger, LedgerReader
from campaign.ledger.waiting import Wait, Why
from tests.contract.backends import HandClock
from tests.contract.given import campaign_of, ends, staged

BEGIN = 1_800_000_000.0
ACCOUNT = "a fingerprint"


def told(reader: LedgerReader, campaign: int) -> list[tuple[float, float, str]]:
    """Begin and end in seconds from the test's begin."""
    return [(round(wait.since - BEGIN, 3), round(wait.until - BEGIN, 3), wait.why.value) for wait in reader.waits(campaign)]


async def test_all_that_is_sent_with_the_account_waits(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    one, other, idle, elsewhere = [await campaign_of(ledger, staged(1, name), name=name) for name in ("one", "other", "idle", "elsewhere")]
    for record in (one, other, idle):
        runner = await ledger.enlist(record.id, quiet_seconds=0, account=ACCOUNT)
        if record is idle:
            await ledger.dismiss(runner, "paused")
    await ledger.enlist(elsewhere.id, quiet_seconds=0, account="another")
    await ledger.throttle(ACCOUNT, retry_after_seconds=2.5)
    assert [told(reader, record.id) for record in (one, other, idle, elsewhere)] == [[(0.0, 2.5, "throttled")]] * 2 + [[], []]
    # A budget for reading stops no send.
    await ledger.throttle(f"{ACCOUNT} read", retry_after_seconds=9.0)
    assert told(reader, one.id) == [(0.0, 2.5, "throttled")]
    clock.advance(10.0)
    await ledger.pause(ACCOUNT, seconds=4.0)
    assert told(reader, one.id) == [(0.0, 2.5, "throttled"), (10.0, 14.0, "trouble")]


async def test_whoever_is_told_again_goes_on_waiting(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 4)))
    runner = await ledger.enlist(record.id, quiet_seconds=0, account=ACCOUNT)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, 1)])
    for seconds in (2.0, 1.0, 3.0):
        await ledger.throttle(ACCOUNT, retry_after_seconds=seconds)
        clock.advance(1.0)
    assert told(reader, record.id) == [(0.0, 5.0, "throttled")]
    clock.advance(3.0)
    await ledger.throttle(ACCOUNT, retry_after_seconds=1.0)
    # Of another kind, meanwhile.
    await ledger.note_wait(record.id, Why.HOURS, seconds=60.0)
    assert told(reader, record.id) == [(0.0, 5.0, "throttled"), (6.0, 66.0, "hours"), (6.0, 7.0, "throttled")]


async def test_the_hours_of_a_campaign_are_its_own(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    one, other = await campaign_of(ledger, staged(1)), await campaign_of(ledger, staged(1, "b"), name="other")
    await ledger.note_wait(one.id, Why.HOURS, seconds=3600.0)
    clock.advance(1800.0)
    await ledger.note_wait(one.id, Why.HOURS, seconds=1800.0)
    assert reader.waits(one.id) == [Wait(since=BEGIN, until=BEGIN + 3600.0, why=Why.HOURS)]
    assert reader.waits(other.id) == []


async def test_a_clock_that_is_set_back_keeps_nobody_from_sending(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1))
    await ledger.enlist(record.id, quiet_seconds=0, account=ACCOUNT)
    await ledger.throttle(ACCOUNT, retry_after_seconds=2.0)
    clock.set_back(600.0)
    await ledger.throttle(ACCOUNT, retry_after_seconds=1.0)
    await ledger.note_wait(record.id, Why.HOURS, seconds=1.0)
    clock.set_back(600.0)
    await ledger.note_wait(record.id, Why.HOURS, seconds=1.0)
    assert {why for _, _, why in told(reader, record.id)} == {"throttled", "hours"}
    assert all(wait.since <= wait.until for wait in reader.waits(record.id))
