"""Bodies that come slowly, or never: what somebody may do is what they may when the last byte is in, and no wait is without an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from campaign.console import audit_log
from campaign.console.auth import csrf, users
from campaign.console.drafts import uploads
from campaign.console.drafts.store import DraftStore
from tests.console.auth_given import Browser, House, house
from tests.console.waiting import until

UPLOAD = (
    '--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n'
    '--b\r\nContent-Disposition: form-data; name="list"; filename="promo.csv"\r\n\r\npass_id\n'
)


class Slow:
    """A request of a logged-in browser whose body is sent by and by."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, more: bytes) -> None:
        self._writer.write(more)
        await self._writer.drain()

    async def answer(self) -> str:
        """Its head: a server that answers before the body has come holds the connection open for a while."""
        async with asyncio.timeout(20):
            return (await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")


@asynccontextmanager
async def slow(given: House, browser: Browser, path: str, *, length: int, kind: str, **headers: str) -> AsyncIterator[Slow]:
    host, _, port = given.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookies}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n{more}\r\n".encode()
    )
    await writer.drain()
    try:
        yield Slow(reader, writer)
    finally:
        writer.transport.abort()


async def entries(given: House) -> list[str]:
    return [entry.action for entry in await audit_log.entries(given.console.store)]


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("by_header", [False, True])
async def test_who_is_removed_while_their_form_comes_in_does_nothing_more(tmp_path: Path, *, by_header: bool) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("approver")
        draft = await asyncio.to_thread(DraftStore(tmp_path).begin, "ann")
        form = urlencode({"csrf": browser.csrf, "name": "x" * 1000}).encode()
        headers = {"X_CSRF_Token": browser.csrf} if by_header else {}
        async with slow(given, browser, f"/drafts/{draft.id}/remove", length=len(form), kind=FORM, **headers) as request:
            await request.send(form[:-1])
            await asyncio.sleep(0.2)
            await users.remove(given.console.store, "ann")
            await request.send(form[-1:])
            answer = await request.answer()
        assert answer.startswith("HTTP/1.1 303")
        assert "/login" in answer
        assert (tmp_path / "drafts" / draft.id).exists()


async def test_who_has_another_role_when_their_form_is_in_does_what_that_role_may(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("approver")
        form = urlencode({"csrf": browser.csrf, "note": "no"}).encode()
        async with slow(given, browser, f"/drafts/{'0' * 32}/send-back", length=len(form), kind=FORM) as request:
            await request.send(form[:-1])
            await asyncio.sleep(0.2)
            await users.set_role(given.console.store, "ann", "viewer")
            await request.send(form[-1:])
            assert (await request.answer()).startswith("HTTP/1.1 403")


async def test_who_is_out_when_their_upload_is_in_has_uploaded_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("sender")
        start, end = UPLOAD.format(csrf=browser.csrf).encode() + b"pass-0\n" * 100_000, b"pass-1\n\r\n--b--\r\n"
        async with slow(given, browser, "/new", length=len(start) + len(end), kind="multipart/form-data; boundary=b") as request:
            await request.send(start)
            await until(lambda: any((tmp_path / "drafts").glob("*/.part-*")))
            await users.set_role(given.console.store, "sam", "viewer")
            await request.send(end)
            assert (await request.answer()).startswith("HTTP/1.1 403")
        assert [path.name for path in (tmp_path / "drafts").iterdir()] == [".lock"]
        assert "uploaded a list" not in await entries(given)


async def test_a_form_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csrf, "FORM_SECONDS", 0.3)
    async with house(tmp_path) as given:
        browser = await given.browser_of("nobody")
        async with slow(given, browser, "/login", length=1000, kind=FORM) as request:
            await request.send(b"csrf=")
            assert (await request.answer()).startswith("HTTP/1.1 408")


async def test_an_upload_that_stands_still_is_not_waited_for_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "STILL_SECONDS", 0.3)
    async with house(tmp_path) as given:
        browser = await given.browser_of("sender")
        start = UPLOAD.format(csrf=browser.csrf).encode()
        async with slow(given, browser, "/new", length=1_000_000, kind="multipart/form-data; boundary=b") as request:
            await request.send(start + b"pass-0\n" * 100_000)
            assert (await request.answer()).startswith("HTTP/1.1 408")
        assert [path.name for path in (tmp_path / "drafts").iterdir()] == [".lock"]
