"""Every route, asked for by everybody: who may is a table, and a route that is not in it is a failure."""

import re
from pathlib import Path

import pytest
from aiohttp import BodyPartReader, FormData, MultipartReader, web

from campaign.console.access import Role, allow, rule_of
from campaign.console.auth import csrf
from campaign.console.pages import texts
from tests.console.auth_given import PASSWORD, ROLES, Browser, house

EVERYBODY = ("nobody", *ROLES)

# Who may first; everybody after them in EVERYBODY may, too.
DOOR = {
    "GET /static/{name}": "nobody",
    "GET /login": "nobody",
    "POST /login": "nobody",
    "POST /logout": "viewer",
    "GET /enter": "nobody",
    "POST /enter": "nobody",
    "GET /trail": "approver",
}
CAMPAIGNS = {
    "GET /": "viewer",
    "GET /live": "viewer",
    "GET /campaigns/{name}": "viewer",
    "GET /campaigns/{name}/live": "viewer",
    "GET /campaigns/{name}/{chart}.svg": "viewer",
    "GET /campaigns/{name}/report.html": "sender",
    "GET /campaigns/{name}/{which}.{format}": "sender",
    "POST /campaigns/{name}/pause": "sender",
    "GET /campaigns/{name}/resume": "sender",
    "POST /campaigns/{name}/resume": "sender",
    "GET /campaigns/{name}/cancel": "sender",
    "POST /campaigns/{name}/cancel": "sender",
    "POST /campaigns/{name}/verify": "sender",
    "GET /campaigns/{name}/again": "sender",
    "GET /campaigns/{name}/again/sure": "sender",
    "POST /campaigns/{name}/again": "sender",
    "POST /campaigns/{name}/corrected": "sender",
    "POST /campaigns/{name}/corrected/send": "sender",
}
DRAFTS = (
    dict.fromkeys(("GET /new", "POST /new"), "sender")
    | dict.fromkeys(
        (f"GET /drafts/{{draft}}/{step}" for step in ("list", "column", "message", "check", "controls", "test", "send")), "sender"
    )
    | dict.fromkeys(
        (f"POST /drafts/{{draft}}/{step}" for step in ("list", "header", "column", "message", "controls", "test", "send")), "sender"
    )
    | dict.fromkeys(
        (f"POST /drafts/{{draft}}/{path}" for path in ("preview", "exclude", "exclude/remove", "remove", "ask", "take-back")), "sender"
    )
    | dict.fromkeys(("GET /drafts/{draft}/problem-rows.csv",), "sender")
    | dict.fromkeys(
        ("POST /drafts/{draft}/approve", "POST /drafts/{draft}/send-back", "GET /approvals", "GET /approvals/count"), "approver"
    )
)
ROUTES = DOOR | CAMPAIGNS | DRAFTS

TEXTS = texts()


def routes_of(app: web.Application) -> dict[str, web.AbstractRoute]:
    found: dict[str, web.AbstractRoute] = {}
    for route in app.router.routes():
        assert route.resource is not None
        if route.method != "HEAD":
            found[f"{route.method} {route.resource.canonical}"] = route
    return found


def reads_its_own_body(app: web.Application, route: str) -> bool:
    terms = rule_of(routes_of(app)[route].handler)
    return terms is not None and terms.streamed


def a_path(pattern: str) -> str:
    """An address of the pattern, of something that there is not."""
    return re.sub(r"\{[^}]+\}", "7", pattern)


async def asked(browser: Browser, route: str) -> tuple[int, str, str]:
    method, pattern = route.split(" ", 1)
    if method == "GET":
        answer = await browser.get(a_path(pattern))
    else:
        answer = await browser.ask(method, a_path(pattern), data={"csrf": browser.csrf}, X_CSRF_Token=browser.csrf)
    return answer.status, answer.where, answer.text


async def test_the_table_is_complete_and_each_handler_says_who_may(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        found = routes_of(given.app)
        assert set(found) == set(ROUTES)
        for name, route in found.items():
            terms = rule_of(route.handler)
            assert terms is not None, name
            assert terms.role.name.lower() == ROUTES[name], name


@pytest.mark.parametrize("role", EVERYBODY)
async def test_who_may_and_who_may_not(tmp_path: Path, role: str) -> None:
    async with house(tmp_path, by_link=True) as given:
        for route, least in ROUTES.items():
            browser = await given.browser_of(role)
            status, where, text = await asked(browser, route)
            may = EVERYBODY.index(role) >= EVERYBODY.index(least)
            turned_away = where.startswith("/login") or TEXTS["shell.error.forbidden"] in text
            # Leaving leads to the log-in as well.
            assert turned_away is (not may) or (may and route == "POST /logout"), (route, role, status, where)
            if not may:
                assert (status, where.partition("?")[0]) == ((303, "/login") if role == "nobody" else (403, "")), (route, role)
            else:
                assert TEXTS["shell.error.forged"] not in text, (route, role)
                assert status not in {401, 500} or route == "POST /login", (route, role)


@pytest.mark.parametrize("token", ["", "forged", "ÿ\u2028"])
async def test_a_forged_token_is_refused_by_every_route_that_changes_something(tmp_path: Path, token: str) -> None:
    async with house(tmp_path, by_link=True) as given:
        for route in ROUTES:
            method, pattern = route.split(" ", 1)
            if method == "GET":
                continue
            browser = await given.browser_of("approver")
            before = await given.console.store.do(lambda db: db.execute("SELECT count(*) FROM audit").fetchall())
            answer = await browser.ask(method, a_path(pattern), data={"csrf": token, "name": "ann", "password": "x"})
            # A handler that reads its own body may see first that there is nothing to change.
            nothing_there = reads_its_own_body(given.app, route) and "{" in pattern and answer.status == 404
            assert nothing_there or (answer.status == 403 and TEXTS["shell.error.forged"] in answer.text), route
            assert await given.console.store.do(lambda db: db.execute("SELECT count(*) FROM audit").fetchall()) == before, route
            assert (await browser.get("/trail")).status == 200, route


async def test_no_token_at_all_is_forged_too(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        answer = await given.browser().post("/login", {"csrf": "", "name": "ann", "password": PASSWORD})
        assert answer.status == 403


@allow(Role.VIEWER, streamed=True)
async def upload(request: web.Request) -> web.StreamResponse:
    UPLOADED.append(parts := await request.multipart())
    part = await parts.next()
    assert isinstance(part, BodyPartReader)
    csrf.check(request, await part.text())
    return web.Response(text="taken")


UPLOADED: list[MultipartReader] = []


async def test_a_handler_that_reads_its_own_body_checks_the_token_itself(tmp_path: Path) -> None:
    UPLOADED.clear()
    async with house(tmp_path, more=[web.post("/upload", upload)]) as given:
        browser = await given.browser_of("viewer")
        for token, origin, status in (
            (browser.csrf, given.url, 200),
            ("forged", given.url, 403),
            (browser.csrf, "https://evil.example", 403),
        ):
            form = FormData(default_to_multipart=True)
            form.add_field("csrf", token)
            form.add_field("list", b"pass_id\n1\n", filename="list.csv")
            assert (await browser.ask("POST", "/upload", data=form, Origin=origin)).status == status
        # What another site's page sent is refused before a byte of it is read.
        assert len(UPLOADED) == 2


async def test_a_token_of_another_session_is_forged(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        ann, sam = await given.browser_of("approver"), await given.browser_of("sender")
        assert (await ann.post("/logout", {"csrf": sam.csrf})).status == 403
        assert (await ann.post("/logout")).status == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "null"}, 303),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"}, 403),
        ({}, 303),
    ],
)
async def test_what_the_browser_says_of_where_a_form_is_from_is_heeded(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("viewer")
        assert (await browser.post("/logout", **headers)).status == status


async def test_an_own_origin_is_let_in(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("viewer")
        assert (await browser.post("/logout", Origin=given.url)).status == 303


async def test_parts_of_pages_are_told_and_led_to_the_log_in(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        part = await browser.get("/trail", HX_Request="true", HX_Current_URL=f"{given.url}/trail?before=7")
        assert (part.status, part.headers["HX-Redirect"]) == (401, "/login?next=%2Ftrail%3Fbefore%3D7")
        away = await browser.get("/trail", HX_Request="true", HX_Current_URL="https://evil.example//evil.example/x")
        assert away.headers["HX-Redirect"] == "/login"
        stream = await browser.get("/trail", Accept="text/event-stream")
        assert (stream.status, stream.text) == (401, TEXTS["shell.error.log_in"])
        script = await browser.get("/trail", Sec_Fetch_Mode="cors")
        assert script.status == 401


async def test_an_error_of_a_part_is_told_at_the_top_of_the_page(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("viewer")
        part = await browser.get("/trail", HX_Request="true")
        assert (part.status, part.headers["HX-Retarget"]) == (403, "#said")
        assert "<html" not in part.text
        assert TEXTS["shell.error.forbidden"] in part.text


async def test_a_handler_that_names_no_role_is_for_nobody(tmp_path: Path) -> None:
    async def forgotten(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="a secret")

    async with house(tmp_path, more=[web.get("/forgotten", forgotten)]) as given:
        for role in EVERYBODY:
            answer = await (await given.browser_of(role)).get("/forgotten")
            assert answer.status == 403
            assert "secret" not in answer.text
