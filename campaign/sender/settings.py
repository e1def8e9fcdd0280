"""The settings of a pool."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from campaign.domain.failure_guard import Halt
from campaign.domain.schedule import Schedule
from campaign.ledger.port import HeldPasses
from campaign.sender.attempt import Policy

LATENCY_CARRIED_SECONDS: Final = 10.0
FEWEST_WORKERS: Final = 16
MOST_WORKERS: Final = 1024
UNPACED_WORKERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The settings of one run of the pool.

    `origin` is the address of the API, for messages.

    `held_in_words` says whose batches hold the passes of rows.

    `rate_per_second` None sends without pacing; `concurrency` None follows the rate; `limit` None sends every row. While the schedule does
    not allow sending, the run waits with `wait`, and ends without it. `daily_cap` and `only` are as in `ledger.port.ClaimFilter`.
    """

    key: str
    rate_per_second: float | None
    origin: str = "its address"
    read_rate_per_second: float = 9.0
    concurrency: int | None = None
    limit: int | None = None
    baseline: bool = False
    policy: Policy = field(default_factory=Policy)
    halt: Halt = field(default_factory=Halt)
    schedule: Schedule = field(default_factory=Schedule)
    wait: bool = True
    daily_cap: int = 0
    only: tuple[int, ...] | None = None
    held_in_words: Callable[[HeldPasses], str] = str

    @property
    def workers(self) -> int:
        """How many sends may be under way at once: enough to keep the rate if each answer takes 10 s."""
        if self.concurrency is not None:
            return self.concurrency
        if self.rate_per_second is None:
            return UNPACED_WORKERS
        return min(MOST_WORKERS, max(FEWEST_WORKERS, math.ceil(self.rate_per_second * LATENCY_CARRIED_SECONDS)))
