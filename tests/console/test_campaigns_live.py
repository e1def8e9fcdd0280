"""What is seen of a campaign while it goes on."""

import asyncio
import socket
from pathlib import Path

import pytest

from campaign.console.access import Role
from campaign.console.campaigns.broadcast import HUB, Broadcaster, Snapshot
from campaign.domain.model import CampaignState
from tests.console.campaigns_given import Scene, scene, stream
from tests.console.waiting import until


def hub_of(at: Scene) -> Broadcaster:
    app = at.given.client.app
    assert app is not None
    return app[HUB]


async def test_frames_come_while_it_is_sent_and_end_when_it_is_done(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        process = await at.run("promo", 60, rate=20, code=None)
        await until(lambda: (tmp_path / "campaign.db").exists() and _begun(at))
        async with stream(at, at.page_of("promo", "live")) as events:
            frames = [event async for event in events]
        assert "is being sent" in frames[0]
        assert "60</span> delivered" in frames[-2].replace("data: ", "")
        assert frames[-1].startswith("event: ended")
        assert len(frames) >= 3
        assert hub_of(at).watched == {}
        assert await process.wait() == 0


async def test_everybody_who_watches_shares_one_look(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", 400, rate=40, code=None)
        await until(lambda: (tmp_path / "campaign.db").exists() and _begun(at))
        async with stream(at, at.page_of("promo", "live")) as one, stream(at, at.page_of("promo", "live")) as two:
            await anext(one)
            await anext(two)
            assert hub_of(at).watched == {"campaign promo": 2}
        await until(lambda: hub_of(at).watched == {})


async def test_who_may_not_steer_it_gets_no_buttons_in_frames(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", 400, rate=40, code=None)
        await until(lambda: (tmp_path / "campaign.db").exists() and _begun(at))
        async with stream(at, at.page_of("promo", "live")) as mine:
            frame = await anext(mine)
            at.is_now("vera", Role.VIEWER)
            async with stream(at, at.page_of("promo", "live")) as theirs:
                other = await anext(theirs)
        assert ("steer-pause" in frame, "steer-pause" in other) == (True, False)


async def test_a_stream_ends_when_the_watcher_is_logged_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.console.campaigns.broadcast.CHECK_SECONDS", 0.0)
    async with scene(tmp_path) as at:
        await at.run("promo", 400, rate=20, code=None)
        await until(lambda: (tmp_path / "campaign.db").exists() and _begun(at))
        async with stream(at, at.page_of("promo", "live")) as events:
            await anext(events)
            at.given.door.visitor = None
            async with asyncio.timeout(10):
                assert [event async for event in events if event.startswith("event: ended")] == []


async def test_a_browser_that_takes_nothing_holds_up_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", 120, rate=40, code=None)
        await until(lambda: (tmp_path / "campaign.db").exists() and _begun(at))
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        url = at.given.client.make_url("/")
        assert url.host is not None
        slow.setblocking(False)  # noqa: FBT003 - its only argument
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (url.host, url.port))
        await loop.sock_sendall(
            slow, f"GET {at.page_of('promo', 'live')} HTTP/1.1\r\nHost: {url.authority}\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        try:
            await until(lambda: bool(hub_of(at).watched))
            async with stream(at, at.page_of("promo", "live")) as events, asyncio.timeout(30):
                frames = [event async for event in events]
            assert frames[-1].startswith("event: ended")
        finally:
            slow.close()


async def test_the_list_is_live_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", 400, rate=40, code=None)
        await until(lambda: (tmp_path / "campaign.db").exists() and _begun(at))
        async with stream(at, "/live") as events:
            first, second = await anext(events), await anext(events)
        assert "Sending" in first
        assert first != second


async def test_a_place_keeps_the_newest_frame_only_and_looks_end_with_the_last_watcher() -> None:
    looks = 0

    async def look() -> Snapshot:
        nonlocal looks
        looks += 1
        return Snapshot(whole=str(looks), counts="", over=False, rest_seconds=0.01)

    hub = Broadcaster()
    async with hub.watch("a", look) as place:
        await until(lambda: looks >= 5)
        frame = await place.next(1)
        assert frame is not None
        assert int(frame.whole) >= 5
    assert hub.watched == {}
    seen = looks
    await asyncio.sleep(0.05)
    assert looks == seen


async def test_who_comes_later_sees_nothing_that_was_looked_at_before() -> None:
    state, ledger, go_on = "sending", asyncio.Event(), asyncio.Event()

    async def look() -> Snapshot:
        seen = state
        ledger.set()
        await go_on.wait()
        return Snapshot(whole=seen, counts="", over=False, rest_seconds=0.01)

    hub = Broadcaster()
    async with hub.watch("a", look) as early:
        await ledger.wait()
        state = "paused"
        async with hub.watch("a", look) as late:
            go_on.set()
            first, second = await early.next(5), await late.next(5)
    assert first is not None
    assert second is not None
    assert (first.whole, second.whole) == ("sending", "paused")


async def test_a_look_that_fails_ends_the_watching_and_the_next_one_begins_anew() -> None:
    failing = True

    async def look() -> Snapshot:
        if failing:
            raise OSError("the disk is gone")
        return Snapshot(whole="fine", counts="", over=True)

    hub = Broadcaster()
    async with hub.watch("a", look) as place:
        assert await place.next(5) is None
    failing = False
    async with hub.watch("a", look) as place:
        frame = await place.next(5)
        assert frame is not None
        assert frame.whole == "fine"


async def test_a_long_look_is_made_seldom() -> None:
    looks = 0

    async def look() -> Snapshot:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.05)
        return Snapshot(whole=str(looks), counts="", over=False, rest_seconds=0.0)

    hub = Broadcaster()
    async with hub.watch("a", look):
        await asyncio.sleep(0.3)
    assert looks == 1
    await hub.close()


def _begun(at: Scene) -> bool:
    try:
        return at.state("promo").state is CampaignState.SENDING
    except AssertionError:
        return False
