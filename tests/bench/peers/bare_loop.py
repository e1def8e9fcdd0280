"""The ceiling: the runner's own client library and event loop, as many sends at once, and no promise kept.

python -m tests.bench.peers.bare_loop URL SENDS

Prints sends a second. Written as one would for speed: connections kept, replies read, no cookies, the same headers each time.
"""

import asyncio
import sys
import time
from collections.abc import Iterator

import aiohttp
import orjson
import uvloop

AT_ONCE = 64
HEADERS = {"Authorization": "Bearer bench", "Content-Type": "application/json", "Accept": "application/json"}


async def work(session: aiohttp.ClientSession, left: Iterator[int]) -> None:
    for number in left:
        message = f"Hi Anna {number}, C{number} gives 20 % off at Shop {number % 50} until Sunday"
        body = orjson.dumps({"notification": {"message": message}})
        async with session.post(f"/api/v1/passes/{number:016x}/notification", data=body) as response:
            assert response.status == 200
            reply = orjson.loads(await response.read())
            assert reply["meta"]["notifications"]["status"] == "delivered"


async def main(url: str, sends: int) -> float:
    left = iter(range(sends))
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(url, connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS) as session:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work(session, left))
        return sends / (time.perf_counter() - began)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(main(sys.argv[1], int(sys.argv[2]))))
