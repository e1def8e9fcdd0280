"""Processes that share a rate, in virtual time: the real rate limiters on a ledger that is only its pace, and senders of any speed."""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from campaign.domain.pace.pacing import RateState, Slots, pause, reserve_slots, throttle
from campaign.ledger.port import Ledger
from campaign.sender.rate_limiter import RateLimiter
from tests.bench.arrivals import most_in_a_second
from tests.unit.virtual_time import VirtualLoop

OFF_SECONDS = 12_345.678
"""Between the ledger's clock and a process's own."""


@dataclass
class Budget:
    """The part of a ledger that a limiter asks; each answer takes a while, half of it before and half of it after the commit."""

    seconds: Callable[[], float] = lambda: 0.004
    pace: RateState = field(default_factory=RateState)
    leases: int = 0
    refused: int = 0
    asleep: float = 0.0
    """How long the machine has slept, which the loop's clock does not tell."""

    def ticks(self) -> float:
        return asyncio.get_running_loop().time() + self.asleep

    async def reserve_slots(self, _: str, *, rate_per_second: float, want: int) -> Slots:
        await asyncio.sleep(self.seconds() / 2)
        leased_at = self.ticks()
        self.pace, slots = reserve_slots(self.pace, now=self._now(), rate_per_second=rate_per_second, want=want)
        self.leases += 1
        self.refused += not slots.count
        await asyncio.sleep(self.seconds() / 2)
        return replace(slots, leased_at=leased_at)

    async def throttle(self, _: str, *, retry_after_seconds: float | None) -> None:
        self.pace = throttle(self.pace, now=self._now(), retry_after_seconds=retry_after_seconds)

    async def pause(self, _: str, *, seconds: float) -> None:
        self.pace = pause(self.pace, now=self._now(), seconds=seconds)

    def _now(self) -> float:
        return self.ticks() + OFF_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One process: rows to send, workers, what a send takes of its time, and when the answer comes; `dies_after` so many seconds."""

    rows: float = math.inf
    workers: int = 1024
    cost_seconds: float = 0.0
    answer_seconds: float = 0.02
    starts_after: float = 0.0
    dies_after: float = math.inf


@dataclass
class Sent:
    """When who sent, since the start."""

    at: list[float] = field(default_factory=list)
    by: list[int] = field(default_factory=list)
    leases: int = 0
    refused: int = 0

    def between(self, first: float, last: float) -> int:
        return sum(first <= at < last for at in self.at)

    def per_second(self, first: float, last: float) -> float:
        return self.between(first, last) / (last - first)

    @property
    def most_in_a_second(self) -> int:
        return most_in_a_second(sorted(self.at))


class Process:
    """A sender at work."""

    def __init__(self, number: int, sender: Sender, *, sent: Sent, loop: VirtualLoop) -> None:
        self._number = number
        self._sender = sender
        self._sent = sent
        self._loop = loop
        self._began = loop.now
        self._left = sender.rows
        self._busy = 0
        self._freed = asyncio.Event()

    async def run(self, budget: Budget, rate: float, jitter: Callable[[], float]) -> None:
        await asyncio.sleep(self._sender.starts_after)
        limiter = RateLimiter(
            cast("Ledger", budget), "key", rate, usable=lambda: (self._free, self._left), jitter=jitter, ticks=self._loop.time
        )
        async with asyncio.TaskGroup() as group:
            leasing = group.create_task(limiter.run())
            while self._left:
                while not self._free:
                    self._freed.clear()
                    await self._freed.wait()
                for _ in range(await limiter.slots(int(min(self._free, self._left)))):
                    self._send()
            leasing.cancel()

    @property
    def _free(self) -> int:
        return self._sender.workers - self._busy

    def _send(self) -> None:
        self._left -= 1
        self._busy += 1
        self._sent.at.append(self._loop.now - self._began)
        self._sent.by.append(self._number)
        self._loop.now += self._sender.cost_seconds
        self._loop.call_later(self._sender.answer_seconds, self._answered)

    def _answered(self) -> None:
        self._busy -= 1
        self._freed.set()


async def send(
    loop: VirtualLoop, senders: list[Sender], *, rate: float, seconds: float, budget: Budget | None = None, seed: int = 1
) -> Sent:
    """Have all of them send for so long."""
    budget = budget or Budget()
    draw = random.Random(seed)
    sent = Sent()
    tasks = []
    for number, sender in enumerate(senders):
        task = asyncio.create_task(Process(number, sender, sent=sent, loop=loop).run(budget, rate, draw.random))
        tasks.append(task)
        if sender.dies_after < seconds:
            loop.call_later(sender.dies_after, task.cancel)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    sent.leases, sent.refused = budget.leases, budget.refused
    return sent
