"""Access rules: each handler declares the role that it needs. A request to a handler without a rule is refused."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Role(IntEnum):
    """Each role may also do what the roles before it may. A viewer sees counts, no recipients; a sender sends, and controls their own."""

    NOBODY = 0
    VIEWER = 1
    SENDER = 2
    APPROVER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person at the browser. `csrf` is the token in each of their forms."""

    name: str
    role: Role
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """A `streamed` handler reads the body itself, and so checks the form's CSRF token itself (`auth.csrf.check`)."""

    role: Role
    streamed: bool = False


class Authentication(Protocol):
    """Identifies the person at the browser."""

    async def person(self, request: web.Request) -> Person | None:
        """The person of the session; None if there is no session."""


PERSON: Final = web.RequestKey("person", Person)
_RULES: Final[dict[Handler, AccessRule]] = {}


def allow(role: Role, *, streamed: bool = False) -> Callable[[Handler], Handler]:
    """Mark a handler with the lowest role that may use it; `Role.NOBODY` needs no log-in."""

    def mark(handler: Handler) -> Handler:
        _RULES[handler] = AccessRule(role=role, streamed=streamed)
        return handler

    return mark


def rule_of(handler: Handler) -> AccessRule | None:
    """The rule of a handler; without one (None), nobody may use it."""
    return _RULES.get(handler)


def person_of(request: web.Request) -> Person:
    """The person who makes the request; only for handlers that need a role."""
    return request[PERSON]


def can_control(person: Person, owner: str) -> bool:
    """Whether a person may change, and fully read, a campaign or draft of this owner (empty: a command or a job began it)."""
    return person.role >= Role.APPROVER or (person.role >= Role.SENDER and person.name == owner)
