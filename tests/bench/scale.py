"""How a campaign scales: 1 to 1,000 workers on one ledger, under a simulated clock, with the real pacing and lifecycle code.

python -m tests.bench.scale [--workers 1,10,100,1000] [--rate 1000] [--seconds 60] [--deaths 0.01] [--seed 1] [--json]

Simulated are the clock, the ledger's and the API's delays, and deaths; what decides is `domain.pace.pacing` and `domain.model`.
The budget is one row, so its transactions come one after the other; claims and settlements of different rows do not wait for each other.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Final

from campaign.domain.status import Status
from tests.bench.arrivals import most_in_a_second
from tests.bench.figures import Figure, Floor, Found, at_least, at_most
from tests.bench.scale_world import BUDGET_SECONDS, Given, World

FEW: Final = 10
RATE_PER_SECOND: Final = 1000.0
FLOOR: Final = Floor(
    bound=at_least(0.9), why="The clock is simulated, so that no machine is too slow: workers that wait in vain are worn-out pacing."
)


def measured(folder: Path, *, short: bool) -> Found:  # noqa: ARG001 - like every other: it writes nothing
    """Simulated: the same on every machine, and again on this one."""
    many, seconds = (100, 10.0) if short else (1000, 60.0)
    few, crowd = (
        figures(Given(workers=workers, rate_per_second=RATE_PER_SECOND, seconds=seconds, deaths_per_second=0.0, seed=1))
        for workers in (FEW, many)
    )
    beside = f"{FEW} workers"
    return Found(
        figures=[
            Figure(
                name=f"{many:,} workers, simulated, sharing {RATE_PER_SECOND:,.0f}/s",
                value=crowd["sends_per_second"],
                unit="sends/s",
                beside=beside,
                beside_value=few["sends_per_second"],
                goal=at_least(0.995 * RATE_PER_SECOND),
                floor=FLOOR,
            ),
            Figure(
                name=f"{many:,} workers, simulated: most in any second",
                value=crowd["most_in_a_second"],
                unit="",
                beside=beside,
                beside_value=few["most_in_a_second"],
                goal=at_most(1.01 * RATE_PER_SECOND),
            ),
            Figure(
                name=f"{many:,} workers, simulated: the budget's row is busy",
                value=100 * crowd["budget_busy"],
                unit="% of the time",
                beside=beside,
                beside_value=100 * few["budget_busy"],
            ),
        ]
    )


def figures(given: Given) -> dict[str, float]:
    """Run it, and what came of it. Per second means per simulated second."""
    world = World(given)
    world.run()
    counts = Counter(row.status for row in world.rows)
    assert all(row.told <= 1 for row in world.rows), "somebody was told twice"
    assert all(row.told for row in world.rows if row.status in {Status.DELIVERED, Status.ACCEPTED})
    assert sum(counts.values()) == len(world.rows)
    warm = [at for at in world.sent_at if at >= 1.0]
    return {
        "workers": given.workers,
        "sends_per_second": round(len(warm) / (given.seconds - 1.0), 2),
        "most_in_a_second": most_in_a_second(sorted(world.sent_at)),
        "leases_per_second": round(world.counted["leases"] / given.seconds, 1),
        "leases_in_vain": round(world.counted["leases_in_vain"] / max(1, world.counted["leases"]), 3),
        "budget_busy": round(world.counted["leases"] * BUDGET_SECONDS / given.seconds, 3),
        "longest_wait_for_the_budget_ms": round(world.longest_queue_seconds * 1000, 1),
        "slots_missed": world.counted["slots_missed"],
        "deaths": world.counted["deaths"],
        "unknown_rows_per_death": round(world.counted["lost_and_found"] / max(1, world.counted["deaths"]), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", default="1,10,100,1000")
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--deaths", type=float, default=0.1, help="workers that die a second, of all together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = [
        figures(
            Given(
                workers=int(workers),
                rate_per_second=asked.rate,
                seconds=asked.seconds,
                deaths_per_second=asked.deaths,
                seed=asked.seed,
            )
        )
        for workers in asked.workers.split(",")
    ]
    if asked.json:
        print(json.dumps(found))
        return
    for name in found[0]:
        print(f"{name.replace('_', ' '):34}", *(f"{one[name]:>10,}" for one in found))


if __name__ == "__main__":
    main()
