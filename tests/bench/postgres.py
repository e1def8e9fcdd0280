"""A ledger in PostgreSQL: rows claimed and settled a second, beside SQLite; and sends a second of four processes, beside one.

python -m tests.bench.postgres [--rows 100000] [--sends 20000] [--turns 3]

Each commit is on disk, and what stands beside each other is measured in the same run.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from campaign.domain.model import Claim, Outcome, Settlement
from campaign.domain.status import Status
from campaign.ledger.port import Ledger, Runner
from campaign.ledger.postgres import PostgresLedger, PostgresReader
from campaign.ledger.sqlite import SqliteLedger
from tests.contract.given import spec, staged
from tests.contract.postgres_server import Server, running

ROOT: Final = Path(__file__).parents[2]
ROWS: Final = 100_000
BATCH: Final = 500
STAGED_AT_ONCE: Final = 10_000
SENDERS: Final = (1, 4)
TASKS: Final = 64
MESSAGE: Final = "Hi {{ first_name }}, 20 % off until Sunday"
LONGEST_SECONDS: Final = 600.0


def delivered(claim: Claim) -> Settlement:
    outcome = Outcome(
        status=Status.DELIVERED,
        notification_status="delivered",
        attempts=claim.attempts + 1,
        http_status=200,
        sent_at=1.0,
        settled_at=1.5,
        latency_seconds=0.5,
    )
    return Settlement(claim=claim, outcome=outcome, counted_attempts=claim.counted_attempts + 1)


async def work_off(ledger: Ledger, runner: Runner) -> int:
    """Claim and settle until nothing is left, the next claim beside the last settlement, as a sender does; returns how many rows."""
    done = 0
    claims = await ledger.claim(runner, BATCH)
    while claims:
        late, more = await asyncio.gather(ledger.settle(runner, [delivered(claim) for claim in claims]), ledger.claim(runner, BATCH))
        assert late == []
        done += len(claims)
        claims = more
    return done


async def measured(open_ledger: Callable[[], Ledger], rows: int, senders: int) -> tuple[float, float]:
    """Rows a second staged, and rows a second claimed and settled."""
    ledgers = [open_ledger() for _ in range(senders)]
    began = time.perf_counter()
    record = await ledgers[0].create(spec(f"bench {senders}"))
    for first in range(1, rows + 1, STAGED_AT_ONCE):
        await ledgers[0].stage(record.id, [staged(row) for row in range(first, min(first + STAGED_AT_ONCE, rows + 1))])
    await ledgers[0].finish_staging(record.id, content_sha256="c")
    staging = rows / (time.perf_counter() - began)
    # An account of its own: what another measurement has told these passes is no matter.
    runners = [await ledger.register_runner(record.id, quiet_seconds=0, account=f"{senders}") for ledger in ledgers]
    began = time.perf_counter()
    done = await asyncio.gather(*(work_off(ledger, runner) for ledger, runner in zip(ledgers, runners, strict=True)))
    seconds = time.perf_counter() - began
    assert sum(done) == rows
    for ledger in ledgers:
        await ledger.close()
    return staging, rows / seconds


def sent(ledger: str, api: str, folder: Path, *, sends: int, processes: int) -> float:
    """Sends a second of so many `campaign send` processes without a rate, from when the first signed on until the last signed off.

    Args:
        ledger: a database's URL, for a campaign of its own.
        api: the URL of a server that answers at once.
        folder: for the list.
        sends: rows of the list.
        processes: that share the campaign.
    """
    name = f"bench-{processes}-{time.monotonic_ns()}"
    given = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    given |= {"PYTHONPATH": str(ROOT), "CAMPAIGN_LEDGER": ledger, "PASSENTRY_API_URL": api, "PASSENTRY_API_KEY": "bench"}
    (folder / "list.csv").write_text("pass_id,first_name\n" + "".join(f"{row:016x},Anna {row}\n" for row in range(sends)), encoding="utf-8")
    command = [sys.executable, "-m", "campaign"]
    subprocess.run(
        [*command, "stage", "list.csv", "--name", name, "--message", MESSAGE], cwd=folder, env=given, check=True, capture_output=True
    )
    words = [*command, "send", name, "--yes", "--rate", "unlimited", "--concurrency", str(TASKS), "--log-level", "warning"]
    started = [
        subprocess.Popen(words, cwd=folder, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(processes)
    ]
    try:
        for process in started:
            _, said = process.communicate(timeout=LONGEST_SECONDS)
            assert process.returncode == 0, said.decode()
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return _by_the_ledger(ledger, name, sends)


def _by_the_ledger(ledger: str, name: str, sends: int) -> float:
    reader = PostgresReader(ledger)
    try:
        record = reader.campaign(name)
        assert record is not None
        assert reader.counts(record.id).by_status[Status.DELIVERED] == sends
        runners = [one for one in reader.runners(record.id) if one.rows_left is not None]
        return sends / (max(one.ended_at for one in runners) - min(one.started_at for one in runners))
    finally:
        reader.close()


def sends_by_processes(server: Server, api: str, folder: Path, *, sends: int, turns: int) -> dict[int, float]:
    """The median of sends a second by how many processes, by turns, so that what else the machine does meets all of them."""
    found: dict[int, list[float]] = {processes: [] for processes in SENDERS}
    for _ in range(turns):
        for processes, rates in found.items():
            database = server.database()
            rates.append(sent(server.url(database), api, folder, sends=sends, processes=processes))
            server.drop(database)
    return {processes: median(rates) for processes, rates in found.items()}


@contextmanager
def answering() -> Iterator[str]:
    """The URL of `tests.bench.server` in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.server"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


async def claims(server: Server, folder: Path, rows: int) -> None:
    for senders in SENDERS:
        in_sqlite = await measured(partial(SqliteLedger, folder / f"{senders}.db"), rows, senders)
        in_postgres = await measured(partial(PostgresLedger, server.url(server.database())), rows, senders)
        print(f"{rows:,} rows, {senders} ledger{'s'[: senders - 1]} at once, {BATCH} rows a batch, every commit on disk")
        for what, one, other in zip(("staged", "claimed and settled"), in_postgres, in_sqlite, strict=True):
            print(f"  {what:20} PostgreSQL {one:9,.0f} rows/s, SQLite {other:9,.0f} rows/s, ratio {one / other:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.postgres", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="to be claimed and settled")
    parser.add_argument("--sends", type=int, default=20_000, help="of each campaign; 0 to send none")
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running(durable=True) as server:
        folder = Path(name)
        if asked.rows:
            asyncio.run(claims(server, folder, asked.rows))
        if asked.sends:
            with answering() as api:
                found = sends_by_processes(server, api, folder, sends=asked.sends, turns=asked.turns)
            print(f"{asked.sends:,} sends, {asked.turns} times each by turns, the medians; every commit on disk")
            for processes, rate in found.items():
                which = f"{processes} process{'es' if processes > 1 else ''}"
                print(f"  {which:20} {rate:9,.0f} sends/s, ratio to one {rate / found[1]:.2f}")


if __name__ == "__main__":
    main()
