"""Rows that go out in one of the vendor's batches: held together, found again, and nobody's to send otherwise."""

from dataclasses import replace

from campaign.domain.batches import BatchState
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.ledger.port import ANY_ROW, ClaimFilter, DesiredState, HeldPasses, Ledger, LedgerReader, PassHolder
from tests.contract.backends import Backend, HandClock
from tests.contract.given import campaign_of, ends, staged


async def test_a_batch_takes_rows_as_a_claim_does(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 6)), staged(6, "out"))
    await ledger.exclude(record.id, ["out"])
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    assert await ledger.claim_batch(runner, 9, ClaimFilter(zones=()), name="none", entity="e") is None
    made = await ledger.claim_batch(runner, 3, ANY_ROW, name="one", entity="e")
    assert made is not None
    batch, claims = made
    assert (batch.state, batch.rows, batch.name, batch.entity, batch.creates) == (BatchState.CLAIMED, 3, "one", "e", 0)
    assert [claim.row for claim in claims] == [1, 2, 3]
    assert await ledger.batch_claims(batch) == claims
    rest = await ledger.claim_batch(runner, 9, ANY_ROW, name="two", entity="e")
    assert rest is not None
    assert [claim.row for claim in rest[1]] == [4, 5]
    assert await ledger.claim_batch(runner, 9, ANY_ROW, name="three", entity="e") is None
    assert [one.name for one in reader.batches(record.id)] == ["one", "two"]
    assert reader.counts(record.id).by_status[Status.SKIPPED] == 1


async def test_where_a_batch_stands_is_kept(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    made = await ledger.claim_batch(runner, 1, ANY_ROW, name="one", entity="e")
    assert made is not None
    later = replace(
        made[0], state=BatchState.RELEASING, remote_id="r-1", creates=2, scheduled_at=1_800_000_000.5, released_at=1_800_000_001.25
    )
    assert await ledger.record_batch(runner, later)
    assert reader.batches(record.id) == [later]
    assert await ledger.record_batch(runner, replace(later, state=BatchState.ENDED))
    assert reader.batches(record.id) == []
    assert not await ledger.record_batch(runner, later)


async def test_rows_whose_passes_are_in_batches_of_another_campaign_are_counted(ledger: Ledger, reader: LedgerReader) -> None:
    def held(*, only: tuple[int, ...] | None = None) -> HeldPasses:
        return reader.held_passes(second.id, only)

    first = await campaign_of(ledger, *(staged(row) for row in range(1, 5)), name="first")
    second = await campaign_of(ledger, *(staged(row) for row in range(2, 7)), name="second")
    one = await ledger.register_runner(first.id, quiet_seconds=0, api="https://one", account="one")
    two = await ledger.register_runner(second.id, quiet_seconds=0, api="https://one", account="one")
    assert held() == HeldPasses()
    await ledger.claim_batch(one, 3, ANY_ROW, name="one", entity="e")
    # A row that is sent by itself has an end.
    await ledger.claim(one, 1)
    assert held() == HeldPasses(pending=5, holders=(PassHolder(campaign="first", rows=2, worked_on=True),))
    await ledger.deregister_runner(one, "interrupted")
    assert held() == HeldPasses(pending=5, holders=(PassHolder(campaign="first", rows=2, worked_on=False),))
    assert held(only=(2, 5)) == HeldPasses(pending=2, holders=(PassHolder(campaign="first", rows=1, worked_on=False),))
    assert held(only=(5,)) == HeldPasses()
    await ledger.set_desired_state(first.id, DesiredState.CANCELLED)
    assert held().holders == (PassHolder(campaign="first", rows=2, worked_on=False, cancelled=True),)
    await ledger.claim(two, 5)
    assert held() == HeldPasses(pending=3, holders=held().holders)
    await ledger.deregister_runner(two, "interrupted")
    await ledger.register_runner(second.id, quiet_seconds=0, api="https://one", account="other")
    assert held() == HeldPasses(), "a pass of another account is another pass"


async def test_a_dead_runner_leaves_its_batches_to_the_next_and_its_other_rows_unknown(
    backend: Backend, ledger: Ledger, reader: LedgerReader
) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
    doomed = backend.ledger()
    dead = await doomed.register_runner(record.id, quiet_seconds=0)
    made = await doomed.claim_batch(dead, 2, ANY_ROW, name="one", entity="e")
    assert made is not None
    batch, claims = made
    await doomed.claim(dead, 1)
    await doomed.close()
    assert await ledger.reap_dead_runners(quiet_seconds=0) == 1
    assert [row.outcome.status for row in reader.rows(record.id)] == [Status.SENDING, Status.SENDING, Status.UNKNOWN, Status.PENDING]
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    assert not reader.batches(record.id)[0].worked_on
    assert [one.name for one in await ledger.adopt_batches(runner)] == ["one"]
    assert await ledger.batch_claims(batch) == claims
    # The dead one, if it was only asleep, changes nothing any more.
    late = backend.ledger()
    assert not await late.record_batch(dead, batch)
    assert not await late.settle_batch(dead, batch, [ends(claims[0], Status.DELIVERED)])
    assert not await late.release_batch(dead, batch)
    assert await ledger.settle_batch(runner, batch, [ends(claims[0], Status.DELIVERED)])
    assert await ledger.batch_claims(batch) == claims[1:]
    assert await ledger.release_batch(runner, batch)
    assert [row.outcome.status for row in reader.rows(record.id)] == [Status.DELIVERED, Status.PENDING, Status.UNKNOWN, Status.PENDING]
    assert reader.batches(record.id) == []


async def test_rows_and_their_batch_end_together(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    made = await ledger.claim_batch(runner, 1, ANY_ROW, name="one", entity="e")
    assert made is not None
    batch, (claim,) = made
    assert await ledger.settle_batch(runner, replace(batch, state=BatchState.ENDED), [ends(claim, Status.DELIVERED)])
    assert (reader.batches(record.id), reader.counts(record.id).by_status[Status.DELIVERED]) == ([], 1)


async def test_a_batch_that_somebody_works_on_is_not_adopted(backend: Backend, ledger: Ledger) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.claim_batch(runner, 1, ANY_ROW, name="one", entity="e")
    other = backend.ledger()
    beside = await other.register_runner(record.id, quiet_seconds=0)
    assert await other.adopt_batches(beside) == []


async def test_a_runner_that_was_taken_for_dead_adopts_nothing(backend: Backend, ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    doomed = backend.ledger()
    dead = await doomed.register_runner(record.id, quiet_seconds=0)
    await doomed.claim_batch(dead, 1, ANY_ROW, name="one", entity="e")
    await doomed.close()
    assert await ledger.reap_dead_runners(quiet_seconds=0) == 0
    assert await backend.ledger().adopt_batches(dead) == []
    # Nobody would ever find it again.
    assert not reader.batches(record.id)[0].worked_on


async def test_a_runner_that_signs_off_leaves_its_batches_as_they_are(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.claim_batch(runner, 1, ANY_ROW, name="one", entity="e")
    await ledger.deregister_runner(runner, "interrupted")
    assert [(one.name, one.worked_on) for one in reader.batches(record.id)] == [("one", False)]
    assert reader.counts(record.id).by_status[Status.SENDING] == 1


async def test_a_row_that_was_in_a_batch_and_is_claimed_again_belongs_to_its_last_claim(
    ledger: Ledger, reader: LedgerReader, clock: HandClock
) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    made = await ledger.claim_batch(runner, 1, ANY_ROW, name="one", entity="e")
    assert made is not None
    batch, claims = made
    await ledger.settle_batch(runner, batch, [ends(claims[0], Status.FAILED)])
    await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED})))
    clock.advance(1)
    (single,) = await ledger.claim(runner, 1)
    assert await ledger.batch_claims(batch) == []
    assert await ledger.release_batch(runner, batch)
    assert await ledger.settle(runner, [ends(single, Status.DELIVERED)]) == []
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 1


async def test_what_a_cancelled_campaign_gets_back_is_skipped(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    made = await ledger.claim_batch(runner, 1, ANY_ROW, name="one", entity="e")
    assert made is not None
    await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
    assert reader.counts(record.id).by_status[Status.SENDING] == 1
    await ledger.release_batch(runner, made[0])
    assert reader.counts(record.id).by_status[Status.SKIPPED] == 2


async def test_the_first_message_with_a_text_is_found(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1, message="100%"), staged(2, message="a %{b}"), staged(3, message="%{c}"))
    assert reader.first_with_text(record.id, "%{") == 2
    assert reader.first_with_text(record.id, "$") is None


async def test_of_an_ended_batch_it_is_known_whether_another_may_exist(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 6)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    for name, creates, remote_id in (("never asked", 0, ""), ("asked", 1, ""), ("made", 1, "r"), ("asked twice", 2, "s"), ("open", 2, "t")):
        made = await ledger.claim_batch(runner, 1, ANY_ROW, name=name, entity="e")
        assert made is not None
        asked = replace(made[0], creates=creates, remote_id=remote_id, scheduled_at=100.0)
        await ledger.record_batch(runner, asked)
        if name != "open":
            await ledger.release_batch(runner, asked)
    assert reader.unidentified_batches(record.id, since=99.0) == ["asked", "asked twice"]
    assert reader.unidentified_batches(record.id, since=100.0) == []
