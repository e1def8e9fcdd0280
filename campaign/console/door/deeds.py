"""The whole audit trail, a page at a time."""

from typing import Final

from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.console import console_of
from campaign.console.trail import deeds

A_PAGE: Final = 100


@allow(Role.APPROVER)
async def whole_trail(request: web.Request) -> web.StreamResponse:
    console, given = console_of(request), request.query.get("before", "")
    before = int(given) if given.isdecimal() and given.isascii() and len(given) < 19 else None
    found = await deeds(console.store, limit=A_PAGE + 1, before=before)
    older = found[A_PAGE - 1].number if len(found) > A_PAGE else None
    return console.pages.respond("trail.html", request, deeds=found[:A_PAGE], older=older, newest=before is None)


def routes() -> list[web.RouteDef]:
    return [web.get("/trail", whole_trail)]
