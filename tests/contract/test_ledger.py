"""The promises of `ledger.port.Ledger`, for every backend."""

import asyncio
import itertools
from concurrent.futures import Future
from dataclasses import replace

import pytest

from campaign.domain.errors import UsageError
from campaign.domain.lists.sheet import NO_LINES, SheetLines
from campaign.domain.model import DUPLICATE, Claim, Outcome, Settlement, Skip, StagedBatch, StagedRow
from campaign.domain.pace.pacing import SPARE
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.domain.verdict import EARLIER_ATTEMPT, WAS_SENDING, Latest, PassReading, Resolution
from campaign.ledger.clock import ticks
from campaign.ledger.port import ClaimFilter, DesiredState, Ledger, LedgerReader, Runner
from tests.contract.backends import Backend, HandClock
from tests.contract.given import campaign_of, ends, in_jsonb, spec, staged
from tests.errors import raises


class TestStaging:
    async def test_who_was_suspended_while_another_staged_the_list_adds_no_rows(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await ledger.create(spec())
        await ledger.abort_staging(record.id)
        with raises(UsageError, "staged_by_another"):
            await ledger.stage(record.id, [staged(1)])
        assert list(reader.rows(record.id)) == []

    async def test_a_row_reads_back_as_it_was_staged(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2, "", status=Status.INVALID))
        one, two = reader.rows(record.id)
        assert (one.pass_id, one.message, one.cells, one.outcome.status) == ("pass-1", "Hello", ("pass-1", "Name 1"), Status.PENDING)
        assert two.outcome.status is Status.INVALID

    async def test_rows_in_columns_are_stored_as_each_by_itself(self, ledger: Ledger, reader: LedgerReader) -> None:
        others = [replace(staged(number, status=Status.INVALID), zone="UTC") for number in range(7, 500, 7)]
        plain: list[StagedRow] = []
        duplicates: list[StagedRow] = []
        for number in (number for number in range(2, 500) if number % 7):
            row = staged(number, f"Pass-{number // 2}", message=f"Hi\n{number} “é” 👩\u200d👧" * (number % 50 + 1))
            row = replace(row, cells=(row.pass_id, "", '\t"\\é'), zone="Europe/Berlin" if number % 3 else "")
            (plain if number % 5 else duplicates).append(row)

        def in_places(rows: list[StagedRow]) -> tuple[bytes, ...]:
            arrays = {row.row: in_jsonb(row) for row in rows}
            return tuple(arrays.get(number, b"") for number in range(2, 500))

        batch = StagedBatch(
            first=2,
            plain=in_places(plain),
            duplicates=in_places(duplicates),
            numbers=[row.row for row in plain],
            pass_keys=[row.pass_key for row in plain],
            others=others,
        )
        assert list(batch) == sorted([*plain, *(replace(row, outcome=DUPLICATE) for row in duplicates), *others], key=lambda row: row.row)
        assert len(batch) == 498
        columns = await ledger.create(spec("columns"))
        await ledger.stage(columns.id, batch)
        await ledger.finish_staging(columns.id, content_sha256="c")
        rows = await campaign_of(ledger, *batch, name="rows")
        assert list(reader.rows(columns.id)) == list(reader.rows(rows.id))
        assert reader.counts(columns.id).by_reason == reader.counts(rows.id).by_reason

    async def test_rows_in_short_columns_have_their_id_as_key_and_no_zone(self, ledger: Ledger, reader: LedgerReader) -> None:
        one, two = staged(1, "a"), staged(2, "a")
        arrays = [in_jsonb(row, short=True) for row in (one, two)]
        batch = StagedBatch(first=1, short=True, plain=(arrays[0],), duplicates=(b"", arrays[1]), numbers=[1], pass_keys=["a"])
        assert list(batch) == [one, replace(two, outcome=DUPLICATE)]
        columns = await ledger.create(spec("columns"))
        await ledger.stage(columns.id, batch)
        await ledger.finish_staging(columns.id, content_sha256="c", duplicates_marked=True)
        rows = await campaign_of(ledger, one, two, name="rows")
        assert list(reader.rows(columns.id)) == list(reader.rows(rows.id))
        assert reader.zones(columns.id) == ("",)
        await ledger.exclude(columns.id, ["a"])
        assert await ledger.apply_exclusions(columns.id) == 1

    async def test_nothing_of_a_campaign_can_be_claimed_while_it_is_staged(self, ledger: Ledger) -> None:
        record = await ledger.create(spec())
        await ledger.stage(record.id, [staged(1)])
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        assert await ledger.claim(runner, 10) == []

    async def test_the_first_sendable_row_stands_for_its_pass(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(
            ledger, staged(1, "A", status=Status.INVALID), staged(2, "B"), staged(3, "a"), staged(4, "A"), staged(5, "b"), staged(6)
        )
        assert [(row.row, row.outcome.status, row.outcome.reason) for row in reader.rows(record.id)] == [
            (1, Status.INVALID, ""),
            (2, Status.PENDING, ""),
            (3, Status.PENDING, ""),
            (4, Status.SKIPPED, "duplicate"),
            (5, Status.SKIPPED, "duplicate"),
            (6, Status.PENDING, ""),
        ]

    async def test_a_row_that_was_sent_before_stands_for_its_pass_wherever_it_is(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1, "A"), staged(2, "A", status=Status.DELIVERED))
        assert [row.outcome.status for row in reader.rows(record.id)] == [Status.SKIPPED, Status.DELIVERED]

    async def test_where_the_list_s_rows_are_and_its_mark_are_remembered_and_are_no_settings(
        self, ledger: Ledger, reader: LedgerReader
    ) -> None:
        lines = SheetLines(first=3, gaps=(2, 7))
        await ledger.create(replace(spec(), lines_text=str(lines), mark="a1b2"))
        await ledger.create(spec("other"))
        record, other = reader.campaign("promo"), reader.campaign("other")
        assert record is not None
        assert other is not None
        assert (record.spec.lines, record.spec.mark, record.spec.settings) == (lines, "a1b2", spec().settings)
        assert (other.spec.lines, other.spec.mark) == (NO_LINES, "")

    async def test_a_name_is_taken_once(self, ledger: Ledger) -> None:
        await campaign_of(ledger, staged(1))
        with raises(UsageError, "name_taken"):
            await ledger.create(spec())

    async def test_what_was_half_staged_can_be_discarded_and_staged_again(self, ledger: Ledger, reader: LedgerReader) -> None:
        half = await ledger.create(spec())
        await ledger.stage(half.id, [staged(1), staged(2)])
        await ledger.abort_staging(half.id)
        record = await campaign_of(ledger, staged(1))
        assert [row.row for row in reader.rows(record.id)] == [1]
        assert [found.id for found in reader.campaigns()] == [record.id]

    async def test_discarding_never_touches_a_staged_campaign(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1))
        await ledger.abort_staging(record.id)
        assert reader.counts(record.id).rows == 1

    async def test_another_process_cannot_finish_a_staging(self, backend: Backend, ledger: Ledger) -> None:
        record = await ledger.create(spec())
        with pytest.raises(UsageError):
            await backend.ledger().finish_staging(record.id, content_sha256="c")


class TestRegistering:
    async def test_nobody_registers_while_it_matters_that_nobody_does(self, backend: Backend, ledger: Ledger) -> None:
        record = await campaign_of(ledger, staged(1))
        other, loop = backend.ledger(), asyncio.get_running_loop()
        registering: list[Future[Runner]] = []

        def work() -> None:
            registering.append(asyncio.run_coroutine_threadsafe(other.register_runner(record.id, quiet_seconds=10), loop))
            with pytest.raises(TimeoutError):
                registering[-1].result(0.3)

        await ledger.while_none_registers(record.id, work)
        await asyncio.wrap_future(registering[0])


class TestClaiming:
    async def test_each_row_is_claimed_once_in_the_lists_order(self, backend: Backend, ledger: Ledger) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 8)))
        other = backend.ledger()
        mine, theirs = await ledger.register_runner(record.id, quiet_seconds=10), await other.register_runner(record.id, quiet_seconds=10)
        claims = [*await ledger.claim(mine, 3), *await other.claim(theirs, 3), *await ledger.claim(mine, 3), *await other.claim(theirs, 3)]
        assert [claim.row for claim in claims] == [1, 2, 3, 4, 5, 6, 7]

    async def test_a_row_is_not_claimed_before_it_is_due(self, ledger: Ledger, clock: HandClock, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claim, Status.PENDING, due_in_seconds=60)])
        assert reader.pending_work(record.id).pending_in_seconds == pytest.approx(60)
        assert await ledger.claim(runner, 1) == []
        clock.advance(61)
        (again,) = await ledger.claim(runner, 1)
        assert (again.fencing_token, again.attempts, again.counted_attempts, again.http_status) == (claim.fencing_token + 1, 1, 1, 200)
        assert not again.may_have_arrived

    async def test_a_claim_says_that_an_earlier_attempt_may_have_arrived_until_that_is_concluded(
        self, ledger: Ledger, reader: LedgerReader
    ) -> None:
        record = await campaign_of(ledger, staged(1), staged(2), staged(3))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        first, second, third = await ledger.claim(runner, 3)
        sent_again = replace(ends(first, Status.PENDING), may_have_arrived=True)
        await ledger.settle(runner, [sent_again, ends(second, Status.UNKNOWN), ends(third, Status.UNKNOWN, due_in_seconds=None)])
        (unverified,) = await ledger.claim_unverified(record.id, 9)
        assert await ledger.record_verification(unverified, Resolution(status=Status.PENDING), again_in_seconds=None)
        assert await ledger.retry(record.id, Selection(statuses=frozenset({Status.UNKNOWN}))) == 1
        # Another ledger knows it from the reasons in the results.
        told = [(part.status, part.reason) for part in reader.result_columns(record.id)]
        assert told == [(("pending",) * 3, (EARLIER_ATTEMPT, "", EARLIER_ATTEMPT))]
        claims = await ledger.claim(runner, 9)
        assert {claim.row: claim.may_have_arrived for claim in claims} == {1: True, 2: False, 3: True}
        await ledger.release(runner, claims)
        assert [row.outcome.reason for row in reader.rows(record.id)] == [EARLIER_ATTEMPT, "", EARLIER_ATTEMPT]

    async def test_so_does_the_claim_of_a_row_that_another_ledger_was_to_send_again(self, ledger: Ledger, reader: LedgerReader) -> None:
        outcomes = [Outcome(status=Status.PENDING, reason=reason, attempts=1) for reason in (EARLIER_ATTEMPT, "http_503")]
        record = await campaign_of(ledger, *(replace(staged(row), outcome=outcome) for row, outcome in enumerate(outcomes, 1)))
        assert [row.outcome.reason for row in reader.rows(record.id)] == [EARLIER_ATTEMPT, "http_503"]
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        assert {claim.row: claim.may_have_arrived for claim in await ledger.claim(runner, 9)} == {1: True, 2: False}

    async def test_so_does_the_claim_of_a_row_that_another_ledger_was_sending(self, ledger: Ledger) -> None:
        """It has no attempt that ended."""
        unknown = Outcome(status=Status.UNKNOWN, reason=WAS_SENDING)
        record = await campaign_of(ledger, staged(1), replace(staged(2), outcome=unknown))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        assert await ledger.retry(record.id, Selection(statuses=frozenset({Status.UNKNOWN}))) == 1
        assert {claim.row: claim.may_have_arrived for claim in await ledger.claim(runner, 9)} == {1: False, 2: True}

    async def test_a_row_that_is_left_out_stays_unknown_if_an_earlier_attempt_may_have_arrived(
        self, ledger: Ledger, reader: LedgerReader, clock: HandClock
    ) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 7)))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        maybe, sure, *others = await ledger.claim(runner, 5)
        again = [replace(ends(claim, Status.PENDING, due_in_seconds=5), may_have_arrived=True) for claim in (maybe, *others)]
        await ledger.settle(runner, [ends(sure, Status.PENDING, due_in_seconds=5), *again])
        await ledger.exclude(record.id, [staged(3).pass_key])
        assert await ledger.apply_exclusions(record.id) == 1
        await ledger.exclude(record.id, [staged(4).pass_key])
        clock.advance(6)
        assert 4 not in {claim.row for claim in await ledger.claim(runner, 2, ClaimFilter(only=(4,)))}
        assert await ledger.skip_rows(record.id, [5], Skip.NOT_IN_WALLET) == 1
        await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
        assert reader.counts(record.id).reasons(Status.UNKNOWN) == {"earlier_attempt": 4}
        assert reader.counts(record.id).reasons(Status.SKIPPED) == {"cancelled": 2}

    async def test_a_released_claim_is_pending_as_if_nothing_had_been(self, ledger: Ledger) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        claims = await ledger.claim(runner, 1)
        await ledger.release(runner, claims)
        (again,) = await ledger.claim(runner, 1)
        assert (again.row, again.attempts) == (1, 0)
        await ledger.release(runner, claims)
        assert await ledger.claim(runner, 1) == [], "an old claim releases nothing that is claimed again"

    @pytest.mark.parametrize("desired_state", [DesiredState.PAUSED, DesiredState.CANCELLED])
    async def test_nothing_is_claimed_of_a_campaign_that_was_stopped(self, ledger: Ledger, desired_state: DesiredState) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        await ledger.set_desired_state(record.id, desired_state)
        assert await ledger.claim(runner, 1) == []

    async def test_a_pass_with_a_send_in_flight_waits_in_every_campaign(self, ledger: Ledger) -> None:
        first = await campaign_of(ledger, staged(1, "A"), name="first")
        second = await campaign_of(ledger, staged(1, "a"), staged(2, "B"), name="second")
        one, two = await ledger.register_runner(first.id, quiet_seconds=10), await ledger.register_runner(second.id, quiet_seconds=10)
        (claim,) = await ledger.claim(one, 5)
        assert [waiting.pass_id for waiting in await ledger.claim(two, 5)] == ["B"]
        assert claim.pass_id == "A"
        await ledger.settle(one, [ends(claim, Status.DELIVERED)])
        assert [waiting.pass_id for waiting in await ledger.claim(two, 5)] == ["a"]


class TestSettling:
    async def test_an_outcome_reads_back_whole(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        (claim,) = await ledger.claim(runner, 1)
        settlement = ends(claim, Status.NOT_DELIVERED, reason="notDelivered")
        assert await ledger.settle(runner, [settlement]) == []
        (row,) = reader.rows(record.id)
        assert row.outcome == settlement.outcome

    async def test_a_settlement_of_an_older_claim_changes_nothing_and_is_told(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        (old,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(old, Status.PENDING)])
        (new,) = await ledger.claim(runner, 1)
        assert await ledger.settle(runner, [ends(old, Status.FAILED)]) == [old]
        assert reader.counts(record.id).by_status[Status.SENDING] == 1
        assert await ledger.settle(runner, [ends(new, Status.DELIVERED)]) == []

    async def test_of_one_batch_only_what_is_still_held_is_settled(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        one, two = await ledger.claim(runner, 2)
        await ledger.settle(runner, [ends(one, Status.DELIVERED)])
        assert await ledger.settle(runner, [ends(one, Status.FAILED), ends(two, Status.DELIVERED)]) == [one]
        assert reader.counts(record.id).by_status[Status.DELIVERED] == 2

    @pytest.mark.parametrize("status", [Status.DELIVERED, Status.ACCEPTED, Status.SKIPPED])
    async def test_what_ended_is_never_retried(self, ledger: Ledger, status: Status) -> None:
        record = await campaign_of(ledger, staged(1, status=status))
        with pytest.raises(Exception, match="can not change like this"):
            await ledger.retry(record.id, Selection(statuses=frozenset({status})))

    async def test_retry_takes_only_the_statuses_asked_for(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(
            ledger, staged(1, status=Status.FAILED), staged(2, status=Status.NOT_DELIVERED), staged(3, status=Status.DELIVERED)
        )
        assert await ledger.retry(record.id, Selection(statuses=frozenset({Status.FAILED}))) == 1
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        assert [claim.row for claim in await ledger.claim(runner, 9)] == [1]
        assert reader.counts(record.id).by_status[Status.NOT_DELIVERED] == 1

    async def test_cancelling_leaves_out_what_is_pending_also_what_comes_back_later(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        one, two, three = await ledger.claim(runner, 3)
        await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
        await ledger.settle(runner, [ends(one, Status.PENDING, due_in_seconds=5), ends(two, Status.DELIVERED)])
        await ledger.release(runner, [three])
        counts = reader.counts(record.id)
        assert counts.reasons(Status.SKIPPED) == {"cancelled": 3}
        assert counts.by_status[Status.DELIVERED] == 1
        with pytest.raises(UsageError):
            await ledger.set_desired_state(record.id, DesiredState.GO)

    async def test_a_cancelled_campaign_that_nobody_sends_has_its_end_and_was_at_rest_before(
        self, ledger: Ledger, reader: LedgerReader, clock: HandClock
    ) -> None:
        record = await campaign_of(ledger, staged(1))
        await ledger.set_desired_state(record.id, DesiredState.PAUSED)
        last, before = reader.last_change(record.id), reader.campaign(record.spec.name)
        assert before is not None
        assert before.finished_at == 0
        clock.advance(100)
        await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
        after = reader.campaign(record.spec.name)
        assert after is not None
        assert after.finished_at >= last + 100
        assert reader.last_change(record.id) == last


class TestDeath:
    async def test_rows_of_a_dead_runner_become_unknown_and_wait_for_their_quiet_period(
        self, backend: Backend, ledger: Ledger, clock: HandClock, reader: LedgerReader
    ) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        doomed = backend.ledger()
        runner = await doomed.register_runner(record.id, quiet_seconds=10)
        (claim,) = await doomed.claim(runner, 1)
        await doomed.close()
        assert await ledger.reap_dead_runners(quiet_seconds=10) == 1
        assert await ledger.settle(runner, [ends(claim, Status.DELIVERED)]) == [claim]
        assert reader.counts(record.id).reasons(Status.UNKNOWN) == {"lost": 1}
        assert await ledger.claim_unverified(record.id, 9) == []
        clock.advance(10.5)
        (unverified,) = await ledger.claim_unverified(record.id, 9)
        assert (unverified.claim.row, unverified.claim.attempts, unverified.last_before) == (1, 1, None)

    async def test_a_live_runner_is_not_buried_until_its_lease_is_over(self, backend: Backend, ledger: Ledger, clock: HandClock) -> None:
        record = await campaign_of(ledger, staged(1))
        slow = backend.ledger()
        runner = await slow.register_runner(record.id, quiet_seconds=10)
        await slow.claim(runner, 1)
        clock.advance(20)
        assert await ledger.reap_dead_runners(quiet_seconds=10) == 0
        assert await slow.heartbeat(runner, "sending")
        clock.advance(20)
        assert await ledger.reap_dead_runners(quiet_seconds=10) == 0
        clock.advance(20)
        assert await ledger.reap_dead_runners(quiet_seconds=10) == 1
        assert not await slow.heartbeat(runner, "sending")
        assert await slow.claim(runner, 1) == []

    async def test_signing_off_leaves_no_claim_behind(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        await ledger.claim(runner, 1)
        await ledger.deregister_runner(runner, "interrupted")
        assert reader.counts(record.id).reasons(Status.UNKNOWN) == {"lost": 1}
        assert reader.pending_work(record.id).unverified_in_seconds == pytest.approx(10)
        (entry,) = [entry for entry in reader.runners(record.id) if entry.id == runner.id]
        assert (entry.ended, entry.alive) == ("interrupted", False)


class TestVerification:
    async def test_an_unverified_pass_waits_in_every_campaign_and_a_held_one_does_not(self, ledger: Ledger) -> None:
        first = await campaign_of(ledger, staged(1, "A"), name="first")
        second = await campaign_of(ledger, staged(1, "A"), name="second")
        one, two = await ledger.register_runner(first.id, quiet_seconds=10), await ledger.register_runner(second.id, quiet_seconds=10)
        (claim,) = await ledger.claim(one, 1)
        assert await ledger.claim(two, 1) == []
        await ledger.settle(one, [ends(claim, Status.UNKNOWN, due_in_seconds=10)])
        assert await ledger.claim(two, 1) == []
        await ledger.settle(one, [ends(claim, Status.UNKNOWN, due_in_seconds=None)])
        assert await ledger.claim(two, 1) == []

    @pytest.mark.parametrize(
        ("conclusion", "again"),
        [
            (Resolution(status=Status.ACCEPTED), None),
            (Resolution(status=Status.PENDING), None),
            (Resolution(status=Status.FAILED, reason="timeout"), None),
            (Resolution(status=Status.UNKNOWN, reason="other_message"), None),
            (Resolution(status=Status.UNKNOWN, reason="unreadable"), 30.0),
        ],
    )
    async def test_a_conclusion_is_recorded_once(
        self, ledger: Ledger, reader: LedgerReader, conclusion: Resolution, again: float | None
    ) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN, due_in_seconds=0, reason="timeout")])
        (unverified,) = await ledger.claim_unverified(record.id, 5)
        assert unverified.reason == "timeout"
        assert await ledger.record_verification(unverified, conclusion, again_in_seconds=again)
        (row,) = reader.rows(record.id)
        # While it is to be read again, the reason stays why it is unknown.
        assert (row.outcome.status, row.outcome.reason) == (conclusion.status, conclusion.reason if again is None else "timeout")
        assert await ledger.claim_unverified(record.id, 5) == []
        if conclusion.status is not Status.UNKNOWN:
            assert not await ledger.record_verification(unverified, Resolution(status=Status.PENDING), again_in_seconds=None)

    async def test_an_unverified_row_knows_what_was_sent_to_its_pass_before(self, ledger: Ledger) -> None:
        first = await campaign_of(ledger, staged(1, "A", message="Old"), name="first")
        second = await campaign_of(ledger, staged(1, "A", message="New"), name="second")
        one = await ledger.register_runner(first.id, quiet_seconds=0)
        (claim,) = await ledger.claim(one, 1)
        await ledger.settle(one, [ends(claim, Status.DELIVERED)])
        two = await ledger.register_runner(second.id, quiet_seconds=0)
        (claim,) = await ledger.claim(two, 1)
        await ledger.settle(two, [ends(claim, Status.UNKNOWN, due_in_seconds=0, sent_at=20.0)])
        (unverified,) = await ledger.claim_unverified(second.id, 5)
        assert (unverified.sent_before, unverified.last_before) == (frozenset({"Old"}), "Old")

    async def test_an_unverified_row_is_handed_out_once_and_again_if_nothing_comes_of_it(
        self, backend: Backend, ledger: Ledger, clock: HandClock
    ) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN) for claim in await ledger.claim(runner, 2)])
        assert [unverified.claim.row for unverified in await ledger.claim_unverified(record.id, 5)] == [1, 2]
        assert await backend.ledger().claim_unverified(record.id, 5) == []
        clock.advance(60)
        assert len(await backend.ledger().claim_unverified(record.id, 5)) == 2

    async def test_unverified_rows_of_a_campaign_that_nobody_works_on_are_found_by_others_of_the_same_account(self, ledger: Ledger) -> None:
        first = await campaign_of(ledger, staged(1, "A"), name="first")
        second = await campaign_of(ledger, staged(1, "A"), name="second")
        third = await campaign_of(ledger, staged(1, "A"), name="third")
        one = await ledger.register_runner(first.id, quiet_seconds=0, api="https://one", account="one")
        await ledger.settle(one, [ends(claim, Status.UNKNOWN) for claim in await ledger.claim(one, 1)])
        two = await ledger.register_runner(second.id, quiet_seconds=0, api="https://one", account="one")
        three = await ledger.register_runner(third.id, quiet_seconds=0, api="https://one", account="other")
        assert await ledger.claim_unverified_orphans(second.id, 5) == [], "its own runner reads it back"
        assert await ledger.claim(two, 1) == []
        assert len(await ledger.claim(three, 1)) == 1, "a pass of another account is another pass"
        await ledger.deregister_runner(one, "paused")
        assert await ledger.claim_unverified_orphans(third.id, 5) == []
        (unverified,) = await ledger.claim_unverified_orphans(second.id, 5)
        assert unverified.claim.campaign == first.id
        await ledger.record_verification(unverified, Resolution(status=Status.ACCEPTED), again_in_seconds=None)
        assert len(await ledger.claim(two, 1)) == 1

    async def test_a_campaign_belongs_to_one_api(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1))
        await ledger.register_runner(record.id, quiet_seconds=0, api="https://one")
        with raises(UsageError, "other_api"):
            await ledger.register_runner(record.id, quiet_seconds=0, api="https://other")
        assert [runner.ended for runner in reader.runners(record.id) if runner.ended] == ["refused", "staged"]

    async def test_a_campaign_of_which_nothing_was_sent_may_be_sent_to_another_api(self, ledger: Ledger) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        one = await ledger.register_runner(record.id, quiet_seconds=0, api="https://wrong")
        claims = await ledger.claim(one, 2)
        await ledger.release(one, claims)
        await ledger.deregister_runner(one, "safeguard")
        two = await ledger.register_runner(record.id, quiet_seconds=0, api="https://right")
        (claim,) = await ledger.claim(two, 1)
        await ledger.settle(two, [ends(claim, Status.PENDING)])
        await ledger.deregister_runner(two, "limit")
        with pytest.raises(UsageError, match="was started with https://right"):
            await ledger.register_runner(record.id, quiet_seconds=0, api="https://wrong")

    @pytest.mark.parametrize(
        ("reading", "baseline", "before"),
        [
            (PassReading(latest=Latest.TEXT, text="Theirs"), True, "Theirs"),
            (PassReading(latest=Latest.NULL), True, None),
            (PassReading(latest=Latest.MISSING), False, "Old"),
            (PassReading(latest=Latest.UNREADABLE), False, "Old"),
        ],
    )
    async def test_a_baseline_tells_what_the_pass_held_for_this_claim_only(
        self, ledger: Ledger, *, reading: PassReading, baseline: bool, before: str | None
    ) -> None:
        first = await campaign_of(ledger, staged(1, "A", message="Old"), name="first")
        one = await ledger.register_runner(first.id, quiet_seconds=0)
        await ledger.settle(one, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(one, 1)])
        second = await campaign_of(ledger, staged(1, "A", message="New"), name="second")
        runner = await ledger.register_runner(second.id, quiet_seconds=0)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.record_baseline(runner, claim, reading)
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN, sent_at=20.0)])
        (unverified,) = await ledger.claim_unverified(second.id, 1)
        assert (unverified.baseline, unverified.last_before, unverified.sent_before) == (baseline, before, frozenset({"Old"}))
        await ledger.record_verification(unverified, Resolution(status=Status.PENDING), again_in_seconds=None)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN, sent_at=20.0)])
        (unverified,) = await ledger.claim_unverified(second.id, 1)
        assert (unverified.baseline, unverified.last_before) == (False, "Old")

    @pytest.mark.parametrize(("texts", "baseline"), [(["Same"], False), (["Other", "Same "], False), (["Same", "Other"], True), ([], True)])
    async def test_a_baseline_tells_nothing_if_the_last_message_before_had_the_same_text(
        self, ledger: Ledger, texts: list[str], *, baseline: bool
    ) -> None:
        for number, text in enumerate(texts):
            before = await campaign_of(ledger, staged(1, "A", message=text), name=f"before {number}")
            runner = await ledger.register_runner(before.id, quiet_seconds=0)
            await ledger.settle(runner, [ends(claim, Status.DELIVERED, sent_at=10.0 + number) for claim in await ledger.claim(runner, 1)])
        record = await campaign_of(ledger, staged(1, "A", message="Same"), name="again")
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        (claim,) = await ledger.claim(runner, 1)
        # The server that answered lags behind.
        await ledger.record_baseline(runner, claim, PassReading(latest=Latest.NULL))
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN, sent_at=20.0)])
        (unverified,) = await ledger.claim_unverified(record.id, 1)
        assert (unverified.baseline, unverified.sent_before) == (baseline, frozenset(texts))

    @pytest.mark.parametrize(
        ("texts", "baseline"), [(["Same"], False), (["Other", "Same "], False), (["Same", "Other"], False), (["Other"], True)]
    )
    async def test_nor_if_one_that_may_have_come_since_the_last_known_one_had_it(
        self, ledger: Ledger, texts: list[str], *, baseline: bool
    ) -> None:
        for number, text in enumerate(texts):
            before = await campaign_of(ledger, staged(1, "A", message=text), name=f"before {number}")
            runner = await ledger.register_runner(before.id, quiet_seconds=0)
            claims = await ledger.claim(runner, 1)
            await ledger.settle(runner, [ends(claim, Status.UNKNOWN, due_in_seconds=None, sent_at=10.0 + number) for claim in claims])
        record = await campaign_of(ledger, staged(1, "A", message="Same"), name="again")
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.record_baseline(runner, claim, PassReading(latest=Latest.NULL))
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN, sent_at=20.0)])
        (unverified,) = await ledger.claim_unverified(record.id, 1)
        assert (unverified.baseline, unverified.sent_before) == (baseline, frozenset(texts))

    async def test_a_witness_is_a_pass_that_surely_holds_a_text(self, ledger: Ledger) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        one, two, three = await ledger.claim(runner, 3)
        await ledger.settle(runner, [ends(one, Status.FAILED), ends(two, Status.UNKNOWN)])
        assert await ledger.reference_passes(record.id) == []
        await ledger.settle(runner, [ends(three, Status.DELIVERED)])
        assert await ledger.reference_passes(record.id) == [("pass-3", "Hello")]

    async def test_a_witness_after_an_unverified_row_was_sent_once_its_attempt_was_over(self, ledger: Ledger) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 6)))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        one, two, three, four, five = await ledger.claim(runner, 5)

        def ending(claim: Claim, status: Status, sent_at: float) -> Settlement:
            outcome = replace(ends(claim, status).outcome, sent_at=sent_at, settled_at=sent_at + 10)
            return replace(ends(claim, status), outcome=outcome)

        await ledger.settle(runner, [ending(one, Status.DELIVERED, 100), ending(two, Status.UNKNOWN, 200)])
        (unverified,) = await ledger.claim_unverified(record.id, 1)
        await ledger.settle(runner, [ending(three, Status.DELIVERED, 209), ending(four, Status.UNKNOWN, 300)])
        assert await ledger.reference_passes_after(unverified) == []
        await ledger.settle(runner, [ending(five, Status.DELIVERED, 210)])
        assert await ledger.reference_passes_after(unverified) == [("pass-5", "Hello")]

    async def test_a_witness_holds_the_newest_text_that_this_ledger_knows_of(self, ledger: Ledger) -> None:
        first = await campaign_of(ledger, *(staged(row) for row in range(1, 6)), name="first")
        one = await ledger.register_runner(first.id, quiet_seconds=0, api="https://one", account="one")
        await ledger.settle(one, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(one, 5)])
        second = await campaign_of(ledger, *(staged(row, message="Other") for row in range(1, 6)), name="second")
        two = await ledger.register_runner(second.id, quiet_seconds=0, api="https://one", account="one")
        delivered, unknown, refused, _sending = await ledger.claim(two, 4)
        assert await ledger.reference_passes(first.id) == [("pass-5", "Hello")]
        await ledger.settle(two, [ends(delivered, Status.DELIVERED), ends(unknown, Status.UNKNOWN), ends(refused, Status.FAILED)])
        assert await ledger.reference_passes(first.id) == [("pass-3", "Hello"), ("pass-5", "Hello")]
        await ledger.claim(two, 1)
        third = await campaign_of(ledger, staged(3, message="Third"), name="third")
        three = await ledger.register_runner(third.id, quiet_seconds=0, api="https://one", account="one")
        await ledger.settle(three, [ends(claim, Status.NOT_DELIVERED) for claim in await ledger.claim(three, 1)])
        assert await ledger.reference_passes(first.id) == [("pass-1", "Other")], "those of another campaign of the account"

    async def test_where_every_witness_was_written_over_they_are_given_all_the_same(self, ledger: Ledger) -> None:
        """Without any, as where nothing was sent yet, an API that shows no texts would be believed."""
        first = await campaign_of(ledger, staged(1), staged(2), staged(3), name="first")
        one = await ledger.register_runner(first.id, quiet_seconds=0, api="https://one", account="one")
        claim, *later = await ledger.claim(one, 3)
        await ledger.settle(one, [ends(claim, Status.UNKNOWN, sent_at=10.0)])
        await ledger.settle(one, [ends(claim, Status.DELIVERED, sent_at=20.0) for claim in later])
        (unverified,) = await ledger.claim_unverified(first.id, 1)
        second = await campaign_of(ledger, staged(2, message="Other"), staged(3, message="Other"), name="second")
        other = await ledger.register_runner(second.id, quiet_seconds=0, api="https://one", account="one")
        claims = await ledger.claim(other, 2)
        for passes in (ledger.reference_passes(first.id), ledger.reference_passes_after(unverified)):
            assert sorted(await passes) == [("pass-2", "Hello"), ("pass-3", "Hello")]
        await ledger.settle(other, [ends(claims[0], Status.DELIVERED, sent_at=30.0)])
        for passes in (ledger.reference_passes(first.id), ledger.reference_passes_after(unverified)):
            assert await passes == [("pass-2", "Other")]

    async def test_what_another_ledger_sent_is_no_witness_once_this_one_has_sent_to_its_pass(self, ledger: Ledger) -> None:
        first = await campaign_of(ledger, staged(1, message="New"), staged(2, message="New"), name="first")
        runner = await ledger.register_runner(first.id, quiet_seconds=0)
        await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, 1)])
        rows = [staged(row, status=Status.DELIVERED) for row in (1, 2)]
        file = await campaign_of(ledger, *rows, name="file")
        assert await ledger.reference_passes(file.id) == [("pass-2", "Hello")]

    async def test_a_witness_is_looked_for_among_the_first_thousand_rows(self, ledger: Ledger) -> None:
        first = await campaign_of(ledger, *(staged(row) for row in range(1, 1003)), name="first")
        one = await ledger.register_runner(first.id, quiet_seconds=0)
        await ledger.settle(one, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(one, 1002)])
        second = await campaign_of(ledger, *(staged(row) for row in range(1, 1001)), name="second")
        two = await ledger.register_runner(second.id, quiet_seconds=0)
        claims = await ledger.claim(two, 1000)
        assert await ledger.reference_passes(first.id) == [(f"pass-{row}", "Hello") for row in (1, 2, 3)]
        await ledger.release(two, claims[-1:])
        assert await ledger.reference_passes(first.id) == [("pass-1000", "Hello")]


class TestPace:
    async def test_everyone_with_a_key_shares_its_slots(self, backend: Backend, ledger: Ledger, clock: HandClock) -> None:
        other = backend.ledger()
        taken: list[float] = []
        for turn in range(100):
            slots = await (ledger, other)[turn % 2].reserve_slots("token", rate_per_second=10, want=2)
            taken += [clock.seconds + slots.first_in_seconds + n * slots.interval_seconds for n in range(slots.count)]
            clock.advance(0.05)
        assert [round(later - sooner, 6) for sooner, later in itertools.pairwise(taken)] == [round(0.1 * SPARE, 6)] * (len(taken) - 1)
        assert len(taken) >= 50

    async def test_slots_are_counted_from_when_they_were_leased_on_the_clock_of_whoever_leases(self, ledger: Ledger) -> None:
        before = ticks()
        slots = await ledger.reserve_slots("token", rate_per_second=10, want=2)
        assert before <= slots.leased_at <= ticks()

    async def test_another_key_is_another_budget(self, ledger: Ledger) -> None:
        assert (await ledger.reserve_slots("one", rate_per_second=10, want=9)).first_in_seconds == 0
        assert (await ledger.reserve_slots("two", rate_per_second=10, want=9)).first_in_seconds == 0

    async def test_making_room_slows_everyone_down_and_a_pause_does_not(self, backend: Backend, ledger: Ledger, clock: HandClock) -> None:
        await ledger.set_rate_factor("token", rate_factor=0.5)
        assert (await backend.ledger().reserve_slots("token", rate_per_second=10, want=9)).interval_seconds == pytest.approx(0.2 * SPARE)
        await ledger.pause("other", seconds=5)
        assert (await ledger.reserve_slots("other", rate_per_second=10, want=9)).count == 0
        clock.advance(5)
        await ledger.pause("other", seconds=5)
        clock.advance(5)
        assert (await ledger.reserve_slots("other", rate_per_second=10, want=9)).interval_seconds == pytest.approx(0.1 * SPARE)

    async def test_a_throttle_makes_everyone_pause(self, backend: Backend, ledger: Ledger, clock: HandClock) -> None:
        await backend.ledger().throttle("token", retry_after_seconds=5)
        assert (await ledger.reserve_slots("token", rate_per_second=10, want=9)).count == 0
        clock.advance(5)
        assert (await ledger.reserve_slots("token", rate_per_second=10, want=9)).count > 0


class TestClock:
    async def test_setting_the_wall_clock_moves_nothing(self, ledger: Ledger, clock: HandClock, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN, due_in_seconds=10)])
        clock.unix += 86_400
        assert await ledger.claim_unverified(record.id, 1) == []
        clock.unix -= 2 * 86_400
        clock.advance(11)
        assert reader.pending_work(record.id).unverified_in_seconds == pytest.approx(-1)
        assert len(await ledger.claim_unverified(record.id, 1)) == 1

    async def test_after_another_boot_time_goes_on_from_the_latest(self, backend: Backend, ledger: Ledger, clock: HandClock) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=10)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claim, Status.UNKNOWN, due_in_seconds=10)])
        await ledger.heartbeat(runner, "sending")
        await ledger.close()
        clock.boot_again("second", away_seconds=0, wall_seconds=-3600)
        later = backend.ledger()
        assert await later.claim_unverified(record.id, 1) == []
        clock.advance(10.5)
        assert len(await later.claim_unverified(record.id, 1)) == 1
