"""What it costs to wait: the CPU of a runner at the default rate, beside a script with AsyncLimiter in the same seconds."""

import time
from pathlib import Path
from typing import Final

from tests.bench.answering import first_arrival, own
from tests.bench.children import campaign, environment, module, running
from tests.bench.figures import Figure, Floor, Found, at_most
from tests.bench.given import staged

RATE_PER_SECOND: Final = 9.0
STARTS_SECONDS: Final = 60.0
SETTLES_SECONDS: Final = 2.0
FLOOR: Final = Floor(
    bound=at_most(10.0), why="A ledger and a shared pace cost a few times what the script does at 9/s; far above it something polls."
)


def measured(folder: Path, *, short: bool) -> Found:
    seconds = 3.0 if short else 30.0
    sends = round(RATE_PER_SECOND * (seconds + STARTS_SECONDS))
    given = staged(folder, sends, "idle")
    with own() as url, own() as other:
        runner = campaign("send", given.name, "--yes", "--rate", f"{RATE_PER_SECOND:g}")
        script = module("peers.limiter", other, str(sends), f"{RATE_PER_SECOND:g}", "8")
        with running(runner, environment(given.ledger, url=url)) as ours, running(script, environment(given.ledger)) as theirs:
            first_arrival(url, [ours])
            first_arrival(other, [theirs])
            time.sleep(SETTLES_SECONDS)
            before = _cpu_seconds(ours.pid), _cpu_seconds(theirs.pid), time.monotonic()
            time.sleep(seconds)
            after = _cpu_seconds(ours.pid), _cpu_seconds(theirs.pid), time.monotonic()
    took = after[2] - before[2]
    ours_percent, theirs_percent = (100 * (after[which] - before[which]) / took for which in (0, 1))
    return Found(
        figures=[
            Figure(
                name="CPU at 9/s",
                value=ours_percent,
                unit="% of a core",
                beside="a script with AsyncLimiter",
                beside_value=theirs_percent,
                goal=at_most(1.5),
                floor=FLOOR,
            )
        ]
    )


def _cpu_seconds(process: int) -> float:
    """Of all its threads, to the nanosecond: Linux's clock of another process's CPU, which has no name in Python."""
    return time.clock_gettime(~process << 3 | 2)
