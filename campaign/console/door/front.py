"""The door that is not open: users and sessions, or the one-time link of a console without users."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from campaign.console.access import Person
from campaign.console.door.attempts import Attempts
from campaign.console.door.cookies import cookie, set_cookie
from campaign.console.door.guard import DOOR
from campaign.console.door.passwords import Passwords
from campaign.console.door.sessions import END_SECONDS, Sessions
from campaign.console.door.users import User
from campaign.console.store import Store

_COOKIE: Final = "campaign-session"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDoor:
    """`by_link` is that a console without users lets in who has its link; only where nobody else can reach it.

    `now` is Unix seconds; `steady` seconds that no setting of the clock moves.
    """

    store: Store
    key: bytes = field(repr=False)
    by_link: bool
    passwords: Passwords
    now: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    sessions: Sessions = field(init=False)
    attempts: Attempts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sessions", Sessions(self.store, self.key, self.now))
        object.__setattr__(self, "attempts", Attempts(self.steady))

    async def person(self, request: web.Request) -> Person | None:
        """The person whose session it is; None if there is none."""
        held = cookie(request, _COOKIE)
        found = await self.sessions.find(held, owner=self.by_link) if held else None
        return Person(name=found.name, role=found.role, csrf=self.sessions.token(held)) if found is not None else None

    async def let_in(self, request: web.Request, user: User | None, answer: web.StreamResponse) -> bool:
        """Begin a session, a new one whatever the browser held; False if the user is gone."""
        await self.sessions.end(cookie(request, _COOKIE))
        held = await self.sessions.begin(user)
        if held is None:
            return False
        set_cookie(request, answer, _COOKIE, held, seconds=END_SECONDS)
        return True

    async def let_out(self, request: web.Request, answer: web.StreamResponse) -> None:
        """End the session that the browser holds."""
        await self.sessions.end(cookie(request, _COOKIE))
        set_cookie(request, answer, _COOKIE, "", seconds=0)


def front_of(request: web.Request) -> FrontDoor:
    """The door that a request came to.

    Raises:
        HTTPNotFound: it has no log-in.
    """
    door = request.app[DOOR]
    if not isinstance(door, FrontDoor):
        raise web.HTTPNotFound
    return door
