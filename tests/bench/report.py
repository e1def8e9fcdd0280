"""Results files: rows a second from the ledger into CSV and Parquet by the whole command, and its memory; beside pyarrow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.children import Spent, campaign, environment, module, spent, told
from tests.bench.figures import Figure, Floor, Found, at_least, at_most
from tests.bench.given import half_settled

KINDS: Final = ("parquet", "csv")
SPEED: Final = Floor(
    bound=at_least(0.015),
    why="pyarrow has the table in memory and writes it by columns, ten to thirty times as fast; at seventy a row costs a query.",
)
FLAT: Final = Floor(
    bound=at_most(2.5),
    why="Results are streamed: more rows must not take more memory; whoever keeps rows takes as many times as much.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    rows: int
    ours: Spent
    pyarrow_seconds: float


def measured(folder: Path, *, short: bool) -> Found:
    sizes = (20_000, 40_000) if short else (100_000, 1_000_000)
    found = {rows: _written(folder, rows) for rows in sizes}
    return Found(figures=[figure for kind in KINDS for figure in _figures(kind, *(found[rows][kind] for rows in sizes))])


def _figures(kind: str, small: Written, large: Written) -> list[Figure]:
    return [
        Figure(
            name=f"{kind}, {large.rows:,} rows",
            value=large.rows / large.ours.seconds,
            unit="rows/s",
            beside="pyarrow writing the same table from memory",
            beside_value=large.rows / large.pyarrow_seconds,
            goal=at_least(250_000),
            floor=SPEED,
        ),
        Figure(
            name=f"{kind}, {large.rows:,} rows: peak memory",
            value=large.ours.peak_mb,
            unit="MB",
            beside=f"{small.rows:,} rows",
            beside_value=small.ours.peak_mb,
            ratio_goal=at_most(1.2),
            floor=FLAT,
        ),
    ]


def _written(folder: Path, rows: int) -> dict[str, Written]:
    """By kind; Parquet first, as the other's peer writes the table that is in it."""
    given = half_settled(folder, rows)
    found = {}
    for kind in KINDS:
        results, other = folder / f"{given.name}.results.{kind}", folder / f"pyarrow.{kind}"
        ours = spent(campaign("report", given.name, "--output", str(results)), environment(given.ledger), folder=folder)
        table = folder / f"{given.name}.results.parquet"
        seconds = float(told(module("peers.arrow_write", str(table), str(other)), environment(given.ledger)))
        found[kind] = Written(rows=rows, ours=ours, pyarrow_seconds=seconds)
    return found
