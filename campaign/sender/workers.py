"""The workers of one process: each sends one claim at a time, and there are only as many as are needed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from campaign.domain.model import Claim

MOST_READY: Final = 512
"""Claims that wait for a worker where there is no pace: whoever gives them out then runs once for many of them."""


class Workers:
    """At most `most` tasks that hand the claims they are given to `send`."""

    def __init__(self, most: int, send: Callable[[Claim], Awaitable[None]]) -> None:
        self._most = most
        self._send = send
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: asyncio.Queue[Claim] = asyncio.Queue(MOST_READY)
        self._freed = asyncio.Event()
        self._idle = 0
        self._sending = 0

    @property
    def busy(self) -> bool:
        """Whether anything is being sent, or waits for it."""
        return self._sending > 0 or not self._ready.empty()

    @property
    def free(self) -> int:
        """How many more sends could begin now."""
        return self._most - len(self._tasks) + self._idle - self._ready.qsize()

    async def wait(self) -> int:
        """Wait until a send could begin, as a slot that has to wait for a worker is missed; returns how many could."""
        if self._idle <= self._ready.qsize():
            # Where the machine is the limit one comes back within a turn of the loop, and more of them would send no more.
            await asyncio.sleep(0)
        while self.free < 1:
            self._freed.clear()
            await self._freed.wait()
        return max(1, self._idle - self._ready.qsize())

    async def give(self, claim: Claim, group: asyncio.TaskGroup) -> None:
        """Have it sent as soon as a worker is free; waits while many wait already."""
        if self._ready.qsize() >= self._idle and len(self._tasks) < self._most:
            self._tasks.append(group.create_task(self._work()))
        await self._ready.put(claim)

    def take_back(self) -> list[Claim]:
        """What waits and was not begun."""
        return [self._ready.get_nowait() for _ in range(self._ready.qsize())]

    async def stop(self) -> None:
        """Break off what is being sent."""
        at_work = [task for task in self._tasks if not task.done()]
        for task in at_work:
            task.cancel()
        if at_work:
            await asyncio.wait(at_work)

    async def _work(self) -> None:
        while True:
            self._idle += 1
            self._freed.set()
            try:
                claim = await self._ready.get()
            finally:
                self._idle -= 1
            self._sending += 1
            try:
                await self._send(claim)
            finally:
                self._sending -= 1
