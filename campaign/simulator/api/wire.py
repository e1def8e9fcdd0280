"""Acts on a connection: sends an answer, or fails in one of many ways."""

import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import Enum, auto
from functools import lru_cache
from typing import Final, assert_never

from aiohttp import web

from campaign.simulator.api.replies import Reply
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import Act

_CHUNK_BYTES: Final = 1 << 16
_LOOK_SECONDS: Final = 0.25
_HUGE_START: Final = b'{"data":{"id":"huge","type":"pass","attributes":{"downloadUrl":"'
_HUGE_END: Final = b'"}}}'


class Sent(Enum):
    """How much of an answer was passed to the network while the client was connected."""

    NOTHING = auto()
    PART = auto()
    ALL = auto()


async def perform(
    request: web.BaseRequest, reply: Reply, *, config: SimulatorConfig, stopping: asyncio.Event
) -> tuple[web.StreamResponse, Sent]:
    """Perform the reply's act, and return how much was sent. The response is for aiohttp; it is already sent, or never will be."""
    match reply.act:
        case Act.ANSWER | Act.ANSWER_SLOWLY:
            return await _answer(request, reply)
        case Act.CLOSE:
            request.protocol.force_close()
        case Act.RESET:
            reset(request)
        case Act.HANG:
            await _hold(request, config.hang_seconds, stopping)
            reset(request)
        case Act.CUT_BODY:
            return await _cut_body(request, reply)
        case Act.HUGE:
            return await _stream(request, reply, size=len(_HUGE_START) + config.huge_bytes + len(_HUGE_END), parts=_huge(config.huge_bytes))
        case Act.GZIP_BOMB:
            return await _bomb(request, reply, config.huge_bytes)
        case Act.ENDLESS_HEADERS:
            await _endless_headers(request, config.hang_seconds, stopping)
            reset(request)
        case _:
            assert_never(reply.act)
    return web.Response(), Sent.NOTHING


def reset(request: web.BaseRequest) -> None:
    """End the connection abruptly, so that the client gets a reset instead of a normal close."""
    transport = request.transport
    if transport is None:
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _answer(request: web.BaseRequest, reply: Reply) -> tuple[web.StreamResponse, Sent]:
    response = web.Response(status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type} | reply.headers)
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return response, Sent.NOTHING
    return response, Sent.ALL


async def _cut_body(request: web.BaseRequest, reply: Reply) -> tuple[web.StreamResponse, Sent]:
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type} | reply.headers)
    response.content_length = len(reply.body)
    try:
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
    except ConnectionError:
        return response, Sent.NOTHING
    request.protocol.force_close()
    return response, Sent.PART


async def _bomb(request: web.BaseRequest, reply: Reply, unpacked_bytes: int) -> tuple[web.StreamResponse, Sent]:
    packed = await asyncio.to_thread(_packed, unpacked_bytes)
    return await _stream(request, reply, size=len(packed), parts=_parts(packed), encoding="gzip")


async def _stream(
    request: web.BaseRequest, reply: Reply, *, size: int, parts: AsyncIterator[bytes], encoding: str | None = None
) -> tuple[web.StreamResponse, Sent]:
    headers = {"Content-Type": reply.content_type} | reply.headers | ({"Content-Encoding": encoding} if encoding else {})
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_length = size
    try:
        await response.prepare(request)
    except ConnectionError:
        return response, Sent.NOTHING
    try:
        async for part in parts:
            await response.write(part)
        await response.write_eof()
    except ConnectionError:
        return response, Sent.PART
    return response, Sent.ALL


async def _huge(filler_bytes: int) -> AsyncIterator[bytes]:
    yield _HUGE_START
    chunk = b"x" * _CHUNK_BYTES
    for _ in range(filler_bytes // _CHUNK_BYTES):
        yield chunk
    yield chunk[: filler_bytes % _CHUNK_BYTES] + _HUGE_END


async def _parts(whole: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(whole), _CHUNK_BYTES):
        yield whole[start : start + _CHUNK_BYTES]


@lru_cache(maxsize=1)
def _packed(unpacked_bytes: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    chunk = b"x" * _CHUNK_BYTES
    packed = [packer.compress(_HUGE_START)]
    packed += [packer.compress(chunk) for _ in range(unpacked_bytes // _CHUNK_BYTES)]
    packed += [packer.compress(chunk[: unpacked_bytes % _CHUNK_BYTES] + _HUGE_END), packer.flush()]
    return b"".join(packed)


async def _endless_headers(request: web.BaseRequest, seconds: float, stopping: asyncio.Event) -> None:
    """Send headers of a kilobyte each, about six megabytes a second, until the client disconnects, `seconds` are over, or the end."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + seconds
    line = b"x-filler: " + b"x" * 1012 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\n"
    while (transport := request.transport) is not None and not stopping.is_set() and loop.time() < give_up_at:
        transport.write(head + line * 64)
        head = b""
        try:
            await request.writer.drain()
        except ConnectionError:
            return
        await asyncio.sleep(0.01)


async def _hold(request: web.BaseRequest, seconds: float, stopping: asyncio.Event) -> None:
    """Wait for this time, or until the client disconnects or the simulator ends. Only polling shows a disconnect."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + seconds
    while request.transport is not None and (left := give_up_at - loop.time()) > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                await stopping.wait()
                return
