"""One call, one request on the wire: what it holds, where it goes, and what is never done with it."""

import asyncio
import os
from pathlib import Path
from unittest.mock import patch

import orjson
import pytest

from campaign.domain.errors import UsageError
from campaign.domain.verdict import Fault, Latest, Reply, Signature
from campaign.sender.api.gateway import KEEP_ALIVE_SECONDS, HttpGateway, Timeouts
from campaign.sender.port import Gateway
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import Simulator
from tests.integration.gateway.rawserver import DELIVERED, OK, TOKEN, Script, Wire, answer, gateway, hang, http, replying, serving

SENT = Reply(
    http_status=200,
    notification_status="delivered",
    notification_message="Delivered succesfully",
    pass_status="active",
    device_type="apple",
)


async def test_a_send_is_one_request_with_the_message_and_nothing_of_this_machine() -> None:
    async with serving() as server, gateway(server.url) as campaign:
        assert await campaign.send("a-1", "Grüße 🎁 “x”") == SENT
    head, _, body = server.received.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    assert line == "POST /api/v1/passes/a-1/notification HTTP/1.1"
    headers = dict(field.split(": ", 1) for field in fields)
    assert headers.pop("User-Agent").startswith("campaign/")
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    assert orjson.loads(body) == {"notification": {"message": "Grüße 🎁 “x”"}}
    assert server.requests == 1


async def test_half_a_character_in_a_message_is_never_sent() -> None:
    async with serving() as server, gateway(server.url) as campaign:
        fault = await campaign.send("a", "\ud83d")
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written, server.wires) == ("bad_message", False, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with serving() as elsewhere, serving(replying(*2 * [http(status, b"", f"Location: {elsewhere.url}/")])) as server:
        async with gateway(server.url) as campaign:
            sent, read = await campaign.send("a", "Hello"), await campaign.read("a")
        assert isinstance(sent, Reply)
        assert (sent.http_status, read.http_status) == (status, status)
        assert sent.signature == read.signature == Signature(empty=True, redirects_to="127.0.0.1")
        assert elsewhere.wires == []


async def test_a_send_is_not_repeated_on_a_connection_that_died() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(OK)
        await wire.request()
        wire.close()

    async with serving(script) as server, gateway(server.url) as campaign:
        assert await campaign.send("a", "Hello") == SENT
        fault = await campaign.send("b", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written) == ("disconnected", True)
        assert (server.requests, len(server.wires)) == (2, 1)


async def test_neither_is_a_read() -> None:
    async with serving(replying(OK, b"")) as server, gateway(server.url) as campaign:
        assert (await campaign.read("a")).latest is Latest.TEXT
        reading = await campaign.read("b")
        assert (reading.latest, reading.http_status) == (Latest.UNREADABLE, None)
        assert (server.requests, len(server.wires)) == (2, 1)


@pytest.mark.parametrize("reading", [False, True], ids=["send", "read"])
async def test_an_answer_nobody_asked_for_is_never_taken_for_the_next_one(*, reading: bool) -> None:
    answered = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(OK)
        if len(server.wires) == 1 + reading:
            await answered.wait()
            await wire.write(http(404, b'{"errors": ["stale"]}'))
        await answer(wire)

    async with serving(script) as server, gateway(server.url) as campaign:
        assert await campaign.send("a", "Hello") == SENT
        if reading:
            await campaign.read("a")
        answered.set()
        await asyncio.sleep(0.05)  # real time, for it to arrive
        if reading:
            assert (await campaign.read("b")).http_status is None
            assert (await campaign.read("b")).latest is Latest.TEXT
        else:
            fault = await campaign.send("b", "Hello")
            assert isinstance(fault, Fault)
            assert (fault.reason, fault.written) == ("connect", False)
            assert await campaign.send("b", "Hello") == SENT
        assert (server.requests, len(server.wires)) == ((3, 3) if reading else (2, 2))


GATEWAY = http(504, b"gateway")
PAGE = http(200, b"<html>login</html>")
NOT_FOUND = http(404, b'{"errors": ["Pass not found"]}')
LIMITED = http(429, b"", "x-rate-limit-limit: 10")


@pytest.mark.parametrize(("reply", "kept"), [(GATEWAY, False), (PAGE, False), (NOT_FOUND, True), (LIMITED, True), (OK, True)])
async def test_a_connection_is_used_again_after_a_whole_answer_of_passentry_only(reply: bytes, *, kept: bool) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(reply)
        await answer(wire)

    async with serving(script) as server, gateway(server.url) as campaign:
        await campaign.send("a", "Hello")
        await campaign.send("b", "Hello")
        assert len(server.wires) == (1 if kept else 2)
        await campaign.read("a")
        await campaign.read("b")
        assert len(server.wires) == (2 if kept else 4)


async def test_connections_are_kept_but_not_for_long() -> None:
    with patch("campaign.sender.api.gateway.KEEP_ALIVE_SECONDS", 0.1):
        async with serving() as server, gateway(server.url) as campaign:
            await campaign.send("a", "Hello")
            await campaign.send("b", "Hello")
            assert len(server.wires) == 1
            await asyncio.sleep(0.2)  # real time is what ends it
            await campaign.send("c", "Hello")
            assert len(server.wires) == 2
    assert KEEP_ALIVE_SECONDS < 2


async def test_a_connection_closed_while_idle_is_left_alone() -> None:
    async with serving(replying(OK)) as server, gateway(server.url) as campaign:
        for _ in range(3):
            assert await campaign.send("a", "Hello") == SENT
            await server.ended()
            await asyncio.sleep(0.02)  # until its end has arrived
        assert (server.requests, len(server.wires)) == (3, 3)


async def test_no_cookie_proxy_or_netrc_is_used(tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password else\n")
    cookie = http(200, DELIVERED, "Set-Cookie: session=1; Path=/")
    async with serving(replying(cookie, cookie)) as server, serving() as proxy:
        with patch.dict(os.environ, {"http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "NETRC": str(netrc), "no_proxy": ""}):
            async with gateway(f"http://localhost:{server.port}") as campaign:
                assert [await campaign.send("a", "Hello"), await campaign.send("a", "Hello")] == [SENT, SENT]
        assert proxy.wires == []
    assert server.received.count(f"Authorization: Bearer {TOKEN}\r\n".encode()) == 2
    assert b"cookie" not in server.received.lower()


def hanging_on(method: bytes) -> Script:
    async def script(wire: Wire) -> None:
        while not (await wire.request()).startswith(method):
            await wire.write(OK)
        await hang(wire)

    return script


async def test_reads_do_not_hold_up_sends() -> None:
    async with serving(hanging_on(b"GET")) as server, gateway(server.url, concurrency=2) as campaign, asyncio.timeout(30):
        reads = [asyncio.create_task(campaign.read("a")) for _ in range(5)]
        await server.until(lambda: server.requests == 2)
        assert await campaign.send("b", "Hello") == SENT
        for task in reads:
            task.cancel()
        await asyncio.wait(reads)


async def test_sends_do_not_hold_up_reads() -> None:
    async with serving(hanging_on(b"POST")) as server, gateway(server.url, concurrency=2) as campaign, asyncio.timeout(30):
        sends = [asyncio.create_task(campaign.send("a", "Hello")) for _ in range(2)]
        await server.until(lambda: server.requests == 2)
        assert (await campaign.read("b")).latest is Latest.TEXT
        for task in sends:
            task.cancel()
        await asyncio.wait(sends)


async def test_the_token_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    asyncio.get_running_loop().set_debug(True)
    echo = http(400, f"<h1>{TOKEN}</h1>".encode(), f"X-Echo: {TOKEN}")
    async with serving(replying(echo, f"HTTP/1.1 {TOKEN}\r\n\r\n".encode())) as server, gateway(server.url) as campaign:
        told = [
            repr(campaign),
            repr(await campaign.send("a", "Hello")),
            repr(await campaign.send("a", "Hello")),
            repr(await campaign.read("a")),
        ]
    assert "***" in "".join(told)
    assert TOKEN not in "".join(told) + caplog.text


@pytest.mark.parametrize(("url", "token"), [("http://api.passentry.com", TOKEN), ("https://api.passentry.com", "a\r\nX-Evil: 1")])
def test_a_gateway_that_would_not_be_safe_can_not_be_made(url: str, token: str) -> None:
    with pytest.raises(UsageError):
        HttpGateway(url=url, token=token, concurrency=1, timeouts=Timeouts())


async def test_it_is_no_use_outside_of_its_block() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await gateway("http://127.0.0.1:1").send("a", "Hello")


async def test_the_simulator_is_served() -> None:
    async with Simulator(SimulatorConfig(port=0)) as simulator, gateway(simulator.url) as campaign:
        port: Gateway = campaign
        reply = await port.send("../x y/ä", "Hello")
        assert isinstance(reply, Reply)
        assert (reply.http_status, reply.readable, reply.notification_status) == (200, True, "delivered")
        assert reply.rate_limit is not None
        assert reply.rate_remaining == reply.rate_limit - 1
        reading = await port.read("../x y/ä")
        assert (reading.latest, reading.text, reading.http_status) == (Latest.TEXT, "Hello", 200)
