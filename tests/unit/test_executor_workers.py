"""Workers in virtual time: there come to be as many as slow answers need, and no more where the machine is the limit."""

import asyncio
import itertools

from campaign.domain.model import Claim
from campaign.sender.executor import Workers
from tests.unit.virtual_time import VirtualLoop, run


def claim(row: int) -> Claim:
    return Claim(campaign=1, row=row, fencing_token=1, pass_id=str(row), message="Hello", attempts=0, counted_attempts=0)


async def fed(loop: VirtualLoop, *, most: int, cost_seconds: float, answer_seconds: float, interval_seconds: float) -> tuple[int, int]:
    """What two seconds of sends come to, one in each interval if it can be: how many were begun, and how many at once at most."""
    began = at_once = sending = 0

    async def send(_: Claim) -> None:
        nonlocal began, at_once, sending
        began += 1
        sending += 1
        at_once = max(at_once, sending)
        loop.now += cost_seconds
        await asyncio.sleep(answer_seconds)
        sending -= 1

    workers = Workers(most, send)

    async def feed() -> None:
        starts = loop.now
        for row in itertools.count():
            await workers.wait()
            if (ahead := starts + row * interval_seconds - loop.now) > 0:
                await asyncio.sleep(ahead)
            await workers.give(claim(row), group)

    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(feed())
        await asyncio.sleep(2.0)
        feeding.cancel()
        await asyncio.wait([feeding])
        await workers.stop()
    return began, at_once


def test_slow_answers_get_as_many_workers_as_keep_the_rate() -> None:
    began, at_once = run(lambda loop: fed(loop, most=1024, cost_seconds=1e-5, answer_seconds=1.0, interval_seconds=0.002))
    assert began >= 990
    assert 495 <= at_once <= 510


def test_where_the_machine_is_the_limit_there_are_few_workers() -> None:
    began, at_once = run(lambda loop: fed(loop, most=1024, cost_seconds=1e-3, answer_seconds=1e-3, interval_seconds=1e-6))
    assert began >= 1900
    assert at_once <= 30


def test_there_are_never_more_than_allowed_and_each_that_comes_back_is_used() -> None:
    began, at_once = run(lambda loop: fed(loop, most=8, cost_seconds=1e-5, answer_seconds=0.1, interval_seconds=0.002))
    assert at_once == 8
    assert began >= 8 * 19


async def test_what_was_not_begun_is_taken_back_and_what_was_is_broken_off() -> None:
    begun: list[int] = []
    broken_off: list[int] = []

    async def send(given: Claim) -> None:
        begun.append(given.row)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            broken_off.append(given.row)
            raise

    workers = Workers(2, send)
    async with asyncio.TaskGroup() as group:
        for row in range(5):
            await workers.give(claim(row), group)
        await asyncio.sleep(0)
        assert workers.busy
        assert workers.free == -3
        assert [waiting.row for waiting in workers.take_waiting()] == [2, 3, 4]
        assert workers.free == 0
        await workers.stop()
    assert (begun, broken_off) == ([0, 1], [0, 1])
    assert not workers.busy


async def test_claims_that_wait_for_a_worker_leave_none_free() -> None:
    """Else a slot of the rate would be used long before its request leaves, and several would leave together."""
    answered = asyncio.Event()

    async def send(_: Claim) -> None:
        await answered.wait()

    workers = Workers(2, send)
    async with asyncio.TaskGroup() as group:
        for row in range(3):
            await workers.give(claim(row), group)
        waiting = group.create_task(workers.wait())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        answered.set()
        await waiting
        await workers.stop()
