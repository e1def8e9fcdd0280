"""The promises of `ledger.upkeep`, for every backend: mending, forgetting, and moving to another ledger."""

from dataclasses import replace

import pytest

from campaign.domain.errors import UsageError
from campaign.domain.model import Status
from campaign.domain.verdict import Conclusion
from campaign.ledger.port import CampaignRecord, Control, Ledger, LedgerReader, Runner
from campaign.ledger.upkeep import HandedOver, MendedRow
from campaign.ledger.waiting import Why
from tests.contract.backends import Backend, HandClock
from tests.contract.given import campaign_of, ends, staged
from tests.errors import raises

DAY_SECONDS = 86_400.0
FAILED = frozenset({Status.FAILED})


def mended(row: int, pass_id: str, message: str = "Mended") -> MendedRow:
    return MendedRow(row=row, pass_id=pass_id, pass_key=pass_id.lower(), message=message, cells=(pass_id, "New"))


def statuses(reader: LedgerReader, record: CampaignRecord) -> list[str]:
    return [row.outcome.status.value for row in reader.rows(record.id)]


async def settled(ledger: Ledger, record: CampaignRecord, *ended: Status, reasons: tuple[str, ...] = ()) -> Runner:
    """Every row claimed and ended, in turn."""
    runner = await ledger.enlist(record.id, quiet_seconds=0)
    claims = await ledger.claim(runner, len(ended))
    reasons = reasons or ("",) * len(ended)
    given = zip(claims, ended, reasons, strict=True)
    due = {Status.PENDING: 0.0}
    await ledger.settle(runner, [ends(claim, status, reason=reason, due_in_seconds=due.get(status)) for claim, status, reason in given])
    return runner


class TestChosenRows:
    async def test_every_filter_holds_and_counting_agrees(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
        runner = await ledger.enlist(record.id, quiet_seconds=0)
        one, two, three, four = await ledger.claim(runner, 4)
        gone = ends(two, Status.FAILED, reason="http_404")
        await ledger.settle(
            runner,
            [
                ends(one, Status.FAILED, reason="http_422"),
                replace(gone, outcome=replace(gone.outcome, http_status=404)),
                ends(three, Status.NOT_DELIVERED, reason="http_404"),
                ends(four, Status.DELIVERED),
            ],
        )
        wanted = FAILED | {Status.NOT_DELIVERED}
        for reasons, codes, count in (
            ({"http_422"}, {404}, 0),
            ({"http_404"}, {404}, 1),
            ({"http_404", "http_422"}, set[int](), 3),
            (set[str](), {200}, 2),
        ):
            assert reader.matching(record.id, wanted, reasons=frozenset(reasons), http_statuses=frozenset(codes)) == count
        assert await ledger.retry(record.id, FAILED, reasons=frozenset({"http_404"}), http_statuses=frozenset({404})) == 1
        assert statuses(reader, record) == ["failed", "pending", "not_delivered", "delivered"]

    async def test_a_row_that_is_still_to_be_read_back_is_not_sent_again(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        runner = await ledger.enlist(record.id, quiet_seconds=0)
        one, two = await ledger.claim(runner, 2)
        await ledger.settle(runner, [ends(one, Status.UNKNOWN, due_in_seconds=5), ends(two, Status.UNKNOWN, due_in_seconds=None)])
        unknown = frozenset({Status.UNKNOWN})
        assert reader.matching(record.id, unknown) == 1
        assert await ledger.mend(record.id, [], [1], unknown) == 0
        assert await ledger.retry(record.id, unknown) == 1
        assert statuses(reader, record) == ["unknown", "pending"]


class TestMending:
    async def test_failed_and_invalid_rows_are_sent_as_they_are_mended(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2, "", status=Status.INVALID), staged(3))
        runner = await settled(ledger, record, Status.FAILED, Status.FAILED)
        assert await ledger.mend(record.id, [mended(1, "new-1"), mended(2, "new-2")], [3], FAILED) == 3
        one, two, three = reader.rows(record.id)
        assert (one.pass_id, one.message, one.cells, one.outcome.attempts) == ("new-1", "Mended", ("new-1", "New"), 1)
        assert (two.outcome.status, two.outcome.error) == (Status.PENDING, "")
        assert (three.pass_id, three.message) == ("pass-3", "Hello")
        claims = await ledger.claim(runner, 9)
        assert [(claim.row, claim.pass_id, claim.message, claim.tries) for claim in claims] == [
            (1, "new-1", "Mended", 0),
            (2, "new-2", "Mended", 0),
            (3, "pass-3", "Hello", 0),
        ]

    @pytest.mark.parametrize("status", [Status.DELIVERED, Status.NOT_DELIVERED, Status.UNKNOWN, Status.PENDING])
    async def test_no_other_row_is_touched(self, ledger: Ledger, reader: LedgerReader, status: Status) -> None:
        record = await campaign_of(ledger, staged(1))
        await settled(ledger, record, status)
        before = list(reader.rows(record.id))
        assert await ledger.mend(record.id, [mended(1, "other")], [1], FAILED) == 0
        assert list(reader.rows(record.id)) == before

    async def test_nothing_of_a_cancelled_campaign_is_mended(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2, "", status=Status.INVALID))
        await settled(ledger, record, Status.FAILED)
        await ledger.control(record.id, Control.CANCELLED)
        assert await ledger.mend(record.id, [mended(2, "new")], [1], FAILED) == 0
        assert statuses(reader, record) == ["failed", "invalid"]

    @pytest.mark.parametrize("other", [Status.DELIVERED, Status.UNKNOWN, Status.FAILED, Status.NOT_DELIVERED])
    async def test_a_row_mended_to_a_pass_that_another_row_stands_for_is_a_duplicate(
        self, ledger: Ledger, reader: LedgerReader, other: Status
    ) -> None:
        record = await campaign_of(ledger, staged(1, "", status=Status.INVALID), staged(2, "A"))
        await settled(ledger, record, other)
        assert await ledger.mend(record.id, [mended(1, "a")], [], FAILED) == 0
        assert statuses(reader, record) == ["skipped", other.value]

    async def test_of_two_rows_mended_to_one_pass_the_first_is_sent(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1, "", status=Status.INVALID), staged(2, "", status=Status.INVALID))
        assert await ledger.mend(record.id, [mended(2, "A"), mended(1, "a")], [], FAILED) == 1
        assert statuses(reader, record) == ["pending", "skipped"]

    async def test_what_was_sent_to_a_pass_before_the_mending_is_not_forgotten(self, ledger: Ledger, reader: LedgerReader) -> None:
        first = await campaign_of(ledger, staged(1, "A", message="Old"), name="first")
        await settled(ledger, first, Status.UNKNOWN)
        await ledger.retry(first.id, frozenset({Status.UNKNOWN}))
        await settled(ledger, first, Status.FAILED)
        assert await ledger.mend(first.id, [mended(1, "B", "New")], [], FAILED) == 1
        second = await campaign_of(ledger, staged(1, "A", message="Second"), name="second")
        runner = await ledger.enlist(second.id, quiet_seconds=0)
        claims = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claims[0], Status.UNKNOWN, due_in_seconds=0)])
        (doubt,) = await ledger.doubts(second.id, 1)
        assert doubt.sent_before == {"Old"}
        assert reader.rows_of_passes(first.id, ["b", "a"]) == {"b": [1]}


class TestForgetting:
    async def test_rows_go_and_counts_stay(self, ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
        record = await campaign_of(ledger, staged(1), staged(2), staged(3, "", status=Status.INVALID))
        runner = await settled(ledger, record, Status.DELIVERED, Status.FAILED, reasons=("", "http_404"))
        await ledger.dismiss(runner, "finished")
        counts = reader.counts(record.id)
        clock.advance(DAY_SECONDS + 1)
        await ledger.forget(record.id)
        assert list(reader.rows(record.id)) == []
        assert list(reader.moved_attempts(record.id)) == []
        assert reader.counts(record.id).by_status == counts.by_status
        assert reader.counts(record.id).reasons(Status.FAILED) == {"http_404": 1}
        found = reader.campaign("promo")
        assert found is not None
        assert (found.forgotten_at, found.rows, found.spec.columns) == (clock.wall(), 3, ())
        assert reader.to_clean()
        await ledger.clean()
        assert not reader.to_clean()
        with raises(UsageError, "forgotten"):
            await ledger.enlist(record.id, quiet_seconds=0)

    async def test_another_campaign_keeps_all_that_is_its_own(self, ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
        record = await campaign_of(ledger, staged(1, "A"), name="old")
        other = await campaign_of(ledger, staged(1, "A"), name="other")
        for one in (record, other):
            await ledger.dismiss(await settled(ledger, one, Status.DELIVERED), "finished")
        clock.advance(DAY_SECONDS + 1)
        await ledger.forget(record.id)
        await ledger.clean()
        assert statuses(reader, other) == ["delivered"]
        assert [made.pass_key for made in reader.moved_attempts(other.id)] == ["a"]

    @pytest.mark.parametrize("left", [Status.PENDING, Status.UNKNOWN])
    async def test_what_has_not_ended_stays(self, ledger: Ledger, reader: LedgerReader, clock: HandClock, left: Status) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.enlist(record.id, quiet_seconds=0)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claim, left, due_in_seconds=5)])
        await ledger.dismiss(runner, "limit")
        clock.advance(DAY_SECONDS + 1)
        with pytest.raises(UsageError):
            await ledger.forget(record.id)
        assert statuses(reader, record) == [left.value]

    async def test_nothing_is_forgotten_within_a_day_or_while_anybody_sends(
        self, ledger: Ledger, backend: Backend, reader: LedgerReader, clock: HandClock
    ) -> None:
        record = await campaign_of(ledger, staged(1))
        other = await campaign_of(ledger, staged(1, "B"), name="other")
        await ledger.dismiss(await settled(ledger, record, Status.DELIVERED), "finished")
        clock.advance(DAY_SECONDS - 1)
        with raises(UsageError, "too_recent"):
            await ledger.forget(record.id)
        clock.advance(2)
        sender = backend.ledger()
        runner = await sender.enlist(other.id, quiet_seconds=0)
        with raises(UsageError, "at_work"):
            await ledger.forget(record.id)
        await sender.dismiss(runner, "paused")
        await ledger.forget(record.id)
        assert statuses(reader, record) == []


class TestMoving:
    async def test_nothing_of_an_exported_campaign_can_be_sent(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        assert await ledger.hand_over(record.id, "file")
        assert not await ledger.hand_over(record.id, "again")
        with raises(UsageError, "exported"):
            await ledger.enlist(record.id, quiet_seconds=0)
        with raises(UsageError, "exported"):
            await ledger.control(record.id, Control.GO)
        assert reader.handed_over(record.id) == HandedOver(control=Control.GO, api="", account="")
        await ledger.take_back(record.id)
        runner = await ledger.enlist(record.id, quiet_seconds=0)
        assert len(await ledger.claim(runner, 9)) == 2

    async def test_a_campaign_at_work_or_in_doubt_is_not_handed_over(self, ledger: Ledger, backend: Backend) -> None:
        record = await campaign_of(ledger, staged(1))
        sender = backend.ledger()
        runner = await sender.enlist(record.id, quiet_seconds=0)
        with raises(UsageError, "at_work"):
            await ledger.hand_over(record.id, "file")
        (claim,) = await sender.claim(runner, 1)
        await sender.settle(runner, [ends(claim, Status.UNKNOWN, due_in_seconds=1)])
        await sender.dismiss(runner, "interrupted")
        with raises(UsageError, "in_doubt"):
            await ledger.hand_over(record.id, "file")

    async def test_it_arrives_as_it_was_and_doubts_wait_for_a_person(
        self, ledger: Ledger, backend: Backend, reader: LedgerReader, clock: HandClock
    ) -> None:
        record = await campaign_of(ledger, staged(1), staged(2), staged(3), staged(4, "", status=Status.INVALID))
        runner = await ledger.enlist(record.id, quiet_seconds=30, api="https://one", account="me")
        await ledger.throttle("me", retry_after_seconds=2.5)
        await ledger.note_wait(record.id, Why.HOURS, seconds=7.0)
        one, two, three = await ledger.claim(runner, 3)
        await ledger.settle(
            runner,
            [
                ends(one, Status.DELIVERED),
                ends(two, Status.UNKNOWN, reason="timeout", due_in_seconds=None),
                ends(three, Status.PENDING, due_in_seconds=60),
            ],
        )
        await ledger.dismiss(runner, "limit")
        await ledger.hand_over(record.id, "file")
        found = reader.campaign("promo")
        assert found is not None
        there = backend.another()
        other = there.ledger()
        look = there.reader()
        made = await other.create(found.spec)
        await other.take_in_runners(made.id, [run for run in reader.runners(record.id) if run.ended_at])
        await other.take_in(made.id, list(reader.moved_rows(record.id)), list(reader.moved_attempts(record.id)))
        await other.finish_taking_in(made.id, found, reader.handed_over(record.id), reader.waits(record.id))
        try:
            assert look.waits(made.id) == reader.waits(record.id)
            assert {(wait.why, wait.until - wait.since) for wait in look.waits(made.id)} == {(Why.THROTTLED, 2.5), (Why.HOURS, 7.0)}
            assert list(look.rows(made.id)) == list(reader.rows(record.id))
            outlook = look.outlook(made.id)
            assert outlook.pending_in_seconds == pytest.approx(60)
            assert outlook.doubt_in_seconds is None
            await other.hand_over(made.id, "back")
            before = HandedOver(control=Control.GO, api="https://one", account="me")
            assert look.handed_over(made.id) == reader.handed_over(record.id) == before
            await other.take_back(made.id)
            await other.recheck(made.id)
            assert look.outlook(made.id).doubt_in_seconds == pytest.approx(30)
            with raises(UsageError, "other_api"):
                await other.enlist(made.id, quiet_seconds=0, api="https://two")
            runner = await other.enlist(made.id, quiet_seconds=0, api="https://one")
            assert await other.claim(runner, 9) == []
            clock.advance(61)
            (claim,) = await other.claim(runner, 9)
            assert (claim.row, claim.tries, claim.attempts) == (3, 1, 1)
            assert look.attempts_by_runner(made.id) == {run.id: 3 for run in look.runners(made.id) if run.ended == "limit"}
            (doubt,) = await other.doubts(made.id, 9)
            assert await other.conclude(doubt, Conclusion(status=Status.ACCEPTED), again_in_seconds=None)
            assert [made.status for made in look.moved_attempts(made.id)][1] == "accepted"
        finally:
            await there.close()

    async def test_of_two_that_take_one_campaign_in_at_the_same_time_one_is_refused(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        await ledger.hand_over(record.id, "file")
        found, before = reader.campaign("promo"), reader.handed_over(record.id)
        assert found is not None
        one, two = [await ledger.create(replace(found.spec, name=name)) for name in ("one", "two")]
        for made in (one, two):
            await ledger.take_in_runners(made.id, [])
            await ledger.take_in(made.id, list(reader.moved_rows(record.id)), [])
        await ledger.finish_taking_in(one.id, found, before)
        with pytest.raises(UsageError):
            await ledger.finish_taking_in(two.id, found, before)

    async def test_a_run_notes_who_it_was_and_what_it_left(
        self, ledger: Ledger, reader: LedgerReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGNAME", "Anna")
        record = await campaign_of(ledger, staged(1), staged(2), staged(3, "", status=Status.INVALID))
        runner = await settled(ledger, record, Status.DELIVERED)
        await ledger.dismiss(runner, "limit")
        (found,) = [run for run in reader.runners(record.id) if run.id == runner.id]
        assert (found.username, found.rows_left, found.rows_in_need) == ("Anna", 1, 1)

    async def test_what_is_still_to_be_read_back_is_left_too(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        runner = await ledger.enlist(record.id, quiet_seconds=0)
        one, two = await ledger.claim(runner, 2)
        await ledger.settle(runner, [ends(one, Status.UNKNOWN, due_in_seconds=5), ends(two, Status.UNKNOWN, due_in_seconds=None)])
        await ledger.dismiss(runner, "limit")
        (found,) = [run for run in reader.runners(record.id) if run.id == runner.id]
        assert (found.rows_left, found.rows_in_need) == (1, 2)


async def test_pass_keys_are_of_rows_that_can_be_sent_or_were(ledger: Ledger, reader: LedgerReader) -> None:
    states = [Status.PENDING, Status.INVALID, Status.DELIVERED, Status.SKIPPED, Status.UNKNOWN, Status.FAILED]
    await campaign_of(ledger, staged(1, "x"), name="other")
    record = await campaign_of(ledger, *(staged(row, f"P{row}", status=status) for row, status in enumerate(states, 1)))
    kept = {(row, f"p{row}", status) for row, status in enumerate(states, 1) if status not in {Status.INVALID, Status.SKIPPED}}
    assert set(reader.pass_keys(record.id)) == kept
