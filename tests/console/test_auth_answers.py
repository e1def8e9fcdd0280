"""What every answer has, whatever was asked: its headers, its words, and nothing of how the console is made."""

import io
import os
import re
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
import structlog
from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.auth.site import HEADERS, POLICY
from campaign.console.pages import texts
from campaign.domain.errors import InputError, LedgerError
from tests.console.auth_given import check_headers, house, is_in

TEXTS = texts()
FORM = "application/x-www-form-urlencoded"
SECRET = "the very inside of it"


@allow(Role.NOBODY)
async def broken(_request: web.Request) -> web.StreamResponse:
    raise RuntimeError(SECRET)


@allow(Role.NOBODY)
async def wrong_list(_request: web.Request) -> web.StreamResponse:
    raise InputError("the <b>row</b> is short", file="list.csv", row=3)


@allow(Role.NOBODY)
async def no_ledger(_request: web.Request) -> web.StreamResponse:
    raise LedgerError("The ledger can't be read.")


@allow(Role.NOBODY)
async def own_words(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound(text="The handler's own words.")


@allow(Role.NOBODY)
async def form(request: web.Request) -> web.StreamResponse:
    await request.post()
    return web.Response(text="read")


@allow(Role.NOBODY)
async def stream(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(b"data: 1\n\n")
    return answer


@allow(Role.NOBODY)
async def half(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"pass_id,message\n")
    raise RuntimeError(SECRET)


MORE = [
    web.get("/half", half),
    web.get("/broken", broken),
    web.get("/wrong", wrong_list),
    web.get("/ledger", no_ledger),
    web.get("/own", own_words),
    web.post("/form", form),
    web.get("/stream", stream),
]


async def test_every_answer_has_the_headers(tmp_path: Path) -> None:
    async with house(tmp_path, more=MORE) as given:
        browser = await given.browser_of("viewer")
        asked = {
            ("GET", "/"): 200,
            ("GET", "/login"): 303,
            ("GET", "/trail"): 403,
            ("GET", "/nowhere"): 404,
            ("GET", "/static/style.css"): 200,
            ("GET", "/static/nothing.css"): 404,
            ("POST", "/"): 405,
            ("PATCH", "/"): 405,
            ("OPTIONS", "/"): 405,
            ("GET", "/broken"): 500,
            ("GET", "/wrong"): 422,
            ("GET", "/ledger"): 503,
            ("GET", "/stream"): 200,
        }
        for (method, path), status in asked.items():
            answer = await browser.ask(method, path)
            assert answer.status == status, (method, path)
            check_headers(answer)
            if not path.startswith("/static/s"):
                assert answer.headers["Cache-Control"] == "no-store"
        unknown = await given.browser().get("/")
        assert unknown.status == 303
        check_headers(unknown)


def test_the_policy_lets_nothing_in_that_is_not_ours_and_frames_nothing() -> None:
    said = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert said["default-src"] == "'none'"
    assert said["frame-ancestors"] == "'none'"
    assert said["base-uri"] == "'none'"
    assert all(value in {"'none'", "'self'"} for value in said.values())
    assert HEADERS["X-Frame-Options"] == "DENY"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"


async def test_no_page_has_a_script_or_a_style_of_its_own(tmp_path: Path) -> None:
    async with house(tmp_path, by_link=True) as given:
        for role, paths in (("nobody", ("/login", "/enter?key=x", "/nowhere")), ("approver", ("/", "/trail"))):
            browser = await given.browser_of(role)
            for path in paths:
                text = (await browser.get(path)).text
                assert text.startswith("<!doctype html>")
                assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", text), path


async def test_errors_are_told_in_words(tmp_path: Path) -> None:
    async with house(tmp_path, more=MORE) as given:
        browser = await given.browser_of("viewer")
        for path, words in (
            ("/nowhere", TEXTS["shell.error.missing"]),
            ("/own", "The handler&#39;s own words."),
            ("/wrong", "list.csv, row 3: the &lt;b&gt;row&lt;/b&gt; is short"),
            ("/ledger", "The ledger can&#39;t be read."),
        ):
            answer = await browser.get(path)
            assert f">{words}</p>" in answer.text
        method = await browser.ask("POST", "/trail")
        assert TEXTS["shell.error.method"] in method.text.replace("&#39;", "'")
        assert method.headers["Allow"] == "GET,HEAD"


async def test_a_fault_is_told_by_a_number_that_is_in_the_log(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        async with house(tmp_path, more=MORE) as given:
            answer = await (await given.browser_of("viewer")).get("/broken")
    assert answer.status == 500
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    event = next(event for event in logged if event["event"] == "request_broke_off")
    assert event["id"] in answer.text
    assert any(SECRET in line for line in event["traceback"])


async def test_an_answer_that_breaks_off_is_seen_to_be_half(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        async with house(tmp_path, more=MORE) as given:
            with pytest.raises(aiohttp.ClientPayloadError):
                await given.browser().get("/half")
    assert any(event["event"] == "request_broke_off" for event in logged)


async def test_a_fault_can_be_logged_on_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with house(tmp_path, more=MORE) as given:
        answer = await given.browser().get("/broken")
    assert answer.status == 500
    assert SECRET in capsys.readouterr().out


async def test_a_log_that_can_not_be_written_keeps_nobody_from_a_page(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as gone:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=gone))
        try:
            async with house(tmp_path, more=MORE) as given:
                assert (await given.browser().get("/login")).status == 200
                assert (await given.browser().get("/broken")).status == 500
        finally:
            structlog.reset_defaults()
            with suppress(BrokenPipeError):
                gone.close()


async def test_the_log_has_no_queries_cookies_keys_and_passwords(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        async with house(tmp_path, by_link=True) as given:
            browser = await given.browser_of("approver")
            await browser.get("/enter?key=the-key-of-the-link")
            await browser.get("/trail?before=7777777")
            await given.browser().log_in("ann", "a mistyped password")
            held = next(value for name, value in browser.cookies.items() if name.startswith("campaign-session"))
    told = repr(logged)
    for secret in ("the-key-of-the-link", "7777777", "a mistyped password", held, browser.csrf, "a long enough password"):
        assert secret not in told
    lines = [event for event in logged if event["event"] == "request"]
    wanted = {"method": "GET", "path": "/trail", "status": 200, "person": "ann"}
    assert any(wanted.items() <= line.items() for line in lines)


async def test_a_body_that_is_too_large_is_told(tmp_path: Path) -> None:
    async with house(tmp_path, more=MORE) as given:
        browser = await given.browser_of("viewer")
        answer = await browser.ask("POST", "/form", data=io.BytesIO(b"text=" + b"x" * (1 << 20)), Content_Type=FORM)
        assert answer.status == 413
        assert TEXTS["shell.error.large"] in answer.text
        check_headers(answer)
        assert (await browser.post("/form", {"text": "x" * 1000})).text == "read"


async def test_who_is_logged_in_sees_who_they_are(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        answer = await (await given.browser_of("sender")).get("/")
        assert is_in(answer)
        assert "sam" in answer.text
        assert 'href="/trail"' not in answer.text
