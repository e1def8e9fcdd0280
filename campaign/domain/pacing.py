"""The shared budget of one token and endpoint, as arithmetic: who may send when (GCRA), and what a 429 changes for everyone.

One `Pace` value stands in the ledger per token and endpoint. A process leases a slice of timed slots from it; only the ledger
writes it, only the sender sleeps. Times are seconds on the ledger's clock.
"""

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from campaign.domain.durations import clamp

LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
"""A reply that asks for more is believed up to here: beyond it the run would rather stop than wait."""


def delay_seconds(
    *,
    attempts: int,
    jitter: float,
    retry_after_seconds: float | None = None,
    base_seconds: float = 1.0,
    longest_retry_seconds: float = 60.0,
) -> float:
    """Seconds until the next try.

    Args:
        attempts: tries made so far, at least 1.
        jitter: a draw from [0, 1).
        retry_after_seconds: what the reply asked for, clamped; a little jitter is added so that not everyone comes back at once.
        base_seconds: upper end of the first wait.
        longest_retry_seconds: upper end of every wait.
    """
    if retry_after_seconds is not None:
        return clamp(retry_after_seconds, 0.0, LONGEST_RETRY_AFTER_SECONDS) + jitter * base_seconds
    # The exponent is bounded so that a large count can't overflow.
    return jitter * min(longest_retry_seconds, base_seconds * 2.0 ** min(max(attempts, 1) - 1, 32))


CONTENDED_SECONDS: Final = 0.05
"""Processes that share a rate lease slots for so long each, in turn. Smaller slices would wear the budget out."""

SLICES_AHEAD: Final = 20
LONGEST_AHEAD_SECONDS: Final = 2.5
"""How far ahead slots are leased: so many processes find room for a slice each, and none has to ask twice. So long, where that many share
a rate, the others go on after a 429."""

SUSTAINED_SECONDS: Final = 30.0
"""A second pause within this time of the last one means that the rate itself is too high."""

CLEAN_SECONDS: Final = 10.0
"""Clean running that earns one step back towards the wanted rate."""

SPARE: Final = 1.004
"""Slots are so much further apart than the rate says: what the way to the API bunches together then still fits into its second."""

RETRY_SECONDS: Final = 0.02
LONGEST_WAIT_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 5.0
AHEAD_SECONDS: Final = 0.5
"""How long the rows that a process has claimed ahead of their turn last."""

FALL: Final = 0.7
RISE: Final = 1.15
LOWEST_SHARE: Final = 0.1
DEFAULT_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`share` is the part of the wanted rate that is used at present; `changed_at` the last time it fell or rose, or a pause began."""

    next_free: float = 0.0
    share: float = 1.0
    paused_until: float = 0.0
    changed_at: float = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """`count` sends, the first `first_in_seconds` after `leased_at`, each `interval_seconds` after the last.

    With a count of 0 there is none yet: ask again after `first_in_seconds`. `leased_at` is on the ledger's clock where they are leased, and
    on the process's (`time.monotonic`) where they are used: counted from the ledger's answer they would be as late as its commit was slow.
    """

    count: int
    first_in_seconds: float
    interval_seconds: float
    leased_at: float


def lease(pace: Pace, *, now: float, rate_per_second: float, want: int) -> tuple[Pace, Slots]:
    """Take up to `want` slots, behind those of all others, if there is room ahead for a slice."""
    longest_interval = 1.0 / (rate_per_second * LOWEST_SHARE)
    furthest = now + LONGEST_AHEAD_SECONDS + max(LONGEST_RETRY_AFTER_SECONDS, longest_interval)
    if not pace.next_free <= furthest:
        pace = replace(pace, next_free=now)
    pace = _risen(_plausible(pace, now), now)
    interval = SPARE / (rate_per_second * pace.share)
    start = max(pace.next_free, pace.paused_until, now)
    room = now + min(LONGEST_AHEAD_SECONDS, SLICES_AHEAD * max(CONTENDED_SECONDS, interval)) - start
    if room < 0 or want < 1:
        return pace, Slots(count=0, first_in_seconds=max(-room, interval), interval_seconds=interval, leased_at=now)
    count = min(want, 1 + math.floor(room / interval))
    least = min(want, max(1, math.floor(CONTENDED_SECONDS / interval)))
    if count < least:
        missing = (least - 1) * interval - room
        return pace, Slots(count=0, first_in_seconds=max(missing, 0.0), interval_seconds=interval, leased_at=now)
    return (
        replace(pace, next_free=start + count * interval),
        Slots(count=count, first_in_seconds=start - now, interval_seconds=interval, leased_at=now),
    )


def retry_in_seconds(slots: Slots, *, refused: int, jitter: float) -> float:
    """When to ask again for a budget that had no slot.

    The more often others were faster, the longer: with any number of processes somebody asks several times in each slice, and the
    budget is not asked more than it can bear.

    Args:
        slots: what was answered.
        refused: how many times in a row there was none.
        jitter: from 0 to below 1, other for each process.
    """
    doubled = RETRY_SECONDS * 2.0 ** min(refused, 16)
    return min(slots.first_in_seconds, LONGEST_WAIT_SECONDS) + min(doubled, LONGEST_RETRY_SECONDS) * (0.5 + jitter)


def rows_ahead(*, last: int, taken: int, seconds: float, starved: bool, most: int) -> int:
    """How many rows to claim next, so that they last AHEAD_SECONDS. Enough that no slot is lost, few enough for a kill.

    Args:
        last: how many were claimed last.
        taken: how many were used since.
        seconds: how long that took.
        starved: whether somebody had to wait for them.
        most: never more than this.
    """
    wanted = 2 * last if starved else math.ceil(AHEAD_SECONDS * taken / max(seconds, 0.001))
    return max(1, min(most, max(wanted, last // 2)))


def throttle(pace: Pace, *, now: float, retry_after_seconds: float | None) -> Pace:
    """A 429 came: everyone pauses; pauses that follow each other closely also lower the rate, once per pause."""
    pace = _plausible(pace, now)
    asked = DEFAULT_PAUSE_SECONDS if retry_after_seconds is None else clamp(retry_after_seconds, 0.05, LONGEST_RETRY_AFTER_SECONDS)
    until = max(pace.paused_until, now + asked)
    if now < pace.paused_until:
        return replace(pace, paused_until=until)
    sustained = now - pace.changed_at < SUSTAINED_SECONDS
    share = max(LOWEST_SHARE, pace.share * FALL) if sustained else pace.share
    return replace(pace, paused_until=until, share=share, changed_at=now)


def pause(pace: Pace, *, now: float, seconds: float) -> Pace:
    """Everyone waits, at most LONGEST_RETRY_AFTER_SECONDS, and goes on at the rate of before."""
    pace = _plausible(pace, now)
    return replace(pace, paused_until=max(pace.paused_until, now + clamp(seconds, 0.0, LONGEST_RETRY_AFTER_SECONDS)))


def make_room(pace: Pace, *, now: float, share: float) -> Pace:
    """Strangers use the token too: everyone goes down to this share at once, and no faster until they have not been seen for a while."""
    return replace(_plausible(pace, now), share=min(pace.share, max(LOWEST_SHARE, share)), changed_at=now)


def _plausible(pace: Pace, now: float) -> Pace:
    """Without what only a clock set back, or a damaged row, explains: nobody may wait for it."""
    furthest = now + LONGEST_RETRY_AFTER_SECONDS + LONGEST_AHEAD_SECONDS
    paused_until = pace.paused_until if pace.paused_until <= furthest else now
    return replace(pace, paused_until=paused_until, changed_at=min(pace.changed_at, now))


def _risen(pace: Pace, now: float) -> Pace:
    if pace.share >= 1.0 or now - max(pace.changed_at, pace.paused_until) < CLEAN_SECONDS:
        return pace
    return replace(pace, share=min(1.0, pace.share * RISE), changed_at=now)


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
