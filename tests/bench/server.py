"""The fastest answerer that fits on a page: every POST is delivered. Prints its URL; runs until it is killed.

python -m tests.bench.server [LATENCY_SECONDS]

It knows when each POST came: GET of / gives the seconds as 64-bit floats, on the clock
that all processes of a machine share (`time.monotonic`). GET of a pass gives the pass.
"""

import asyncio
import sys
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import uvloop

BODY: Final = (
    b'{"data":{"id":"x","type":"pass","attributes":{}},"meta":{"notifications":{"status":"delivered","message":"Delivered succesfully"}}}'
)
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
REPLY: Final = HEAD % len(BODY) + BODY


class Delivers(asyncio.Protocol):
    def __init__(self, arrivals: "array[float]", latency_seconds: float) -> None:
        self._arrivals = arrivals
        self._latency_seconds = latency_seconds
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._received) < end + 4 + length:
                return
            self._received = self._received[end + 4 + length :]
            assert self._transport is not None
            if head.startswith(b"get / "):
                log = self._arrivals.tobytes()
                self._transport.write(HEAD % len(log) + log)
                continue
            if head.startswith(b"post"):
                self._arrivals.append(time.monotonic())
            self._answer(self._transport.write)

    def _answer(self, write: Callable[[bytes], None]) -> None:
        if self._latency_seconds:
            asyncio.get_running_loop().call_later(self._latency_seconds, write, REPLY)
        else:
            write(REPLY)


async def main(latency_seconds: float) -> None:
    arrivals = array("d")
    connected = partial(Delivers, arrivals, latency_seconds)
    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
