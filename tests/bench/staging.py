"""Staging: rows a second from a list into a ledger, by the whole command, and its memory; beside one pass over the same file.

The list has 2 % duplicates, the message three fields of it. The command reads the list twice: once to check it all, once to stage it.
With BASELINE=CHECKOUT in the environment, the commands of that checkout, which has a `.venv` of its own, do the same by turns.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from campaign.domain.status import Status
from campaign.ledger.sqlite import SqliteReader
from tests.bench.children import Spent, campaign, environment, module, spent
from tests.bench.figures import Figure, Floor, Found, at_least, at_most
from tests.bench.given import DUPLICATES_EVERY, MESSAGE, write_csv, write_parquet

FULL_ROWS: Final = (100_000, 1_000_000, 10_000_000)
SHORT_ROWS: Final = (20_000, 100_000)
MOST_MB: Final = 400.0
PAIRS: Final = 5
BESIDE_BASELINE: Final = (("stage", "csv", 2.2), ("stage", "parquet", 1.0), ("check", "csv", 2.2))
"""Commands, kinds of lists, and how many times as fast as the baseline each has to be."""
FLOORS: Final = {
    "csv": Floor(
        bound=at_least(0.012),
        why="A bare pass is twenty to forty times as fast as checking, rendering and storing; at eighty times a row costs a scan.",
    ),
    "parquet": Floor(
        bound=at_least(0.03),
        why="A bare pass is eight to fifteen times as fast as checking, rendering and storing; at thirty times a row costs a scan.",
    ),
}
FLAT: Final = Floor(
    bound=at_most(2.0),
    why="A list is streamed: many times the rows must not take twice the memory; whoever keeps rows takes as many times as much.",
)
FASTER: Final = Floor(
    bound=at_least(0.4),
    why="A row costs the same in a longer list, but for an index that grows; less than half is a step that is not linear.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    rows: int
    ours: Spent
    bare: Spent

    @property
    def per_second(self) -> float:
        return self.rows / self.ours.seconds


def measured(folder: Path, *, short: bool) -> Found:
    figures: list[Figure] = []
    for kind in ("csv", "parquet"):
        found = [_staged(folder, kind, rows) for rows in (SHORT_ROWS if short else FULL_ROWS)]
        figures += _speeds(kind, found)
        figures += _memory(kind, found, short=short)
        if kind == "csv" and not short:
            figures.append(_on_one_core(folder, 1_000_000))
    if not short and (baseline := os.environ.get("BASELINE")):
        figures += _beside_baseline(folder, Path(baseline).resolve(), 1_000_000)
    return Found(figures=figures)


def _speeds(kind: str, found: list[Staged]) -> list[Figure]:
    peer = "a bare csv.reader pass" if kind == "csv" else "a bare pyarrow pass"
    million = next((one for one in found if one.rows == 1_000_000), None)
    speeds = [
        Figure(
            name=f"{kind}, {one.rows:,} rows",
            value=one.per_second,
            unit="rows/s",
            beside=f"{peer}, start of Python included",
            beside_value=one.rows / one.bare.seconds,
            goal=at_least(100_000) if one is million else None,
            # Of a short list the start of the command is a part that says nothing of its rows.
            floor=FLOORS[kind] if one is found[-1] else None,
        )
        for one in found
    ]
    small, large = found[-2], found[-1]
    flat = Figure(
        name=f"{kind}, {large.rows:,} rows",
        value=large.per_second,
        unit="rows/s",
        beside=f"{small.rows:,} rows",
        beside_value=small.per_second,
        ratio_goal=at_least(0.8) if large.rows == FULL_ROWS[-1] else None,
        floor=FASTER,
    )
    return [*speeds, flat]


def _memory(kind: str, found: list[Staged], *, short: bool) -> list[Figure]:
    small, large = found[0], found[-1]
    return [
        Figure(
            name=f"{kind}, {large.rows:,} rows: peak memory",
            value=large.ours.peak_mb,
            unit="MB",
            beside=f"{small.rows:,} rows",
            beside_value=small.ours.peak_mb,
            goal=at_most(MOST_MB),
            ratio_goal=None if short else at_most(1.2),
            floor=FLAT,
        )
    ]


def _on_one_core(folder: Path, rows: int) -> Figure:
    found = _staged(folder, "csv", rows, one_core=True)
    return Figure(
        name=f"csv, {rows:,} rows, all threads on one core",
        value=found.per_second,
        unit="rows/s",
        beside="a bare csv.reader pass, on one core too",
        beside_value=found.rows / found.bare.seconds,
        goal=at_least(100_000),
    )


def _beside_baseline(within: Path, checkout: Path, rows: int) -> Iterator[Figure]:
    older = ["env", f"PYTHONPATH={checkout}", str(checkout / ".venv/bin/python"), "-m", "campaign"]
    for command, kind, times in BESIDE_BASELINE:
        with tempfile.TemporaryDirectory(dir=within) as name:
            path = Path(name) / f"list.{kind}"
            (write_csv if kind == "csv" else write_parquet)(path, rows)
            words = [command, str(path), "--message", MESSAGE]
            turns = [[_alone(Path(name), [*start, *words]) for start in (campaign(), older)] for _ in range(PAIRS)]
        ours, theirs = zip(*turns, strict=True)
        yield Figure(
            name=f"{command} {kind}, {rows:,} rows, by turns",
            value=rows / median(one.seconds for one in ours),
            unit="rows/s",
            beside=f"{checkout.name}, medians of {PAIRS}",
            beside_value=rows / median(one.seconds for one in theirs),
            ratio_goal=at_least(times),
        )
        yield Figure(
            name=f"{command} {kind}, {rows:,} rows, by turns: CPU",
            value=median(one.cpu_seconds for one in ours),
            unit="s",
            beside=checkout.name,
            beside_value=median(one.cpu_seconds for one in theirs),
        )


def _alone(within: Path, words: Sequence[str]) -> Spent:
    """A command with a ledger of its own."""
    with tempfile.TemporaryDirectory(dir=within) as name:
        return spent(words, environment(Path(name) / "campaign.db"), folder=Path(name))


def _staged(within: Path, kind: str, rows: int, *, one_core: bool = False) -> Staged:
    with tempfile.TemporaryDirectory(dir=within) as name:
        folder = Path(name)
        path, ledger = folder / f"list.{kind}", folder / "campaign.db"
        (write_csv if kind == "csv" else write_parquet)(path, rows)
        given = environment(ledger)
        bare = spent(module("peers.bare_read", str(path), str(rows)), given, folder=folder, one_core=one_core)
        words = campaign("stage", str(path), "--message", MESSAGE, "--log-level", "error")
        ours = spent(words, given, folder=folder, one_core=one_core)
        _check(ledger, rows)
    return Staged(rows=rows, ours=ours, bare=bare)


def _check(ledger: Path, rows: int) -> None:
    """See that what was timed is what was asked for: every row there, and the duplicates marked."""
    reader = SqliteReader(ledger)
    try:
        record = reader.campaign("list")
        assert record is not None
        by_status = reader.counts(record.id).by_status
    finally:
        reader.close()
    assert by_status[Status.SKIPPED] == rows // DUPLICATES_EVERY
    assert by_status[Status.PENDING] == rows - rows // DUPLICATES_EVERY
