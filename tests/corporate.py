"""A company's network on loopback: a proxy that notes all it is sent and fails as it is told, and TLS in front of a plain server."""

import asyncio
import base64
import re
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

LOGIN: Final = ("anna", "pässwört@1:2/3#4")
"""A user and a password that have to be percent-encoded in a URL."""

LOGIN_IN_URL: Final = "anna:p%C3%A4ssw%C3%B6rt%401%3A2%2F3%234"
NEEDS_LOGIN: Final = b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_APPLICATION_DATA: Final = 0x17


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one connection to the proxy.

    `answer` is given to CONNECT instead of a tunnel, and then the connection ends; None leaves it without an answer. `cut_after` ends the
    tunnel when so many bytes of the client's have passed, `loses_answer` when the answer to its first, second, ... request comes back.
    """

    answer: bytes | None = ESTABLISHED
    hangs: bool = False
    cut_after: int | None = None
    loses_answer: int = 0


PASSES: Final = Fate()
Meeting = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Tunnel:
    """`head` is what asked for it, `up` what the client sent through it; `number` counts from 1."""

    number: int
    head: bytes = b""
    up: bytearray = field(default_factory=bytearray)

    @property
    def line(self) -> str:
        return self.head.decode("latin-1").partition("\r\n")[0]

    @property
    def requests(self) -> int:
        """How many have passed, by what can be seen of TLS 1.3 from outside."""
        found, at = 0, 0
        while at + 5 <= len(self.up):
            size = int.from_bytes(self.up[at + 3 : at + 5])
            found += self.up[at] == _APPLICATION_DATA and at + 5 + size <= len(self.up)
            at += 5 + size
        # The first record ends the greeting.
        return found - 1


class ConnectProxy:
    """Listens on loopback.

    Args:
        fate: of each connection.
        login: who is let in; None is everyone.
        places: where to go instead, by the host and port that are asked for.
    """

    def __init__(
        self,
        fate: Callable[[Tunnel], Fate] = lambda _: PASSES,
        *,
        login: tuple[str, str] | None = None,
        places: dict[str, int] | None = None,
    ) -> None:
        self._fate = fate
        self._login = login
        self._places = places or {}
        self.tunnels: list[Tunnel] = []
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    @property
    def received(self) -> bytes:
        """Every byte that came from clients."""
        return b"".join(tunnel.head + bytes(tunnel.up) for tunnel in self.tunnels)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnel = Tunnel(len(self.tunnels) + 1)
        self.tunnels.append(tunnel)
        tunnel.head = await reader.readuntil(b"\r\n\r\n")
        await self._serve(tunnel, self._fate(tunnel), reader, writer)

    async def _serve(self, tunnel: Tunnel, fate: Fate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if fate.hangs:
            await reader.read()
            return
        if self._login is not None and _login_of(tunnel.head) != self._login:
            fate = Fate(answer=NEEDS_LOGIN)
        if fate.answer != ESTABLISHED:
            writer.write(fate.answer or b"")
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return
        found = re.match(rb"(CONNECT|POST|GET) (?:http://)?([^/ ]+)([^ ]*) HTTP/1.1\r\n", tunnel.head)
        assert found is not None, tunnel.line
        place = found[2].decode()
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._places.get(place, int(place.rpartition(":")[2])))
        if found[1] == b"CONNECT":
            writer.write(ESTABLISHED)
        else:
            fields = re.sub(rb"(?im)^proxy-.*\r\n", b"", tunnel.head[found.end() :])
            to_writer.write(b"%s %s HTTP/1.1\r\n%s" % (found[1], found[3], fields))
        await _relay(tunnel, fate, (reader, writer), (to_reader, to_writer))


async def _relay(
    tunnel: Tunnel,
    fate: Fate,
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Pass on what both say until one of them ends."""
    try:
        async with asyncio.TaskGroup() as group:
            ways = [
                group.create_task(_up(tunnel, fate, client[0], server[1])),
                group.create_task(_down(tunnel, fate, server[0], client[1])),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
    finally:
        server[1].transport.abort()


async def _up(tunnel: Tunnel, fate: Fate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            left = len(data) if fate.cut_after is None else max(0, fate.cut_after - len(tunnel.up))
            tunnel.up += data
            writer.write(data[:left])
            await writer.drain()
            if left < len(data):
                return


async def _down(tunnel: Tunnel, fate: Fate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            if 0 < fate.loses_answer <= tunnel.requests:
                return
            writer.write(data)
            await writer.drain()


def _login_of(head: bytes) -> tuple[str, str] | None:
    found = re.search(rb"(?im)^proxy-authorization: basic (.*)\r\n", head)
    if found is None:
        return None
    user, _, password = base64.b64decode(found[1].strip()).decode().partition(":")
    return user, password


@asynccontextmanager
async def _listening(meet: Meeting, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await meet(reader, writer)
        finally:
            writer.transport.abort()
            tasks.discard(task)

    listener = await asyncio.start_server(met, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        while tasks:
            await asyncio.wait(tasks)


@asynccontextmanager
async def proxying(proxy: ConnectProxy, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ConnectProxy]:
    """The proxy, listening; with `tls` as an https proxy."""
    async with _listening(proxy.meet, tls) as port:
        proxy.port = port
        proxy.scheme = "http" if tls is None else "https"
        yield proxy


@asynccontextmanager
async def in_front_of(port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """A port that speaks TLS, and passes on what it hears to one that does not."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _relay(Tunnel(0), PASSES, (reader, writer), await asyncio.open_connection("127.0.0.1", port))

    async with _listening(meet, tls) as found:
        yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A network that commands of other processes find; `api` is the TLS port in front of the API."""

    api: str
    proxy: ConnectProxy


@contextmanager
def office(proxy: ConnectProxy, *, port: int, tls: ssl.SSLContext) -> Iterator[Office]:
    """It works in a thread, so that a test may wait for a command."""
    ready, ended = threading.Event(), threading.Event()
    found: list[Office] = []

    async def work() -> None:
        async with in_front_of(port, tls) as ui, proxying(proxy):
            found.append(Office(api=f"https://localhost:{ui}", proxy=proxy))
            ready.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        assert ready.wait(10)
        yield found[0]
    finally:
        ended.set()
        thread.join(10)
