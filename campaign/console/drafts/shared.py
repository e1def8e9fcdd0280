"""What the pages of the way have in common: the indicator, locked steps, and forms."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from campaign.console.access import person_of
from campaign.console.console import console_of
from campaign.console.drafts.draft import Draft, Stage
from campaign.console.drafts.findings import Looked, kept_check
from campaign.console.drafts.jobs import Job
from campaign.console.drafts.room import Room, room_of
from campaign.console.drafts.sending import Sender
from campaign.console.drafts.steps import Step, locked_by, stones

SENDER: Final = web.AppKey("sender", Sender)


def sender_of(request: web.Request) -> Sender:
    return request.app[SENDER]


async def show(request: web.Request, step: Step, draft: Draft, *, status: int = 200, **values: Any) -> web.Response:
    """A step's page, or what has to be right before it can be taken."""
    room = room_of(request)
    looked = await room.looked(draft)
    locked = locked_by(step, draft, looked)
    found = None if locked is not None else await asyncio.to_thread(kept_check, room.folder(draft), draft.checkable)
    shared = {
        "draft": draft,
        "step": step,
        "looked": looked,
        "looking": isinstance(looked, Job),
        "stones": stones(step, draft, looked, found),
        "editable": draft.stage is Stage.EDITING,
        "locked": locked,
    }
    template = "drafts/locked.html" if locked is not None else f"drafts/{step}.html"
    return console_of(request).pages.respond(template, request, status=status, **(shared | values))


async def looked_at(request: web.Request, draft: Draft, step: Step) -> Looked:
    """The list's first look, for a step that is open; else the way back to the page, which says why it is not."""
    looked = await room_of(request).looked(draft)
    if not isinstance(looked, Looked) or locked_by(step, draft, looked) is not None:
        raise web.HTTPSeeOther(address(draft, step))
    return looked


async def change(request: web.Request, draft: Draft, **changes: object) -> Draft:
    """Change what a draft says, as the person who asks.

    Raises:
        UsageError: it is not to be changed now.
    """
    room, name = room_of(request), person_of(request).name
    return await apply(room, draft, lambda found: found.changed(name, time.time(), **changes))


async def apply(room: Room, draft: Draft, what: Callable[[Draft], Draft]) -> Draft:
    return await asyncio.to_thread(room.shelf.change, draft.id, what)


def check_editable(draft: Draft) -> None:
    """Raises UsageError unless it can be changed now."""
    draft.changed("", 0.0)


def address(draft: Draft, step: Step) -> str:
    return f"/drafts/{draft.id}/{step}"


async def form_of(request: web.Request) -> Mapping[str, str]:
    """A form's texts; of a field given twice the first."""
    return {name: value for name, value in reversed(list((await request.post()).items())) if isinstance(value, str)}


def whole(text: str) -> int | None:
    """A whole number from 1 on, or None if it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) > 0 else None
