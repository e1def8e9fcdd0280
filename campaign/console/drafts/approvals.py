"""What waits for a second person."""

import asyncio

from aiohttp import web

from campaign.console.access import Person, Role, allow, person_of
from campaign.console.console import console_of
from campaign.console.drafts.approval import check_second
from campaign.console.drafts.draft import Draft, Stage
from campaign.console.drafts.room import ROOM, Room, room_of
from campaign.domain.errors import UsageError


@allow(Role.APPROVER)
async def show(request: web.Request) -> web.StreamResponse:
    room, person = room_of(request), person_of(request)
    waiting = [draft for draft in await asyncio.to_thread(room.shelf.unsent) if draft.stage is Stage.WAITING]
    mine = {draft.id for draft in waiting if is_for(person, draft)}
    return console_of(request).pages.respond("drafts/approvals.html", request, waiting=waiting, mine=mine)


@allow(Role.APPROVER)
async def count(request: web.Request) -> web.StreamResponse:
    """For the navigation of every page, which loads it by itself so that no page waits for it."""
    number = await waiting_for(request.app, person_of(request))
    return console_of(request).pages.respond("drafts/count.html", request, count=number)


async def waiting_for(app: web.Application, person: Person) -> int:
    """How many drafts wait for this person's decision."""
    if person.role < Role.APPROVER:
        return 0
    return await asyncio.to_thread(_count, app[ROOM], person)


def is_for(person: Person, draft: Draft) -> bool:
    """Whether this person may decide about a draft."""
    try:
        check_second(person, draft)
    except UsageError:
        return False
    return True


def _count(room: Room, person: Person) -> int:
    return sum(is_for(person, draft) for draft in room.shelf.unsent())
