"""Checks before every page: who makes the request, whether they may, and whether they really made it."""

import asyncio
from typing import Final
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from campaign.console.access import PERSON, Authentication, Role, rule_of
from campaign.console.auth import csrf
from campaign.console.auth.site import SITE
from campaign.console.console import console_of

AUTHENTICATION: Final = web.AppKey("authentication", Authentication)
ENDING: Final = web.AppKey("ending", asyncio.Event)
"""Set when the console shuts down, so that streams end, too."""


def guard(door: Authentication) -> Middleware:
    """Middleware that lets only people with the role of a page through. Nobody may use a handler without a role."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_site(request)
        person = await door.person(request)
        if person is not None:
            request[PERSON] = person
        if request.match_info.http_exception is not None:
            raise request.match_info.http_exception
        terms = rule_of(request.match_info.handler)
        if terms is None:
            raise web.HTTPForbidden
        if terms.role > (person.role if person is not None else Role.NOBODY):
            if person is None and _followed_a_link(request):
                return console_of(request).pages.respond("follow.html", request, to=local_path(request.path_qs))
            raise web.HTTPForbidden if person is not None else _log_in(request)
        if request.method not in csrf.SAFE:
            csrf.check_origin(request)
            if not terms.streamed:
                token = await csrf.sent(request)
                await check_still_allowed(request)
                csrf.check(request, token)
        return await handler(request)

    return check


async def is_still_allowed(request: web.Request) -> bool:
    """Whether the person is still logged in and may still read this page: streams check it every few seconds.

    Also False when the console shuts down.
    """
    if request.app[ENDING].is_set():
        return False
    person = await request.app[AUTHENTICATION].person(request)
    terms = rule_of(request.match_info.handler)
    return person is not None and terms is not None and person.role >= terms.role


async def check_still_allowed(request: web.Request) -> None:
    """Check that the person still has the same rights after the whole body has arrived, which can take hours.

    Raises:
        HTTPException: they are logged out, or have a lower role than at the start.
    """
    before = request.get(PERSON)
    if before is None:
        return
    now = await request.app[AUTHENTICATION].person(request)
    if now is None:
        raise _log_in(request)
    if now.name != before.name or now.role < before.role:
        raise web.HTTPForbidden


def is_page(request: web.Request) -> bool:
    """Whether the answer is for a person, as a page, and not for a script, as a part of one."""
    return (
        "HX-Request" not in request.headers
        and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        and "text/event-stream" not in request.headers.get("Accept", "")
    )


def local_path(path: str) -> str:
    """The path, if it stays within this console; else the path of its first page."""
    # Browsers read a backslash as a slash, and drop tabs and line breaks; and `//host` is another site.
    odd = any(character == "\\" or not character.isprintable() for character in path)
    return path if path.startswith("/") and not path.startswith("//") and not odd else "/"


def _check_site(request: web.Request) -> None:
    place, pages = request.app[SITE], console_of(request).pages
    if not place.answers_to(request):
        raise web.HTTPMisdirectedRequest(text=pages.text("shell.error.host"))
    if place.is_plain(request):
        raise web.HTTPUpgradeRequired(text=pages.text("shell.error.plain"))


def _followed_a_link(request: web.Request) -> bool:
    """Whether the person followed a link on another site, such as in a mail. Browsers then don't send the session's cookie."""
    return request.method == "GET" and is_page(request) and request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}


def _log_in(request: web.Request) -> web.HTTPException:
    if is_page(request):
        return web.HTTPSeeOther(_login_page(request.path_qs if request.method in csrf.SAFE else "/"))
    answer = web.HTTPUnauthorized(text=console_of(request).pages.text("shell.error.log_in"))
    if "HX-Request" in request.headers:
        answer.headers["HX-Redirect"] = _login_page(_path_of(request.headers.get("HX-Current-URL", "")))
    return answer


def _path_of(address: str) -> str:
    try:
        page = urlsplit(address)
    except ValueError:
        return "/"
    return page.path + (f"?{page.query}" if page.query else "")


def _login_page(then: str) -> str:
    then = local_path(then)
    return "/login" if then == "/" else f"/login?{urlencode({'next': then})}"
