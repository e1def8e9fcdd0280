"""The first step: giving a list, and seeing what it is. Also all drafts that somebody has."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from campaign.console import trail
from campaign.console.access import Role, allow, person_of
from campaign.console.console import console_of
from campaign.console.door.guard import check_still, is_page
from campaign.console.drafts import shared
from campaign.console.drafts.controls import name_from
from campaign.console.drafts.draft import Draft
from campaign.console.drafts.findings import Looked
from campaign.console.drafts.room import draft_of, may_see, room_of
from campaign.console.drafts.steps import Step
from campaign.console.drafts.uploads import Received, TooLargeError, check_early, files_of, receive
from campaign.console.intake import INTAKE
from campaign.console.pages import ErrorText
from campaign.domain.errors import CampaignError, DiskFullError, UsageError

LIST_FOLDER: Final = "list"
"""In a draft's folder, so that no list can have the name of another file of the draft."""

FILE_CHARACTERS: Final = 50
MOST_HEADER_ROW: Final = 1_048_576
LOOK_SECONDS = 2.0
"""A list that is looked through so soon needs no page that says that it is."""


@allow(Role.SENDER)
async def new(request: web.Request) -> web.StreamResponse:
    return await _start_page(request)


@allow(Role.SENDER, streamed=True)
async def begin(request: web.Request) -> web.StreamResponse:
    room, person = room_of(request), person_of(request)
    draft: Draft | None = None
    kept = False
    try:
        with request.app[INTAKE].turn(person.name):
            async for part in files_of(request):
                draft = await asyncio.to_thread(room.shelf.begin, person.name)
                received = await receive(part, room.folder(draft), most_bytes=room.console.rules.most_upload_bytes)
                draft = await _put(request, draft, received)
                kept = True
                break
    except (CampaignError, TooLargeError) as error:
        problem = problem_of(request, error)
        return problem.part(request) or await _start_page(request, status=problem.status, problem=problem.sentence)
    finally:
        if draft is not None and not kept:
            await asyncio.shield(asyncio.to_thread(room.shelf.remove, draft.id))
    if draft is None:
        missing = console_of(request).pages.text("drafts.list.choose_first")
        return await _start_page(request, status=422, problem=missing)
    return await _look_at(request, draft)


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await shared.show(request, Step.LIST, draft, **_limits(request))


@allow(Role.SENDER, streamed=True)
async def replace_list(request: web.Request) -> web.StreamResponse:
    check_early(request)
    draft = await draft_of(request)
    room = room_of(request)
    try:
        shared.check_editable(draft)
        with request.app[INTAKE].turn(person_of(request).name):
            async for part in files_of(request):
                received = await receive(part, room.folder(draft), most_bytes=room.console.rules.most_upload_bytes)
                draft = await _put(request, draft, received)
                break
    except (CampaignError, TooLargeError) as error:
        problem = problem_of(request, error)
        page = problem.part(request)
        return page or await shared.show(request, Step.LIST, draft, status=problem.status, problem=problem.sentence, **_limits(request))
    return await _look_at(request, draft)


@allow(Role.SENDER)
async def choose_header(request: web.Request) -> web.StreamResponse:
    """Say which line of the list is its header."""
    draft = await draft_of(request)
    text = (await shared.form_of(request)).get("header_row", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 0 < int(text) <= MOST_HEADER_ROW):
        problem = console_of(request).pages.text("drafts.list.header_bad")
        return await shared.show(request, Step.LIST, draft, status=422, header_problem=problem, **_limits(request))
    try:
        draft = await shared.change(request, draft, header_row=int(text), column="", settled=False, tested=None)
    except UsageError as error:
        return await shared.show(request, Step.LIST, draft, status=422, header_problem=str(error), **_limits(request))
    return await _look_at(request, draft)


@allow(Role.SENDER)
async def remove(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    room = room_of(request)
    room.jobs.give_up(draft.id)
    await asyncio.to_thread(room.shelf.remove, draft.id)
    await trail.note(room.console.store, person_of(request).name, console_of(request).pages.text("drafts.deed.remove"), draft.name)
    raise web.HTTPSeeOther("/new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an upload was not taken."""

    status: int
    sentence: str

    def part(self, request: web.Request) -> web.Response | None:
        """The answer for a script; None if a person is to see a page."""
        return None if is_page(request) else web.Response(text=self.sentence, status=self.status)


def problem_of(request: web.Request, error: CampaignError | TooLargeError) -> Problem:
    if isinstance(error, TooLargeError):
        most = console_of(request).rules.most_upload_bytes
        return Problem(status=413, sentence=console_of(request).pages.text("drafts.list.too_large", most=size_in_words(most)))
    return Problem(status=507 if isinstance(error, DiskFullError) else 422, sentence=ErrorText.of(error))


def size_in_words(size_bytes: int) -> str:
    """`1 GB`, `3.4 MB`, `12 kB`."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size_bytes} bytes"


async def _put(request: web.Request, draft: Draft, received: Received) -> Draft:
    """Make a file that came in the draft's list."""
    room, person = room_of(request), person_of(request)

    def change(found: Draft) -> Draft:
        changed = found.changed(person.name, time.time(), header_row=0, column="", settled=False, tested=None)
        before = found.list
        own_name = name_from(received.name)
        # The ledger and the files that people take away call the list as its file is called.
        given = received.placed(f"{LIST_FOLDER}/{own_name[:FILE_CHARACTERS].strip().lstrip('-@.') or 'list'}")
        if before is not None and before.file != given.file:
            (room.folder(found) / before.file).unlink(missing_ok=True)
        called_so = before is not None and found.name == name_from(before.name)
        return changed.changed(person.name, time.time(), list=given, name=own_name if called_so else found.name or own_name)

    try:
        await check_still(request)
        room.jobs.give_up(draft.id)
        changed = await shared.apply(room, draft, change)
    finally:
        await asyncio.to_thread(received.discard)
    await trail.note(room.console.store, person.name, console_of(request).pages.text("drafts.deed.upload"), changed.name)
    return changed


async def _look_at(request: web.Request, draft: Draft) -> web.StreamResponse:
    room = room_of(request)
    looked = await room.looked(draft)
    if looked is not None and not isinstance(looked, Looked):
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await looked.ended.wait()
        except TimeoutError:
            pass
        looked = await room.looked(draft)
    if isinstance(looked, Looked) and not looked.error:
        raise web.HTTPSeeOther(shared.address(draft, Step.COLUMN))
    raise web.HTTPSeeOther(shared.address(draft, Step.LIST))


async def _start_page(request: web.Request, *, status: int = 200, problem: str = "") -> web.Response:
    room, person = room_of(request), person_of(request)
    unsent = await asyncio.to_thread(room.shelf.unsent)
    values = {
        "drafts": [draft for draft in unsent if draft.owner == person.name],
        "others": [draft for draft in unsent if draft.owner != person.name and may_see(person, draft)],
        "problem": problem,
        **_limits(request),
    }
    return console_of(request).pages.respond("drafts/new.html", request, status=status, **values)


def _limits(request: web.Request) -> dict[str, Any]:
    most = console_of(request).rules.most_upload_bytes
    return {"most_bytes": most, "most": size_in_words(most)}
