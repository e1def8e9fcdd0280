"""A campaign that was never sent can be taken back, and no other."""

import asyncio

import pytest

from campaign.domain.errors import UsageError
from campaign.domain.status import Status
from campaign.ledger.port import DesiredState, Ledger, LedgerReader
from tests.contract.backends import Backend
from tests.contract.given import campaign_of, ends, spec, staged
from tests.errors import raises

MIXED = (staged(1), staged(2, "", status=Status.INVALID), staged(3, "pass-1"))


@pytest.mark.parametrize("desired_state", [DesiredState.GO, DesiredState.CANCELLED])
async def test_what_was_never_sent_is_forgotten_and_its_name_is_free(
    ledger: Ledger, reader: LedgerReader, desired_state: DesiredState
) -> None:
    record = await campaign_of(ledger, *MIXED)
    await ledger.exclude(record.id, ["pass-1"])
    await ledger.set_desired_state(record.id, desired_state)
    assert await ledger.delete_if_unsent(record.id)
    assert reader.campaigns() == []
    assert list(reader.rows(record.id)) == []
    again = await campaign_of(ledger, staged(1))
    assert again.id != record.id
    runner = await ledger.register_runner(again.id, quiet_seconds=0)
    assert [claim.pass_id for claim in await ledger.claim(runner, 10)] == ["pass-1"]


@pytest.mark.parametrize(
    "status", [status for status in Status if status not in {Status.PENDING, Status.SENDING, Status.INVALID, Status.SKIPPED}]
)
async def test_what_was_sent_elsewhere_is_kept(ledger: Ledger, reader: LedgerReader, status: Status) -> None:
    record = await campaign_of(ledger, staged(1), staged(2, status=status))
    assert not await ledger.delete_if_unsent(record.id)
    assert reader.counts(record.id).rows == 2


async def test_what_anybody_has_begun_to_send_is_kept(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    assert not await ledger.delete_if_unsent(record.id)
    (claim,) = await ledger.claim(runner, 1)
    assert not await ledger.delete_if_unsent(record.id)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED)])
    await ledger.deregister_runner(runner, "finished")
    assert not await ledger.delete_if_unsent(record.id)
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 1


async def test_what_is_held_back_or_half_staged_is_kept(ledger: Ledger, reader: LedgerReader) -> None:
    half = await ledger.create(spec("half"))
    await ledger.stage(half.id, [staged(1)])
    record = await campaign_of(ledger, staged(1))
    await ledger.set_desired_state(record.id, DesiredState.PAUSED)
    assert not await ledger.delete_if_unsent(record.id)
    assert not await ledger.delete_if_unsent(half.id)
    assert len(reader.campaigns()) == 2


async def test_who_agrees_to_send_what_was_taken_back_meanwhile_gets_nothing(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, staged(1))
    await ledger.delete_if_unsent(record.id)
    with raises(UsageError, "replaced"):
        await ledger.register_runner(record.id, quiet_seconds=0)
    with raises(UsageError, "replaced"):
        reader.pending_work(record.id)
    assert not any(runner.alive for runner in reader.runners(record.id))
    assert not await ledger.delete_if_unsent(record.id)


async def test_a_sender_that_signs_on_meanwhile_keeps_the_campaign_or_gets_no_row(backend: Backend) -> None:
    one, other = backend.ledger(), backend.ledger()
    kept = 0
    for turn in range(20):
        record = await campaign_of(one, staged(1, f"pass {turn}"), name=f"promo {turn}")

        async def send(campaign: int) -> int:
            try:
                runner = await other.register_runner(campaign, quiet_seconds=0)
            except UsageError:
                return 0
            return len(await other.claim(runner, 1))

        first, second = (
            (one.delete_if_unsent(record.id), send(record.id)) if turn % 2 else (send(record.id), one.delete_if_unsent(record.id))
        )
        answers = await asyncio.gather(first, second)
        withdrawn, sent = answers if turn % 2 else reversed(answers)
        assert bool(withdrawn) != bool(sent)
        kept += bool(sent)
    assert len(backend.reader().campaigns()) == kept
