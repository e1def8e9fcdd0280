"""Resume after a kill: from the start of the process to its first new send, with half of a campaign settled."""

import statistics
import sys
import time
from pathlib import Path
from typing import Final

from tests.bench.answering import arrivals, first_arrival, own
from tests.bench.children import campaign, environment, running, spent
from tests.bench.figures import Figure, Floor, Found, at_most
from tests.bench.given import half_settled

FLOOR: Final = Floor(
    bound=at_most(10.0),
    why="Going on costs the command's start and a few look-ups, whatever was sent before; far above it somebody reads all that is settled.",
)


def measured(folder: Path, *, short: bool) -> Found:
    """Each turn kills the runner at its first send, so that the next one finds what a crash leaves."""
    rows, turns = (20_000, 3) if short else (1_000_000, 7)
    given = half_settled(folder, rows)
    resumed, imported = [], []
    with own() as url:
        told = environment(given.ledger, url=url)
        for _ in range(turns):
            imported.append(spent([sys.executable, "-c", "import aiohttp"], told, folder=folder).seconds)
            resumed.append(_first_send_after_seconds(campaign("resume", given.name, "--yes"), told, url))
    return Found(
        figures=[
            Figure(
                name=f"resume, {rows:,} rows, half of them settled: start to first send",
                value=statistics.median(resumed),
                unit="s",
                beside="python -c 'import aiohttp'",
                beside_value=statistics.median(imported),
                goal=at_most(1.0),
                floor=FLOOR,
            )
        ]
    )


def _first_send_after_seconds(words: list[str], told: dict[str, str], url: str) -> float:
    before = len(arrivals(url))
    began = time.monotonic()
    with running(words, told) as process:
        return first_arrival(url, [process], after=before) - began
