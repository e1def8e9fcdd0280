"""The groups in which settlements are written, in virtual time."""

import asyncio
from collections.abc import Container, Sequence
from typing import cast

import pytest

from campaign.domain.model import Claim, Outcome, Settlement
from campaign.domain.status import Status
from campaign.ledger.port import Ledger, Runner
from campaign.sender.port import Silence
from campaign.sender.settlement import SettlementBatcher
from tests.unit.virtual_time import VirtualLoop, run

RUNNER = Runner(id=1, campaign=1, lease_seconds=30, quiet_seconds=1)


def settlement(row: int) -> Settlement:
    claim = Claim(campaign=1, row=row, fencing_token=1, pass_id="p", message="m", attempts=0, counted_attempts=0)
    return Settlement(claim=claim, outcome=Outcome(status=Status.DELIVERED), counted_attempts=1)


class Slow:
    """A ledger that takes 5 ms for each group, and refuses the rows in `late`. `groups` has when each was begun, and its rows."""

    def __init__(self, loop: VirtualLoop, *, late: Container[int] = ()) -> None:
        self._loop = loop
        self._starts = loop.now
        self._late = late
        self.groups: list[tuple[float, list[int]]] = []

    async def settle(self, _: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        self.groups.append((round(self._loop.now - self._starts, 3), [each.claim.row for each in settlements]))
        await asyncio.sleep(0.005)
        return [each.claim for each in settlements if each.claim.row in self._late]


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


def test_what_comes_while_the_last_group_is_written_is_written_too() -> None:
    async def work(loop: VirtualLoop) -> list[tuple[float, list[int]]]:
        ledger = Slow(loop)
        recorder = SettlementBatcher(cast("Ledger", ledger), RUNNER, Silence())
        writing = asyncio.create_task(recorder.run())
        await recorder.settle(settlement(0))
        await asyncio.sleep(0.001)
        await recorder.settle(settlement(1))
        recorder.close()
        await writing
        return ledger.groups

    assert run(work) == [(0.0, [0]), (0.005, [1])]


class Heard(Silence):
    def __init__(self) -> None:
        self.rows: list[tuple[str, object]] = []

    def settled(self, settlement: Settlement) -> None:
        self.rows.append(("settled", settlement.claim.row))

    def event(self, name: str, **details: object) -> None:
        self.rows.append((name, details["row"]))


def test_what_the_ledger_refuses_as_late_does_not_count_as_settled() -> None:
    async def work(loop: VirtualLoop) -> list[tuple[str, object]]:
        heard = Heard()
        recorder = SettlementBatcher(cast("Ledger", Slow(loop, late={1})), RUNNER, heard)
        for row in range(3):
            await recorder.settle(settlement(row))
        recorder.close()
        await recorder.run()
        return heard.rows

    assert run(work) == [("late_settlement_ignored", 1), ("settled", 0), ("settled", 2)]
