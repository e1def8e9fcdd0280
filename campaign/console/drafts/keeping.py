"""What goes on without anybody asking: at the start what a killed console left is gone on with, and each day old drafts are removed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiohttp import web

from campaign.console import trail
from campaign.console.console import CONSOLE
from campaign.console.drafts.clearing import clear
from campaign.console.drafts.room import ROOM, Room
from campaign.console.drafts.sending import Sender
from campaign.console.drafts.shared import SENDER
from campaign.domain.errors import CampaignError

DAY_SECONDS: Final = 86_400.0
NOBODY: Final = "(the console)"


async def background(app: web.Application) -> AsyncIterator[None]:
    """For `cleanup_ctx`: from the console's start to its end."""
    room = Room.of(app[CONSOLE])
    sender = Sender(room)
    app[ROOM], app[SENDER] = room, sender
    await asyncio.to_thread(room.shelf.drop_parts)
    await sender.recover()
    sweeping = asyncio.get_running_loop().create_task(_sweep_daily(room))
    try:
        yield
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping
        await sender.close()
        await room.jobs.close()


async def _sweep_daily(room: Room) -> None:
    while True:
        try:
            for draft in await asyncio.to_thread(room.shelf.sweep, time.time()):
                await trail.note(room.console.store, NOBODY, room.console.pages.text("drafts.deed.swept"), draft.name)
            for draft in await asyncio.to_thread(clear, room, time.time()):
                await trail.note(room.console.store, NOBODY, room.console.pages.text("drafts.deed.cleared"), draft.name)
        except (CampaignError, OSError) as error:
            structlog.get_logger().warning("drafts_not_swept", problem=str(error))
        await asyncio.sleep(DAY_SECONDS)
