"""`make bench`: figures of this machine, each a ratio or a rate measured in this run. Prints a table, and JSON with --json.

python -m tests.bench [--rows 200000] [--sends 20000] [--json]
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from campaign.app.lists import opened
from campaign.app.sending import Stop, send
from campaign.app.staging import stage
from campaign.domain.model import Settlement, Status
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.settings import Settings

MESSAGE = "Hi {{ first_name }}, {{ code }} gives 20 % off at {{ shop }} until Sunday"
TASKS = 64


class Silent:
    def settled(self, settlement: Settlement) -> None:
        pass

    def event(self, name: str, **details: object) -> None:
        pass


def write_list(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("pass_id,first_name,shop,code\n")
        file.writelines(f"{row * 2654435761 % 2**64:016x},Anna {row},Shop {row % 50},C{row}\n" for row in range(rows))


async def staging(folder: Path, rows: int) -> dict[str, float]:
    """Rows a second from a CSV file into the ledger, and the peak memory of this process in MB."""
    path = folder / "stage.csv"
    write_list(path, rows)
    settings = Settings.read(message=MESSAGE, ledger=str(folder / "stage.db"))
    began = time.perf_counter()
    with opened(str(path), settings) as given:
        ledger, reader = SqliteLedger(settings.ledger_path), SqliteReader(settings.ledger_path)
        staged = await stage(ledger, reader, given, stop=asyncio.Event())
        seconds = time.perf_counter() - began
        assert reader.counts(staged.record.id).by_status[Status.PENDING] == rows
        await ledger.close()
        reader.close()
    return {"rows": rows, "rows_per_second": rows / seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


async def bare(url: str, sends: int) -> float:
    """Sends a second of a plain loop: the same client library, connections and bodies, and no promise kept."""
    left = iter(range(sends))

    async def work(session: aiohttp.ClientSession) -> None:
        for number in left:
            body = {"notification": {"message": f"Hi Anna {number}, C{number} gives 20 % off at Shop {number % 50} until Sunday"}}
            async with session.post(f"{url}/api/v1/passes/{number:016x}/notification", json=body) as response:
                await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=TASKS)) as session:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(work(session))
        return sends / (time.perf_counter() - began)


async def whole(url: str, folder: Path, sends: int) -> float:
    """Sends a second of the runner, with claims, settlements and a ledger that syncs to disk."""
    path = folder / "send.csv"
    write_list(path, sends)
    settings = Settings.read(
        message=MESSAGE, ledger=str(folder / "send.db"), rate="unlimited", concurrency=TASKS, api_url=url, api_key="bench"
    )
    with opened(str(path), settings) as given:
        ledger, reader = SqliteLedger(settings.ledger_path), SqliteReader(settings.ledger_path)
        staged = await stage(ledger, reader, given, stop=asyncio.Event())
        stop = Stop(gently=asyncio.Event(), now=asyncio.Event())
        began = time.perf_counter()
        await send(staged.record, ledger, reader, settings, observer=Silent(), stop=stop)
        seconds = time.perf_counter() - began
        assert reader.counts(staged.record.id).by_status[Status.DELIVERED] == sends
        await ledger.close()
        reader.close()
    return sends / seconds


def measured(work: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--sends", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.server"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            loop_before = measured(lambda: bare(url, asked.sends))
            runner = measured(lambda: whole(url, folder, asked.sends))
            loop_after = measured(lambda: bare(url, asked.sends))
            staged = measured(lambda: staging(folder, asked.rows))
    finally:
        server.kill()
        server.communicate()
    loop = (loop_before + loop_after) / 2
    figures = {
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "bare_loop_sends_per_second": round(loop),
        "runner_sends_per_second": round(runner),
        "runner_of_bare_loop": round(runner / loop, 3),
        "staging_rows_per_second": round(staged["rows_per_second"]),
        "staging_peak_mb": round(staged["peak_mb"]),
    }
    if asked.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):32} {value:,}" if isinstance(value, int) else f"{name.replace('_', ' '):32} {value}")


if __name__ == "__main__":
    main()
