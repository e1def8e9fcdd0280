"""Answers of any size and content: read up to a limit, recorded short, and never dearer than the limit."""

import asyncio
import gzip
import tracemalloc

import orjson
import pytest

from campaign.domain.verdict import Latest, Reply
from campaign.sender.api.http import LONGEST_BODY_BYTES
from tests.integration.gateway.rawserver import DELIVERED, OK, TOKEN, RawServer, Script, Wire, gateway, http, replying, serving

MEGABYTE = 1 << 20
HUNDRED_MEGABYTES = 100 * MEGABYTE
IN_THE_SOCKETS = 16 * MEGABYTE
"""More than the two kernels' buffers hold: what a server can be rid of although nobody reads it."""


def hundred_megabytes(status: int, headers: str) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(f"HTTP/1.1 {status} Big\r\n{headers}\r\n\r\n".encode())
        await wire.flood(b'{"errors": ["' + b"x" * 65536, HUNDRED_MEGABYTES)

    return script


def written(server: RawServer) -> int:
    return sum(wire.written for wire in server.wires)


@pytest.mark.parametrize("headers", [f"Content-Length: {HUNDRED_MEGABYTES}", "Connection: close"], ids=["of a length", "without an end"])
async def test_a_success_of_a_hundred_megabytes_is_cut_off_and_unreadable(headers: str) -> None:
    async with serving(hundred_megabytes(200, headers)) as server, gateway(server.url) as campaign:
        reply = await campaign.send("a", "Hello")
        reading = await campaign.read("a")
        await server.ended()
        assert written(server) < 2 * IN_THE_SOCKETS
    assert isinstance(reply, Reply)
    assert (reply.http_status, reply.readable, reply.notification_status) == (200, False, "")
    assert len(reply.error) <= 300
    assert (reading.latest, reading.http_status) == (Latest.UNREADABLE, 200)


async def test_a_failure_of_a_hundred_megabytes_keeps_its_status_and_first_words() -> None:
    async with serving(hundred_megabytes(500, f"Content-Length: {HUNDRED_MEGABYTES}")) as server, gateway(server.url) as campaign:
        reply = await campaign.send("a", "Hello")
        await server.ended()
        assert written(server) < IN_THE_SOCKETS
    assert isinstance(reply, Reply)
    assert (reply.http_status, reply.error[:18], len(reply.error)) == (500, '{"errors": ["xxxxx', 300)


@pytest.mark.parametrize("chunk", [b"10000\r\n" + b"x" * 65536 + b"\r\n", b"1\r\nx\r\n" * 8192], ids=["large", "of one byte"])
async def test_endless_chunks_are_cut_off(chunk: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await wire.flood(chunk, HUNDRED_MEGABYTES)

    async with serving(script) as server, gateway(server.url) as campaign:
        reply = await campaign.send("a", "Hello")
        await server.ended()
        assert written(server) < IN_THE_SOCKETS
    assert isinstance(reply, Reply)
    assert not reply.readable


async def test_a_packed_answer_nobody_asked_for_is_unpacked() -> None:
    async with serving(replying(http(200, gzip.compress(DELIVERED), "Content-Encoding: gzip"))) as server, gateway(server.url) as campaign:
        reply = await campaign.send("a", "Hello")
    assert isinstance(reply, Reply)
    assert reply.notification_status == "delivered"


async def test_but_only_up_to_the_limit() -> None:
    bomb = http(200, gzip.compress(bytes(HUNDRED_MEGABYTES), 9), "Content-Encoding: gzip")
    async with serving(replying(bomb)) as server, gateway(server.url) as campaign:
        tracemalloc.start()
        try:
            reply = await campaign.send("a", "Hello")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(reply, Reply)
    assert not reply.readable
    assert peak < 5 * MEGABYTE


@pytest.mark.parametrize(("size", "readable"), [(LONGEST_BODY_BYTES, True), (LONGEST_BODY_BYTES + 1, False)])
@pytest.mark.parametrize("parts", [1, 7])
async def test_the_limit_is_where_it_says(size: int, parts: int, *, readable: bool) -> None:
    reply = http(200, DELIVERED + b" " * (size - len(DELIVERED)))

    async def script(wire: Wire) -> None:
        await wire.request()
        step = -(-len(reply) // parts)
        for start in range(0, len(reply), step):
            await wire.write(reply[start : start + step])
            await asyncio.sleep(0.005 if parts > 1 else 0)  # real time, so that they arrive as so many pieces
        await wire.rest()

    async with serving(script) as server, gateway(server.url) as campaign:
        found = await campaign.send("a", "Hello")
    assert isinstance(found, Reply)
    assert found.readable is readable


async def test_a_connection_that_was_cut_off_is_not_used_again() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        if len(server.wires) == 1:
            await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 270_000)
            await wire.rest()
        await wire.write(OK)

    async with serving(script) as server, gateway(server.url) as campaign:
        cut, whole = await campaign.send("a", "Hello"), await campaign.send("b", "Hello")
        assert isinstance(cut, Reply)
        assert isinstance(whole, Reply)
        assert (cut.readable, whole.readable) == (False, True)
        assert [wire.received.count(b"POST") for wire in server.wires] == [1, 1]


async def test_switching_protocols_leaves_no_connection_behind() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc"

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(switch)
        await wire.rest()

    async with serving(script) as server, gateway(server.url, concurrency=1, connect_seconds=0.5) as campaign:
        for _ in range(4):
            assert await campaign.send("a", "Hello") == Reply(http_status=101)
        await server.ended()
        assert len(server.wires) == 4


async def test_the_token_that_an_answer_repeats_is_masked_wherever_it_stands() -> None:
    echo = {"meta": {"notifications": {"status": TOKEN, "message": f"x{TOKEN}x"}}}
    texts = [http(200, orjson.dumps(echo)), http(500, f"{'y' * 290}{TOKEN}".encode()), http(422, orjson.dumps({"errors": [TOKEN]}))]
    for text in texts:
        async with serving(replying(text)) as server, gateway(server.url) as campaign:
            told = repr(await campaign.send("a", "Hello"))
        assert "***" in told
        assert TOKEN[:10] not in told
