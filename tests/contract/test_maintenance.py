"""The promises of `ledger.port.Maintenance`, for every backend: correcting, forgetting, and the history of runs."""

from dataclasses import replace

import pytest

from campaign.domain.errors import UsageError
from campaign.domain.model import Skip
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.ledger.port import CampaignRecord, DesiredState, Ledger, LedgerReader, Runner
from campaign.ledger.records import CorrectedRow
from tests.contract.backends import Backend, HandClock
from tests.contract.given import campaign_of, ends, spec, staged
from tests.errors import raises

DAY_SECONDS = 86_400.0
FAILED = frozenset({Status.FAILED})


def corrected(row: int, pass_id: str, message: str = "Corrected") -> CorrectedRow:
    return CorrectedRow(row=row, pass_id=pass_id, pass_key=pass_id.lower(), message=message, cells=(pass_id, "New"))


def statuses(reader: LedgerReader, record: CampaignRecord) -> list[str]:
    return [row.outcome.status.value for row in reader.rows(record.id)]


async def settled(ledger: Ledger, record: CampaignRecord, *ended: Status, reasons: tuple[str, ...] = ()) -> Runner:
    """Every row claimed and ended, in turn."""
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    claims = await ledger.claim(runner, len(ended))
    reasons = reasons or ("",) * len(ended)
    given = zip(claims, ended, reasons, strict=True)
    due = {Status.PENDING: 0.0}
    await ledger.settle(runner, [ends(claim, status, reason=reason, due_in_seconds=due.get(status)) for claim, status, reason in given])
    return runner


class TestChosenRows:
    async def test_every_filter_holds_and_counting_agrees(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
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
            chosen = Selection(statuses=wanted, reasons=frozenset(reasons), http_statuses=frozenset(codes))
            assert reader.matching(record.id, chosen) == count
        chosen = Selection(statuses=FAILED, reasons=frozenset({"http_404"}), http_statuses=frozenset({404}))
        assert await ledger.retry(record.id, chosen) == 1
        assert statuses(reader, record) == ["failed", "pending", "not_delivered", "delivered"]

    async def test_a_row_that_is_still_to_be_read_back_is_not_sent_again(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        one, two = await ledger.claim(runner, 2)
        await ledger.settle(runner, [ends(one, Status.UNKNOWN, due_in_seconds=5), ends(two, Status.UNKNOWN, due_in_seconds=None)])
        unknown = frozenset({Status.UNKNOWN})
        assert reader.matching(record.id, Selection(statuses=unknown)) == 1
        assert await ledger.apply_corrections(record.id, [], [1], unknown) == 0
        assert await ledger.retry(record.id, Selection(statuses=unknown)) == 1
        assert statuses(reader, record) == ["unknown", "pending"]


class TestCorrecting:
    async def test_failed_and_invalid_rows_are_sent_as_they_are_corrected(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2, "", status=Status.INVALID), staged(3))
        runner = await settled(ledger, record, Status.FAILED, Status.FAILED)
        assert await ledger.apply_corrections(record.id, [corrected(1, "new-1"), corrected(2, "new-2")], [3], FAILED) == 3
        one, two, three = reader.rows(record.id)
        assert (one.pass_id, one.message, one.cells, one.outcome.attempts) == ("new-1", "Corrected", ("new-1", "New"), 1)
        assert (two.outcome.status, two.outcome.error) == (Status.PENDING, "")
        assert (three.pass_id, three.message) == ("pass-3", "Hello")
        assert sorted(reader.sent_texts(record.id, [1, 2, 3])) == [(1, "Hello", 1), (3, None, 1)]
        claims = await ledger.claim(runner, 9)
        assert [(claim.row, claim.pass_id, claim.message, claim.counted_attempts) for claim in claims] == [
            (1, "new-1", "Corrected", 0),
            (2, "new-2", "Corrected", 0),
            (3, "pass-3", "Hello", 0),
        ]

    @pytest.mark.parametrize("status", [Status.DELIVERED, Status.NOT_DELIVERED, Status.UNKNOWN, Status.PENDING])
    async def test_no_other_row_is_touched(self, ledger: Ledger, reader: LedgerReader, status: Status) -> None:
        record = await campaign_of(ledger, staged(1))
        await settled(ledger, record, status)
        before = list(reader.rows(record.id))
        assert await ledger.apply_corrections(record.id, [corrected(1, "other")], [1], FAILED) == 0
        assert list(reader.rows(record.id)) == before

    async def test_nothing_of_a_cancelled_campaign_is_corrected(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2, "", status=Status.INVALID))
        await settled(ledger, record, Status.FAILED)
        await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
        assert await ledger.apply_corrections(record.id, [corrected(2, "new")], [1], FAILED) == 0
        assert statuses(reader, record) == ["failed", "invalid"]

    @pytest.mark.parametrize("other", [Status.DELIVERED, Status.UNKNOWN, Status.FAILED, Status.NOT_DELIVERED])
    async def test_a_row_corrected_to_a_pass_that_another_row_stands_for_is_a_duplicate(
        self, ledger: Ledger, reader: LedgerReader, other: Status
    ) -> None:
        record = await campaign_of(ledger, staged(1, "", status=Status.INVALID), staged(2, "A"))
        await settled(ledger, record, other)
        assert await ledger.apply_corrections(record.id, [corrected(1, "a")], [], FAILED) == 0
        assert statuses(reader, record) == ["skipped", other.value]

    async def test_of_two_rows_corrected_to_one_pass_the_first_is_sent(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1, "", status=Status.INVALID), staged(2, "", status=Status.INVALID))
        assert await ledger.apply_corrections(record.id, [corrected(2, "A"), corrected(1, "a")], [], FAILED) == 1
        assert statuses(reader, record) == ["pending", "skipped"]

    async def test_ids_are_to_be_compared_again_once_one_of_them_or_of_the_exclusions_is_new(
        self, ledger: Ledger, reader: LedgerReader
    ) -> None:
        async def none_near(name: str) -> CampaignRecord:
            record = await ledger.create(spec(name))
            await ledger.stage(record.id, [staged(1, "", status=Status.INVALID), staged(2, "b")])
            await ledger.exclude(record.id, ["x"])
            await ledger.finish_staging(record.id, content_sha256="c", near_ids=False)
            return record

        def near(record: CampaignRecord) -> bool:
            found = reader.campaign(record.spec.name)
            assert found is not None
            assert found.spec == record.spec
            return found.near_ids

        assert near(await campaign_of(ledger, staged(1)))
        corrects, excludes = await none_near("corrects"), await none_near("excludes")
        assert (near(corrects), near(excludes)) == (False, False)
        await ledger.apply_corrections(corrects.id, [corrected(1, "a")], [], FAILED)
        assert (near(corrects), near(excludes)) == (True, False)
        await ledger.exclude(excludes.id, ["y"])
        assert near(excludes)

    async def test_what_was_sent_to_a_pass_before_the_correcting_is_not_forgotten(self, ledger: Ledger, reader: LedgerReader) -> None:
        first = await campaign_of(ledger, staged(1, "A", message="Old"), name="first")
        await settled(ledger, first, Status.UNKNOWN)
        await ledger.retry(first.id, Selection(statuses=frozenset({Status.UNKNOWN})))
        await settled(ledger, first, Status.FAILED)
        assert await ledger.apply_corrections(first.id, [corrected(1, "B", "New")], [], FAILED) == 1
        second = await campaign_of(ledger, staged(1, "A", message="Second"), name="second")
        runner = await ledger.register_runner(second.id, quiet_seconds=0)
        claims = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claims[0], Status.UNKNOWN, due_in_seconds=0)])
        (unverified,) = await ledger.claim_unverified(second.id, 1)
        assert unverified.sent_before == {"Old"}
        assert reader.rows_of_passes(first.id, ["b", "a"]) == {"b": [1]}


class TestForgetting:
    async def test_rows_go_and_counts_stay(self, ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
        record = await campaign_of(ledger, staged(1), staged(2), staged(3, "", status=Status.INVALID))
        runner = await settled(ledger, record, Status.DELIVERED, Status.FAILED, reasons=("", "http_404"))
        await ledger.deregister_runner(runner, "finished")
        counts = reader.counts(record.id)
        clock.advance(DAY_SECONDS + 1)
        await ledger.purge(record.id)
        assert list(reader.rows(record.id)) == []
        assert list(reader.attempt_columns(record.id)) == []
        assert reader.counts(record.id).by_status == counts.by_status
        assert reader.counts(record.id).reasons(Status.FAILED) == {"http_404": 1}
        found = reader.campaign("promo")
        assert found is not None
        assert (found.purged_at, found.rows, found.spec.columns) == (clock.wall(), 3, ())
        assert not reader.has_unfinished_purge()
        with raises(UsageError, "forgotten"):
            await ledger.register_runner(record.id, quiet_seconds=0)

    async def test_another_campaign_keeps_all_that_is_its_own(self, ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
        record = await campaign_of(ledger, staged(1, "A"), name="old")
        other = await campaign_of(ledger, staged(1, "A"), name="other")
        for one in (record, other):
            await ledger.deregister_runner(await settled(ledger, one, Status.DELIVERED), "finished")
        clock.advance(DAY_SECONDS + 1)
        await ledger.purge(record.id)
        assert statuses(reader, other) == ["delivered"]
        assert [made.row for made in reader.attempt_columns(other.id)] == [(1,)]

    @pytest.mark.parametrize("left", [Status.PENDING, Status.UNKNOWN])
    async def test_what_has_not_ended_stays(self, ledger: Ledger, reader: LedgerReader, clock: HandClock, left: Status) -> None:
        record = await campaign_of(ledger, staged(1))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        (claim,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(claim, left, due_in_seconds=5)])
        await ledger.deregister_runner(runner, "limit")
        clock.advance(DAY_SECONDS + 1)
        with pytest.raises(UsageError):
            await ledger.purge(record.id)
        assert statuses(reader, record) == [left.value]

    async def test_nothing_is_forgotten_within_a_day_and_others_may_send_meanwhile(
        self, ledger: Ledger, backend: Backend, reader: LedgerReader, clock: HandClock
    ) -> None:
        record = await campaign_of(ledger, staged(1))
        other = await campaign_of(ledger, staged(1, "B"), name="other")
        await ledger.deregister_runner(await settled(ledger, record, Status.DELIVERED), "finished")
        clock.advance(DAY_SECONDS - 1)
        with raises(UsageError, "too_recent"):
            await ledger.purge(record.id)
        clock.advance(2)
        sender = backend.ledger()
        runner = await sender.register_runner(other.id, quiet_seconds=0)
        await ledger.purge(record.id)
        assert statuses(reader, record) == []
        assert len(await sender.claim(runner, 1)) == 1


class TestHistory:
    async def test_a_run_notes_who_it_was_and_what_it_left(
        self, ledger: Ledger, reader: LedgerReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGNAME", "Anna")
        record = await campaign_of(ledger, staged(1), staged(2), staged(3, "", status=Status.INVALID))
        runner = await settled(ledger, record, Status.DELIVERED)
        await ledger.deregister_runner(runner, "limit")
        (found,) = [run for run in reader.runners(record.id) if run.id == runner.id]
        assert (found.username, found.rows_left, found.rows_needing_attention) == ("Anna", 1, 1)

    async def test_what_is_still_to_be_read_back_is_left_too(self, ledger: Ledger, reader: LedgerReader) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        one, two = await ledger.claim(runner, 2)
        await ledger.settle(runner, [ends(one, Status.UNKNOWN, due_in_seconds=5), ends(two, Status.UNKNOWN, due_in_seconds=None)])
        await ledger.deregister_runner(runner, "limit")
        (found,) = [run for run in reader.runners(record.id) if run.id == runner.id]
        assert (found.rows_left, found.rows_needing_attention) == (1, 2)

    async def test_a_cancelled_campaign_has_ended_though_an_unknown_row_could_be_read_back(
        self, ledger: Ledger, reader: LedgerReader
    ) -> None:
        record = await campaign_of(ledger, staged(1), staged(2))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        (one,) = await ledger.claim(runner, 1)
        await ledger.settle(runner, [ends(one, Status.UNKNOWN, due_in_seconds=5)])
        await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
        await ledger.deregister_runner(runner, "cancelled")
        (found,) = [run for run in reader.runners(record.id) if run.id == runner.id]
        assert (found.rows_left, found.rows_needing_attention) == (0, 1)
        (ended,) = reader.campaigns()
        assert ended.finished_at > 0


async def test_pass_keys_are_of_rows_that_can_be_sent_or_were(ledger: Ledger, reader: LedgerReader) -> None:
    states = [Status.PENDING, Status.INVALID, Status.DELIVERED, Status.SKIPPED, Status.UNKNOWN, Status.FAILED]
    await campaign_of(ledger, staged(1, "x"), name="other")
    record = await campaign_of(ledger, *(staged(row, f"P{row}", status=status) for row, status in enumerate(states, 1)))
    kept = {(row, f"p{row}", status) for row, status in enumerate(states, 1) if status not in {Status.INVALID, Status.SKIPPED}}
    assert set(reader.pass_keys(record.id)) == kept


async def test_chosen_rows_are_skipped_as_far_as_they_are_pending(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 6)))
    other = await campaign_of(ledger, staged(2), name="other")
    await settled(ledger, record, Status.DELIVERED)
    assert await ledger.skip_rows(record.id, [3, 1, 2, 99], Skip.NOT_IN_WALLET) == 2
    assert await ledger.skip_rows(record.id, [3, 1, 2, 99], Skip.NOT_IN_WALLET) == 0
    assert statuses(reader, record) == ["delivered", "skipped", "skipped", "pending", "pending"]
    assert reader.counts(record.id).reasons(Status.SKIPPED) == {"not_in_wallet": 2}
    assert statuses(reader, other) == ["pending"]
