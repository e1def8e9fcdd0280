"""What every backend does where it could do otherwise: at its end, after a refusal, and while others write."""

from campaign.domain.errors import LedgerError, UsageError
from campaign.domain.status import Status
from campaign.ledger.port import Ledger, LedgerReader
from tests.contract.given import campaign_of, ends, spec, staged
from tests.errors import raises


async def test_a_look_at_rows_is_of_one_moment(ledger: Ledger, reader: LedgerReader) -> None:
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 5001)))
    rows = reader.rows(record.id)
    assert next(rows).row == 1
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, 5000)])
    assert [(row.row, row.outcome.status) for row in rows] == [(row, Status.PENDING) for row in range(2, 5001)]
    assert reader.counts(record.id).by_status[Status.DELIVERED] == 5000


async def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    await ledger.close()
    await ledger.close()
    with raises(LedgerError, "ledger_closed"):
        await ledger.reap_dead_runners(quiet_seconds=0)


async def test_a_refusal_leaves_the_ledger_usable(ledger: Ledger) -> None:
    record = await campaign_of(ledger, staged(1))
    with raises(UsageError, "name_taken"):
        await ledger.create(spec())
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    assert len(await ledger.claim(runner, 1)) == 1
