"""The ledger in PostgreSQL: claims and settlements a second, beside the one in SQLite; each commit is on disk in both."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from campaign.ledger.postgres import PostgresLedger
from campaign.ledger.sqlite import SqliteLedger
from tests.bench import postgres
from tests.bench.figures import Figure, Floor, Found, at_least
from tests.contract.postgres_server import running

FLOOR: Final = Floor(
    bound=at_least(0.2),
    why="In batches both do thousands of rows a second; a fifth of SQLite's means that a row costs a round trip of its own.",
)


def measured(folder: Path, *, short: bool) -> Found:
    rows = 5_000 if short else postgres.ROWS
    figures = []
    with running(durable=True) as server:
        for ledgers in postgres.SENDERS:
            path = folder / f"beside-postgres-{ledgers}.db"
            _, in_sqlite = asyncio.run(postgres.measured(partial(SqliteLedger, path), rows, ledgers))
            _, found = asyncio.run(postgres.measured(partial(PostgresLedger, server.url(server.database())), rows, ledgers))
            figures.append(
                Figure(
                    name=f"PostgreSQL, {ledgers} ledger{'s' if ledgers > 1 else ''} at once: claimed and settled",
                    value=found,
                    unit="rows/s",
                    beside="SQLite",
                    beside_value=in_sqlite,
                    goal=at_least(20_000),
                    floor=FLOOR,
                    headline=True,
                )
            )
    return Found(figures=figures)
