"""Deadlines in virtual time: they end what takes too long as `asyncio.timeout` does, and nothing else."""

import asyncio

import pytest

from campaign.sender.api.http import Deadlines
from tests.unit.virtual_time import VirtualLoop, run


async def within(deadlines: Deadlines, seconds: float) -> str:
    try:
        with deadlines.begin():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "too long"
    return "in time"


def test_each_ends_in_its_own_time() -> None:
    async def all_at_once(loop: VirtualLoop) -> list[tuple[str, float]]:
        deadlines = Deadlines(10.0)

        async def one(begins: float, seconds: float) -> tuple[str, float]:
            await asyncio.sleep(begins)
            return await within(deadlines, seconds), round(loop.now - starts - begins, 3)

        starts = loop.now
        return list(await asyncio.gather(one(0, 60), one(3, 60), one(4, 9), one(4, 0), one(40, 60), one(41, 5)))

    ends = run(all_at_once)
    assert ends == [("too long", 10.0), ("too long", 10.0), ("in time", 9.0), ("in time", 0.0), ("too long", 10.0), ("in time", 5.0)]


def test_without_a_limit_nothing_ends() -> None:
    async def long(_: VirtualLoop) -> str:
        return await within(Deadlines(None), 1e6)

    assert run(long) == "in time"


@pytest.mark.parametrize("at", [1.0, 10.0])
def test_a_cancel_by_somebody_else_stays_one(at: float) -> None:
    """Also in the very turn in which the time is over."""

    async def cancelled(_: VirtualLoop) -> bool:
        task = asyncio.create_task(within(Deadlines(10.0), 60.0))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(at, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run(cancelled)


def test_a_task_goes_on_after_its_deadline() -> None:
    async def twice(_: VirtualLoop) -> list[str]:
        deadlines = Deadlines(10.0)
        return [await within(deadlines, 60.0), await within(deadlines, 1.0), await within(deadlines, 60.0)]

    assert run(twice) == ["too long", "in time", "too long"]
