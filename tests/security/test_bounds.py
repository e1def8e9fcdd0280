"""Answers of any size and length cost a run neither memory nor more time than its timeouts: measured on the command's own process."""

import asyncio
from pathlib import Path

import orjson
import pytest

from tests.examples import slow_after
from tests.integration.gateway.rawserver import Script, Wire, http, replying, serving
from tests.security.command import MEGABYTE, Command

RUN_BYTES = 240 * MEGABYTE
"""What a run may hold; the interpreter and its libraries take about half of it."""

ANNOUNCEMENTS_BYTES = 400 * MEGABYTE
"""As many of them as come in one piece are held at once, and an object each; however long it goes on, it is not more."""

HEAD = b"HTTP/1.1 200 OK\r\n"


def flooding(start: bytes, more: bytes) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(start)
        await wire.flood(more, 100 * MEGABYTE)

    return script


async def drip(wire: Wire) -> None:
    await wire.request()
    await wire.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        await wire.write(b" ")
        await asyncio.sleep(0.05)


async def drip_headers(wire: Wire) -> None:
    await wire.request()
    while True:
        await wire.write(b"X")
        await asyncio.sleep(0.05)


HOSTILE = {
    "a body of 100 MB": flooding(HEAD + b"Content-Length: 104857600\r\n\r\n", b'{"a": "' + b"x" * 65536),
    "endless headers": flooding(HEAD, b"X-More: " + b"x" * 500 + b"\r\n"),
    "deep JSON": replying(http(200, b"[" * 250_000)),
    "slow headers": drip_headers,
    "a body without an end": flooding(HEAD + b"\r\n", b"[" * 65536),
    "an error of 100 MB": flooding(b"HTTP/1.1 400 Bad\r\nContent-Length: 104857600\r\n\r\n", b'{"errors": ["' + b"x" * 65536),
    "one endless header": flooding(HEAD + b"X: ", b"x" * 65536),
    "an endless status line": flooding(b"HTTP/1.1 200 ", b"x" * 65536),
    "endless announcements": flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "deep JSON of objects": replying(http(200, b'{"a":' * 50_000)),
    "a slow body": drip,
}


@pytest.mark.parametrize("story", slow_after(2, HOSTILE))
async def test_a_hostile_answer_is_bounded(tmp_path: Path, story: str) -> None:
    async with serving(HOSTILE[story]) as server:
        command = Command(folder=tmp_path, url=server.url)
        words = ("run", command.make_list("a"), "--message", "Hello", "--json", "--on-unknown", "hold", "--timeout", "1s")
        done = await command.run(*words, entry=("-c", MEASURED))
    seen = orjson.loads(done.out)
    # What answers no pass's read as PassEntry does is sent no message.
    status = "pending" if story.startswith("deep JSON") else "unknown"
    assert seen["by_status"][status] == 1, (done, seen)
    peak = int(done.err.rpartition("PEAK ")[2])
    assert peak < (ANNOUNCEMENTS_BYTES if story == "endless announcements" else RUN_BYTES), f"{peak / MEGABYTE:.0f} MB"
    assert (tmp_path / "list.results.csv").stat().st_size < 2_000


MEASURED = """
import atexit, sys
def tell():
    # Of this process since its start: getrusage counts what it was forked from as well.
    with open("/proc/self/status") as status:
        sys.stderr.write("PEAK %d" % (1024 * int(next(line.split()[1] for line in status if line.startswith("VmHWM")))))
atexit.register(tell)
from campaign.__main__ import main
main()
"""
