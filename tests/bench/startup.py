"""How long a command takes that does next to nothing, beside Python doing nothing, and importing one library."""

import statistics
import sys
from pathlib import Path
from typing import Final

from tests.bench.children import campaign, environment, spent
from tests.bench.figures import Figure, Floor, Found, at_most
from tests.bench.given import half_settled

FLOOR_HELP: Final = Floor(
    bound=at_most(2.5),
    why="The command's help takes about as long as importing one library of that size; much longer means that it imports several.",
)
FLOOR_STATUS: Final = Floor(
    bound=at_most(6.0),
    why="Opening a ledger and asking for its counts is little more than the command's start; far above it somebody counts rows.",
)


def measured(folder: Path, *, short: bool) -> Found:
    rows, turns = (20_000, 3) if short else (1_000_000, 9)
    given = half_settled(folder, rows)
    commands = {
        "nothing": [sys.executable, "-c", "pass"],
        "aiohttp": [sys.executable, "-c", "import aiohttp"],
        "help": campaign("--help"),
        "status": campaign("status"),
        "one": campaign("status", given.name),
    }
    taken: dict[str, list[float]] = {what: [] for what in commands}
    for _ in range(turns):
        for what, words in commands.items():
            taken[what].append(1000 * spent(words, environment(given.ledger), folder=folder).seconds)
    milliseconds = {what: statistics.median(one) for what, one in taken.items()}
    library = "python -c 'import aiohttp'"
    figures = [
        Figure(
            name="campaign --help",
            value=milliseconds["help"],
            unit="ms",
            beside=library,
            beside_value=milliseconds["aiohttp"],
            goal=at_most(150),
            floor=FLOOR_HELP,
        ),
        Figure(
            name="campaign --help",
            value=milliseconds["help"],
            unit="ms",
            # Too short for a floor: on a busy machine what takes longer is interrupted more often.
            beside="python -c pass",
            beside_value=milliseconds["nothing"],
        ),
        Figure(
            name=f"campaign status, {rows:,} rows in the ledger",
            value=milliseconds["status"],
            unit="ms",
            beside=library,
            beside_value=milliseconds["aiohttp"],
            goal=at_most(250),
            floor=FLOOR_STATUS,
        ),
        Figure(
            name=f"campaign status NAME, {rows:,} rows",
            value=milliseconds["one"],
            unit="ms",
            beside=library,
            beside_value=milliseconds["aiohttp"],
            goal=at_most(250),
            floor=FLOOR_STATUS,
        ),
    ]
    return Found(figures=figures)
