"""What processes that share a rate send, in virtual time: the real rate limiters, nobody waits, and each run is the same again."""

import asyncio
import math
import random
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.pace.pacing import Slots
from campaign.ledger.port import Ledger
from campaign.sender.rate_limiter import RateLimiter
from tests.bench.arrivals import average_per_second, most_in_a_second
from tests.examples import examples, slow_after
from tests.unit.pacing_world import Budget, Sender, Sent, send
from tests.unit.virtual_time import VirtualLoop, run

CAPACITY_PER_SECOND = 10_000
BUSY = Sender(cost_seconds=1 / CAPACITY_PER_SECOND, answer_seconds=0.001, workers=64)


def bound(rate: float) -> float:
    return rate + max(1.0, 0.01 * rate)


def sent_by(senders: list[Sender], *, rate: float, seconds: float, budget: Budget | None = None, late: float = 0.0, seed: int = 1) -> Sent:
    draw = random.Random(seed)
    sent = run(
        lambda loop: send(loop, senders, rate=rate, seconds=seconds, budget=budget, seed=seed),
        late_seconds=lambda: draw.expovariate(1 / late) if late else 0.0,
    )
    assert sent.most_in_a_second <= bound(rate)
    return sent


def average(sent: Sent, first: float, last: float) -> float:
    return average_per_second(sorted(sent.at), first, last)


@pytest.mark.parametrize("rate", slow_after(5, [0.5, 9, 200, 10_000, 1e9, 100, 150, 1000, 3000, 9000, 11_000, 20_000, 1e5, 1e6]))
@pytest.mark.parametrize("workers", slow_after(1, [64, 1024]))
def test_a_rate_beyond_what_the_machine_can_send_is_sent_as_fast_as_it_can(rate: float, workers: int) -> None:
    seconds = max(1.2, 12 / rate)
    sent = sent_by([replace(BUSY, workers=workers)], rate=rate, seconds=seconds)
    assert average(sent, 0.1, seconds) >= 0.97 * min(rate, CAPACITY_PER_SECOND)


@given(st.floats(0.2, 1e7), st.sampled_from([1e-4, 1e-3, 1e-2]), st.integers(2, 200), st.integers(0, 2**32))
@settings(max_examples=examples(10))
def test_no_rate_collapses_however_fast_the_machine_is(rate: float, cost: float, workers: int, seed: int) -> None:
    possible = min(rate, 1 / cost)
    sent = sent_by([Sender(cost_seconds=cost, answer_seconds=cost, workers=workers)], rate=rate, seconds=0.5 + 600 / possible, seed=seed)
    assert average(sent, 0.3, math.inf) >= 0.9 * possible


def test_what_a_machine_misses_while_it_is_kept_busy_is_not_made_up_for() -> None:
    budget = Budget()

    async def work(loop: VirtualLoop) -> Sent:
        for at in (1.0, 2.0, 3.0):
            loop.call_later(at, lambda: setattr(loop, "now", loop.now + 0.3))
        return await send(loop, [Sender()], rate=200, seconds=4.0, budget=budget)

    sent = run(work)
    assert sent.most_in_a_second <= 201
    assert 4 * 200 - len(sent.at) == pytest.approx(3 * 0.3 * 200, abs=15)


@pytest.mark.parametrize("rate", [9, 100, 200, 1000])
@pytest.mark.parametrize("campaigns", slow_after(2, [2, 8, 4, 16]))
def test_campaigns_that_share_a_rate_use_all_of_it_also_when_one_after_the_other_ends(campaigns: int, rate: float) -> None:
    seconds = 30.0 if rate < 20 else 10.0
    rows = [round(rate * seconds * (0.2 + 0.6 * number / campaigns) / campaigns) for number in range(campaigns)]
    rows[-1] += round(rate * seconds)
    sent = sent_by([Sender(rows=count) for count in rows], rate=rate, seconds=seconds)
    assert average(sent, 0.5, seconds) >= 0.995 * rate
    assert [sent.by.count(number) for number in range(campaigns - 1)] == rows[:-1]


@pytest.mark.parametrize("rate", [9, 100, 1000])
@pytest.mark.parametrize("campaigns", [2, 4, 8])
def test_each_has_its_part(campaigns: int, rate: float) -> None:
    seconds = 40.0 if rate < 20 else 6.0
    sent = sent_by([Sender() for _ in range(campaigns)], rate=rate, seconds=seconds)
    parts = [sent.by.count(number) for number in range(campaigns)]
    assert min(parts) >= 0.6 * rate * seconds / campaigns
    assert sent.refused == 0
    assert sent.leases <= max(rate, 25) * seconds


@given(st.sampled_from([9.0, 100.0, 200.0, 1000.0]), st.integers(1, 8), st.integers(0, 2**32))
@settings(max_examples=examples(10))
def test_a_slow_ledger_and_late_timers_bunch_nothing(rate: float, processes: int, seed: int) -> None:
    draw = random.Random(seed)
    budget = Budget(seconds=lambda: 0.003 + (draw.uniform(0, 0.2) if draw.random() < 0.2 else 0.0))
    senders = [Sender(starts_after=draw.uniform(0, 0.5)) for _ in range(processes)]
    sent = sent_by(senders, rate=rate, seconds=4.0, budget=budget, late=0.001, seed=seed)
    assert average(sent, 1.0, 4.0) >= 0.9 * rate


@pytest.mark.parametrize("rate", [9, 100, 1000])
def test_a_disk_that_takes_a_quarter_of_a_second_costs_a_process_that_is_alone_no_slot(rate: float) -> None:
    sent = sent_by([Sender()], rate=rate, seconds=20.0, budget=Budget(seconds=lambda: 0.25))
    assert average(sent, 2.0, 20.0) >= 0.99 * rate


def test_what_a_killed_process_leaves_is_taken_over() -> None:
    sent = sent_by([Sender(dies_after=2.0), *(Sender() for _ in range(3))], rate=200, seconds=5.0)
    assert sent.between(2.0, 3.0) >= 0.94 * 200
    assert sent.between(3.0, 5.0) >= 0.99 * 400


def test_who_has_no_worker_free_takes_nothing_from_the_others() -> None:
    slow = Sender(workers=8, answer_seconds=2.0)
    sent = sent_by([slow, slow, Sender()], rate=200, seconds=8.0)
    assert average(sent, 2.0, 8.0) >= 0.94 * 200
    assert sent.by.count(0) >= 0.5 * 8 * 4


def test_whoever_has_the_rate_to_itself_leases_twice_a_second() -> None:
    sent = sent_by([Sender()], rate=9, seconds=60)
    assert sent.leases <= 2.3 * 60
    assert average(sent, 0, 60) >= 0.995 * 9


async def taken(loop: VirtualLoop, limiter: RateLimiter, *, seconds: float) -> list[float]:
    at: list[float] = []

    async def take() -> None:
        while True:
            await limiter.slot()
            at.append(loop.now)

    tasks = [asyncio.create_task(limiter.run()), asyncio.create_task(take())]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return at


class Damaged(Budget):
    """It hands out ten times what was asked for, ten times as close."""

    async def reserve_slots(self, _: str, *, rate_per_second: float, want: int) -> Slots:
        slots = await super().reserve_slots(_, rate_per_second=rate_per_second, want=want)
        return replace(slots, count=10 * slots.count, interval_seconds=slots.interval_seconds / 10)


@pytest.mark.parametrize("rate", [9, 200, 1000, 5000])
def test_whatever_a_damaged_ledger_says_one_process_keeps_to_its_rate(rate: float) -> None:
    at = run(lambda loop: taken(loop, RateLimiter(cast("Ledger", Damaged()), "key", rate, ticks=loop.time), seconds=3.0))
    assert most_in_a_second(at) <= rate + max(2.0, 0.01 * rate)
    assert len(at) >= 0.9 * 3 * rate


@pytest.mark.parametrize("while_leasing", [True, False])
def test_in_a_pause_no_slot_is_used_not_even_one_that_was_being_leased(*, while_leasing: bool) -> None:
    budget = Budget(seconds=lambda: 0.05)

    async def work(loop: VirtualLoop) -> tuple[float, list[float]]:
        limiter = RateLimiter(cast("Ledger", budget), "key", 100, ticks=loop.time)
        taking = asyncio.create_task(taken(loop, limiter, seconds=4.0))
        await asyncio.sleep(1.0)
        leases = budget.leases
        while while_leasing and budget.leases == leases:  # noqa: ASYNC110 - the books have no event to wait for
            await asyncio.sleep(0.001)
        began = loop.now
        await limiter.throttle(2.0)
        return began, await taking

    began, at = run(work)
    assert not [one for one in at if began < one < began + 2.0]
    assert sum(one >= began + 2.0 for one in at) >= 70


def test_slots_that_were_leased_before_the_machine_slept_are_dropped() -> None:
    """After the sleep, others lease slots for the same moments."""

    async def work(_: VirtualLoop) -> list[int]:
        budget = Budget()
        limiter = RateLimiter(cast("Ledger", budget), "key", 100, ticks=budget.ticks)
        leasing = asyncio.create_task(limiter.run())
        await limiter.slot()
        await limiter.slot()
        leases = [budget.leases]
        budget.asleep = 5.0
        await limiter.slot()
        leasing.cancel()
        return [*leases, budget.leases]

    before, after = run(work)
    assert after == before + 1


def test_many_who_wait_get_their_turns_in_order() -> None:
    async def work(loop: VirtualLoop) -> list[tuple[int, float]]:
        limiter = RateLimiter(cast("Ledger", Budget()), "key", 50, ticks=loop.time)
        leasing, order = asyncio.create_task(limiter.run()), list[tuple[int, float]]()

        async def wait(number: int) -> None:
            await limiter.slot()
            order.append((number, loop.now))

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(wait(number))
        leasing.cancel()
        return order

    order = run(work)
    assert [number for number, _ in order] == list(range(20))
    assert order[-1][1] - order[0][1] == pytest.approx(19 / 50, rel=0.02)


def test_who_gives_up_waiting_keeps_nobody_else_from_it() -> None:
    async def work(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter(cast("Ledger", Budget()), "key", 2, ticks=loop.time)
        leasing = asyncio.create_task(limiter.run())
        await limiter.slot()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await limiter.slot()
        before = loop.now
        await limiter.slot()
        leasing.cancel()
        return [before, loop.now]

    before, after = run(work)
    assert after - before < 0.5
