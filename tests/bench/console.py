"""What the console costs: sends a second with and without browsers that watch, and how long a page waits while a large list comes in.

The runner, the console and the server that answers are processes of their own; the
watchers share this one.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from campaign.ledger.sqlite import SqliteReader
from tests.bench.figures import Figure, Floor, Found, at_least
from tests.bench.upload import rows_of
from tests.console.served import ROOT, Browser, console

MESSAGE = "Hi {{ first_name }}, {{ code }} gives 20 % off"
FULL: Final = {"rows": 20_000, "watchers": 50, "turns": 3, "upload_rows": 5_000_000}
FLOOR: Final = Floor(
    bound=at_least(0.25), why="Whoever watches reads counts that the ledger keeps; a quarter means that each of them has the rows counted."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder with a ledger, and what commands are told."""

    folder: Path
    environment: dict[str, str]


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """A fast PassEntry, for the length of the block."""
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.server", stdout=PIPE, cwd=ROOT)
    assert server.stdout is not None
    try:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "CAMPAIGN_LEDGER": str(folder / "campaign.db"),
            "CAMPAIGN_RATE": "unlimited",
            "CAMPAIGN_DAILY_CAP": "0",
            "PASSENTRY_API_URL": (await server.stdout.readline()).decode().strip(),
            "PASSENTRY_API_KEY": "a-token",
        }
        yield Place(folder=folder, environment=environment)
    finally:
        await _ended(server)


async def sends_per_second(at: Place, browser: Browser, *, rows: int, watchers: int, turn: int) -> tuple[float, int]:
    """Of one campaign, that so many watch; and how many frames they have got."""
    name = f"{watchers} watch, turn {turn}"
    list_file = at.folder / f"{watchers}-{turn}.csv"
    with list_file.open("w", encoding="utf-8") as file:
        file.write("pass_id,first_name,code\n")
        file.writelines(rows_of(rows))
    # Staged before anybody watches, so that only sending is measured.
    await _command(at, "run", str(list_file), f"--name={name}", f"--message={MESSAGE}", "--yes", "--limit=1")
    frames = 0

    async def watch(ready: asyncio.Event) -> None:
        nonlocal frames
        page = browser.url / "campaigns" / name / "live"
        with suppress(aiohttp.ClientError):
            async with browser.session.get(page, headers={"Accept": "text/event-stream"}) as answer:
                async for line in answer.content:
                    frames += line == b"\n"
                    ready.set()

    begun = [asyncio.Event() for _ in range(watchers)]
    tasks = [asyncio.create_task(watch(event)) for event in begun]
    async with asyncio.timeout(30):
        for event in begun:
            await event.wait()
    before = time.time()
    await _command(at, "resume", name, "--yes")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    reader = SqliteReader(at.folder / "campaign.db")
    try:
        record = reader.campaign(name)
        assert record is not None
        (runner, *_) = reader.runners(record.id)
        assert runner.started_at >= before
        return (rows - 1) / (runner.ended_at - runner.started_at), frames
    finally:
        reader.close()


async def watching(at: Place, browser: Browser, *, rows: int, watchers: int, turns: int) -> dict[str, float]:
    """Sends a second with and without watchers, by turns; the medians, and their ratio."""
    alone, watched, frames = [], [], 0
    for turn in range(turns):
        alone.append((await sends_per_second(at, browser, rows=rows, watchers=0, turn=turn))[0])
        rate, seen = await sends_per_second(at, browser, rows=rows, watchers=watchers, turn=turn)
        watched.append(rate)
        frames += seen
    without, with_them = statistics.median(alone), statistics.median(watched)
    return {
        "watchers": watchers,
        "frames": frames,
        "sends_per_second_alone": without,
        "sends_per_second_watched": with_them,
        "ratio": with_them / without,
    }


async def uploading(browser: Browser, *, rows: int) -> dict[str, float]:
    """The longest wait for the list of campaigns, before and while a list of so many rows comes in."""
    quiet = await _longest_wait(browser, asyncio.create_task(asyncio.sleep(2)))
    await browser.page("/new")
    cookies = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}
    asked = json.dumps({"url": str(browser.url / "new"), "cookies": cookies, "csrf": browser.csrf, "rows": rows})
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.upload", stdin=PIPE, stdout=PIPE, cwd=ROOT)
    began = time.perf_counter()
    task = asyncio.create_task(process.communicate(asked.encode()))
    busy = await _longest_wait(browser, task)
    assert task.result()[0].strip() in {b"200", b"303"}, task.result()
    return {"rows": rows, "seconds": time.perf_counter() - began, "longest_wait_before": quiet, "longest_wait_while": busy}


async def _longest_wait(browser: Browser, until: "asyncio.Task[Any]") -> float:
    longest = 0.0
    while not until.done():
        began = time.perf_counter()
        await browser.page("/")
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(0.05)
    return longest


async def _command(at: Place, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "campaign", *words, env=at.environment, cwd=ROOT, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    _, said = await process.communicate()
    assert process.returncode in {0, 5}, said.decode()


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def _looked(folder: Path, *, rows: int, watchers: int, turns: int, upload_rows: int) -> tuple[dict[str, float], dict[str, float]]:
    async with place(folder) as at, console(folder / "served", at.environment) as (_, browser):
        watched = await watching(at, browser, rows=rows, watchers=watchers, turns=turns)
        return watched, await uploading(browser, rows=upload_rows)


def measured(folder: Path, *, short: bool) -> Found:  # noqa: ARG001 - like every other; what is short of it is tests/console/test_campaigns_load.py
    within = folder / "console"
    within.mkdir()
    watched, uploaded = asyncio.run(_looked(within, **FULL))
    return Found(
        figures=[
            Figure(
                name=f"runner that {watched['watchers']} browsers watch",
                value=watched["sends_per_second_watched"],
                unit="sends/s",
                beside="nobody watching",
                beside_value=watched["sends_per_second_alone"],
                floor=FLOOR,
            ),
            Figure(
                name=f"longest wait for a page while {uploaded['rows']:,} rows come in",
                value=1000 * uploaded["longest_wait_while"],
                unit="ms",
                beside="nothing coming in",
                beside_value=1000 * uploaded["longest_wait_before"],
            ),
        ]
    )
