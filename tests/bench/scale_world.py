"""A simulated ledger, API and workers, whose decisions are the real ones: `domain.pace.pacing` and `domain.model`."""

import heapq
import itertools
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from campaign.domain.pace.pacing import AHEAD_SECONDS as CLAIM_AHEAD_SECONDS
from campaign.domain.pace.pacing import Held, RateState, reserve_slots, retry_in_seconds, rows_ahead, slots_wanted
from campaign.domain.status import Event, Status
from campaign.sender.prefetch import FIRST_PART, MOST_AHEAD
from campaign.sender.rate_limiter import AHEAD_SECONDS
from tests.transitions import allowed

LEASE_SECONDS: Final = 30.0
QUIET_SECONDS: Final = 10.0
BUDGET_SECONDS: Final = 0.001
"""A transaction on the budget's row, on a database of the same data centre."""
LEDGER_SECONDS: Final = 0.005
API_SECONDS: Final = 0.3
REPLACED_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    workers: int
    rate_per_second: float
    seconds: float
    deaths_per_second: float
    """Of all workers together."""
    seed: int


@dataclass(slots=True, eq=False)
class Row:
    status: Status = Status.PENDING
    told: int = 0

    def change(self, event: Event, status: Status) -> None:
        assert allowed(self.status, event, status), f"{self.status} can't become {status} by {event}"
        self.status = status


@dataclass(slots=True, eq=False)
class Worker:
    alive: bool = True
    hand: deque[Row] = field(default_factory=deque)
    held: Held = field(default_factory=Held)
    wakes: int = 0
    leasing: bool = False
    claiming: bool = False
    refused: int = 0
    batch: int = 0
    taken: int = 0
    claimed_at: float = 0.0
    sending: set[Row] = field(default_factory=set)


class World:
    """Everything at one simulated moment."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.now = 0.0
        self.random = random.Random(given.seed)
        self.pace = RateState()
        self.pending: deque[Row] = deque()
        self.rows: list[Row] = []
        self.workers = [Worker() for _ in range(given.workers)]
        self.sent_at: list[float] = []
        self.counted: Counter[str] = Counter()
        self.longest_queue_seconds = 0.0
        self._budget_free_at = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), then))

    def run(self) -> None:
        for worker in self.workers:
            self.after(self.random.random() * 0.1, lambda worker=worker: self.step(worker))  # type: ignore[misc]  # bound at once
        if self.given.deaths_per_second:
            self.after(self.random.expovariate(self.given.deaths_per_second), self.death)
        while self._events and self._events[0][0] <= self.given.seconds:
            self.now, _, then = heapq.heappop(self._events)
            then()

    def step(self, worker: Worker) -> None:
        """What `sender.prefetch` and `sender.rate_limiter` do: claim ahead, lease ahead, send when the slot has come."""
        if not worker.alive:
            return
        self.claim(worker)
        if not worker.hand:
            return
        held = worker.held.count
        slice_ = worker.held.next(self.now)
        self.counted["slots_missed"] += held - worker.held.count
        if worker.held.last_at - self.now < AHEAD_SECONDS:
            self.lease(worker)
        if slice_ is None:
            return
        if slice_.first_at > self.now:
            self.wake(worker, slice_.next_wake_at - self.now)
            return
        worker.held.use(1)
        worker.taken += 1
        self.send(worker, worker.hand.popleft())
        self.wake(worker, 0.0)

    def wake(self, worker: Worker, seconds: float) -> None:
        worker.wakes += 1
        wakes = worker.wakes
        # Whoever is woken up by something else meanwhile waits anew.
        self.after(seconds, lambda: self.step(worker) if worker.wakes == wakes else None)

    def claim(self, worker: Worker) -> None:
        most = min(MOST_AHEAD, max(1, math.ceil(self.given.rate_per_second * CLAIM_AHEAD_SECONDS)))
        worker.batch = worker.batch or math.ceil(most / FIRST_PART)
        if worker.claiming or len(worker.hand) > worker.batch // 2:
            return
        if worker.taken:
            starved = not worker.hand
            seconds = self.now - worker.claimed_at
            worker.batch = rows_ahead(last=worker.batch, taken=worker.taken, seconds=seconds, starved=starved, most=most)
        worker.claiming, worker.taken, worker.claimed_at = True, 0, self.now
        batch = worker.batch
        self.counted["claims"] += 1

        def claimed() -> None:
            worker.claiming = False
            rows = []
            for _ in range(batch):
                row = self.pending.popleft() if self.pending else Row()
                if row.status is Status.PENDING and not row.told:
                    self.rows.append(row)
                row.change(Event.CLAIMED, Status.SENDING)
                rows.append(row)
            if worker.alive:
                worker.hand.extend(rows)
                self.step(worker)
            else:
                self.after(LEASE_SECONDS, lambda: self.lost(rows))

        self.after(LEDGER_SECONDS, claimed)

    def lease(self, worker: Worker) -> None:
        if worker.leasing:
            return
        worker.leasing = True
        begins = max(self.now, self._budget_free_at)
        self._budget_free_at = begins + BUDGET_SECONDS
        self.longest_queue_seconds = max(self.longest_queue_seconds, begins - self.now)
        self.counted["leases"] += 1

        def leased() -> None:
            rate = self.given.rate_per_second
            want = slots_wanted(worker.held, rate_per_second=rate, ready=math.inf, used_per_second=0.0, left=math.inf)
            self.pace, slots = reserve_slots(self.pace, now=self.now, rate_per_second=rate, want=want)
            if slots.count:
                worker.leasing, worker.refused = False, 0
                worker.held.add(slots)
                self.step(worker)
                return
            worker.refused += 1
            self.counted["leases_in_vain"] += 1
            self.after(retry_in_seconds(slots, refused=worker.refused, jitter=self.random.random()), lambda: again(worker))

        def again(worker: Worker) -> None:
            worker.leasing = False
            self.step(worker)

        self.after(self._budget_free_at - self.now, leased)

    def send(self, worker: Worker, row: Row) -> None:
        self.sent_at.append(self.now)
        worker.sending.add(row)
        row.told += 1

        def answered() -> None:
            if worker.alive:
                worker.sending.remove(row)
                self.counted["settled"] += 1
                row.change(Event.SETTLED, Status.DELIVERED)

        self.after(API_SECONDS * (0.5 + self.random.random()), answered)

    def death(self) -> None:
        worker = self.random.choice(self.workers)
        worker.alive = False
        self.counted["deaths"] += 1
        self.after(LEASE_SECONDS, lambda: self.lost([*worker.hand, *worker.sending]))
        self.workers[self.workers.index(worker)] = successor = Worker()
        self.after(REPLACED_SECONDS, lambda: self.step(successor))
        self.after(self.random.expovariate(self.given.deaths_per_second), self.death)

    def lost(self, rows: list[Row]) -> None:
        for row in rows:
            row.change(Event.LOST, Status.UNKNOWN)
            self.after(QUIET_SECONDS, lambda row=row: self.read_back(row))  # type: ignore[misc]  # bound at once
        self.counted["lost_and_found"] += len(rows)

    def read_back(self, row: Row) -> None:
        row.change(Event.READ_BACK, Status.ACCEPTED if row.told else Status.PENDING)
        if row.status is Status.PENDING:
            self.pending.append(row)
