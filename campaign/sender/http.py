"""How one request meets the wire: written once or not at all, on a connection that owes no answer, its answer read up to a limit.

The connections, their pool, the tunnels through a proxy and the parser are aiohttp's. Its session is left out: what it makes of each
request so that it could be redirected, repeated or given a cookie, which none here ever is, costs as much as all the rest of a send.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import (
    BaseConnector,
    ClientConnectionError,
    ClientConnectionResetError,
    ClientRequest,
    ClientTimeout,
    StreamReader,
    encode_basic_auth,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from campaign.sender.network import Proxy

LONGEST_BODY_BYTES: Final = 256 * 1024
"""Of an answer's body; the documented one has about 2 KB."""

READ_BUFFER_BYTES: Final = 64 * 1024


class TooLongError(Exception):
    """The answer's body is longer than it may be."""


class NotConnectedError(ClientConnectionError):
    """No connection came about, so not one byte of the request has left; `why` is what aiohttp says of it."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


class SingleUseBody:
    """A request's JSON body that is written once at most, together with the head, and knows whether it was.

    Until `written` is set not one byte of the request has left.
    """

    __slots__ = ("_may_write", "_sealed", "json", "written")

    def __init__(self, json: bytes, may_write: Callable[[], bool] | None = None) -> None:
        self.json = json
        self.written = False
        self._sealed = False
        self._may_write = may_write

    def seal(self) -> bool:
        """Let nothing be written from now on; whether it was before."""
        self._sealed = True
        return self.written

    def write(self, head: bytes, transport: asyncio.WriteTransport | None) -> None:
        """Hand the request over to the system, all of it in one piece.

        Raises:
            ClientConnectionResetError: it was not, and never is.
        """
        if self._sealed or self.written:
            raise ClientConnectionResetError("The request may be written only once.")
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("The connection was closed while it was idle.")
        if self._may_write is not None and not self._may_write():
            raise ClientConnectionResetError("The lease on the row ended before it could be sent.")
        self.written = True
        transport.write(head + self.json)


@dataclass(slots=True)
class Answer:
    """What came: a status of 0 is none. `broken` is what kept the body from being whole: TooLongError, a timeout, or what aiohttp says of
    a body cut short or garbled.

    Where the body is whole the connection is held until the end of a `with` block; it is used again only if `reusable` is set there, as a
    gateway that answers in place of the API may still pass on what the API answers.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    broken: Exception | None = None
    connection: Connection | None = None
    reusable: bool = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if self.connection is not None:
            if self.reusable:
                self.connection.release()
            else:
                self.connection.close()


class Wire:
    """Requests to one origin, each on a connection of its own while it lasts.

    Args:
        connector: to be closed by the caller.
        origin: scheme, host and port.
        headers: of every request; nothing foreign may stand in them.
        proxy: that the requests go through: to https by a tunnel, which is made before a request is written and shows the proxy none of it.
    """

    def __init__(self, connector: BaseConnector, origin: URL, headers: Mapping[str, str], proxy: Proxy | None = None) -> None:
        self._connector = connector
        host = {"Host": origin.host_port_subcomponent or ""}
        login = {"Proxy-Authorization": encode_basic_auth(proxy.user, proxy.password)} if proxy is not None and proxy.has_login else {}
        # The connector asks it where to; it is never sent itself.
        self._where_to = ClientRequest(
            "GET",
            origin,
            loop=asyncio.get_running_loop(),
            proxy=None if proxy is None else URL(proxy.url),
            # aiohttp adds the host when it makes the first tunnel, and would take those after it for ways through another proxy.
            proxy_headers=CIMultiDict(host | {"User-Agent": headers.get("User-Agent", "")} | login),
        )
        # Without a tunnel the proxy reads the request itself, and has to be told where it goes.
        is_read_by_proxy = proxy is not None and origin.scheme == "http"
        self._target = str(origin) if is_read_by_proxy else ""
        lines = host | dict(headers) | (login if is_read_by_proxy else {})
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    async def post(self, path: str, body: SingleUseBody, limits: ClientTimeout) -> Answer:
        """Send a JSON body to a path, which must be percent-encoded.

        Raises:
            NotConnectedError: nothing was sent.
            Exception: whatever aiohttp raises, and TimeoutError: no status came.
        """
        size = f"Content-Length: {len(body.json)}\r\nContent-Type: application/json\r\n\r\n"
        return await self._exchange(f"POST {self._target}{path} HTTP/1.1\r\n{self._headers}{size}".encode("ascii"), body, limits)

    async def ask(
        self, method: str, path: str, limits: ClientTimeout, *, headers: str = "", most_bytes: int = LONGEST_BODY_BYTES
    ) -> Answer:
        """A request without a body; `headers` are more lines, each with its end; the answer may have so many bytes.

        Raises as `post` does.
        """
        head = f"{method} {self._target}{path} HTTP/1.1\r\n{self._headers}{headers}"
        length = "" if method == "GET" else "Content-Length: 0\r\n"
        return await self._exchange(f"{head}{length}\r\n".encode("ascii"), SingleUseBody(b""), limits, most_bytes=most_bytes)

    async def _exchange(self, head: bytes, body: SingleUseBody, limits: ClientTimeout, *, most_bytes: int = LONGEST_BODY_BYTES) -> Answer:
        answer = Answer()
        try:
            async with asyncio.timeout(limits.total):
                await self._on_a_connection(head, body, limits, answer, most_bytes)
        except Exception as error:
            # A hostile body has many ways; whichever it is, the status that came stays known.
            if not answer.status:
                raise
            answer.broken = error
        return answer

    async def _on_a_connection(self, head: bytes, body: SingleUseBody, limits: ClientTimeout, answer: Answer, most_bytes: int) -> None:
        try:
            connection = await self._connector.connect(self._where_to, [], limits)
        except Exception as error:
            raise NotConnectedError(error) from error
        try:
            protocol = connection.protocol
            if protocol is None:
                raise ClientConnectionResetError("The connection was closed while it was idle.")
            protocol.set_response_params(read_until_eof=True, read_bufsize=READ_BUFFER_BYTES)
            # aiohttp takes a late answer, a `408` for example, as that to the next request, and then is one behind for as long as the
            # connection lives: each outcome would be recorded for the wrong pass.
            if protocol.should_close:
                raise ClientConnectionResetError("The connection held an answer that nobody had asked for.")
            body.write(head, protocol.transport)
            content = await _begin(protocol, answer)
            await receive(content, answer, most_bytes)
            if content.is_eof():
                answer.connection = connection
        finally:
            # What is not at its end is not used again.
            if answer.connection is None:
                connection.close()


async def _begin(protocol: ResponseHandler, answer: Answer) -> StreamReader:
    """The first lines of an answer that is no interim one."""
    while True:
        message, content = await protocol.read()
        if not 100 <= message.code <= 199 or message.code == 101:
            answer.status, answer.headers = message.code, message.headers
            return content


async def receive(content: StreamReader, answer: Answer, most_bytes: int) -> None:
    """Read the body into the answer, as far as it comes and no further than `most_bytes`."""
    if content.is_eof() and content.total_bytes <= most_bytes:
        # It came in one piece with its head, as nearly all do.
        answer.body = content.read_nowait()
        return
    chunks: list[bytes] = []
    size = 0
    try:
        while size <= most_bytes and not content.at_eof():
            chunk = await content.readany()
            chunks.append(chunk)
            size += len(chunk)
    finally:
        answer.body = b"".join(chunks)[:most_bytes]
    if size > most_bytes:
        raise TooLongError


def describe(error: Exception) -> str:
    """What aiohttp says of a failure, without the headers that its `repr` holds."""
    return f"{error.code}, {error.message}" if isinstance(error, HttpProcessingError) else str(error)
