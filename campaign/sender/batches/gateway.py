"""The batch API over HTTP. Satisfies `sender.port.BatchGateway`; requests are made as those of `sender.api.gateway.HttpGateway` are."""

import time
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import quote, urlsplit

from aiohttp import ClientTimeout, TCPConnector
from yarl import URL

from campaign.domain.batches import BatchAnswer
from campaign.sender.api.api_url import ApiUrl, check_token, is_loopback
from campaign.sender.api.gateway import NOT_FROM_A_CACHE, Timeouts, connector_to, headers_of
from campaign.sender.api.http import RawResponse, SingleUseBody, Wire
from campaign.sender.api.network import DIRECT, Network
from campaign.sender.api.network_errors import fault_of
from campaign.sender.api.responses import excerpt
from campaign.sender.batches.wire import USUAL, Shape, read_answer
from campaign.sender.port import InFlight

LONGEST_PAGE_BYTES: Final = 4 * 1024 * 1024
LONGEST_REPORT_BYTES: Final = 16 * 1024 * 1024
"""Of a CSV file of 500 recipients, which has some 100 KB."""

DOWNLOAD_SECONDS: Final = 60.0
CONNECTIONS: Final = 16


class HttpBatchGateway:
    """To be used inside its `async with`, and by one event loop.

    Args:
        url: of the API, without `/api/v1`.
        token: sent with every request to it, shown nowhere.
        timeouts: of one request.
        network: by which the API is reached.
        shape: the names that the vendor does not document.
        heard: called after each exchange with method, path, request body, status and answer body.

    Raises:
        UsageError: the URL or the token can't be used.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        timeouts: Timeouts,
        network: Network = DIRECT,
        shape: Shape = USUAL,
        heard: Callable[[str, str, bytes, int, bytes], None] | None = None,
    ) -> None:
        self._endpoint = ApiUrl.of(url)
        self._base = self._endpoint.passes.removesuffix("/passes/")
        self._network = network
        self._shape = shape
        self._heard = heard
        self._token = check_token(token)
        self._timeout = ClientTimeout(total=timeouts.total_seconds, connect=timeouts.connect_seconds)
        self._connectors: list[TCPConnector] = []
        self._wire: Wire | None = None

    def __repr__(self) -> str:
        return f"HttpBatchGateway({self._endpoint.origin})"

    async def __aenter__(self) -> Self:
        origin = URL(self._endpoint.origin)
        self._wire = Wire(self._connector(origin), origin, headers_of(self._token), self._timeout, self._network.proxy)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wire = None
        while self._connectors:
            await self._connectors.pop().close()

    async def create(self, entity: str, body: bytes, *, in_flight: InFlight | None = None) -> BatchAnswer:
        path = f"{self._base}/entities/{quote(entity, safe='')}/messaging/wallet"
        once = SingleUseBody(body, in_flight.may_write if in_flight is not None else None)
        try:
            answer = await self._opened().post(path, once)
        except Exception as error:  # noqa: BLE001 - whatever aiohttp makes of a hostile answer must not end the run
            return self._fault(error, written=once.forbid_write())
        finally:
            written = once.forbid_write()
            if in_flight is not None:
                in_flight.written = written
        return self._read("POST", path, body, answer)

    async def look(self, batch_id: str) -> BatchAnswer:
        return await self._ask("GET", f"{self._base}/batches/{quote(batch_id, safe='')}")

    async def page(self, number: int) -> BatchAnswer:
        return await self._ask("GET", f"{self._base}/batches?type=walletMessaging&page={number}")

    async def send_now(self, batch_id: str) -> BatchAnswer:
        return await self._ask("POST", f"{self._base}/batches/{quote(batch_id, safe='')}/send-now")

    async def cancel(self, batch_id: str) -> BatchAnswer:
        return await self._ask("PATCH", f"{self._base}/batches/{quote(batch_id, safe='')}/cancel")

    async def download(self, url: str) -> bytes | str:
        try:
            origin, path = _parts(url)
        except ValueError as error:
            return f"The address of the file can't be used: {error}"
        own = str(origin) == self._endpoint.origin
        connector = self._connector(origin)
        # The token is for the API alone: files often lie with a storage service.
        limits = ClientTimeout(total=DOWNLOAD_SECONDS)
        wire = Wire(connector, origin, headers_of(self._token if own else ""), limits, self._network.proxy)
        try:
            answer = await wire.ask("GET", path, most_bytes=LONGEST_REPORT_BYTES)
        except Exception as error:  # noqa: BLE001 - as in `create`
            return self._fault(error, written=True).error
        finally:
            self._connectors.remove(connector)
            await connector.close()
        with answer:
            self._tell("GET", path, b"", answer)
            if answer.status != 200 or answer.broken is not None:
                words = excerpt(answer.body[:2000].decode(errors="replace"), secret=self._token)
                return f"HTTP {answer.status}{', cut short' if answer.broken else ''}: {words}"
            return answer.body

    async def _ask(self, method: str, path: str) -> BatchAnswer:
        try:
            answer = await self._opened().ask(method, path, most_bytes=LONGEST_PAGE_BYTES, headers=NOT_FROM_A_CACHE)
        except Exception as error:  # noqa: BLE001 - as in `create`
            return self._fault(error, written=True)
        return self._read(method, path, b"", answer)

    def _read(self, method: str, path: str, body: bytes, answer: RawResponse) -> BatchAnswer:
        with answer:
            self._tell(method, path, body, answer)
            if answer.broken is not None and 200 <= answer.status < 300:
                return BatchAnswer(http_status=None, error=f"PassEntry's answer was cut short (HTTP {answer.status})")
            found = read_answer(
                http_status=answer.status,
                headers=answer.headers,
                body=answer.body,
                whole=answer.whole,
                token=self._token,
                now=time.time(),
                shape=self._shape,
            )
            answer.reusable = found.readable and found.by_api and answer.broken is None
        return found

    def _tell(self, method: str, path: str, body: bytes, answer: RawResponse) -> None:
        if self._heard is not None:
            self._heard(method, path, body, answer.status, answer.body.replace(self._token.encode(), b"***"))

    def _fault(self, error: Exception, *, written: bool) -> BatchAnswer:
        fault = fault_of(error, written=written, token=self._token, api=self._endpoint, proxy=self._network.proxy)
        return BatchAnswer(http_status=None, written=written, error=fault.error)

    def _connector(self, origin: URL) -> TCPConnector:
        connector = connector_to(origin, self._network, connections=CONNECTIONS)
        self._connectors.append(connector)
        return connector

    def _opened(self) -> Wire:
        if self._wire is None:
            raise RuntimeError("The gateway is used outside of its “async with”.")
        return self._wire


def _parts(url: str) -> tuple[URL, str]:
    """Origin and path of a file's address.

    Raises:
        ValueError: it is not https, or http on this machine.
    """
    found = urlsplit(url)
    host = found.hostname or ""
    if found.scheme not in {"http", "https"} or not host or (found.scheme == "http" and not is_loopback(host)):
        raise ValueError("it is not https")
    path = (found.path or "/") + (f"?{found.query}" if found.query else "")
    if not path.isascii() or not path.isprintable() or " " in path or found.username:
        raise ValueError("it holds characters that no address has")
    return URL.build(scheme=found.scheme, host=host, port=found.port), path
