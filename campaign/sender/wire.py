"""How one request meets the wire: written once or not at all, on a connection that owes no answer, its answer read up to a limit."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from aiohttp import ClientConnectionResetError, ClientRequest, ClientResponse, ClientResponseError
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.payload import BytesPayload

LONGEST_BODY_BYTES: Final = 256 * 1024
"""Of an answer's body; the documented one has about 2 KB."""


class TooLongError(Exception):
    """The answer's body is longer than LONGEST_BODY_BYTES."""


class OnceBody(BytesPayload):
    """A JSON body that is written once at most, and knows whether it was.

    aiohttp holds the head of a request back and writes it together with the body, in one piece, so until `written` is set not one byte has
    left. Its tracing would tell the same for about 20 µs a request, a quarter of what the whole request costs.
    """

    def __init__(self, json: bytes, may_write: Callable[[], bool] | None = None) -> None:
        super().__init__(json, content_type="application/json")
        self.written = False
        self._sealed = False
        self._may_write = may_write

    def seal(self) -> bool:
        """Let nothing be written from now on; whether it was before."""
        self._sealed = True
        return self.written

    # This and `send` below only look before they hand on: a coroutine of their own would cost as much again.
    def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> Coroutine[Any, Any, None]:
        if self._sealed or self.written:
            raise ClientConnectionResetError("The request may be written only once.")
        if writer.transport is None or writer.transport.is_closing():
            raise ClientConnectionResetError("The connection was closed while it was idle.")
        if self._may_write is not None and not self._may_write():
            raise ClientConnectionResetError("The lease on the row ended before it could be sent.")
        self.written = True
        return super().write_with_length(writer, content_length)


class CleanRequest(ClientRequest):
    """A request that is never written to a connection on which something came that nobody had asked for.

    aiohttp takes such bytes, a late `408` for example, as the answer to the next request, and then is one answer behind for as long as the
    connection lives: each outcome would be recorded for the wrong pass.
    """

    def send(self, conn: Connection) -> Coroutine[Any, Any, ClientResponse]:
        if conn.protocol is None or conn.protocol.should_close:
            raise ClientConnectionResetError("The connection held an answer that nobody had asked for.")
        return super().send(conn)


async def receive(response: ClientResponse) -> tuple[bytes, Exception | None]:
    """The body, and what kept it from being whole: TooLongError, a timeout, or what aiohttp says of a body cut short or garbled."""
    reader = response.content
    if reader.is_eof() and response.connection is None and reader.total_bytes <= LONGEST_BODY_BYTES:
        # It came in one piece with its head, as nearly all do.
        return reader.read_nowait(), None
    chunks: list[bytes] = []
    size = 0
    try:
        while size <= LONGEST_BODY_BYTES and not reader.at_eof():
            chunk = await reader.readany()
            chunks.append(chunk)
            size += len(chunk)
    except Exception as broken:  # noqa: BLE001 - a hostile body has many ways; whichever it is, the status that came stays known
        return b"".join(chunks), broken
    finally:
        # After a whole body the connection is back in the pool and no longer the response's; whatever else still holds one is cut off.
        if response.connection is not None:
            response.close()
    if size > LONGEST_BODY_BYTES:
        return b"".join(chunks)[:LONGEST_BODY_BYTES], TooLongError()
    return b"".join(chunks), None


def describe(error: Exception) -> str:
    """What aiohttp says of a failure, without the headers that its `repr` holds."""
    return f"{error.status}, {error.message}" if isinstance(error, ClientResponseError) else str(error)
