"""What stands before every page: who asks, whether they may, and the headers of the answer."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from campaign.console.access import PERSON, Door, Role, terms_of


def guard(door: Door) -> Middleware:
    """Lets through whom a page is for. A handler that names no role is for nobody."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/static/"):
            return await handler(request)
        terms = terms_of(request.match_info.handler)
        person = await door.person(request)
        if person is not None:
            request[PERSON] = person
        if terms is None or terms.role > (person.role if person is not None else Role.NOBODY):
            raise web.HTTPForbidden
        return await handler(request)

    return check
