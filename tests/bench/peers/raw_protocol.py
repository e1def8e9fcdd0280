"""What Python and its event loop can do at most: no client library but its parser, one object for each connection, no task for a send.

python -m tests.bench.peers.raw_protocol URL SENDS

Prints sends a second. As many connections as the others have; each reply is read, and nothing is handled that could go wrong.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
import uvloop
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser

AT_ONCE = 64
HEADERS = "Authorization: Bearer bench\r\nContent-Type: application/json\r\nAccept: application/json\r\n"


class Sends(BaseProtocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, left: Iterator[int]) -> None:
        super().__init__(loop)
        self._headers = f"HTTP/1.1\r\nHost: {host}\r\n{HEADERS}"
        self._left = left
        self._replies = HttpResponseParser(self, loop, 2**16)
        self.done: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._send_next()

    def data_received(self, data: bytes) -> None:
        for message, content in self._replies.feed_data(data)[0]:
            assert message.code == 200
            assert orjson.loads(content.read_nowait())["meta"]["notifications"]["status"] == "delivered"
            self._send_next()

    def _send_next(self) -> None:
        number = next(self._left, None)
        if number is None:
            self.done.set_result(None)
            return
        message = f"Hi Anna {number}, C{number} gives 20 % off at Shop {number % 50} until Sunday"
        body = orjson.dumps({"notification": {"message": message}})
        head = f"POST /api/v1/passes/{number:016x}/notification {self._headers}Content-Length: {len(body)}\r\n\r\n"
        assert self.transport is not None
        self.transport.write(head.encode() + body)


async def main(url: str, sends: int) -> float:
    loop = asyncio.get_running_loop()
    host = urlsplit(url).netloc
    name, _, port = host.partition(":")
    left = iter(range(sends))
    began = time.perf_counter()
    made = [await loop.create_connection(lambda: Sends(loop, host, left), name, int(port)) for _ in range(AT_ONCE)]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return sends / (time.perf_counter() - began)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(main(sys.argv[1], int(sys.argv[2]))))
