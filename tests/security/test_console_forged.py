"""Requests that no page of ours has made, and cookies whose time is over: on every route, in every way to send them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from campaign.console.auth import users
from campaign.console.drafts.store import DraftStore
from tests.console.auth_given import PASSWORD, Answer, Browser, House, house
from tests.console.test_auth_routes import CAMPAIGNS, DRAFTS, ROUTES, TEXTS, a_path
from tests.examples import slow_after

FORGED = "0" * 64
TABLES = ("audit", "launches", "owners")


async def counts(given: House) -> list[Any]:
    query = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in TABLES)
    return await given.console.store.do(lambda db: db.execute(query).fetchall())


def in_parts(token: str) -> FormData:
    form = FormData(default_to_multipart=True)
    form.add_field("csrf", token)
    form.add_field("list", b"pass_id\n1\n", filename="list.csv")
    return form


Way = Callable[[Browser, str, str], Awaitable[Answer]]
WAYS: dict[str, Way] = {
    "a form": lambda browser, path, token: browser.ask("POST", path, data={"csrf": token}),
    "a form with files": lambda browser, path, token: browser.ask("POST", path, data=in_parts(token)),
    "htmx": lambda browser, path, token: browser.ask("POST", path, data={"csrf": token}, HX_Request="true", X_CSRF_Token=token),
    "a header over a good field": lambda browser, path, token: browser.ask("POST", path, data={"csrf": browser.csrf}, X_CSRF_Token=token),
    "plain text": lambda browser, path, token: browser.ask("POST", path, data=f"csrf={token}".encode(), Content_Type="text/plain"),
    "JSON": lambda browser, path, token: browser.ask("POST", path, data=f'{{"csrf":"{token}"}}'.encode(), Content_Type="application/json"),
    "the address": lambda browser, path, token: browser.ask("POST", f"{path}?csrf={browser.csrf}&x={token}"),
    "nothing": lambda browser, path, _: browser.ask("POST", path),
}


@pytest.mark.parametrize("way", slow_after(3, WAYS))
async def test_a_forged_or_another_session_s_token_changes_nothing_however_it_is_sent(tmp_path: Path, way: str) -> None:
    async with house(tmp_path) as given:
        ann, other = await given.browser_of("approver"), await given.browser_of("approver")
        draft = DraftStore(tmp_path).begin("ann")
        before = await counts(given)
        for route in {**CAMPAIGNS, **DRAFTS, "POST /logout": ""}:
            method, pattern = route.split(" ", 1)
            if method != "POST":
                continue
            for token in (FORGED, other.csrf, "\ud800".encode("utf-8", "replace").decode()):
                answer = await WAYS[way](ann, a_path(pattern.replace("{draft}", draft.id)), token)
                assert (answer.status, TEXTS["shell.error.forged"] in answer.text) == (403, True), (route, token)
        assert await counts(given) == before
        assert DraftStore(tmp_path).find(draft.id) == draft
        assert (await ann.get("/trail")).status == 200


async def _left(given: House, browser: Browser) -> None:
    del given
    assert (await browser.post("/logout")).status == 303


async def _removed(given: House, _browser: Browser) -> None:
    await users.remove(given.console.store, "ann")


async def _other_password(given: House, _browser: Browser) -> None:
    await users.set_password(given.console.store, "ann", given.door.passwords.hashed(f"{PASSWORD} of another kind"))


async def _late(given: House, _browser: Browser) -> None:
    given.clock.now += 13 * 3600.0


@pytest.mark.parametrize("end", [_left, _removed, _other_password, _late])
async def test_a_cookie_whose_time_is_over_opens_no_route(tmp_path: Path, end: Callable[[House, Browser], Awaitable[None]]) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("approver")
        held, token = dict(browser.cookies), browser.csrf
        await end(given, browser)
        before = await counts(given)
        for route, least in ROUTES.items():
            if least == "nobody":
                continue
            method, pattern = route.split(" ", 1)
            browser.hold(held)
            data = {"csrf": token} if method == "POST" else None
            answer = await browser.ask(method, a_path(pattern), data=data, X_CSRF_Token=token)
            assert (answer.status, answer.where.partition("?")[0]) == (303, "/login"), route
        assert await counts(given) == before
