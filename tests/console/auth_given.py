"""The console behind its own door: users, sessions and a clock that the test sets."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy
from yarl import URL

from campaign.console.app import make_app
from campaign.console.auth import users
from campaign.console.auth.login import Authenticator
from campaign.console.auth.sessions import key_in
from campaign.console.auth.site import HEADERS, Site
from campaign.console.auth.users import Cost, Passwords
from campaign.console.console import Console
from campaign.console.pages import Pages
from campaign.console.store import Store
from campaign.settings import IsolatedSettings

CHEAP = Cost(memory_kib=64, rounds=1)
PASSWORD = "a long enough password"
ROLES = ("viewer", "sender", "approver")


@dataclass
class Clock:
    """Unix seconds, moved by the test alone."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    status: int
    text: str
    headers: CIMultiDictProxy[str]

    @property
    def where(self) -> str:
        return self.headers.get("Location", "")


class Browser:
    """Keeps cookies, follows no redirect, and sends the token of the last page it saw unless it is told another."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.csrf = ""

    async def ask(self, method: str, path: str, *, data: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, self._url + path, data=data, headers=named, allow_redirects=False) as answer:
            text = await answer.text()
            found = re.search(r'name="csrf" value="([^"]+)"', text)
            self.csrf = found[1] if found else self.csrf
            return Answer(status=answer.status, text=text, headers=answer.headers)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, data: Any = None, **headers: str) -> Answer:
        return await self.ask("POST", path, data={"csrf": self.csrf, **(data or {})}, **headers)

    async def log_in(self, name: str, password: str = PASSWORD, *, then: str = "/", **headers: str) -> Answer:
        await self.get("/login", **headers)
        answer = await self.post("/login", {"name": name, "password": password, "next": then}, **headers)
        if answer.status == 303:
            await self.get("/", **headers)
        return answer

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self._session.cookie_jar}

    def hold(self, cookies: dict[str, str]) -> None:
        self._session.cookie_jar.update_cookies(cookies, URL(self._url))

    async def close(self) -> None:
        await self._session.close()


@dataclass
class House:
    """A console with the users vera (viewer), sam (sender) and ann (approver), unless told otherwise."""

    console: Console
    door: Authenticator
    clock: Clock
    app: web.Application
    url: str
    browsers: list[Browser]

    def browser(self) -> Browser:
        self.browsers.append(browser := Browser(self.url))
        return browser

    async def browser_of(self, role: str) -> Browser:
        """Of whoever has this role; `nobody` is not logged in, but has seen the page to log in."""
        browser = self.browser()
        if role == "nobody":
            await browser.get("/login")
        else:
            assert (await browser.log_in(NAMES[role])).status == 303
        return browser


NAMES = {"viewer": "vera", "sender": "sam", "approver": "ann"}


@asynccontextmanager
async def house(
    folder: Path, *, place: Site | None = None, by_link: bool = False, roles: Iterable[str] = ROLES, more: Iterable[web.RouteDef] = ()
) -> AsyncIterator[House]:
    store, passwords, clock = Store(folder / "console.db"), Passwords(CHEAP), Clock()
    browsers: list[Browser] = []
    try:
        for role in roles:
            await users.add(store, NAMES[role], role, passwords.hashed(PASSWORD))
        settings = IsolatedSettings.read(ledger=str(folder / "campaign.db"))
        console = Console(folder=folder, settings=settings, store=store, pages=Pages())
        door = Authenticator(store=store, key=key_in(folder / "console.key"), by_link=by_link, passwords=passwords, now=clock, steady=clock)
        app = make_app(console, door, place)
        app.add_routes(more)
        async with TestServer(app) as server:
            yield House(console=console, door=door, clock=clock, app=app, url=str(server.make_url("")).rstrip("/"), browsers=browsers)
    finally:
        for browser in browsers:
            await browser.close()
        passwords.close()
        store.close()


def is_in(answer: Answer) -> bool:
    """Whether it is a page of somebody who is logged in."""
    return answer.status == 200 and 'action="/logout"' in answer.text


def check_headers(answer: Answer) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.getall(name) == [value], name
    assert "Server" not in answer.headers


async def seen(browser: Browser) -> bool:
    """Whether its session is still one; else it is led to the log-in."""
    answer = await browser.get("/")
    assert is_in(answer) or (answer.status, answer.where) == (303, "/login")
    return is_in(answer)
