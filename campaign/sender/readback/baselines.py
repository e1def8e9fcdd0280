"""Reads each pass right before its send, on the budget for reading: with its earlier text a later reading can show what arrived."""

import asyncio
import math
from collections import deque
from contextlib import suppress
from itertools import takewhile
from typing import Final

from campaign.domain.model import Claim
from campaign.domain.verdict import Latest, PassReading
from campaign.ledger.port import Ledger, Runner
from campaign.sender.port import Gateway, Observer
from campaign.sender.prefetch import ClaimPrefetcher
from campaign.sender.rate_limiter import RateLimiter

AHEAD_SECONDS: Final = 1.0
FEWEST_AHEAD: Final = 4
MOST_AHEAD: Final = 64
SLOT_SECONDS: Final = 3.0
MOST_FAILED: Final = 3
PAUSE_SECONDS: Final = 30.0


class Baselines:
    """Hands out each claim after its pass was read, or could not be. Has the interface of `ClaimPrefetcher`, from which it takes rows."""

    def __init__(
        self,
        claims: ClaimPrefetcher,
        *,
        ledger: Ledger,
        gateway: Gateway,
        limiter: RateLimiter,
        runner: Runner,
        observer: Observer,
        rate_per_second: float | None,
        group: asyncio.TaskGroup,
    ) -> None:
        self._claims = claims
        self._ahead = (
            MOST_AHEAD if rate_per_second is None else min(MOST_AHEAD, max(FEWEST_AHEAD, math.ceil(rate_per_second * AHEAD_SECONDS)))
        )
        self._ledger = ledger
        self._gateway = gateway
        self._limiter = limiter
        self._runner = runner
        self._observer = observer
        self._group = group
        self._reading: deque[tuple[Claim, asyncio.Task[None]]] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._failed = 0
        self._none_until = -math.inf

    @property
    def left(self) -> float:
        """How many rows are left at present; inf if that is not known."""
        return self._claims.left + len(self._reading)

    @property
    def at_hand(self) -> int:
        """How many rows `next` returns without waiting."""
        return sum(1 for _ in takewhile(lambda row: row[1].done(), self._reading))

    async def next(self, *, most: int) -> Claim | None:
        """The next row; None if none is due at present. The caller wants at most `most` rows, this one included."""
        if (self._filling is None or self._filling.done()) and len(self._reading) < min(self._ahead, most):
            self._filling = self._group.create_task(self._fill(min(self._ahead, most)))
        # Shielded: if the caller is cancelled here, the task goes on, and `give_back` gets its rows.
        if not self._reading and self._filling is not None:
            await asyncio.shield(self._filling)
        if not self._reading:
            return None
        claim, reading = self._reading[0]
        await asyncio.shield(reading)
        self._reading.popleft()
        return claim

    async def give_back(self, *others: Claim) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])
        for _, reading in self._reading:
            reading.cancel()
        unsent = [claim for claim, _ in self._reading]
        self._reading.clear()
        await self._claims.give_back(*others, *unsent)

    async def _fill(self, most: int) -> None:
        while len(self._reading) < most:
            claim = await self._claims.next(most=most - len(self._reading))
            if claim is None:
                return
            self._reading.append((claim, self._group.create_task(self._read(claim))))

    async def _read(self, claim: Claim) -> None:
        """Read the pass of a claim. Failed reads must not delay messages: after three in a row none is made for 30 s."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._none_until:
            return
        reading = PassReading(latest=Latest.UNREADABLE)
        with suppress(TimeoutError):
            async with asyncio.timeout(SLOT_SECONDS):
                await self._limiter.slot()
            reading = await self._gateway.read(claim.pass_id)
            if reading.http_status == 429:
                await self._limiter.throttle(reading.retry_after_seconds)
        if reading.latest is not Latest.UNREADABLE:
            self._failed = 0
            await self._ledger.record_baseline(self._runner, claim, reading)
            return
        self._failed += 1
        if self._failed >= MOST_FAILED and loop.time() >= self._none_until:
            self._none_until = loop.time() + PAUSE_SECONDS
            self._observer.event("sending_without_baselines", seconds=PAUSE_SECONDS, reason=reading.error or "reads are throttled")
