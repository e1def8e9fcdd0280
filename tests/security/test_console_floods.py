"""Whatever is asked for in masses is bounded: sessions, streams, uploads, and the room on the disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from campaign.console.access import Role
from campaign.console.auth import sessions
from campaign.console.campaigns import broadcast, corrections
from campaign.console.drafts import uploads
from tests.console.auth_given import house, seen
from tests.console.campaigns_given import scene, stream
from tests.console.drafts_given import CSRF, LIST, desk
from tests.console.test_campaigns_files import SOME_MISSING, taken
from tests.console.waiting import until


async def test_a_user_has_so_many_sessions_and_the_oldest_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_A_USER", 2)
    async with house(tmp_path) as given:
        other = await given.browser_of("viewer")
        browsers = []
        for _ in range(3):
            given.clock.now += 1
            browsers.append(await given.browser_of("sender"))
        assert [await seen(browser) for browser in (*browsers, other)] == [False, True, True, True]
        rows = await given.console.store.do(lambda db: db.execute("SELECT count(*) FROM sessions").fetchall())
        assert rows == [(3,)]


async def test_a_person_watches_only_so_much_at_once_and_others_are_not_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MOST_OF_A_PERSON", 2)
    headers = {"Accept": "text/event-stream", "Sec-Fetch-Mode": "cors"}
    async with scene(tmp_path) as at:
        async with AsyncExitStack() as open_:
            for _ in range(2):
                await anext(await open_.enter_async_context(stream(at, "/live")))
            async with at.given.client.get("/live", headers=headers) as answer:
                assert (answer.status, "too many pages open" in await answer.text()) == (503, True)
            at.is_now("vera", Role.VIEWER)
            await anext(await open_.enter_async_context(stream(at, "/live")))
            at.is_now("sam", Role.APPROVER)

        async def is_free() -> bool:
            async with at.given.client.get("/live", headers=headers) as answer:
                return answer.status == 200

        # A stream that is left makes room as soon as that is noticed.
        monkeypatch.setattr("campaign.console.campaigns.broadcast.KEEPALIVE_SECONDS", 0.1)
        await until(is_free)


async def test_only_so_many_different_things_are_looked_up_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MOST_WATCHED", 2)
    headers = {"Accept": "text/event-stream", "Sec-Fetch-Mode": "cors"}
    async with scene(tmp_path) as at, AsyncExitStack() as open_:
        for words in ("a", "b", "b"):
            await anext(await open_.enter_async_context(stream(at, f"/live?words={words}")))
        async with at.given.client.get("/live?words=c", headers=headers) as answer:
            assert (answer.status, "Too many different pages" in await answer.text()) == (503, True)


async def test_a_person_uploads_only_so_many_files_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_OF_A_PERSON", 1)
    go_on = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{CSRF}\r\n'.encode()
        yield b'--b\r\nContent-Disposition: form-data; name="list"; filename="promo.csv"\r\n\r\n' + LIST * 1000
        await go_on.wait()
        yield b"\r\n--b--\r\n"

    async with desk(tmp_path) as at:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        first = asyncio.create_task(at.given.client.post("/new", data=content(), headers=headers))
        await until(lambda: any(".part-" in file for file in at.files()))
        refused = await at.upload()
        assert (refused.status, refused.codes) == (422, {"too_many_uploads"})
        at.given.door.is_now("bob", Role.SENDER)
        assert (await at.upload()).path.endswith("/column")
        at.given.door.is_now("sam", Role.APPROVER)
        go_on.set()
        (await first).release()
        assert (await at.upload()).path.endswith("/column")


async def test_uploads_leave_room_on_the_disk_for_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        failed = await taken(at, "failed.csv")
        monkeypatch.setattr(uploads, "LEFT_FREE_BYTES", 1 << 60)
        answer = await at.upload(at.page_of("promo", "corrected"), failed, "failed.csv")
        assert answer.codes == {"disk_full"}
        assert list((tmp_path / "corrected").iterdir()) == []
    async with desk(tmp_path) as at_desk:
        refused = await at_desk.upload()
        assert (refused.status, refused.codes) == (507, {"disk_full"})
        assert at_desk.files() == []


async def test_a_person_keeps_only_so_many_corrected_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "MOST_OF_A_PERSON", 1)
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        failed = await taken(at, "failed.csv")
        page = at.page_of("promo", "corrected")
        assert "Send 3 messages again?" in (await at.upload(page, failed, "failed.csv")).words
        refused = await at.upload(page, failed, "failed.csv")
        assert (refused.status, refused.codes) == (422, {"too_many_files"})
        at.is_now("bob", Role.APPROVER)
        assert "Send 3 messages again?" in (await at.upload(page, failed, "failed.csv")).words
