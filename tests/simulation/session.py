"""Many campaigns, one after the other and on several processors, and what came of them."""

import gc
import os
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.simulation.audit import Kind, Violation, violations_in
from tests.simulation.bugs import BUGS
from tests.simulation.campaign import simulate
from tests.simulation.machine import StuckError
from tests.simulation.plan import plan

TOGETHER: Final = 10
"""Campaigns that a process simulates before it says what came of them."""


@dataclass(kw_only=True)
class Tally:
    """What many campaigns came to; `violations` are by seed."""

    campaigns: int = 0
    virtual_seconds: float = 0.0
    requests: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: dict[int, list[Violation]] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        self.campaigns += other.campaigns
        self.virtual_seconds += other.virtual_seconds
        self.requests += other.requests
        self.happened += other.happened
        self.faults += other.faults
        self.violations |= other.violations


def simulated(seed: int, folder: Path, *, trace: Callable[[str], None] | None = None) -> Tally:
    """One campaign, judged; what the code itself raises is a violation, too."""
    found = Tally(campaigns=1)
    try:
        evidence = simulate(plan(seed), folder / str(seed), trace)
    except StuckError as error:
        found.violations[seed] = [Violation(kind=Kind.STUCK, words=str(error))]
        return found
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is what matters
        if trace is not None:
            trace("".join(traceback.format_exception(error)))
        found.violations[seed] = [Violation(kind=Kind.BROKEN, words=repr(error))]
        return found
    found.virtual_seconds = evidence.virtual_seconds
    found.requests = len(evidence.network.written)
    found.happened = evidence.happened
    found.faults = Counter(evidence.network.faults)
    if violations := violations_in(evidence):
        found.violations[seed] = violations
    return found


def many(first: int, campaigns: int, bug: str = "") -> Tally:
    """Some campaigns in this process, with a deliberate bug where one is named."""
    found = Tally()
    with tempfile.TemporaryDirectory(dir=_memory()) as folder, BUGS[bug]() if bug else nullcontext():
        for seed in range(first, first + campaigns):
            found.add(simulated(seed, Path(folder)))
    # A killed process leaves coroutines that know each other.
    gc.collect()
    return found


def session(first: int, *, campaigns: int | None, seconds: float | None, processes: int, bug: str = "") -> Iterator[Tally]:
    """What came so far, each time that it is more, until there were so many campaigns, or so many seconds passed.

    Args:
        first: the first seed.
        campaigns: how many; None for as many as the time allows.
        seconds: how long; None for as long as it takes.
        processes: at once.
        bug: the name of a deliberate bug.
    """
    ends_at = None if seconds is None else time.monotonic() + seconds
    total = Tally()
    starts = count(first, TOGETHER)
    last = None if campaigns is None else first + campaigns
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        going: list[Future[Tally]] = []
        try:
            while True:
                while len(going) < 2 * processes and (ends_at is None or time.monotonic() < ends_at):
                    start = next(starts)
                    if last is not None and start >= last:
                        break
                    going.append(pool.submit(many, start, TOGETHER if last is None else min(TOGETHER, last - start), bug))
                if not going:
                    return
                total.add(going.pop(0).result())
                yield total
        finally:
            pool.shutdown(cancel_futures=True)


def _memory() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - the folder in it is made by tempfile
