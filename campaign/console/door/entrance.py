"""In and out: the log-in, the one-time link, and the log-out."""

import logging
import math
from typing import Final

from aiohttp import web

from campaign.console import trail
from campaign.console.access import PERSON, Role, allow, person_of
from campaign.console.console import console_of
from campaign.console.door import users
from campaign.console.door.csrf import respond_to_stranger
from campaign.console.door.front import FrontDoor, front_of
from campaign.console.door.guard import local
from campaign.console.door.passwords import is_too_long
from campaign.console.door.place import PLACE
from campaign.console.log import log

BUSY_SECONDS: Final = 5
MOST_NAME: Final = 256


@allow(Role.NOBODY)
async def log_in_page(request: web.Request) -> web.StreamResponse:
    front_of(request)
    then = local(request.query.get("next", "/"))
    if PERSON in request:
        raise web.HTTPSeeOther(then)
    return await _form(request, then)


@allow(Role.NOBODY)
async def log_in(request: web.Request) -> web.StreamResponse:
    front, pages = front_of(request), console_of(request).pages
    form = await request.post()
    name, password, then = str(form.get("name", ""))[:MOST_NAME], str(form.get("password", "")), local(str(form.get("next", "/")))
    if front.passwords.busy:
        return await _form(request, then, pages.text("shell.login.busy", seconds=BUSY_SECONDS), status=503, wait=BUSY_SECONDS)
    address = request.app[PLACE].address(request)
    wait = math.ceil(front.attempts.begin(name, address))
    if wait:
        says = pages.text("shell.login.slow_minutes", minutes=math.ceil(wait / 60)) if wait > 90 else None
        return await _form(request, then, says or pages.text("shell.login.slow", seconds=wait), status=429, wait=wait)
    known = await users.find(front.store, name)
    user = await _recognised(front, known, password)
    if user is not None:
        front.attempts.came_in(name, address)
        answer = web.Response(status=303, headers={"Location": then})
        if await front.let_in(request, user, answer):
            await trail.note(front.store, user.name, pages.text("shell.deed.log_in"), details=address)
            return answer
    # A name that is nobody's may be a password that was typed into the wrong field.
    log(logging.WARNING, "log_in_refused", name=known.name if known is not None else "(nobody's)", address=address)
    return await _form(request, then, pages.text("shell.login.wrong"), status=401)


@allow(Role.VIEWER)
async def log_out(request: web.Request) -> web.StreamResponse:
    front = front_of(request)
    answer = web.Response(status=303, headers={"Location": "/login"})
    await front.let_out(request, answer)
    await trail.note(front.store, person_of(request).name, console_of(request).pages.text("shell.deed.log_out"))
    return answer


@allow(Role.NOBODY)
async def link_page(request: web.Request) -> web.StreamResponse:
    """A page first: fetching a link ahead, as mail programs do, must not use it up."""
    _check_by_link(front_of(request))
    return respond_to_stranger("enter.html", request, key=request.query.get("key", ""))


@allow(Role.NOBODY)
async def enter(request: web.Request) -> web.StreamResponse:
    front = front_of(request)
    _check_by_link(front)
    form = await request.post()
    answer = web.Response(status=303, headers={"Location": "/"})
    if await users.everyone(front.store) or not await front.sessions.use_link(str(form.get("key", ""))):
        raise web.HTTPForbidden(text=console_of(request).pages.text("shell.enter.used"))
    await front.let_in(request, None, answer)
    details = request.app[PLACE].address(request)
    await trail.note(front.store, users.OWNER, console_of(request).pages.text("shell.deed.link"), details=details)
    return answer


def routes() -> list[web.RouteDef]:
    return [
        web.get("/login", log_in_page),
        web.post("/login", log_in),
        web.post("/logout", log_out),
        web.get("/enter", link_page),
        web.post("/enter", enter),
    ]


async def _recognised(front: FrontDoor, user: users.User | None, password: str) -> users.User | None:
    if is_too_long(password):
        return None
    if not await front.passwords.matches(password, user.password if user is not None else None) or user is None:
        return None
    stronger = await front.passwords.stronger(password, user.password)
    return await users.strengthen(front.store, user, stronger) if stronger is not None else user


async def _form(request: web.Request, then: str, says: str = "", *, status: int = 200, wait: int = 0) -> web.Response:
    front = front_of(request)
    by_link = front.by_link and not await users.everyone(front.store)
    answer = respond_to_stranger("login.html", request, status=status, next=then, says=says, by_link=by_link)
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer


def _check_by_link(front: FrontDoor) -> None:
    if not front.by_link:
        raise web.HTTPNotFound
