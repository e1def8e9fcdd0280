"""What processes do at the same moment ends as if one had come after the other."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

from campaign.domain.errors import UsageError
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.ledger.port import DesiredState, Ledger, Runner
from tests.contract.backends import Backend, HandClock
from tests.contract.given import campaign_of, ends, spec, staged

PASSES = 40
TURNS = 12


async def test_of_one_pass_no_two_rows_are_claimed_whoever_claims(backend: Backend) -> None:
    """Four processes on two campaigns with the same passes, and with two rows of each pass in one of them."""
    first = backend.ledger()
    twice = [staged(2 * number + side, f"pass {number}", status=Status.FAILED) for number in range(1, PASSES) for side in (0, 1)]
    one = await campaign_of(first, *twice, name="one")
    two = await campaign_of(first, *(staged(number, f"pass {number}") for number in range(1, PASSES)), name="two")
    await first.retry(one.id, Selection(statuses=frozenset({Status.FAILED})))
    ledgers = [first, backend.ledger(), backend.ledger(), backend.ledger()]
    runners = [await ledger.register_runner((one, two)[place % 2].id, quiet_seconds=0) for place, ledger in enumerate(ledgers)]
    in_flight: Counter[str] = Counter()

    async def work(ledger: Ledger, runner: Runner) -> None:
        for _ in range(TURNS):
            claims = await ledger.claim(runner, 6)
            in_flight.update(claim.pass_id for claim in claims)
            assert not [key for key, count in in_flight.items() if count > 1]
            await asyncio.sleep(0.002)
            # Before it is settled, as the answer to that may be told late.
            in_flight.subtract(claim.pass_id for claim in claims)
            await ledger.settle(runner, [ends(claim, Status.PENDING, due_in_seconds=0.0) for claim in claims])

    await asyncio.gather(*map(work, ledgers, runners))
    assert backend.reader().counts(one.id).by_status[Status.SENDING] == 0


async def test_what_comes_back_while_a_campaign_is_cancelled_is_left_out(backend: Backend) -> None:
    one, other, third = backend.ledger(), backend.ledger(), backend.ledger()
    reader = backend.reader()
    lots = random.Random(1)

    async def later(work: Coroutine[Any, Any, object]) -> None:
        await asyncio.sleep(lots.random() / 300)
        await work

    for turn in range(25):
        record = await campaign_of(one, *(staged(row, f"pass {turn} {row}") for row in range(1, 41)), name=f"promo {turn}")
        runners = [await ledger.register_runner(record.id, quiet_seconds=0) for ledger in (one, other)]
        some, more = await one.claim(runners[0], 20), await other.claim(runners[1], 20)
        pending = [ends(claim, Status.PENDING, due_in_seconds=9) for claim in some]
        await asyncio.gather(
            later(one.settle(runners[0], pending)),
            later(other.release(runners[1], more)),
            later(third.set_desired_state(record.id, DesiredState.CANCELLED)),
        )
        assert reader.counts(record.id).reasons(Status.SKIPPED) == {"cancelled": 40}


async def test_who_is_buried_while_claiming_leaves_no_row_that_nobody_would_ever_lose(backend: Backend, clock: HandClock) -> None:
    one, other = backend.ledger(), backend.ledger()
    record = await campaign_of(one, *(staged(row) for row in range(1, 201)))
    reader = backend.reader()
    for _ in range(TURNS):
        runner = await one.register_runner(record.id, quiet_seconds=0)
        clock.advance(31)
        taken, lost, *_ = await asyncio.gather(one.claim(runner, 5), other.reap_dead_runners(quiet_seconds=0), one.claim(runner, 5))
        del taken, lost
        assert reader.counts(record.id).by_status[Status.SENDING] == 0
        assert await one.claim(runner, 5) == []


async def test_a_name_that_many_want_at_once_is_given_once(backend: Backend) -> None:
    ledgers = [backend.ledger() for _ in range(4)]
    for turn in range(5):
        made = await asyncio.gather(*(ledger.create(spec(f"promo {turn}")) for ledger in ledgers), return_exceptions=True)
        refused = [one for one in made if isinstance(one, BaseException)]
        assert len(refused) == 3
        assert all(isinstance(one, UsageError) and "already" in str(one) for one in refused)


async def test_every_slot_is_given_once(backend: Backend, clock: HandClock) -> None:
    ledgers = [backend.ledger() for _ in range(4)]
    first: list[float] = []
    for _ in range(TURNS):
        slots = await asyncio.gather(*(ledger.reserve_slots("token", rate_per_second=50, want=2) for ledger in ledgers))
        first += [clock.seconds + one.first_in_seconds + n * one.interval_seconds for one in slots for n in range(one.count)]
        clock.advance(0.1)
    first.sort()
    assert len(first) > TURNS
    assert all(later - sooner > 1 / 51 for sooner, later in pairwise(first))
