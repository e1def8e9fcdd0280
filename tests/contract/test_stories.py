"""Stories that the model found or made worth telling, as short as they go."""

from dataclasses import replace

import pytest

from campaign.domain.model import Outcome
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.domain.verdict import Latest, PassReading, Resolution, read_back
from campaign.ledger.port import DesiredState, Ledger, LedgerReader, Runner, UnverifiedRow
from tests.contract.backends import Backend, HandClock
from tests.contract.given import campaign_of, ends, staged


def resolved(unverified: UnverifiedRow, latest_text: str | None) -> Resolution:
    reading = PassReading(latest=Latest.NULL) if latest_text is None else PassReading(latest=Latest.TEXT, text=latest_text)
    return read_back(
        reading,
        message=unverified.claim.message,
        sent_before=unverified.sent_before,
        last_before=unverified.last_before,
        baseline=unverified.baseline,
    )


async def sent(ledger: Ledger, campaign: int, status: Status, *, due_in_seconds: float | None = 0.0) -> Runner:
    """The one row of a campaign claimed and settled like this."""
    runner = await ledger.register_runner(campaign, quiet_seconds=10)
    (claim,) = await ledger.claim(runner, 1)
    await ledger.settle(runner, [ends(claim, status, due_in_seconds=due_in_seconds)])
    return runner


async def test_two_rows_of_one_pass_are_not_claimed_together(ledger: Ledger) -> None:
    record = await campaign_of(ledger, staged(1, "A", status=Status.FAILED), staged(2, "A", status=Status.FAILED))
    await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    assert len(await ledger.claim(runner, 2)) == 1


async def test_what_was_sent_to_the_pass_after_a_held_row_makes_its_reading_prove_nothing(ledger: Ledger, clock: HandClock) -> None:
    first = await campaign_of(ledger, staged(1, "A", message="Sale"), name="first")
    second = await campaign_of(ledger, staged(1, "A", message="Sale"), name="second")
    await sent(ledger, first.id, Status.UNKNOWN, due_in_seconds=None)
    await sent(ledger, second.id, Status.DELIVERED)
    clock.advance(10)
    await ledger.reschedule_verification(first.id)
    (unverified,) = await ledger.claim_unverified(first.id, 1)
    assert resolved(unverified, "Sale").status is Status.UNKNOWN  # the second campaign put it there


async def test_an_old_text_that_was_sent_again_meanwhile_does_not_make_a_held_row_pending(ledger: Ledger, clock: HandClock) -> None:
    for name, message, status, due in [
        ("before", "Old", Status.DELIVERED, 0.0),
        ("held", "Sale", Status.UNKNOWN, None),
        ("after", "Old", Status.DELIVERED, 0.0),
    ]:
        record = await campaign_of(ledger, staged(1, "A", message=message), name=name)
        await sent(ledger, record.id, status, due_in_seconds=due)
        if name == "held":
            held = record
    clock.advance(10)
    await ledger.reschedule_verification(held.id)
    (unverified,) = await ledger.claim_unverified(held.id, 1)
    # “Sale” may have arrived in between: to send it again could be to send it twice.
    assert resolved(unverified, "Old").status is Status.UNKNOWN


async def test_an_old_text_that_is_being_sent_again_does_not_make_a_held_row_pending(ledger: Ledger, clock: HandClock) -> None:
    old = await campaign_of(ledger, staged(1, "A", message="Old"), name="old")
    await sent(ledger, old.id, Status.NOT_DELIVERED)
    held = await campaign_of(ledger, staged(1, "A", message="Sale"), name="held")
    await sent(ledger, held.id, Status.UNKNOWN, due_in_seconds=None)
    await ledger.retry(old.id, Selection(statuses=frozenset({Status.NOT_DELIVERED})))
    assert await ledger.claim(await ledger.register_runner(old.id, quiet_seconds=10), 1)
    clock.advance(10)
    await ledger.reschedule_verification(held.id)
    (unverified,) = await ledger.claim_unverified(held.id, 1)
    assert resolved(unverified, "Old").status is Status.UNKNOWN  # it may have written over “Sale”


async def test_an_old_text_that_another_token_sent_again_at_the_same_time_does_not_make_a_row_pending(ledger: Ledger) -> None:
    """The two are not kept apart, as another token may be another organisation's."""
    old = await campaign_of(ledger, staged(1, "A", message="Old"), name="old")
    await sent(ledger, old.id, Status.NOT_DELIVERED)
    slow = await campaign_of(ledger, staged(1, "A", message="Sale"), name="slow")
    one = await ledger.register_runner(slow.id, quiet_seconds=0, account="one")
    (sale,) = await ledger.claim(one, 1)
    await ledger.retry(old.id, Selection(statuses=frozenset({Status.NOT_DELIVERED})))
    other = await ledger.register_runner(old.id, quiet_seconds=0, account="other")
    (again,) = await ledger.claim(other, 1)
    await ledger.settle(other, [ends(again, Status.NOT_DELIVERED, sent_at=21.0)])
    await ledger.settle(one, [ends(sale, Status.UNKNOWN, sent_at=20.0, seconds=30.0)])
    (unverified,) = await ledger.claim_unverified(slow.id, 1)
    assert resolved(unverified, "Old").status is Status.UNKNOWN


@pytest.mark.parametrize("held", [True, False], ids=["a row held by the file", "a row sent here"])
async def test_what_a_results_file_says_was_sent_is_known_when_read_back(ledger: Ledger, *, held: bool) -> None:
    await campaign_of(ledger, staged(1, "A", message="Sale", status=Status.DELIVERED), name="from a file")
    record = await campaign_of(ledger, staged(1, "A", message="Sale", status=Status.UNKNOWN if held else Status.PENDING), name="now")
    if held:
        await ledger.reschedule_verification(record.id)
    else:
        await sent(ledger, record.id, Status.UNKNOWN)
    (unverified,) = await ledger.claim_unverified(record.id, 1)
    assert resolved(unverified, "Sale").status is Status.UNKNOWN


async def test_a_reading_concluded_late_does_not_overrule_a_row_that_waits_for_a_person(
    ledger: Ledger, reader: LedgerReader, clock: HandClock
) -> None:
    record = await campaign_of(ledger, staged(1, "A"))
    await sent(ledger, record.id, Status.UNKNOWN)
    (slow,) = await ledger.claim_unverified(record.id, 1)
    clock.advance(3600)  # far longer than any reading takes, as after a suspended hour
    (quick,) = await ledger.claim_unverified(record.id, 1)
    assert await ledger.record_verification(quick, Resolution(status=Status.UNKNOWN, reason="other_message"), again_in_seconds=None)
    other = await campaign_of(ledger, staged(1, "A", message="Old"), name="meanwhile")
    await sent(ledger, other.id, Status.DELIVERED)
    assert not await ledger.record_verification(slow, Resolution(status=Status.PENDING), again_in_seconds=None)
    assert reader.counts(record.id).by_status[Status.UNKNOWN] == 1


async def test_nothing_of_a_cancelled_campaign_becomes_pending_by_a_retry(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1, status=Status.FAILED))
    await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
    await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
    assert reader.counts(record.id).by_status[Status.PENDING] == 0


async def test_a_conclusion_of_an_older_claim_changes_nothing(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1, "A"))
    runner = await sent(ledger, record.id, Status.UNKNOWN)
    (old,) = await ledger.claim_unverified(record.id, 1)
    assert await ledger.record_verification(old, Resolution(status=Status.PENDING), again_in_seconds=None)
    (claim,) = await ledger.claim(runner, 1)
    await ledger.settle(runner, [ends(claim, Status.UNKNOWN, due_in_seconds=10)])
    before = list(reader.rows(record.id))
    for status in (Status.ACCEPTED, Status.PENDING, Status.UNKNOWN):
        assert not await ledger.record_verification(old, Resolution(status=status), again_in_seconds=None)
    assert list(reader.rows(record.id)) == before
    clock.advance(10.5)
    assert len(await ledger.claim_unverified(record.id, 1)) == 1


async def test_what_is_settled_as_pending_after_a_cancel_is_left_out(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    (claim,) = await ledger.claim(runner, 1)
    await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
    await ledger.settle(runner, [ends(claim, Status.PENDING, due_in_seconds=5)])
    assert reader.counts(record.id).reasons(Status.SKIPPED) == {"cancelled": 1}


async def test_a_pass_that_was_told_by_one_row_is_not_told_again_by_another(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1, "A", status=Status.FAILED), staged(2, "A", status=Status.FAILED), staged(3, "B"))
    await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    claims = await ledger.claim(runner, 9)
    assert [claim.row for claim in claims] == [1, 3]
    await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in claims])
    assert await ledger.claim(runner, 9) == []
    assert reader.counts(record.id).reasons(Status.SKIPPED) == {"duplicate": 1}


async def test_a_pass_that_a_results_file_says_was_told_is_not_told_again_by_another_row(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1, "A", status=Status.DELIVERED), staged(2, "A", status=Status.FAILED))
    await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    assert await ledger.claim(runner, 9) == []
    assert reader.counts(record.id).reasons(Status.SKIPPED) == {"duplicate": 1}


async def test_a_person_who_asks_at_once_still_waits_for_the_quiet_period(ledger: Ledger, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1))
    await sent(ledger, record.id, Status.UNKNOWN, due_in_seconds=None)
    assert await ledger.reschedule_verification(record.id) == 1
    assert await ledger.claim_unverified(record.id, 1) == []
    clock.advance(10)
    assert len(await ledger.claim_unverified(record.id, 1)) == 1


@pytest.mark.parametrize("count", [1, 40])
async def test_a_person_who_asks_at_once_waits_as_long_as_the_request_had_lasted(ledger: Ledger, clock: HandClock, count: int) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, count + 1)))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    claims = await ledger.claim(runner, count)
    await ledger.settle(runner, [ends(claim, Status.UNKNOWN, due_in_seconds=None, seconds=30.0) for claim in claims])
    assert await ledger.reschedule_verification(record.id) == count
    clock.advance(29)
    assert await ledger.claim_unverified(record.id, count) == []
    clock.advance(1)
    assert len(await ledger.claim_unverified(record.id, count)) == count


async def test_what_a_results_file_leaves_unknown_waits_for_the_quiet_period_too(ledger: Ledger, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1, status=Status.UNKNOWN), quiet_seconds=10)
    assert await ledger.reschedule_verification(record.id) == 1
    assert await ledger.claim_unverified(record.id, 1) == []
    clock.advance(10)
    assert len(await ledger.claim_unverified(record.id, 1)) == 1


@pytest.mark.parametrize(("lasted", "waits"), [(0.5, 10), (30.0, 30), (4000.0, 300)])
async def test_and_as_long_as_its_request_had_lasted(ledger: Ledger, clock: HandClock, lasted: float, waits: float) -> None:
    """What seems to have lasted longer than 5 minutes was mostly a pause of the process."""
    row = replace(staged(1), outcome=Outcome(status=Status.UNKNOWN, latency_seconds=lasted))
    record = await campaign_of(ledger, row, quiet_seconds=10)
    assert await ledger.reschedule_verification(record.id) == 1
    clock.advance(waits - 1)
    assert await ledger.claim_unverified(record.id, 1) == []
    clock.advance(1)
    assert len(await ledger.claim_unverified(record.id, 1)) == 1


async def test_the_dead_are_given_their_own_quiet_period(backend: Backend, ledger: Ledger, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1))
    other = backend.ledger()
    patient = await other.register_runner(record.id, quiet_seconds=60)
    await other.claim(patient, 1)
    await other.close()
    assert await ledger.reap_dead_runners(quiet_seconds=1) == 1
    clock.advance(59)
    assert await ledger.claim_unverified(record.id, 1) == []
    clock.advance(2)
    assert len(await ledger.claim_unverified(record.id, 1)) == 1


async def test_what_the_dead_held_for_a_person_waits_for_one(backend: Backend, ledger: Ledger, clock: HandClock) -> None:
    record = await campaign_of(ledger, staged(1))
    other = backend.ledger()
    await other.claim(await other.register_runner(record.id, quiet_seconds=1, hold_unverified=True), 1)
    await other.close()
    assert await ledger.reap_dead_runners(quiet_seconds=1) == 1
    clock.advance(3600)
    assert await ledger.claim_unverified(record.id, 1) == []


async def test_a_row_that_is_still_to_be_read_back_is_not_retried(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    await sent(ledger, record.id, Status.UNKNOWN, due_in_seconds=10)
    assert await ledger.retry(record.id, Selection(statuses=frozenset({Status.UNKNOWN}))) == 0
    assert reader.counts(record.id).unverified == 1


async def test_a_row_that_waits_beside_a_failed_one_of_its_pass_is_sent(ledger: Ledger) -> None:
    record = await campaign_of(ledger, staged(1, "A", status=Status.FAILED), staged(2, "A"))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    assert [claim.row for claim in await ledger.claim(runner, 9)] == [2]


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.NOT_DELIVERED])
async def test_a_pass_that_may_hold_the_message_is_not_told_by_another_row(ledger: Ledger, reader: LedgerReader, status: Status) -> None:
    record = await campaign_of(ledger, staged(1, "A", status=status), staged(2, "A", status=Status.FAILED))
    await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
    runner = await ledger.register_runner(record.id, quiet_seconds=10)
    assert await ledger.claim(runner, 9) == []
    assert reader.counts(record.id).reasons(Status.SKIPPED) == {"duplicate": 1}
