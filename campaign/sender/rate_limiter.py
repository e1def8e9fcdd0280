"""Waits for this process's slots of the rate limit that every process with the same token, or the same `--budget`, shares."""

import asyncio
import math
import random
from collections.abc import Callable
from typing import Final

from aiolimiter import AsyncLimiter

from campaign.domain.pace.foreign_traffic import factor_beside
from campaign.domain.pace.pacing import LONGEST_WAIT_SECONDS, Held, most_at_once, retry_in_seconds, slots_wanted
from campaign.ledger.clock import ticks
from campaign.ledger.port import RateLimits

AHEAD_SECONDS: Final = 0.1
AHEAD_OF_SLICE: Final = 0.6
"""How long before its last slot a process asks for more, at least and as a part of its slice, so that a ledger that takes so long costs no
slot. A process that is alone has longer slices; those who share a rate would wait for each other's."""

TICK_SECONDS: Final = 0.001
"""The resolution of an event loop's timers; they may be early by half of it."""


def plenty() -> tuple[float, float]:
    return math.inf, math.inf


class RateLimiter:
    """Hands out slots, never early, and drops missed ones, so that sends never bunch.

    `run` leases slots of the key ahead while a caller wants them, so that the ledger's disk sync costs no slot.

    Args:
        ledger, key, rate_per_second: the rate limit, and the wanted rate.
        usable: how many sends could begin at once, and how many are left.
        jitter: a number from 0 to below 1.
        ticks: the clock of the slots. It counts the time that the machine sleeps, in which others may have leased the next slots.
    """

    def __init__(
        self,
        ledger: RateLimits,
        key: str,
        rate_per_second: float,
        *,
        usable: Callable[[], tuple[float, float]] = plenty,
        jitter: Callable[[], float] = random.random,
        ticks: Callable[[], float] = ticks,
    ) -> None:
        self._ledger = ledger
        self._key = key
        self._rate = rate_per_second
        self._usable = usable
        self._jitter = jitter
        self._ticks = ticks
        # Even with a damaged ledger, this process alone keeps to its rate in any second.
        self._most = most_at_once(rate_per_second)
        self._limiter = AsyncLimiter(self._most, self._most / rate_per_second)
        self._interval = 1 / rate_per_second
        self._held = Held()
        self._used = 0
        self._pauses = 0
        self._turn = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def rate_per_second(self) -> float:
        """The present rate of all processes that share the rate limit, if they have enough to send."""
        return 1 / self._interval

    async def run(self) -> None:
        """Lease slots whenever they run low, until cancelled."""
        refused = 0
        leased_at = -math.inf
        while True:
            await self._wanted.wait()
            pauses, used, asked_at = self._pauses, self._used, self._ticks()
            ready, left = self._usable()
            used_per_second = used / max(asked_at - leased_at, TICK_SECONDS)
            want = slots_wanted(self._held, rate_per_second=self.rate_per_second, ready=ready, used_per_second=used_per_second, left=left)
            if not want:
                self._wanted.clear()
                continue
            slots = await self._ledger.reserve_slots(self._key, rate_per_second=self._rate, want=want)
            if not slots.count:
                # A longer wait is a pause, which does not mean that other processes were faster.
                refused += slots.first_in_seconds <= LONGEST_WAIT_SECONDS
                await asyncio.sleep(retry_in_seconds(slots, refused=refused, jitter=self._jitter()))
                continue
            refused, leased_at = 0, asked_at
            self._used -= used
            # Slots that were leased before a pause must not be used during it.
            if pauses == self._pauses:
                self._interval = slots.interval_seconds
                self._held.add(slots)
                self._wanted.clear()
                self._arrived.set()

    async def slot(self) -> None:
        await self.slots(1)

    async def slots(self, most: int) -> int:
        """Wait for a slot; returns how many slots the caller may use at once, from 1 to `most`."""
        # One caller waits for the next slot, the others for the lock: else each slot would wake up all of them.
        async with self._turn:
            # Ask ahead for this caller only: there may be none after it.
            ahead_seconds = max(AHEAD_SECONDS, AHEAD_OF_SLICE * self._held.slice_seconds)
            if -math.inf < self._held.last_at < self._ticks() + ahead_seconds:
                self._wanted.set()
            while True:
                now = self._ticks()
                slice_ = self._held.next(now)
                if slice_ is None:
                    self._wanted.set()
                    self._arrived.clear()
                    await self._arrived.wait()
                elif due := slice_.due(now):
                    count = min(due, most, self._most)
                    self._held.use(count)
                    self._used += count
                    await self._limiter.acquire(count)
                    return count
                else:
                    await asyncio.sleep(slice_.next_wake_at - now + TICK_SECONDS)

    async def throttle(self, retry_after_seconds: float | None) -> None:
        """The API asked to slow down: drop the held slots, and make every process pause."""
        self._release()
        await self._ledger.throttle(self._key, retry_after_seconds=retry_after_seconds)

    async def pause(self, seconds: float) -> None:
        """The API is in trouble, whatever the rate: drop the held slots, and make every process pause."""
        self._release()
        await self._ledger.pause(self._key, seconds=seconds)

    def _release(self) -> None:
        self._held.clear()
        self._pauses += 1

    async def set_rate_factor(self, room_per_second: float) -> None:
        """Slow every process down to the rate that foreign traffic leaves."""
        await self._ledger.set_rate_factor(self._key, rate_factor=factor_beside(room_per_second, rate_per_second=self._rate))
