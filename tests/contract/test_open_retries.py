"""A retry that was stopped or killed: as long as it has not ended, it sends none of its rows a second time. For every backend."""

from dataclasses import replace
from typing import Any

import pytest

from campaign.domain.model import Outcome
from campaign.domain.retry_selection import Selection
from campaign.domain.status import OPEN, Status
from campaign.ledger.port import ClaimFilter, Ledger, LedgerReader
from tests.contract.backends import Backend
from tests.contract.given import campaign_of, ends, spec, staged
from tests.contract.test_maintenance import FAILED, corrected, settled, statuses


def selection(*wanted: Status) -> Selection:
    return Selection(statuses=frozenset(wanted))


def is_open(reader: LedgerReader) -> bool:
    record = reader.campaign("promo")
    assert record is not None
    assert record.spec == spec()
    return record.retry_is_open


@pytest.mark.parametrize("status", [Status.FAILED, Status.NOT_DELIVERED, Status.UNKNOWN])
async def test_what_it_has_sent_is_not_selected_again_until_it_has_ended(ledger: Ledger, reader: LedgerReader, status: Status) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 5)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    terms = ClaimFilter(only=(1, 2, 3))

    async def sends(rows: int) -> None:
        await ledger.settle(runner, [ends(claim, status, due_in_seconds=None) for claim in await ledger.claim(runner, rows, terms)])

    await sends(3)
    chosen = selection(status)
    assert not is_open(reader)
    assert await ledger.retry(record.id, chosen) == 3
    assert is_open(reader)
    await sends(2)
    for _ in range(2):
        assert reader.already_retried(record.id) == {1, 2}
        assert (reader.matching(record.id, chosen), await ledger.retry(record.id, chosen)) == (0, 0)
        assert await ledger.apply_corrections(record.id, [], [1, 2], chosen.statuses) == 0
        await ledger.end_retry(record.id)
    await sends(1)
    assert reader.matching(record.id, chosen) == 0
    # Row 4 was never sent. As long as it is left, a command says that rows are left, and may be given again.
    await ledger.end_retry(record.id)
    assert is_open(reader)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, 1)])
    await ledger.end_retry(record.id)
    assert reader.already_retried(record.id) == frozenset()
    assert not is_open(reader)
    assert await ledger.apply_corrections(record.id, [], [1], chosen.statuses) == 1
    assert await ledger.retry(record.id, chosen) == 2
    await sends(3)
    assert reader.matching(record.id, chosen) == 0
    await ledger.end_retry(record.id)
    assert reader.matching(record.id, chosen) == 3


async def test_neither_is_what_was_under_way_when_its_process_was_killed(backend: Backend, ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    await settled(ledger, record, Status.NOT_DELIVERED)
    chosen = selection(Status.NOT_DELIVERED, Status.UNKNOWN)
    doomed = backend.ledger()
    assert await doomed.retry(record.id, chosen) == 1
    runner = await doomed.register_runner(record.id, quiet_seconds=0, hold_unverified=True)
    assert await doomed.claim(runner, 1)
    await doomed.close()
    await ledger.reap_dead_runners(quiet_seconds=0)
    assert statuses(reader, record) == ["unknown"]
    assert (reader.matching(record.id, chosen), await ledger.retry(record.id, chosen)) == (0, 0)


async def test_what_another_has_sent_since_the_selection_is_left(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2))
    runner = await settled(ledger, record, Status.NOT_DELIVERED, Status.NOT_DELIVERED)
    chosen, selected = selection(Status.NOT_DELIVERED), reader.last_attempt(record.id)

    async def another() -> None:
        assert await ledger.retry(record.id, chosen, reader.last_attempt(record.id)) == 2
        await ledger.settle(runner, [ends(claim, Status.NOT_DELIVERED) for claim in await ledger.claim(runner, 2)])

    await another()
    assert reader.last_attempt(record.id) == selected
    for _ in range(2):
        await ledger.end_retry(record.id)
        assert not is_open(reader)
        assert await ledger.retry(record.id, chosen, selected) == 0
        assert await ledger.apply_corrections(record.id, [], [1, 2], chosen.statuses, selected) == 0
        assert not is_open(reader)
        await another()
        assert reader.last_attempt(record.id) > selected
        assert await ledger.retry(record.id, chosen, selected) == 0
        assert await ledger.apply_corrections(record.id, [], [1, 2], chosen.statuses, selected) == 0


async def test_rows_that_it_did_not_send_join_it(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2))
    runner = await settled(ledger, record, Status.NOT_DELIVERED, Status.NOT_DELIVERED)
    chosen = selection(Status.NOT_DELIVERED)
    assert await ledger.apply_corrections(record.id, [], [1], chosen.statuses) == 1
    (claim,) = await ledger.claim(runner, 9)
    await ledger.settle(runner, [ends(claim, Status.NOT_DELIVERED)])
    assert await ledger.retry(record.id, chosen) == 1
    assert statuses(reader, record) == ["not_delivered", "pending"]


async def test_a_row_that_is_corrected_is_another_decision(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2))
    runner = await settled(ledger, record, Status.FAILED, Status.NOT_DELIVERED)
    assert await ledger.retry(record.id, selection(Status.FAILED, Status.NOT_DELIVERED)) == 2
    await ledger.settle(runner, [ends(claim, Status.FAILED) for claim in await ledger.claim(runner, 2)])
    assert await ledger.apply_corrections(record.id, [corrected(1, "new-1")], [2], FAILED) == 1
    assert statuses(reader, record) == ["pending", "failed"]


async def test_nothing_of_another_campaign_counts(ledger: Ledger, reader: LedgerReader) -> None:
    one, other = await campaign_of(ledger, staged(1)), await campaign_of(ledger, staged(1, "b"), name="other")
    chosen = selection(Status.FAILED)
    await settled(ledger, one, Status.FAILED)
    await ledger.retry(one.id, chosen)
    await settled(ledger, other, Status.FAILED)
    assert (reader.matching(other.id, chosen), reader.already_retried(other.id)) == (1, frozenset())


async def test_an_invalid_row_that_was_corrected_keeps_it_open_until_it_is_sent(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1), staged(2, "", status=Status.INVALID))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    first, corrects = ClaimFilter(only=(1,)), ClaimFilter(only=(2,))
    await ledger.settle(runner, [ends(claim, Status.NOT_DELIVERED) for claim in await ledger.claim(runner, 1, first)])
    assert await ledger.apply_corrections(record.id, [corrected(2, "new-2")], [1], frozenset({Status.NOT_DELIVERED})) == 2
    await ledger.settle(runner, [ends(claim, Status.NOT_DELIVERED) for claim in await ledger.claim(runner, 1, first)])
    await ledger.release(runner, await ledger.claim(runner, 1, corrects))
    await ledger.end_retry(record.id)
    assert is_open(reader)
    await ledger.settle(runner, [ends(claim, Status.NOT_DELIVERED) for claim in await ledger.claim(runner, 1, corrects)])
    await ledger.end_retry(record.id)
    assert not is_open(reader)


async def test_what_is_left_of_one_in_a_results_file_is_left_of_it_here_too(ledger: Ledger, reader: LedgerReader) -> None:
    sent, left = Outcome(status=Status.NOT_DELIVERED, attempts=2), Outcome(status=Status.PENDING, attempts=1)
    record = await campaign_of(ledger, replace(staged(1), outcome=sent), replace(staged(2), outcome=left))
    assert is_open(reader)
    assert reader.already_retried(record.id) == {1}
    assert reader.matching(record.id, selection(Status.NOT_DELIVERED)) == 0
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    (claim,) = await ledger.claim(runner, 1, ClaimFilter(only=(2,)))
    assert claim.attempts == 1
    await ledger.end_retry(record.id)
    assert is_open(reader)
    await ledger.settle(runner, [ends(claim, Status.NOT_DELIVERED)])
    await ledger.end_retry(record.id)
    assert not is_open(reader)


async def test_a_row_keeps_what_was_said_of_its_notification_until_something_else_is(
    backend: Backend, ledger: Ledger, reader: LedgerReader
) -> None:
    """Its pass holds the message, whatever becomes of the next attempt; another ledger knows it from the results alone."""
    record = await campaign_of(ledger, staged(1))

    def said() -> tuple[str, str]:
        [row] = reader.rows(record.id)
        return row.outcome.notification_status, row.outcome.notification_message

    async def sends(status: Status, by: Ledger, **more: Any) -> None:
        runner = await by.register_runner(record.id, quiet_seconds=0, hold_unverified=True)
        [claim] = await by.claim(runner, 1)
        settlement = ends(claim, status, due_in_seconds=0.0 if status is Status.PENDING else None)
        await by.settle(runner, [replace(settlement, outcome=replace(settlement.outcome, **more))])

    chosen, told = selection(Status.NOT_DELIVERED, Status.UNKNOWN), {"notification_status": "no", "notification_message": "none"}
    await sends(Status.NOT_DELIVERED, ledger, **told)
    assert await ledger.retry(record.id, chosen) == 1
    await sends(Status.PENDING, ledger, http_status=429)
    assert said() == ("no", "none")
    doomed = backend.ledger()
    assert await doomed.claim(await doomed.register_runner(record.id, quiet_seconds=0, hold_unverified=True), 1)
    await doomed.close()
    await ledger.reap_dead_runners(quiet_seconds=0)
    assert statuses(reader, record) == ["unknown"]
    assert said() == ("no", "none")
    await ledger.end_retry(record.id)
    assert await ledger.retry(record.id, chosen) == 1
    await sends(Status.DELIVERED, ledger, notification_status="delivered")
    assert said() == ("delivered", "")


@pytest.mark.parametrize("left", [Status.PENDING, None])
@pytest.mark.parametrize(
    ("sent", "may_be_sent_twice"), [(status, status in {Status.NOT_DELIVERED, Status.UNKNOWN}) for status in Status if status not in OPEN]
)
async def test_results_begin_with_one_if_rows_are_left_and_others_may_be_of_it(
    ledger: Ledger, reader: LedgerReader, sent: Status, left: Status | None, *, may_be_sent_twice: bool
) -> None:
    rows = [replace(staged(1), outcome=Outcome(status=sent, attempts=1)), *([staged(2)] if left else [])]
    await campaign_of(ledger, *rows)
    assert is_open(reader) == (bool(left) and may_be_sent_twice)


async def test_a_list_begins_without_one(ledger: Ledger, reader: LedgerReader) -> None:
    await campaign_of(ledger, staged(1), staged(2, "", status=Status.INVALID))
    assert not is_open(reader)
