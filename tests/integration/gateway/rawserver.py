"""A server on loopback that keeps every byte it is sent and does to the wire what a script says."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import chain, repeat

import orjson

from campaign.sender.api.gateway import HttpGateway, Timeouts

TOKEN = "pe_live_0123456789abcdef"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

DELIVERED = orjson.dumps(
    {
        "data": {"id": "a", "type": "pass", "attributes": {"latestMessage": "Hello", "status": "active", "deviceType": "apple"}},
        "meta": {"notifications": {"status": "delivered", "message": "Delivered succesfully"}},
    }
)


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Some reason", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


OK = http(200, DELIVERED)


class Wire:
    """One connection, as its server has it. `received` is everything that came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, news: asyncio.Event) -> None:
        self._reader = reader
        self._writer = writer
        self._news = news
        self._taken = 0
        self.received = b""
        self.written = 0

    async def request(self) -> bytes:
        """The next request; ends the script if there is none."""
        while (end := self._end_of_request()) is None:
            await self._more()
        found, self._taken = self.received[self._taken : end], end
        return found

    async def rest(self) -> None:
        """Wait until the client closes."""
        with suppress(EOFError, ConnectionError):
            while True:
                await self._more()

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        self.written += len(data)
        await self._writer.drain()

    async def flood(self, chunk: bytes, limit: int) -> None:
        """Write until the client closes, or the limit is reached."""
        while self.written < limit:
            await self.write(chunk)

    def reset(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()

    def _end_of_request(self) -> int | None:
        head = self.received.find(b"\r\n\r\n", self._taken)
        if head < 0:
            return None
        length = _LENGTH.search(self.received, self._taken, head + 2)
        end = head + 4 + (int(length[1]) if length else 0)
        return end if end <= len(self.received) else None

    async def _more(self) -> None:
        data = await self._reader.read(1 << 16)
        if not data:
            raise EOFError
        self.received += data
        self._news.set()


Script = Callable[[Wire], Awaitable[None]]


async def answer(wire: Wire) -> None:
    """Deliver whatever comes."""
    while True:
        await wire.request()
        await wire.write(OK)


async def hang(wire: Wire) -> None:
    await wire.rest()


def replying(*replies: bytes, then: Callable[[Wire], None] = Wire.close) -> Script:
    """Answer the first requests of a connection with these bytes, one each, and then do that."""

    async def script(wire: Wire) -> None:
        for reply in replies:
            await wire.request()
            await wire.write(reply)
        then(wire)

    return script


def in_turn(*replies: bytes) -> Script:
    """Answer each request with the next of these, on whichever connection it comes."""
    left = chain(replies, repeat(b""))

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.write(next(left))

    return script


class RawServer:
    def __init__(self, script: Script) -> None:
        self._script = script
        self._news = asyncio.Event()
        self.wires: list[Wire] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> bytes:
        return b"".join(wire.received for wire in self.wires)

    @property
    def requests(self) -> int:
        return len(re.findall(rb"(?:POST|GET) /[^ ]* HTTP/1.1\r\n", self.received))

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        wire = Wire(reader, writer, self._news)
        self.wires.append(wire)
        self._news.set()
        try:
            with suppress(EOFError, ConnectionError, asyncio.CancelledError):
                await self._script(wire)
        finally:
            writer.close()
            self.tasks.discard(task)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what has come makes this true."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def ended(self) -> None:
        """Wait until every connection is over."""
        while self.tasks:
            await asyncio.wait(self.tasks)


@asynccontextmanager
async def serving(script: Script = answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    server = RawServer(script)
    listener = await asyncio.start_server(server.meet, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(server.tasks):
            task.cancel()
        await server.ended()


def gateway(url: str, *, concurrency: int = 4, connect_seconds: float = 5.0, total_seconds: float = 10.0) -> HttpGateway:
    timeouts = Timeouts(connect_seconds=connect_seconds, total_seconds=total_seconds)
    return HttpGateway(url=url, token=TOKEN, concurrency=concurrency, timeouts=timeouts)
