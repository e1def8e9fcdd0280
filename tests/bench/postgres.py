"""How many rows a second a ledger in PostgreSQL claims and settles, and the ratio to one in SQLite in the same run.

In both each commit is on disk. `python -m tests.bench.postgres [ROWS]`.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from campaign.domain.model import Claim, Outcome, Settlement, Status
from campaign.ledger.port import Ledger, Runner
from campaign.ledger.postgres import PostgresLedger
from campaign.ledger.sqlite import SqliteLedger
from tests.contract.given import spec, staged
from tests.contract.postgres_server import running

ROWS = 100_000
BATCH = 500
STAGED_AT_ONCE = 10_000
SENDERS = (1, 4)


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
    return Settlement(claim=claim, outcome=outcome, tries=claim.tries + 1)


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
    runners = [await ledger.enlist(record.id, quiet_seconds=0, account=f"{senders}") for ledger in ledgers]
    began = time.perf_counter()
    done = await asyncio.gather(*(work_off(ledger, runner) for ledger, runner in zip(ledgers, runners, strict=True)))
    seconds = time.perf_counter() - began
    assert sum(done) == rows
    for ledger in ledgers:
        await ledger.close()
    return staging, rows / seconds


async def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(durable=True) as server:
        for senders in SENDERS:
            database = server.database()
            path = Path(folder) / f"{senders}.db"
            in_sqlite = await measured(partial(SqliteLedger, path), rows, senders)
            in_postgres = await measured(partial(PostgresLedger, server.url(database)), rows, senders)
            print(f"{rows:,} rows, {senders} ledger{'s'[: senders - 1]} at once, {BATCH} rows a batch, every commit on disk")
            for what, one, other in zip(("staged", "claimed and settled"), in_postgres, in_sqlite, strict=True):
                print(f"  {what:20} PostgreSQL {one:9,.0f} rows/s, SQLite {other:9,.0f} rows/s, ratio {one / other:.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
