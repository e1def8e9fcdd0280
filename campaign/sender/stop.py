"""How a run ends: the first reason counts, and every part of the run can wait for it."""

import asyncio
from dataclasses import dataclass, field
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
    PASSES_HELD = "passes_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    ended: StopReason
    why: str = ""


@dataclass(slots=True, kw_only=True)
class StopRequest:
    """Set by signals: with `gently` the run settles what is in flight, with `now` it waits for nothing. `exit_code` is the signal's."""

    gently: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = 130


class StopSignal:
    """The first reason to end; later ones change nothing."""

    def __init__(self) -> None:
        self.end: End | None = None
        self._event = asyncio.Event()

    def set(self, ended: StopReason, why: str = "") -> None:
        if self.end is None:
            self.end = End(ended=ended, why=why)
            self._event.set()

    def is_set(self) -> bool:
        return self.end is not None

    async def wait(self) -> None:
        await self._event.wait()


async def happens_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether an event is set within this many seconds; waits for it until then."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
