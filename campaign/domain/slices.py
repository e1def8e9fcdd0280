"""The slots that one process holds, on its own clock: which of them may be used when, and how many more it wants."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from campaign.domain.pacing import CONTENDED_SECONDS, Slots

SLICE_SECONDS: Final = 0.5
"""A process that has the rate to itself leases slots for so long: what its successor waits for at most when it is killed."""

OFTEN_PER_SECOND: Final = 20.0
"""A process that uses fewer slots leases just those that it can use; another whole stretches of time, whatever it can use of them, as a
lease for each few of its sends would hold it up."""

FEW: Final = 100
"""When fewer rows than this are left, just so many slots are leased."""

BATCH_SECONDS: Final = 0.002
"""Slots closer together than this are used together: a process wakes up once for them."""

LATE_SECONDS: Final = 0.007
"""How late a slot may be used; half an interval where that is more. A second then never holds more than the rate and one (or 1 %)."""


NOISE_SECONDS: Final = 0.01
"""By so much a database's time may seem to go faster or slower, as answers are faster or slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """`count` slots, the first at `first_at`."""

    count: int
    first_at: float
    interval_seconds: float

    @property
    def last_at(self) -> float:
        return self.first_at + (self.count - 1) * self.interval_seconds

    @property
    def worth_waking_at(self) -> float:
        """When enough slots are due to wake up for them."""
        return min(self.last_at, self.first_at + math.floor(BATCH_SECONDS / self.interval_seconds) * self.interval_seconds)

    def missed(self, now: float) -> int:
        """How many slots are too late to be used. A division, not a loop: at a rate beyond any machine's nearly all of them are."""
        late = now - self.first_at - max(LATE_SECONDS, self.interval_seconds / 2)
        return min(self.count, math.ceil(late / self.interval_seconds)) if late > 0 else 0

    def due(self, now: float) -> int:
        """How many slots have come, none of them missed."""
        return min(self.count, 1 + math.floor((now - self.first_at) / self.interval_seconds)) if self.first_at <= now else 0

    def after(self, count: int) -> "Slice":
        """What is left of it after its first slots."""
        first_at = self.first_at + count * self.interval_seconds
        return Slice(count=self.count - count, first_at=first_at, interval_seconds=self.interval_seconds)


@dataclass(slots=True)
class Held:
    """All the slots a process holds.

    `slice_seconds` is for how long it leases them next: little while others hold slots of the same rate, and at first, as nobody knows.
    """

    slice_seconds: float = CONTENDED_SECONDS
    _slices: deque[Slice] = field(default_factory=deque)
    _ends_at: float = -math.inf

    def add(self, slots: Slots) -> None:
        """Take over what was leased."""
        first_at = slots.leased_at + slots.first_in_seconds
        contended = first_at - max(slots.leased_at, self._ends_at) > max(slots.interval_seconds / 2, NOISE_SECONDS)
        self.slice_seconds = CONTENDED_SECONDS if contended else min(SLICE_SECONDS, 2 * self.slice_seconds)
        self._ends_at = first_at + slots.count * slots.interval_seconds
        self._slices.append(Slice(count=slots.count, first_at=first_at, interval_seconds=slots.interval_seconds))

    def next(self, now: float) -> Slice | None:
        """The slice whose first slot is to be used next; None if none is left. Slots that were missed are dropped."""
        while self._slices and (missed := self._slices[0].missed(now)):
            self.use(missed)
        return self._slices[0] if self._slices else None

    def use(self, count: int) -> None:
        """The first slots of the next slice are used, or missed."""
        slice_ = self._slices.popleft()
        if count < slice_.count:
            self._slices.appendleft(slice_.after(count))

    def clear(self) -> None:
        self._slices.clear()

    @property
    def count(self) -> int:
        return sum(slice_.count for slice_ in self._slices)

    @property
    def last_at(self) -> float:
        return self._slices[-1].last_at if self._slices else -math.inf


def slots_wanted(held: Held, *, rate_per_second: float, ready: float, used_per_second: float, left: float) -> int:
    """How many slots to lease next: a slice of them, or fewer if fewer can be used; 0 if those that are held are enough.

    Args:
        held: what the process holds.
        rate_per_second: what everyone sends at present.
        ready: how many sends could begin at once.
        used_per_second: how many slots a second were used of late.
        left: how many rows are left to send; inf if that is not known.
    """
    whole = max(1, round(rate_per_second * held.slice_seconds))
    usable = whole if used_per_second >= OFTEN_PER_SECOND else math.ceil(min(whole, ready + used_per_second * SLICE_SECONDS))
    missing = left - held.count
    return usable if missing >= FEW else max(0, min(usable, round(missing)))


def most_at_once(rate_per_second: float) -> int:
    """How many sends one process may make at once: what a second may hold beyond the rate."""
    return max(2, math.floor(0.01 * rate_per_second))
