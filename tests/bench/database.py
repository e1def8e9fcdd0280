"""The ledger in PostgreSQL: claims and settlements a second, beside SQLite; sends of four processes, beside one. Each commit is on disk."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from campaign.ledger.postgres import PostgresLedger
from campaign.ledger.sqlite import SqliteLedger
from tests.bench import postgres
from tests.bench.answering import fastest
from tests.bench.figures import Figure, Floor, Found, at_least
from tests.contract.postgres_server import Server, running

FLOOR: Final = Floor(
    bound=at_least(0.2),
    why="In batches both do thousands of rows a second; a fifth of SQLite's means that a row costs a round trip of its own.",
)
FLOOR_SENDS: Final = Floor(
    bound=at_least(0.4),
    why="Four processes on few cores send little more than one; fewer than half of it means that they wait for each other.",
)


def measured(folder: Path, *, short: bool) -> Found:
    """Nothing is sent in the short form: four processes take longer to start than it lasts."""
    rows = 5_000 if short else postgres.ROWS
    with running(durable=True) as server:
        figures = [_claimed(server, folder, rows, ledgers) for ledgers in postgres.SENDERS]
        if not short:
            figures += _sent(server, folder)
    return Found(figures=figures)


def _sent(server: Server, folder: Path) -> list[Figure]:
    with fastest(folder) as api:
        sent = postgres.sends_by_processes(server, api.url, folder, sends=20_000, turns=3)
    one, *others = postgres.SENDERS
    return [
        Figure(
            name=f"PostgreSQL, {processes} processes sending without a rate",
            value=sent[processes],
            unit="sends/s",
            beside="1 process",
            beside_value=sent[one],
            floor=FLOOR_SENDS,
        )
        for processes in others
    ]


def _claimed(server: Server, folder: Path, rows: int, ledgers: int) -> Figure:
    path = folder / f"beside-postgres-{ledgers}.db"
    _, in_sqlite = asyncio.run(postgres.measured(partial(SqliteLedger, path), rows, ledgers))
    _, found = asyncio.run(postgres.measured(partial(PostgresLedger, server.url(server.database())), rows, ledgers))
    return Figure(
        name=f"PostgreSQL, {ledgers} ledger{'s' if ledgers > 1 else ''} at once: claimed and settled",
        value=found,
        unit="rows/s",
        beside="SQLite",
        beside_value=in_sqlite,
        goal=at_least(20_000),
        floor=FLOOR,
    )
