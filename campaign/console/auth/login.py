"""Log-in, one-time link and log-out.

Attempts are throttled by user and address, so that attempts from elsewhere lock nobody out.
"""

import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from campaign.console import audit_log
from campaign.console.access import PERSON, Person, Role, allow, person_of
from campaign.console.auth import users
from campaign.console.auth.authorization import AUTHENTICATION, local_path
from campaign.console.auth.csrf import respond_with_form
from campaign.console.auth.sessions import END_SECONDS, Sessions
from campaign.console.auth.site import SITE, cookie, set_cookie
from campaign.console.auth.users import Passwords, User, is_too_long, key_of
from campaign.console.console import console_of, log
from campaign.console.store import Store

MOST_REMEMBERED: Final = 10_000
FORGIVEN_AFTER_SECONDS: Final = 3600.0
LONGEST_SECONDS: Final = 900.0

FREE_OF_PAIR: Final = 4
FREE_OF_ADDRESS: Final = 20
FREE_OF_ALL: Final = 60.0
ALL_PER_SECOND: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failed:
    """`until` is the time of the next possible attempt."""

    failed: int
    at: float
    until: float


class _Failures:
    """Failures by key. If there are too many, the oldest is dropped."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._tried: OrderedDict[str, _Failed] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        tried = self._tried.get(key)
        return max(0.0, tried.until - now) if tried is not None else 0.0

    def add(self, key: str, now: float) -> None:
        tried = self._tried.pop(key, None)
        failed = 1 if tried is None or tried.at + FORGIVEN_AFTER_SECONDS <= now else tried.failed + 1
        over = failed - self._free
        wait = min(LONGEST_SECONDS, 2.0 ** min(over, 20)) if over > 0 else 0.0
        self._tried[key] = _Failed(failed=failed, at=now, until=now + wait)
        if len(self._tried) > MOST_REMEMBERED:
            self._tried.popitem(last=False)

    def take_back(self, key: str) -> None:
        tried = self._tried.pop(key, None)
        if tried is not None and tried.failed > 1:
            self._tried[key] = _Failed(failed=tried.failed - 1, at=tried.at, until=tried.at)

    def clear(self, key: str) -> None:
        self._tried.pop(key, None)


class LoginThrottle:
    """For one attempt, call `begin`, then `succeeded` if the password was right.

    Until then the attempt counts as failed, so that many at once gain nothing.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pairs = _Failures(FREE_OF_PAIR)
        self._addresses = _Failures(FREE_OF_ADDRESS)
        self._left, self._left_at = FREE_OF_ALL, now()
        self._known: OrderedDict[str, None] = OrderedDict()

    def begin(self, name: str, address: str) -> float:
        """Seconds to wait before this attempt; 0 if it may be made now."""
        now, place = self._now(), _network(address)
        pair = f"{place} {key_of(name)}"
        self._left = min(FREE_OF_ALL, self._left + max(0.0, now - self._left_at) * ALL_PER_SECOND)
        self._left_at = now
        wait = self._pairs.wait(pair, now)
        # Attempts of others don't lock out somebody who has logged in from there before.
        if pair not in self._known:
            wait = max(wait, self._addresses.wait(place, now), (1.0 - self._left) / ALL_PER_SECOND)
        if wait > 0:
            return wait
        self._pairs.add(pair, now)
        if pair not in self._known:
            self._addresses.add(place, now)
            self._left -= 1.0
        return 0.0

    def succeeded(self, name: str, address: str) -> None:
        """Record that the last attempt from this address had the right password."""
        place = _network(address)
        pair = f"{place} {key_of(name)}"
        self._pairs.clear(pair)
        if pair not in self._known:
            self._addresses.take_back(place)
            self._left = min(FREE_OF_ALL, self._left + 1.0)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)


def _network(address: str) -> str:
    """An IPv4 address, or the /64 network of an IPv6 address, which one subscriber has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


_COOKIE: Final = "campaign-session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """`by_link`: a console without users lets everybody in who has its link; only if it listens on this machine alone.

    `now` is Unix seconds; `steady` is seconds on a monotonic clock.
    """

    store: Store
    key: bytes = field(repr=False)
    by_link: bool
    passwords: Passwords
    now: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    sessions: Sessions = field(init=False)
    attempts: LoginThrottle = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sessions", Sessions(self.store, self.key, self.now))
        object.__setattr__(self, "attempts", LoginThrottle(self.steady))

    async def person(self, request: web.Request) -> Person | None:
        """The person of the session; None if there is no session."""
        held = cookie(request, _COOKIE)
        return await self.sessions.find(held, owner=self.by_link) if held else None

    async def start_session(self, request: web.Request, user: User | None, answer: web.StreamResponse) -> bool:
        """Begin a new session, and end the old one; False if the user is gone."""
        await self.sessions.end(cookie(request, _COOKIE))
        held = await self.sessions.begin(user)
        if held is None:
            return False
        set_cookie(request, answer, _COOKIE, held, seconds=END_SECONDS)
        return True

    async def end_session(self, request: web.Request, answer: web.StreamResponse) -> None:
        await self.sessions.end(cookie(request, _COOKIE))
        set_cookie(request, answer, _COOKIE, "", seconds=0)


def authenticator_of(request: web.Request) -> Authenticator:
    """The authenticator of a request's console. Raises HTTPNotFound if the console has no log-in."""
    door = request.app[AUTHENTICATION]
    if not isinstance(door, Authenticator):
        raise web.HTTPNotFound
    return door


BUSY_SECONDS: Final = 5
MOST_NAME: Final = 256


@allow(Role.NOBODY)
async def log_in_page(request: web.Request) -> web.StreamResponse:
    authenticator_of(request)
    then = local_path(request.query.get("next", "/"))
    if PERSON in request:
        raise web.HTTPSeeOther(then)
    return await _form(request, then)


@allow(Role.NOBODY)
async def log_in(request: web.Request) -> web.StreamResponse:
    auth, pages = authenticator_of(request), console_of(request).pages
    form = await request.post()
    name, password, then = str(form.get("name", ""))[:MOST_NAME], str(form.get("password", "")), local_path(str(form.get("next", "/")))
    if auth.passwords.busy:
        return await _form(request, then, pages.text("shell.login.busy", seconds=BUSY_SECONDS), status=503, wait=BUSY_SECONDS)
    address = request.app[SITE].address(request)
    wait = math.ceil(auth.attempts.begin(name, address))
    if wait:
        says = pages.text("shell.login.slow_minutes", minutes=math.ceil(wait / 60)) if wait > 90 else None
        return await _form(request, then, says or pages.text("shell.login.slow", seconds=wait), status=429, wait=wait)
    known = await users.find(auth.store, name)
    user = await _recognised(auth, known, password)
    if user is not None:
        auth.attempts.succeeded(name, address)
        answer = web.Response(status=303, headers={"Location": then})
        if await auth.start_session(request, user, answer):
            await audit_log.record(auth.store, user.name, pages.text("shell.action.log_in"), details=address)
            return answer
    # An unknown name may be a password that was typed into the wrong field.
    log(logging.WARNING, "log_in_refused", name=known.name if known is not None else "(nobody's)", address=address)
    return await _form(request, then, pages.text("shell.login.wrong"), status=401)


@allow(Role.VIEWER)
async def log_out(request: web.Request) -> web.StreamResponse:
    auth = authenticator_of(request)
    answer = web.Response(status=303, headers={"Location": "/login"})
    await auth.end_session(request, answer)
    await audit_log.record(auth.store, person_of(request).name, console_of(request).pages.text("shell.action.log_out"))
    return answer


@allow(Role.NOBODY)
async def link_page(request: web.Request) -> web.StreamResponse:
    """Show a page with a form first: prefetching a link, as mail programs do, must not use it up."""
    _check_by_link(authenticator_of(request))
    return respond_with_form("enter.html", request, key=request.query.get("key", ""))


@allow(Role.NOBODY)
async def enter(request: web.Request) -> web.StreamResponse:
    auth = authenticator_of(request)
    _check_by_link(auth)
    form = await request.post()
    answer = web.Response(status=303, headers={"Location": "/"})
    if await users.everyone(auth.store) or not await auth.sessions.use_link(str(form.get("key", ""))):
        raise web.HTTPForbidden(text=console_of(request).pages.text("shell.enter.used"))
    await auth.start_session(request, None, answer)
    details = request.app[SITE].address(request)
    await audit_log.record(auth.store, users.OWNER, console_of(request).pages.text("shell.action.link"), details=details)
    return answer


def routes() -> list[web.RouteDef]:
    return [
        web.get("/login", log_in_page),
        web.post("/login", log_in),
        web.post("/logout", log_out),
        web.get("/enter", link_page),
        web.post("/enter", enter),
    ]


async def _recognised(auth: Authenticator, user: users.User | None, password: str) -> users.User | None:
    if is_too_long(password):
        return None
    if not await auth.passwords.matches(password, user.password if user is not None else None) or user is None:
        return None
    stronger = await auth.passwords.stronger(password, user.password)
    return await users.strengthen(auth.store, user, stronger) if stronger is not None else user


async def _form(request: web.Request, then: str, says: str = "", *, status: int = 200, wait: int = 0) -> web.Response:
    auth = authenticator_of(request)
    by_link = auth.by_link and not await users.everyone(auth.store)
    answer = respond_with_form("login.html", request, status=status, next=then, says=says, by_link=by_link)
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer


def _check_by_link(auth: Authenticator) -> None:
    if not auth.by_link:
        raise web.HTTPNotFound
