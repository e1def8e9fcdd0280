"""How a campaign scales: 1 to 1,000 workers on one ledger, under a simulated clock, with the real pacing and lifecycle code.

python -m tests.bench.scale [--workers 1,10,100,1000] [--rate 1000] [--seconds 60] [--deaths 0.01] [--seed 1] [--json]

Simulated are the clock, the ledger's and the API's delays, and deaths; what decides is `domain.pacing` and `domain.lifecycle`.
The budget is one row, so its transactions come one after the other; claims and settlements of different rows do not wait for each other.
"""

import argparse
import json
from collections import Counter

from campaign.domain.model import Status
from tests.bench.scale_world import BUDGET_SECONDS, Given, World


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
        "most_in_a_second": most_in_a_second(world.sent_at),
        "leases_per_second": round(world.counted["leases"] / given.seconds, 1),
        "leases_in_vain": round(world.counted["leases_in_vain"] / max(1, world.counted["leases"]), 3),
        "budget_busy": round(world.counted["leases"] * BUDGET_SECONDS / given.seconds, 3),
        "longest_wait_for_the_budget_ms": round(world.longest_queue_seconds * 1000, 1),
        "slots_missed": world.counted["slots_missed"],
        "deaths": world.counted["deaths"],
        "rows_in_doubt_per_death": round(world.counted["lost_and_found"] / max(1, world.counted["deaths"]), 1),
    }


def most_in_a_second(times: list[float]) -> int:
    """The fullest of all windows of one second."""
    times = sorted(times)
    begin = most = 0
    for end, at in enumerate(times):
        while times[begin] <= at - 1.0:
            begin += 1
        most = max(most, end - begin + 1)
    return most


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
