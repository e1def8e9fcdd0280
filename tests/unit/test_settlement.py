"""The groups in which settlements are written, in virtual time."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from campaign.domain.model import Claim, Outcome, Settlement, Status
from campaign.ledger.port import Ledger, Runner
from campaign.sender.port import Silence
from campaign.sender.settlement import SettlementBatcher
from tests.unit.virtual_time import VirtualLoop, run

RUNNER = Runner(id=1, campaign=1, lease_seconds=30, quiet_seconds=1)


def settlement(row: int) -> Settlement:
    claim = Claim(campaign=1, row=row, fence=1, pass_id="p", message="m", attempts=0, tries=0)
    return Settlement(claim=claim, outcome=Outcome(status=Status.DELIVERED), tries=1)


class Slow:
    """A ledger that takes 5 ms for each group. `groups` has when each was begun, and its rows."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._starts = loop.now
        self.groups: list[tuple[float, list[int]]] = []

    async def settle(self, _: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        self.groups.append((round(self._loop.now - self._starts, 3), [each.claim.row for each in settlements]))
        await asyncio.sleep(0.005)
        return []


@pytest.mark.parametrize(
    ("interval_seconds", "groups"),
    [
        (0.11, [(0.0, [0]), (0.11, [1]), (0.22, [2]), (0.33, [3]), (0.44, [4])]),
        (0.012, [(0.0, [0]), (0.042, [1, 2, 3]), (0.078, [4])]),
    ],
)
def test_what_comes_alone_is_written_at_once_and_what_comes_in_a_row_together(
    interval_seconds: float, groups: list[tuple[float, list[int]]]
) -> None:
    async def work(loop: VirtualLoop) -> list[tuple[float, list[int]]]:
        ledger = Slow(loop)
        recorder = SettlementBatcher(cast("Ledger", ledger), RUNNER, Silence())
        writing = asyncio.create_task(recorder.run())
        for row in range(5):
            await recorder.settle(settlement(row))
            await asyncio.sleep(interval_seconds)
        recorder.close()
        await writing
        return ledger.groups

    assert run(work) == groups
