"""Sends one request: written once or not at all, on a connection that owes no answer; the answer is read up to a limit.

The connections, their pool, the tunnels through a proxy and the parser are aiohttp's. Its session is not used: it prepares each request
for redirects, repeats and cookies, none of which are used here, and that costs as much as all the rest of a send.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Final

import orjson
from aiohttp import (
    BaseConnector,
    ClientConnectionError,
    ClientConnectionResetError,
    ClientRequest,
    ClientTimeout,
    StreamReader,
    encode_basic_auth,
    hdrs,
)
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from campaign.sender.api.network import Proxy

LONGEST_BODY_BYTES: Final = 256 * 1024
"""The longest body of an answer; the documented one has about 2 KB."""

READ_BUFFER_BYTES: Final = 64 * 1024


class TooLongError(Exception):
    """The answer's body is longer than the limit."""


class NotConnectedError(ClientConnectionError):
    """There was no connection, so no byte of the request has left; `why` is aiohttp's exception."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


class SingleUseBody:
    """A request's JSON body, written at most once, together with the head. `written` says whether it was.

    Until `written` is set, no byte of the request has left.
    """

    __slots__ = ("_may_write", "_write_forbidden", "json", "written")

    def __init__(self, json: bytes, may_write: Callable[[], bool] | None = None) -> None:
        self.json = json
        self.written = False
        self._write_forbidden = False
        self._may_write = may_write

    def forbid_write(self) -> bool:
        """Forbid writing from now on; returns whether the request was written before."""
        self._write_forbidden = True
        return self.written

    def write(self, head: bytes, transport: asyncio.WriteTransport | None) -> None:
        """Write the whole request to the transport in one piece.

        Raises:
            ClientConnectionResetError: nothing was written by this call.
        """
        if self._write_forbidden or self.written:
            raise ClientConnectionResetError("The request may be written only once.")
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("The connection was closed while it was idle.")
        if self._may_write is not None and not self._may_write():
            raise ClientConnectionResetError("The lease on the row ended before it could be sent.")
        self.written = True
        transport.write(head + self.json)


@dataclass(slots=True)
class RawResponse:
    """The answer, as far as it came. A status of 0 is none. `broken` is why the body is not whole: TooLongError, a timeout, or aiohttp's
    exception for a body that is cut short or garbled.

    If the body is whole, the connection is held until the end of a `with` block. It is used again only if `reusable` is set there: a
    gateway that answers in place of the API may later pass on the API's own answer.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    broken: Exception | None = None
    connection: Connection | None = None
    reusable: bool = False

    @property
    def whole(self) -> bool:
        """Whether the body came to its end. If it has no length, or is packed, only JSON shows that."""
        return self.broken is None and (_ends_by_itself(self.headers) or _is_json(self.body))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if self.connection is not None:
            if self.reusable:
                self.connection.release()
            else:
                self.connection.close()


class Deadlines:
    """Ends whatever takes longer than `seconds`; None is no limit. Used by one event loop.

    It has one timer: `asyncio.timeout` makes one for each task, which costs more than to parse an answer.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        # In the order in which they end, as all last equally long.
        self._running: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> "Deadline":
        """A deadline for the current task; use it at once, in a `with`."""
        deadline = Deadline(self._running)
        if self._seconds is not None:
            ends_at = self._loop.time() + self._seconds
            self._running[deadline] = ends_at
            if self._timer is None:
                self._timer = self._loop.call_at(ends_at, self._end_overdue)
        return deadline

    def _end_overdue(self) -> None:
        self._timer = None
        now = self._loop.time()
        for deadline, ends_at in list(self._running.items()):
            if ends_at > now:
                self._timer = self._loop.call_at(ends_at, self._end_overdue)
                return
            deadline.pass_()


class Deadline:
    """Cancels its task if the block lasts too long, and makes a TimeoutError of that, as `asyncio.timeout` does."""

    __slots__ = ("_cancelling", "_passed", "_running", "_task")

    def __init__(self, running: "dict[Deadline, float]") -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise RuntimeError("A deadline is used outside of a task.")
        self._task = task
        self._cancelling = task.cancelling()
        self._running = running
        self._passed = False

    def pass_(self) -> None:
        self._running.pop(self, None)
        self._passed = True
        self._task.cancel()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.pop(self, None)
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error


class Wire:
    """Requests to one origin, on connections of a connector that the caller closes. While a request lasts, no other uses its connection.

    `headers` are those of every request, and hold no text from outside. https goes through a tunnel of the proxy, which is made before a
    request is written and hides it from the proxy.
    """

    def __init__(
        self, connector: BaseConnector, origin: URL, headers: Mapping[str, str], limits: ClientTimeout, proxy: Proxy | None = None
    ) -> None:
        self._connector = connector
        self._limits = limits
        self._deadlines = Deadlines(limits.total)
        host = {"Host": origin.host_port_subcomponent or ""}
        login = {"Proxy-Authorization": encode_basic_auth(proxy.user, proxy.password)} if proxy is not None and proxy.has_login else {}
        # Tells the connector the address; it is never sent itself.
        self._where_to = _Destination(
            "GET",
            origin,
            loop=asyncio.get_running_loop(),
            proxy=None if proxy is None else URL(proxy.url),
            # aiohttp adds the host when it makes the first tunnel; without it here, later tunnels would seem to need another proxy.
            proxy_headers=CIMultiDict(host | {"User-Agent": headers.get("User-Agent", "")} | login),
        )
        # Without a tunnel the proxy reads the request itself, so the request must name its full address.
        is_read_by_proxy = proxy is not None and origin.scheme == "http"
        self._target = str(origin) if is_read_by_proxy else ""
        lines = host | dict(headers) | (login if is_read_by_proxy else {})
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    def post(self, path: str, body: SingleUseBody) -> Coroutine[Any, Any, RawResponse]:
        """Send a JSON body to a path, which must be percent-encoded.

        Raises:
            NotConnectedError: nothing was sent.
            Exception: any of aiohttp's, or TimeoutError; no status came.
        """
        size = f"Content-Length: {len(body.json)}\r\nContent-Type: application/json\r\n\r\n"
        return self._exchange(f"POST {self._target}{path} HTTP/1.1\r\n{self._headers}{size}".encode("ascii"), body)

    def ask(self, method: str, path: str, *, headers: str = "", most_bytes: int = LONGEST_BODY_BYTES) -> Coroutine[Any, Any, RawResponse]:
        """Send a request without a body.

        `headers` are additional lines, each with its line end; the answer's body may have up to `most_bytes`. Raises as `post` does.
        """
        head = f"{method} {self._target}{path} HTTP/1.1\r\n{self._headers}{headers}"
        length = "" if method == "GET" else "Content-Length: 0\r\n"
        return self._exchange(f"{head}{length}\r\n".encode("ascii"), SingleUseBody(b""), most_bytes)

    async def _exchange(self, head: bytes, body: SingleUseBody, most_bytes: int = LONGEST_BODY_BYTES) -> RawResponse:
        answer = RawResponse()
        try:
            with self._deadlines.begin():
                await self._on_a_connection(head, body, answer, most_bytes)
        except Exception as error:
            # A hostile body can fail in many ways; a status that came is kept in any case.
            if not answer.status:
                raise
            answer.broken = error
        return answer

    async def _on_a_connection(self, head: bytes, body: SingleUseBody, answer: RawResponse, most_bytes: int) -> None:
        try:
            connection = await self._connector.connect(self._where_to, [], self._limits)
        except Exception as error:
            raise NotConnectedError(error) from error
        try:
            protocol = connection.protocol
            if protocol is None:
                raise ClientConnectionResetError("The connection was closed while it was idle.")
            protocol.set_response_params(read_until_eof=True, read_bufsize=READ_BUFFER_BYTES)
            # aiohttp takes a late answer, for example a `408`, for the answer to the next request, and stays one behind for the life of the
            # connection: each outcome would be recorded for the wrong pass.
            if protocol.should_close:
                raise ClientConnectionResetError("The connection held an answer that nobody had asked for.")
            body.write(head, protocol.transport)
            message, content = await protocol.read()
            while 100 <= message.code <= 199 and message.code != 101:
                message, content = await protocol.read()
            answer.status, answer.headers = message.code, message.headers
            await receive(content, answer, most_bytes)
            if content.is_eof():
                answer.connection = connection
        finally:
            # A connection whose answer is not read to its end is not used again, and sends nothing more of its request.
            if answer.connection is None:
                if connection.protocol is not None:
                    connection.protocol.abort()
                connection.close()


class _Destination(ClientRequest):
    """A request that is never changed, so that its connection key is made once."""

    @cached_property
    def connection_key(self) -> ConnectionKey:
        return super().connection_key


async def receive(content: StreamReader, answer: RawResponse, most_bytes: int) -> None:
    """Read the body into the answer, as far as it comes, up to `most_bytes`. Raises TooLongError if it is longer."""
    if content.is_eof() and content.total_bytes <= most_bytes:
        # The body came in one piece with its head, as nearly all do.
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


def _ends_by_itself(headers: Mapping[str, str]) -> bool:
    """Whether a body has its own end; any other ends with its connection."""
    if hdrs.CONTENT_ENCODING in headers:
        # A packed body that is cut, and has a length or a last chunk again, unpacks without an error.
        return False
    if hdrs.TRANSFER_ENCODING not in headers:
        return hdrs.CONTENT_LENGTH in headers
    codings = headers.getall(hdrs.TRANSFER_ENCODING) if isinstance(headers, MultiMapping) else [headers[hdrs.TRANSFER_ENCODING]]
    return codings[-1].rpartition(",")[2].strip().lower() == "chunked"


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def describe(error: Exception) -> str:
    """The message of aiohttp about a failure, without the headers that its `repr` holds."""
    return f"{error.code}, {error.message}" if isinstance(error, HttpProcessingError) else str(error)
