"""Lists and ledgers that are measured with: always the same rows, so that two machines do the same work."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from campaign.domain.model import Claim, Outcome, Settlement
from campaign.domain.status import Status
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from tests.bench.children import campaign, environment, spent

COLUMNS: Final = ("pass_id", "first_name", "shop", "code")
MESSAGE: Final = "Hi {{ first_name }}, {{ code }} gives 20 % off at {{ shop }} until Sunday"
DUPLICATES_EVERY: Final = 50
"""Each fiftieth row of a list is for the pass of the row before it."""
ROWS_AT_ONCE: Final = 100_000
SETTLED_AT_ONCE: Final = 2000


def pass_ids(first: int, last: int) -> list[str]:
    """Scattered like real ones, so that no index is filled in its own order."""
    numbers = (row - 1 if row % DUPLICATES_EVERY == DUPLICATES_EVERY - 1 else row for row in range(first, last))
    return [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in numbers]


def _columns(first: int, last: int) -> Iterator[list[str]]:
    rows = range(first, last)
    yield pass_ids(first, last)
    yield [f"Anna {row}" for row in rows]
    yield [f"Shop {row % 50}" for row in rows]
    yield [f"C{row}" for row in rows]


def _parts(rows: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + ROWS_AT_ONCE, rows)) for first in range(0, rows, ROWS_AT_ONCE))


def write_csv(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{','.join(COLUMNS)}\n")
        for first, last in _parts(rows):
            file.writelines(f"{','.join(row)}\n" for row in zip(*_columns(first, last), strict=True))


def write_parquet(path: Path, rows: int) -> None:
    with pq.ParquetWriter(path, pa.schema([(name, pa.string()) for name in COLUMNS])) as writer:
        for first, last in _parts(rows):
            writer.write_table(pa.table(dict(zip(COLUMNS, _columns(first, last), strict=True))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A campaign in a ledger."""

    ledger: Path
    name: str
    rows: int


def staged(folder: Path, rows: int, name: str, *, ledger_name: str = "") -> Given:
    """A list, staged by the command, in `<name>.db` or a ledger of another name."""
    path, ledger = folder / f"{name}.csv", folder / f"{ledger_name or name}.db"
    write_csv(path, rows)
    spent(campaign("stage", str(path), "--message", MESSAGE, "--log-level", "error"), environment(ledger), folder=folder)
    return Given(ledger=ledger, name=name, rows=rows)


def half_settled(folder: Path, rows: int) -> Given:
    """A ledger in which so many rows are staged, and half of them settled; made once in a folder, as making it takes a while."""
    name = f"half-{rows}"
    given = Given(ledger=folder / f"{name}.db", name=name, rows=rows)
    made = folder / f"{name}.made"
    if not made.exists():
        staged(folder, rows, name)
        settle(given, rows // 2)
        made.touch()
    return given


def settle(given: Given, rows: int) -> None:
    """End so many rows of it, as a sender would have."""
    asyncio.run(_settle(given, rows))


async def _settle(given: Given, rows: int) -> None:
    ledger, reader = SqliteLedger(given.ledger), SqliteReader(given.ledger)
    try:
        record = reader.campaign(given.name)
        assert record is not None
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        for left in range(rows, 0, -SETTLED_AT_ONCE):
            claims = await ledger.claim(runner, min(left, SETTLED_AT_ONCE))
            late = await ledger.settle(runner, [_delivered(claim) for claim in claims])
            assert not late
            await ledger.heartbeat(runner, "")
        await ledger.deregister_runner(runner, "")
    finally:
        reader.close()
        await ledger.close()


def _delivered(claim: Claim) -> Settlement:
    outcome = Outcome(
        status=Status.DELIVERED,
        notification_status="delivered",
        notification_message="Delivered succesfully",
        attempts=claim.attempts + 1,
        http_status=200,
        sent_at=1_700_000_000.0 + claim.row / 1000,
        settled_at=1_700_000_000.25 + claim.row / 1000,
        latency_seconds=0.25,
    )
    return Settlement(claim=claim, outcome=outcome, counted_attempts=claim.counted_attempts + 1)
