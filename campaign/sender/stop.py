"""How a run ends: whoever finds the first reason says so, and everyone hears of it."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum


class StopReason(StrEnum):
    FINISHED = "finished"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    LIMIT = "limit"
    OUTSIDE_WINDOW = "not_now"
    INTERRUPTED = "interrupted"
    SAFEGUARD = "safeguard"
    LEASE_LOST = "superseded"
    BATCHES_LEFT = "batches_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    ended: StopReason
    why: str = ""


class Ending:
    """The first reason to end, once there is one; later ones change nothing."""

    def __init__(self) -> None:
        self.end: End | None = None
        self._event = asyncio.Event()

    def come(self, ended: StopReason, why: str = "") -> None:
        if self.end is None:
            self.end = End(ended=ended, why=why)
            self._event.set()

    def came(self) -> bool:
        return self.end is not None

    async def wait(self) -> None:
        await self._event.wait()


async def happens_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, so long at the most; whether it has come."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
