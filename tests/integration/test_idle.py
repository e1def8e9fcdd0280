"""A run that waits for an answer leaves the ledger alone: each transaction costs CPU, and in a database everyone's time."""

from collections import Counter
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from campaign.ledger.sqlite import SqliteLedger
from campaign.sender.stop import StopReason
from campaign.simulator.config import Latency
from campaign.simulator.faults import Fault
from tests.integration.pool_given import rig

P = ParamSpec("P")
T = TypeVar("T")
SECONDS = 0.9


class Counted(SqliteLedger):
    """A ledger that knows what it was asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: Counter[str] = Counter()
        for name in ("reap_dead_runners", "claim_unverified", "claim_unverified_orphans", "reserve_slots", "settle"):
            setattr(self, name, self._counting(getattr(self, name)))

    def _counting(self, method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(method)
        async def counting(*given: P.args, **named: P.kwargs) -> T:
            self.asked[method.__name__] += 1
            return await method(*given, **named)

        return counting


async def test_while_an_answer_is_waited_for_the_ledger_is_hardly_asked(tmp_path: Path) -> None:
    async with rig(tmp_path, latency=Latency(low_seconds=SECONDS, high_seconds=SECONDS)) as given:
        await given.ledger.close()
        given.ledger = ledger = Counted(tmp_path / "campaign.db")
        record = await given.campaign("a")
        assert (await given.send(record, rate_per_second=9.0)).ended is StopReason.FINISHED
        assert given.processed() == {"a": 1}
    # One slot is of the reading that shows who answers.
    once = {"reserve_slots": 2, "settle": 1, "reap_dead_runners": 1, "claim_unverified": 1, "claim_unverified_orphans": 1}
    assert ledger.asked == once


async def test_an_unverified_row_is_read_back_as_soon_as_it_is_seen_to_be_due(tmp_path: Path) -> None:
    async with rig(tmp_path, faults={Fault.CUT_AFTER: 1.0}) as given:
        record = await given.campaign("a")
        await given.send(record)
        row = given.rows(record)["a"].outcome
        assert row.status.value == "accepted"
        assert row.settled_at - row.sent_at < 0.6 + 1.0
