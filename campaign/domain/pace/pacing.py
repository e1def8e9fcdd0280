"""The shared rate limit of one token and endpoint, as arithmetic: who may send when (GCRA), and how a 429 slows everyone down.

The ledger keeps one `RateState` per token and endpoint. A process reserves a slice of timed slots from it. Only the ledger writes it; only
the sender sleeps. Times are seconds on the ledger's clock.
"""

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from campaign.domain.text.durations import clamp

LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
"""A reply that asks for a longer wait counts as this much: beyond it the run would rather stop than wait."""


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
        jitter: a random number from [0, 1).
        retry_after_seconds: the wait that the reply asked for, clamped. Jitter is added, so that not everyone returns at once.
        base_seconds: the longest first wait.
        longest_retry_seconds: the limit of every wait.
    """
    if retry_after_seconds is not None:
        return clamp(retry_after_seconds, 0.0, LONGEST_RETRY_AFTER_SECONDS) + jitter * base_seconds
    # The exponent is bounded so that a large count can't overflow.
    return jitter * min(longest_retry_seconds, base_seconds * 2.0 ** min(max(attempts, 1) - 1, 32))


CONTENDED_SECONDS: Final = 0.05
"""Processes that share a rate lease slots for so long each, in turn. Smaller slices would overload the ledger with requests."""

SLICES_AHEAD: Final = 20
LONGEST_AHEAD_SECONDS: Final = 2.5
"""How far ahead slots are leased. So many processes find room for a slice each, and none has to ask twice. Where that many share a rate,
the others go on for so long after a 429."""

SUSTAINED_SECONDS: Final = 30.0
"""A second pause within this time of the last one means that the rate itself is too high."""

CLEAN_SECONDS: Final = 10.0
"""After so long without a pause or a change, the rate rises by one step towards the wanted rate."""

SPARE: Final = 1.004
"""Slots are this factor further apart than the rate says, so that requests that bunch on the way still fit into the API's second."""

RETRY_SECONDS: Final = 0.02
LONGEST_WAIT_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 5.0
AHEAD_SECONDS: Final = 0.5
"""A process claims rows for so long ahead of their turn."""

FALL: Final = 0.7
RISE: Final = 1.15
LOWEST_FACTOR: Final = 0.1
DEFAULT_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """`rate_factor` is the part of the wanted rate in use at present. `changed_at` is the last time it fell or rose, or a pause began."""

    next_free: float = 0.0
    rate_factor: float = 1.0
    paused_until: float = 0.0
    changed_at: float = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """`count` sends, the first `first_in_seconds` after `leased_at`, each `interval_seconds` after the last.

    If `count` is 0, there is no slot yet: ask again after `first_in_seconds`. `leased_at` is on the ledger's clock when slots are leased,
    and on the process's (`ledger.clock.ticks`) when they are used. It is not the time of the ledger's answer, as a slow commit would
    then delay every slot.
    """

    count: int
    first_in_seconds: float
    interval_seconds: float
    leased_at: float


def reserve_slots(state: RateState, *, now: float, rate_per_second: float, want: int) -> tuple[RateState, Slots]:
    """Take up to `want` slots, after those of all others, if there is room ahead for a slice."""
    longest_interval = 1.0 / (rate_per_second * LOWEST_FACTOR)
    furthest = now + LONGEST_AHEAD_SECONDS + max(LONGEST_RETRY_AFTER_SECONDS, longest_interval)
    if not state.next_free <= furthest:
        state = replace(state, next_free=now)
    state = _risen(_plausible(state, now), now)
    interval = SPARE / (rate_per_second * state.rate_factor)
    start = max(state.next_free, state.paused_until, now)
    room = now + min(LONGEST_AHEAD_SECONDS, SLICES_AHEAD * max(CONTENDED_SECONDS, interval)) - start
    if room < 0 or want < 1:
        return state, Slots(count=0, first_in_seconds=max(-room, interval), interval_seconds=interval, leased_at=now)
    count = min(want, 1 + math.floor(room / interval))
    least = min(want, max(1, math.floor(CONTENDED_SECONDS / interval)))
    if count < least:
        missing = (least - 1) * interval - room
        return state, Slots(count=0, first_in_seconds=max(missing, 0.0), interval_seconds=interval, leased_at=now)
    return (
        replace(state, next_free=start + count * interval),
        Slots(count=count, first_in_seconds=start - now, interval_seconds=interval, leased_at=now),
    )


def retry_in_seconds(slots: Slots, *, refused: int, jitter: float) -> float:
    """Seconds until the next request for slots, after there was none.

    The wait grows with each request in vain: with any number of processes, some ask several times in each slice, and the ledger gets no
    more requests than it can bear.

    Args:
        slots: the answer.
        refused: how many times in a row there was no slot.
        jitter: from 0 to below 1, different for each process.
    """
    doubled = RETRY_SECONDS * 2.0 ** min(refused, 16)
    return min(slots.first_in_seconds, LONGEST_WAIT_SECONDS) + min(doubled, LONGEST_RETRY_SECONDS) * (0.5 + jitter)


def rows_ahead(*, last: int, taken: int, seconds: float, starved: bool, most: int) -> int:
    """How many rows to claim next, so that they last AHEAD_SECONDS: no slot is lost, and a kill leaves few unknown.

    Args:
        last: how many were claimed last.
        taken: how many were used since.
        seconds: how long that took.
        starved: whether a sender had to wait for rows.
        most: the maximum.
    """
    wanted = 2 * last if starved else math.ceil(AHEAD_SECONDS * taken / max(seconds, 0.001))
    return max(1, min(most, max(wanted, last // 2)))


def throttle(state: RateState, *, now: float, retry_after_seconds: float | None) -> RateState:
    """The rate state after a 429: everyone pauses. Pauses that follow each other closely also lower the rate, once per pause."""
    state = _plausible(state, now)
    asked = DEFAULT_PAUSE_SECONDS if retry_after_seconds is None else clamp(retry_after_seconds, 0.05, LONGEST_RETRY_AFTER_SECONDS)
    until = max(state.paused_until, now + asked)
    if now < state.paused_until:
        return replace(state, paused_until=until)
    sustained = now - state.changed_at < SUSTAINED_SECONDS
    rate_factor = max(LOWEST_FACTOR, state.rate_factor * FALL) if sustained else state.rate_factor
    return replace(state, paused_until=until, rate_factor=rate_factor, changed_at=now)


def pause(state: RateState, *, now: float, seconds: float) -> RateState:
    """The rate state with a pause for everyone, of at most LONGEST_RETRY_AFTER_SECONDS. The rate stays as it was."""
    state = _plausible(state, now)
    return replace(state, paused_until=max(state.paused_until, now + clamp(seconds, 0.0, LONGEST_RETRY_AFTER_SECONDS)))


def lower_rate(state: RateState, *, now: float, rate_factor: float) -> RateState:
    """The rate state beside foreign traffic: everyone slows down to this part of the wanted rate, until there was none for a while."""
    return replace(_plausible(state, now), rate_factor=min(state.rate_factor, max(LOWEST_FACTOR, rate_factor)), changed_at=now)


def _plausible(state: RateState, now: float) -> RateState:
    """The rate state without impossible times, which a clock that was set back or a damaged row leaves: nobody may wait for them."""
    furthest = now + LONGEST_RETRY_AFTER_SECONDS + LONGEST_AHEAD_SECONDS
    paused_until = state.paused_until if state.paused_until <= furthest else now
    return replace(state, paused_until=paused_until, changed_at=min(state.changed_at, now))


def _risen(state: RateState, now: float) -> RateState:
    if state.rate_factor >= 1.0 or now - max(state.changed_at, state.paused_until) < CLEAN_SECONDS:
        return state
    return replace(state, rate_factor=min(1.0, state.rate_factor * RISE), changed_at=now)


SLICE_SECONDS: Final = 0.5
"""A process that has the rate to itself leases slots for so long. If it is killed, its successor waits at most twice as long for them."""

OFTEN_PER_SECOND: Final = 20.0
"""A process that uses fewer slots leases only those that it can use. A faster process leases whole slices, whether it can use them or
not, as a lease for every few sends would slow it down."""

FEW: Final = 100
"""If fewer rows than this are left, a process leases only as many slots as rows."""

BATCH_SECONDS: Final = 0.002
"""Slots closer together than this are used together, so that a process wakes up once for them."""

LATE_SECONDS: Final = 0.007
"""How late a slot may be used, or half an interval if that is more. A second then never has more than the rate plus one (or 1 %)."""

NOISE_SECONDS: Final = 0.01
"""A database's clock may seem this much faster or slower, as answers are faster or slower."""


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
    def next_wake_at(self) -> float:
        """When enough slots are due to wake up for them."""
        return min(self.last_at, self.first_at + math.floor(BATCH_SECONDS / self.interval_seconds) * self.interval_seconds)

    def missed(self, now: float) -> int:
        """How many slots are too late. A division, not a loop: at a rate that no machine reaches, nearly all slots are late."""
        late = now - self.first_at - max(LATE_SECONDS, self.interval_seconds / 2)
        return min(self.count, math.ceil(late / self.interval_seconds)) if late > 0 else 0

    def due(self, now: float) -> int:
        """How many slots are due now, if none was missed."""
        return min(self.count, 1 + math.floor((now - self.first_at) / self.interval_seconds)) if self.first_at <= now else 0

    def after(self, count: int) -> "Slice":
        """The rest of the slice after its first `count` slots."""
        first_at = self.first_at + count * self.interval_seconds
        return Slice(count=self.count - count, first_at=first_at, interval_seconds=self.interval_seconds)


@dataclass(slots=True)
class Held:
    """All the slots that a process holds.

    `slice_seconds` is the length of the next slice: short while others hold slots of the same rate, and at first, when that is unknown.
    """

    slice_seconds: float = CONTENDED_SECONDS
    _slices: deque[Slice] = field(default_factory=deque)
    _ends_at: float = -math.inf

    def add(self, slots: Slots) -> None:
        """Add leased slots."""
        first_at = slots.leased_at + slots.first_in_seconds
        contended = first_at - max(slots.leased_at, self._ends_at) > max(slots.interval_seconds / 2, NOISE_SECONDS)
        self.slice_seconds = CONTENDED_SECONDS if contended else min(SLICE_SECONDS, 2 * self.slice_seconds)
        self._ends_at = first_at + slots.count * slots.interval_seconds
        self._slices.append(Slice(count=slots.count, first_at=first_at, interval_seconds=slots.interval_seconds))

    def next(self, now: float) -> Slice | None:
        """The slice whose first slot is next; None if none is left. Drops missed slots."""
        while self._slices and (missed := self._slices[0].missed(now)):
            self.use(missed)
        return self._slices[0] if self._slices else None

    def use(self, count: int) -> None:
        """Remove the first slots of the next slice, as used or missed."""
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
    """How many slots to lease next: a slice, or fewer if fewer can be used; 0 if the held ones are enough.

    Args:
        held: the slots that the process holds.
        rate_per_second: what everyone together sends at present.
        ready: how many sends could begin at once.
        used_per_second: how many slots a second were used recently.
        left: how many rows are left to send; inf if unknown.
    """
    whole = max(1, round(rate_per_second * held.slice_seconds))
    usable = whole if used_per_second >= OFTEN_PER_SECOND else math.ceil(min(whole, ready + used_per_second * SLICE_SECONDS))
    missing = left - held.count
    return usable if missing >= FEW else max(0, min(usable, round(missing)))


def most_at_once(rate_per_second: float) -> int:
    """How many sends one process may make at once, which is how far a second may exceed the rate."""
    return max(2, math.floor(0.01 * rate_per_second))
