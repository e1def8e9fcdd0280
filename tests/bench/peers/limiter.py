"""The script that one would write in an afternoon: asyncio, aiohttp, and aiolimiter's AsyncLimiter before each send.

python -m tests.bench.peers.limiter URL SENDS RATE AT_ONCE

Prints sends a second.
"""

import asyncio
import sys
import time
from collections.abc import Iterator

import aiohttp
from aiolimiter import AsyncLimiter


async def work(session: aiohttp.ClientSession, limiter: AsyncLimiter, url: str, left: Iterator[int]) -> None:
    for number in left:
        async with limiter:
            body = {"notification": {"message": f"Hi Anna {number}, C{number} gives 20 % off at Shop {number % 50} until Sunday"}}
            async with session.post(f"{url}/api/v1/passes/{number:016x}/notification", json=body) as response:
                response.raise_for_status()
                await response.json()


async def main(url: str, sends: int, rate_per_second: float, at_once: int) -> float:
    left = iter(range(sends))
    limiter = AsyncLimiter(rate_per_second, 1.0)
    headers = {"Authorization": "Bearer bench"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once), headers=headers) as session:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work(session, limiter, url, left))
        return sends / (time.perf_counter() - began)


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))))
