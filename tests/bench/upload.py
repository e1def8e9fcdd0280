"""Sends a large list to a console, as a browser would: a process of its own, so that whoever measures has nothing to do with it.

Reads a JSON object from stdin: url, cookies, csrf, rows. Prints the status of the answer.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator

import aiohttp


def rows_of(count: int) -> Iterator[str]:
    return (f"{row * 2654435761 % 2**64:016x},Anna {row},C{row}\n" for row in range(count))


class List(aiohttp.payload.AsyncIterablePayload):
    """A list that is made as it is sent."""

    def __init__(self, rows: int) -> None:
        super().__init__(self._chunks(rows), content_type="text/csv")

    @staticmethod
    async def _chunks(rows: int) -> AsyncIterator[bytes]:
        yield b"pass_id,first_name,code\n"
        lines = rows_of(rows)
        while chunk := "".join(line for line, _ in zip(lines, range(5000), strict=False)).encode():
            yield chunk


async def main() -> None:
    asked = json.load(sys.stdin)
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("csrf", asked["csrf"])
    form.add_field("list", List(asked["rows"]), filename="large.csv", content_type="text/csv")
    async with (
        aiohttp.ClientSession(cookies=asked["cookies"], cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        session.post(asked["url"], data=form, allow_redirects=False) as answer,
    ):
        print(answer.status)


if __name__ == "__main__":
    asyncio.run(main())
