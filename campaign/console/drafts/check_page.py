"""The fourth step: what a check says, in words, with the rows that can't be sent to download."""

import asyncio
from typing import Any

from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.console import console_of
from campaign.console.drafts import shared
from campaign.console.drafts.draft import Draft
from campaign.console.drafts.findings import PROBLEMS, kept_check
from campaign.console.drafts.jobs import Job
from campaign.console.drafts.room import draft_of, room_of
from campaign.console.drafts.steps import Step, missing
from campaign.domain.durations import words
from campaign.domain.message_lint import LintKind

SOON_SECONDS = 1.5


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await shared.show(request, Step.CHECK, draft, **await checked(request, draft))


@allow(Role.SENDER)
async def problem_rows(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    folder = room_of(request).folder(draft)
    found = await asyncio.to_thread(kept_check, folder, draft.checkable)
    if found is None or found.error:
        raise web.HTTPSeeOther(shared.address(draft, Step.CHECK))
    # Nothing of an upload is ever shown by a browser: it is saved, whatever it holds.
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="problem-rows.csv"',
        "Cache-Control": "no-store",
    }
    return web.FileResponse(folder / PROBLEMS, headers=headers)


async def checked(request: web.Request, draft: Draft) -> dict[str, Any]:
    """What a page tells of the draft's check: its outcome, or how far it is."""
    room, console = room_of(request), console_of(request)
    if missing(draft, await room.looked(draft)) is not None:
        return {"found": None, "progress": None, "duration": ""}
    found = await room.found(draft)
    if isinstance(found, Job):
        try:
            async with asyncio.timeout(SOON_SECONDS):
                await found.ended.wait()
        except TimeoutError:
            return {"found": None, "progress": found, "duration": ""}
        found = await room.found(draft)
    if isinstance(found, Job):
        return {"found": None, "progress": found, "duration": ""}
    rate = float(draft.controls.get("rate", console.settings.rate or 0.0)) if draft.controls.get("rate") != "unlimited" else 0.0
    return {
        "found": found,
        "progress": None,
        "concerns": [concern for concern in found.concerns if concern.kind != LintKind.LINK],
        "links": next((concern for concern in found.concerns if concern.kind == LintKind.LINK), None),
        "duration": words(max(1.0, found.sendable / rate)) if rate else "",
        "rate": f"{rate:g}",
    }
