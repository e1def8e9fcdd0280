"""Waits in tests of the console end, one way or another."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(happened: Callable[[], bool | Awaitable[bool]], *, seconds: float = 20.0) -> None:
    """Wait until it has happened."""
    async with asyncio.timeout(seconds):
        while True:
            found = happened()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.02)
