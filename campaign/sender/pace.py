"""Waits for this process's turns in the budget that everyone with the token shares."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from aiolimiter import AsyncLimiter

from campaign.domain.neighbours import share_beside
from campaign.domain.pacing import LONGEST_WAIT_SECONDS, SLICE_SECONDS, lateness_allowed_seconds, retry_in_seconds
from campaign.ledger.port import Ledger

AHEAD_SECONDS: Final = 0.1
"""How long before the last slot that is held more are asked for: a ledger that takes so long costs none."""


class Pacer:
    """Hands out slots one by one, never early, and drops those that were missed, so that nothing bunches.

    `run` leases slots ahead while somebody wants them, so that the ledger's disk sync costs no slot.

    Args:
        ledger: where the budget stands.
        key: whose budget it is.
        rate_per_second: what is wanted.
        jitter: a number from 0 to below 1.
    """

    def __init__(self, ledger: Ledger, key: str, rate_per_second: float, jitter: Callable[[], float] = random.random) -> None:
        self._ledger = ledger
        self._key = key
        self._rate = rate_per_second
        self._jitter = jitter
        # Whatever a damaged ledger may say, this process alone never goes faster than its rate.
        self._limiter = AsyncLimiter(2, 2 / rate_per_second)
        self._interval = 1 / rate_per_second
        self._slots: deque[tuple[float, float]] = deque()
        self._wanted = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def rate_per_second(self) -> float:
        """What everyone who shares the budget sends at present, when there is enough to send."""
        return 1 / self._interval

    async def run(self) -> None:
        """Lease slots whenever they run low; to be cancelled at the end."""
        loop = asyncio.get_running_loop()
        refused = 0
        while True:
            await self._wanted.wait()
            slots = await self._ledger.lease(self._key, rate_per_second=self._rate, want=max(1, round(self._rate * SLICE_SECONDS)))
            now = loop.time()
            if not slots.count:
                # A pause is not the doing of others who were faster.
                refused += slots.first_in_seconds <= LONGEST_WAIT_SECONDS
                await asyncio.sleep(retry_in_seconds(slots, refused=refused, jitter=self._jitter()))
                continue
            refused = 0
            first, interval = now + slots.first_in_seconds, slots.interval_seconds
            self._interval = interval
            self._slots.extend((first + number * interval, interval) for number in range(slots.count))
            self._wanted.clear()
            self._arrived.set()

    async def slot(self) -> None:
        """Return when it is this caller's turn."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._slots or self._slots[-1][0] - loop.time() < AHEAD_SECONDS:
                self._wanted.set()
            if not self._slots:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            at, interval = self._slots.popleft()
            if (ahead := at - loop.time()) > 0:
                await asyncio.sleep(ahead)
            if loop.time() - at <= lateness_allowed_seconds(interval):
                await self._limiter.acquire()
                return

    async def throttle(self, retry_after_seconds: float | None) -> None:
        """The API asked to slow down: drop the slots that are held, and make everyone pause."""
        self._slots.clear()
        await self._ledger.throttle(self._key, retry_after_seconds=retry_after_seconds)

    async def pause(self, seconds: float) -> None:
        """The API is in trouble, which is not a matter of the rate: make everyone wait."""
        self._slots.clear()
        await self._ledger.pause(self._key, seconds=seconds)

    async def make_room(self, room_per_second: float) -> None:
        """Strangers use the API too: bring everyone down to what is left."""
        await self._ledger.make_room(self._key, share=share_beside(room_per_second, rate_per_second=self._rate))
