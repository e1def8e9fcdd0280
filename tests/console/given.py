"""A console on loopback for tests, with whoever the test says at the browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from campaign.console.access import Person, Role
from campaign.console.app import make_app
from campaign.console.console import Console
from campaign.console.pages import Pages
from campaign.console.store import Store
from campaign.settings import IsolatedSettings

CSRF = "the-token-of-this-session"


SAM = Person(name="sam", role=Role.APPROVER, csrf=CSRF)


@dataclass
class OpenDoor:
    """Whoever comes is this person, or nobody."""

    visitor: Person | None = SAM

    async def person(self, request: web.Request) -> Person | None:
        del request
        return self.visitor

    def is_now(self, name: str, role: Role) -> None:
        self.visitor = Person(name=name, role=role, csrf=CSRF)


@dataclass
class Visit:
    client: "TestClient[web.Request, web.Application]"
    console: Console
    door: OpenDoor


@asynccontextmanager
async def visit(folder: Path, **changes: Any) -> AsyncIterator[Visit]:
    """The console served from a folder, whose ledger is there too."""
    store = Store(folder / "console.db")
    settings = IsolatedSettings.read(ledger=str(folder / "campaign.db"))
    console = replace(Console(folder=folder, settings=settings, store=store, pages=Pages()), **changes)
    door = OpenDoor()
    try:
        async with TestClient(TestServer(make_app(console, door))) as client:
            yield Visit(client=client, console=console, door=door)
    finally:
        store.close()
