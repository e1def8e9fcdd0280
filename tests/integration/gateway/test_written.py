"""What is known when no answer came: whether any byte of the request left, and why it failed."""

import asyncio
import gzip
import socket
from contextlib import suppress

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from campaign.domain.verdict import Fault, Latest, Reply
from campaign.sender.api.http import SingleUseBody
from campaign.sender.api.http import Wire as OneWire
from tests.integration.gateway.rawserver import OK, Script, Wire, gateway, hang, http, replying, serving

HEAD = b"HTTP/1.1 200 OK\r\n"


class Note:
    """The least that a caller keeps of an attempt of its own."""

    def __init__(self) -> None:
        self.written = False
        self.may = True

    def may_write(self) -> bool:
        return self.may


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def test_a_name_that_does_not_resolve() -> None:
    async with gateway("https://campaign.invalid") as campaign:
        fault = await campaign.send("a", "Hello")
        assert isinstance(fault, Fault)
        assert (fault.reason, fault.written) == ("dns", False)
        assert (await campaign.read("a")).latest is Latest.UNREADABLE


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_refused_connection(scheme: str) -> None:
    async with gateway(f"{scheme}://127.0.0.1:{free_port()}") as campaign:
        fault = await campaign.send("a", "Hello")
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written) == ("connect", False)


@pytest.mark.parametrize(("connect_seconds", "total_seconds"), [(0.1, 60.0), (60.0, 0.1)])
async def test_a_connection_that_never_comes_about(connect_seconds: float, total_seconds: float) -> None:
    # The server takes the TCP connection and then says nothing to the greeting of TLS.
    async with (
        serving(hang) as server,
        gateway(server.url.replace("http:", "https:"), connect_seconds=connect_seconds, total_seconds=total_seconds) as campaign,
    ):
        async with asyncio.timeout(30):
            fault = await campaign.send("a", "Hello")
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.written) == ("connect_timeout", False)
    assert b"passes" not in server.received


async def test_no_free_connection_in_time() -> None:
    async with serving(hang) as server, gateway(server.url, concurrency=2, connect_seconds=0.1, total_seconds=0.4) as campaign:
        faults = await asyncio.gather(*(campaign.send(str(i), "Hello") for i in range(4)))
    told = [(fault.reason, fault.written) for fault in faults if isinstance(fault, Fault)]
    assert told == [("timeout", True), ("timeout", True), ("connect_timeout", False), ("connect_timeout", False)]
    assert server.requests == 2


async def drip(wire: Wire) -> None:
    await wire.request()
    await wire.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        await wire.write(b" ")
        await asyncio.sleep(0.02)


async def endless_interim(wire: Wire) -> None:
    await wire.request()
    await wire.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 1 << 30)


def endless(head: bytes, chunk: bytes) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(head)
        await wire.flood(chunk, 1 << 30)

    return script


AFTER_THE_WRITE: dict[str, tuple[Script, str]] = {
    "silence": (hang, "timeout"),
    "a drip": (drip, "timeout"),
    "endless interim answers": (endless_interim, "timeout"),
    "closed": (replying(b""), "disconnected"),
    "reset": (replying(b"", then=Wire.reset), "disconnected"),
    "half a head": (replying(HEAD + b"Content-Le"), "disconnected"),
    "another protocol": (replying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "bad_reply"),
    "HTTP/2": (replying(b"HTTP/2 200 OK\r\n\r\n"), "bad_reply"),
    "a status of two digits": (replying(b"HTTP/1.1 20 OK\r\n\r\n"), "bad_reply"),
    "two lengths": (replying(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "bad_reply"),
    "a negative length": (replying(HEAD + b"Content-Length: -1\r\n\r\n"), "bad_reply"),
    "a body cut short": (replying(HEAD + b"Content-Length: 500\r\n\r\n{"), "bad_reply"),
    "a chunk cut short": (replying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"), "bad_reply"),
    "no chunk at all": (replying(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "bad_reply"),
    "not the gzip it says": (replying(http(200, b"abcde", "Content-Encoding: gzip")), "bad_reply"),
    "a packing nobody knows here": (replying(http(200, b"abcde", "Content-Encoding: br")), "bad_reply"),
    "a long header": (replying(HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n"), "bad_reply"),
    "an endless header": (endless(HEAD + b"X: ", b"a" * 65536), "bad_reply"),
    "endless headers": (endless(HEAD, b"X: a\r\n" * 9000), "bad_reply"),
    "an endless status line": (endless(b"HTTP/1.1 200 ", b"a" * 65536), "bad_reply"),
    "endless trailers": (endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * 9000), "bad_reply"),
    "an endless extension of a chunk": (endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 65536), "timeout"),
}


@pytest.mark.parametrize(("script", "reason"), AFTER_THE_WRITE.values(), ids=AFTER_THE_WRITE)
async def test_after_the_write_nothing_is_certain(script: Script, reason: str) -> None:
    async with serving(script) as server, gateway(server.url, total_seconds=0.3) as campaign:
        note = Note()
        fault = await campaign.send("a", "Hello", in_flight=note)
        reading = await campaign.read("a")
    assert isinstance(fault, Fault), fault
    assert (fault.reason, fault.written, note.written) == (reason, True, True)
    assert "\n" not in fault.error
    assert 0 < len(fault.error) <= 300
    assert (reading.latest, bool(reading.error)) == (Latest.UNREADABLE, True)
    assert sum(wire.received.count(b"POST ") for wire in server.wires) == 1


async def test_a_status_that_came_stays_known_though_its_body_did_not() -> None:
    cut = b"HTTP/1.1 %d No\r\nContent-Length: 500\r\nx-rate-limit-retry-after: 2.5\r\n\r\nToo many"
    packed = http(503, gzip.compress(b"x" * 100)[:20] + b"?" * 9, "Content-Encoding: gzip")
    for reply, status in ((cut % 429, 429), (cut % 401, 401), (cut % 302, 302), (packed, 503)):
        async with serving(replying(reply)) as server, gateway(server.url) as campaign:
            found = await campaign.send("a", "Hello")
        assert isinstance(found, Reply)
        assert found.http_status == status
        assert found.retry_after_seconds == (None if status == 503 else 2.5)


@pytest.mark.parametrize("headers", [b"", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: chunked, gzip\r\n"])
@pytest.mark.parametrize(("body", "whole"), [(b'{"errors": ["a', False), (b'{"errors": ["a"]}', True), (b"", False)])
async def test_a_body_without_a_length_is_whole_only_if_it_shows_its_end(body: bytes, headers: bytes, *, whole: bool) -> None:
    """Whoever cut it: a lost connection looks like its end."""
    reply = b"HTTP/1.1 429 No\r\nx-rate-limit-limit: 10\r\n" + headers + b"\r\n" + body
    async with serving(replying(reply)) as server, gateway(server.url) as campaign:
        found = await campaign.send("a", "Hello")
    assert isinstance(found, Reply)
    assert (found.http_status, found.signature.whole) == (429, whole)


@pytest.mark.parametrize(("kept", "whole"), [(-20, False), (None, True)])
async def test_a_packed_body_is_whole_only_if_what_is_in_it_is(kept: int | None, *, whole: bool) -> None:
    body = gzip.compress(b'{"errors": ["Too Many Requests"]}')[:kept]
    reply = http(429, body, "Content-Encoding: gzip", "x-rate-limit-limit: 10")
    async with serving(replying(reply)) as server, gateway(server.url) as campaign:
        found = await campaign.send("a", "Hello")
    assert isinstance(found, Reply)
    assert (found.http_status, found.signature.whole) == (429, whole)


async def test_a_cancelled_send_tells_whether_it_was_written() -> None:
    async with serving(hang) as server, gateway(server.url, concurrency=2) as campaign:
        notes = [Note() for _ in range(3)]
        tasks = [asyncio.create_task(campaign.send("a", "Hello", in_flight=note)) for note in notes]
        await server.until(lambda: server.requests == 2)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError] * 3
        assert [note.written for note in notes] == [True, True, False]


@pytest.mark.parametrize("characters", [100_000, 10_000_000], ids=["held by the system", "held by the event loop, too"])
async def test_once_a_send_is_over_nothing_more_of_it_leaves(characters: int) -> None:
    """A system goes on sending what a closed connection holds, for minutes: after the pass was read back, the message would arrive."""
    loop = asyncio.get_running_loop()
    with socket.socket() as server:
        # The window of the server is too small for the request, as if the network were away.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0)
        async with gateway(f"http://127.0.0.1:{server.getsockname()[1]}", total_seconds=0.3) as campaign:
            fault = await campaign.send("a", "x" * characters)
            assert isinstance(fault, Fault)
            assert (fault.reason, fault.written) == ("timeout", True)
            connection, _ = await loop.sock_accept(server)
            received = b""
            with connection, suppress(ConnectionResetError):
                while more := await asyncio.wait_for(loop.sock_recv(connection, 1 << 16), 10):
                    received += more
    assert received.startswith(b"POST ")
    assert len(received) < characters


@pytest.mark.parametrize("warm", [False, True])
async def test_whatever_the_moment_of_the_cancel_unwritten_means_not_one_byte(*, warm: bool) -> None:
    """Cancels after each number of turns of the loop, from before there is a connection to after the request has arrived."""

    async def script(wire: Wire) -> None:
        if warm:
            await wire.request()
            await wire.write(OK)
        await hang(wire)

    seen: set[bool] = set()
    for turns in range(40):
        async with serving(script) as server, gateway(server.url) as campaign:
            if warm:
                await campaign.send("warm", "Hello")
            before = server.received
            note = Note()
            task = asyncio.create_task(campaign.send("a", "Hello", in_flight=note))
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns == 39:
                await server.until(lambda: b"/a/" in server.received)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(0.002)  # real time, for what may still be under way
            assert task.cancelled()
            assert note.written or server.received == before, turns
            seen.add(note.written)
    assert seen == {False, True}


class TestOnceBody:
    """Against a real connection, whatever is tried with it."""

    async def post_twice(self, body: SingleUseBody) -> int:
        async with serving(replying(OK, OK)) as server, aiohttp.TCPConnector() as connector:
            wire = OneWire(connector, URL(server.url), {}, aiohttp.ClientTimeout(total=5))
            with suppress(aiohttp.ClientConnectionError):
                for _ in range(2):
                    with await wire.post("/", body):
                        pass
            return server.requests

    async def test_it_is_written_once(self) -> None:
        body = SingleUseBody(b"{}")
        assert (await self.post_twice(body), body.written) == (1, True)

    async def test_it_is_not_written_after_writing_was_forbidden(self) -> None:
        body = SingleUseBody(b"{}")
        assert not body.forbid_write()
        assert (await self.post_twice(body), body.written) == (0, False)

    async def test_it_is_not_written_to_a_connection_that_is_closing(self) -> None:
        loop = asyncio.get_running_loop()
        body = SingleUseBody(b"{}")
        async with serving(hang) as server:
            transport, _ = await loop.create_connection(lambda: ResponseHandler(loop), "127.0.0.1", server.port)
            transport.close()
            with pytest.raises(aiohttp.ClientConnectionResetError):
                body.write(b"POST / HTTP/1.1\r\n\r\n", transport)
            await server.ended()
            assert (server.received, body.written) == (b"", False)


async def test_what_may_no_longer_be_written_never_leaves() -> None:
    async with serving(replying(b"")) as server, gateway(server.url) as campaign:
        note = Note()
        note.may = False
        fault = await campaign.send("a", "Hello", in_flight=note)
    assert isinstance(fault, Fault)
    assert (fault.written, note.written) == (False, False)
    assert not any(wire.received for wire in server.wires)
