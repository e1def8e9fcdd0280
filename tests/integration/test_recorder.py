"""The recorder on a ledger that fails: nobody is left waiting."""

import asyncio
from pathlib import Path

import pytest

from campaign.domain.errors import LedgerError
from campaign.domain.model import Claim, Outcome, Settlement
from campaign.domain.status import Status
from campaign.ledger.port import Runner
from campaign.ledger.sqlite import SqliteLedger
from campaign.sender.settlement import MOST_WAITING, SettlementBatcher
from tests.integration.pool_given import Log

RUNNER = Runner(id=1, campaign=1, lease_seconds=30, quiet_seconds=1)


def settlement(row: int) -> Settlement:
    claim = Claim(campaign=1, row=row, fencing_token=1, pass_id="p", message="m", attempts=0, counted_attempts=0)
    return Settlement(claim=claim, outcome=Outcome(status=Status.DELIVERED), counted_attempts=1)


async def test_when_the_ledger_fails_nobody_waits_for_ever_to_hand_something_over(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "campaign.db")
    recorder = SettlementBatcher(ledger, RUNNER, Log())
    for row in range(MOST_WAITING):
        await recorder.settle(settlement(row))
    waiting = [asyncio.create_task(recorder.settle(settlement(row))) for row in range(1024)]
    await asyncio.sleep(0)
    await ledger.close()
    with pytest.raises(LedgerError):
        await recorder.run()
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
        await recorder.settle(settlement(1))
