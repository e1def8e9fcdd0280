"""Who may do what: each handler says it, and a request to one that does not is refused."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Role(IntEnum):
    """Each may do what those before it may. A viewer sees counts, no recipients; a sender sends, and steers what is their own."""

    NOBODY = 0
    VIEWER = 1
    SENDER = 2
    APPROVER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is at the browser. `csrf` is the token that each of their forms carries."""

    name: str
    role: Role
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """`streamed` handlers read their own body, and so the form's CSRF token themselves (`auth.csrf.check`)."""

    role: Role
    streamed: bool = False


class Authentication(Protocol):
    """Tells who is at the browser."""

    async def person(self, request: web.Request) -> Person | None:
        """The person whose session it is; None if there is none."""


PERSON: Final = web.RequestKey("person", Person)
_RULES: Final[dict[Handler, AccessRule]] = {}


def allow(role: Role, *, streamed: bool = False) -> Callable[[Handler], Handler]:
    """Marks a handler with the least role that may ask for it; `Role.NOBODY` needs no log-in."""

    def mark(handler: Handler) -> Handler:
        _RULES[handler] = AccessRule(role=role, streamed=streamed)
        return handler

    return mark


def rule_of(handler: Handler) -> AccessRule | None:
    """What a handler was marked with; None is that nobody may."""
    return _RULES.get(handler)


def person_of(request: web.Request) -> Person:
    """Who asks; only for handlers that need a role."""
    return request[PERSON]


def can_control(person: Person, owner: str) -> bool:
    """Whether a campaign or draft of this owner (empty: begun by a command or a job) is theirs to change, or to read whole."""
    return person.role >= Role.APPROVER or (person.role >= Role.SENDER and person.name == owner)
