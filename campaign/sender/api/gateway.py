"""The gateway to the API over HTTP: each call is one request on the wire, never more.

It follows no redirect (the token would go with it), repeats no request on a dead connection, keeps no cookie, reads no .netrc and accepts
no certificate without verification.
"""

import asyncio
import errno
import ipaddress
import math
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Final, Self, TypeVar

import orjson
from aiohttp import AddrInfoType, ClientTimeout, TCPConnector, ThreadedResolver
from aiohttp.abc import ResolveResult
from yarl import URL

from campaign.domain.failure_guard import LOGINS_REFUSED
from campaign.domain.verdict import Fault, Latest, PassReading, Reply
from campaign.sender.api.api_url import ApiUrl, UnsendableIdError, check_token
from campaign.sender.api.http import NotConnectedError, RawResponse, SingleUseBody, TooLongError, Wire
from campaign.sender.api.network import DIRECT, Network
from campaign.sender.api.network_errors import fault_of, refuses_login
from campaign.sender.api.pass_list import PageReading, read_page
from campaign.sender.api.responses import read_pass, read_reply
from campaign.sender.port import InFlight

T = TypeVar("T", Reply, PassReading)
KEEP_ALIVE_SECONDS: Final = 1.5
"""How long an idle connection may be used again: less than usual servers keep one (2 s and up), as a request on a connection that the
server is closing may or may not have arrived."""

READ_SECONDS: Final = 15.0
"""The longest time to read a pass back; only the next reading waits for it."""

AGAIN_SECONDS: Final = 60.0
"""How often `on_unreachable` is called for the same cause."""

NOT_FROM_A_CACHE: Final = "Cache-Control: no-cache\r\n"

_LINGER_FOR_NOTHING: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """`connect_seconds` covers the wait for a free connection, DNS, TCP and TLS; `total_seconds` covers all that and the whole answer."""

    connect_seconds: float = 10.0
    total_seconds: float = 30.0


class HttpGateway:
    """Implements `sender.port.Gateway`; used inside its `async with`, by one event loop.

    The URL is without `/api/v1`. The token is sent with every request, and shown nowhere. `concurrency` is how many sends the caller makes
    at once; as many reads have other connections, so that neither waits for the other. `on_unreachable` is called with the reason why there
    is no connection: for each cause at once, then at most once a minute.

    Raises:
        UsageError: the URL or the token can't be used.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        concurrency: int,
        timeouts: Timeouts,
        network: Network = DIRECT,
        on_unreachable: Callable[[Fault], None] | None = None,
    ) -> None:
        self._endpoint = ApiUrl.of(url)
        self._network = network
        self._on_unreachable = on_unreachable
        self._heard_at: dict[str, float] = {}
        self._alone = asyncio.Lock()
        self._is_let_through = network.proxy is None or not network.proxy.has_login
        self._logins_refused = 0
        self._refusal: NotConnectedError | None = None
        self._origin = URL(self._endpoint.origin)
        self._token = check_token(token)
        self._concurrency = concurrency
        self._reads = asyncio.Semaphore(concurrency)
        self._timeouts = timeouts
        self._connectors: list[TCPConnector] = []
        self._wires: tuple[Wire, Wire] | None = None

    def __repr__(self) -> str:
        return f"HttpGateway({self._endpoint.origin})"

    async def __aenter__(self) -> Self:
        self._connectors = [connector_to(self._origin, self._network, connections=self._concurrency) for _ in range(2)]
        total, connect = self._timeouts.total_seconds, self._timeouts.connect_seconds
        limits = (
            ClientTimeout(total=total, connect=connect),
            ClientTimeout(total=min(total, READ_SECONDS), connect=min(connect, READ_SECONDS)),
        )
        headers = headers_of(self._token)
        sends, reads = (
            Wire(connector, self._origin, headers, limit, self._network.proxy)
            for connector, limit in zip(self._connectors, limits, strict=True)
        )
        self._wires = sends, reads
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wires = None
        while self._connectors:
            await self._connectors.pop().close()

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Fault:
        """Make exactly one attempt; no behaviour of the network or the API makes it raise.

        The `may_write` of `in_flight` is called right before the request is written. Its `written` is set before this call ends, even by
        cancellation, so that the caller can tell whether the attempt may have arrived.
        """
        wire, _ = self._opened()
        try:
            path = self._endpoint.notification_path(pass_id)
            body = SingleUseBody(
                orjson.dumps({"notification": {"message": message}}), in_flight.may_write if in_flight is not None else None
            )
        except UnsendableIdError as problem:
            return Fault(reason="bad_id", written=False, error=f"Nothing was sent: {problem}.")
        except orjson.JSONEncodeError:
            return Fault(reason="bad_message", written=False, error="Nothing was sent: the message holds half a character.")
        try:
            answer = await self._asked(partial(wire.post, path, body))
        except Exception as error:  # noqa: BLE001 - whatever aiohttp makes of a hostile answer settles the row and must not end the run
            return self._fault(error, written=body.forbid_write())
        finally:
            written = body.forbid_write()
            if in_flight is not None:
                in_flight.written = written
        if answer.broken is not None and not isinstance(answer.broken, TooLongError) and 200 <= answer.status < 300:
            return self._fault(answer.broken, written=True, http_status=answer.status)
        return self._parsed(read_reply, answer)

    async def read(self, pass_id: str) -> PassReading:
        """Read the pass back once; if it can't be read, `error` says why."""
        _, wire = self._opened()
        try:
            path = self._endpoint.pass_path(pass_id)
        except UnsendableIdError as problem:
            return PassReading(latest=Latest.UNREADABLE, error=f"Nothing was read: {problem}.")
        async with self._reads:
            try:
                answer = await self._asked(partial(wire.ask, "GET", path, headers=NOT_FROM_A_CACHE))
            except Exception as error:  # noqa: BLE001 - as in `send`
                fault = self._fault(error, written=True)
                return PassReading(latest=Latest.UNREADABLE, error=fault.error, cause=fault.cause)
        return self._parsed(read_pass, answer)

    async def read_page(self, number: int) -> PageReading:
        """Read a page of the list of all passes once; pages count from 1."""
        _, wire = self._opened()
        async with self._reads:
            try:
                answer = await self._asked(partial(wire.ask, "GET", self._endpoint.page_path(number), headers=NOT_FROM_A_CACHE))
            except Exception as error:  # noqa: BLE001 - as in `send`
                return PageReading(cause=self._fault(error, written=True).cause)
        with answer:
            reading = read_page(
                number,
                http_status=answer.status,
                headers=answer.headers,
                body=answer.body,
                whole=answer.whole,
                now=time.time(),
            )
            answer.reusable = reading.page is not None
        return reading

    async def _asked(self, request: Callable[[], Awaitable[RawResponse]]) -> RawResponse:
        """The answer to a request.

        A proxy may lock out a user whose login it refuses several times: so until it lets a request through, they go one at a time, and
        after three refusals in a row none goes.
        """
        if self._network.proxy is None:
            return await request()
        async with nullcontext() if self._is_let_through and not self._logins_refused else self._alone:
            if self._refusal is not None and self._logins_refused >= LOGINS_REFUSED:
                raise self._refusal
            try:
                answer = await request()
            except NotConnectedError as error:
                if refuses_login(error):
                    self._logins_refused += 1
                    self._refusal = error
                raise
            self._is_let_through, self._logins_refused = True, 0
            return answer

    def _parsed(self, parse: Callable[..., T], answer: RawResponse) -> T:
        with answer:
            found = parse(
                http_status=answer.status,
                headers=answer.headers,
                body=answer.body,
                whole=answer.whole,
                token=self._token,
                now=time.time(),
            )
            answer.reusable = found.completes
        return found

    def _fault(self, error: Exception, *, written: bool, http_status: int | None = None) -> Fault:
        fault = fault_of(error, written=written, token=self._token, api=self._endpoint, proxy=self._network.proxy, http_status=http_status)
        now = time.monotonic()
        if self._on_unreachable is not None and fault.cause and now - self._heard_at.get(fault.cause, -math.inf) >= AGAIN_SECONDS:
            self._heard_at[fault.cause] = now
            self._on_unreachable(fault)
        return fault

    def _opened(self) -> tuple[Wire, Wire]:
        """The wires for sends and for reads: two, so that a late answer to one is never taken for an answer to the other."""
        if self._wires is None:
            raise RuntimeError("The gateway is used outside of its “async with”.")
        return self._wires


def connector_to(origin: URL, network: Network, *, connections: int) -> TCPConnector:
    """So many connections to one origin at most; plain HTTP stays on this machine."""
    return TCPConnector(
        limit=connections,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        resolver=LoopbackResolver() if origin.scheme == "http" else None,
        ssl=network.tls or True,
        socket_factory=_socket_that_forgets,
    )


def _socket_that_forgets(address: AddrInfoType) -> socket.socket:
    """A socket that drops what it has not sent when it is closed, also by the death of the process.

    By default the system goes on sending for minutes: a message from before an outage would arrive after its pass was read back.
    """
    family, kind, protocol, _, _ = address
    found = socket.socket(family, kind, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_FOR_NOTHING)
    return found


def headers_of(token: str) -> dict[str, str]:
    """The headers of every request; a request without a token does not go to the API."""
    login = {"Authorization": f"Bearer {token}", "Accept": "application/json"} if token else {}
    return login | {"Accept-Encoding": "identity", "User-Agent": f"campaign/{version('campaign')}"}


class LoopbackResolver(ThreadedResolver):
    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The loopback addresses of `host`; raises OSError if it has none."""
        found = [result for result in await super().resolve(host, port, family) if ipaddress.ip_address(result["host"]).is_loopback]
        if not found:
            raise OSError(errno.EADDRNOTAVAIL, f"“{host}” is not this machine here; http is for this machine only")
        return found
