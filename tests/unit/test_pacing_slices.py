"""The slots a process holds: which may be used when, and how many more it wants."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.pace.pacing import CONTENDED_SECONDS, FEW, LATE_SECONDS, SLICE_SECONDS, SPARE, Held, Slice, Slots, slots_wanted
from tests.bench.arrivals import most_in_a_second

RATES = st.one_of(st.sampled_from([0.5, 9.0, 100.0, 200.0, 1000.0]), st.floats(0.1, 3000))


def slots(count: int, *, first_at: float, interval: float = 0.1, leased_at: float | None = None) -> Slots:
    leased_at = first_at if leased_at is None else leased_at
    return Slots(count=count, first_in_seconds=first_at - leased_at, interval_seconds=interval, leased_at=leased_at)


@pytest.mark.parametrize(
    ("now", "missed"),
    [(9.0, 0), (10.0, 0), (10.049, 0), (10.051, 1), (10.149, 1), (10.151, 2), (10.449, 4), (10.451, 5), (1e9, 5)],
)
def test_a_slot_more_than_half_an_interval_late_is_missed(now: float, missed: int) -> None:
    assert Slice(count=5, first_at=10.0, interval_seconds=0.1).missed(now) == missed


def test_of_a_million_slots_a_second_those_of_the_last_moment_are_left() -> None:
    slice_ = Slice(count=250_000, first_at=10.0, interval_seconds=1e-6)
    left = slice_.after(slice_.missed(10.1))
    assert left.first_at == pytest.approx(10.1 - LATE_SECONDS, abs=2e-6)
    assert left.last_at == pytest.approx(slice_.last_at)
    assert left.missed(10.1) == 0


@pytest.mark.parametrize(("interval", "together"), [(0.111, 1), (0.0025, 1), (0.001, 3), (0.0001, 21), (1e-6, 100)])
def test_slots_close_together_are_worth_one_waking_up(interval: float, together: int) -> None:
    slice_ = Slice(count=100, first_at=10.0, interval_seconds=interval)
    assert slice_.next_wake_at == pytest.approx(10.0 + (together - 1) * interval)


@given(RATES, st.integers(0, 2**32))
def test_slots_used_as_late_as_they_may_be_keep_to_the_rate(rate: float, seed: int) -> None:
    draw = random.Random(seed)
    held, now, sent, interval = Held(), 0.0, list[float](), SPARE / rate
    held.add(slots(math.ceil(3 * rate), first_at=0.0, interval=interval))
    while held.next(now) is not None:
        now += draw.choice([interval, draw.uniform(0, 0.02), draw.uniform(0, 0.5)])
        while (slice_ := held.next(now)) is not None and slice_.first_at <= now:
            held.use(1)
            sent.append(now)
    assert most_in_a_second(sent) <= max(math.ceil(rate) + 1, 1.01 * rate)


@given(RATES, st.lists(st.integers(1, 50), min_size=1, max_size=6), st.floats(0, 5))
def test_each_slot_is_used_or_missed_and_none_before_its_time(rate: float, counts: list[int], late: float) -> None:
    held, at = Held(), 100.0
    for count in counts:
        held.add(slots(count, first_at=at, interval=1 / rate))
        at += count / rate
    used, now = 0, 100.0 + late
    assert held.last_at == pytest.approx(at - 1 / rate)
    while (slice_ := held.next(now)) is not None:
        now = max(now, slice_.first_at)
        before = held.count
        held.use(1)
        assert held.count == before - 1
        used += 1
    assert held.count == 0
    assert sum(counts) - used == pytest.approx(max(0.0, late - max(LATE_SECONDS, 0.5 / rate)) * rate, abs=1.01) or used == 0


def test_slices_are_short_while_others_share_the_rate_and_grow_when_nobody_does() -> None:
    held, at, seconds = Held(), 0.0, list[float]()
    for ahead in (0.0, 0.03, 0.03, 0.0, 0.03, 0.03):
        seconds.append(held.slice_seconds)
        held.add(slots(5, first_at=at, interval=0.01, leased_at=at - ahead))
        at += 0.05
    assert seconds == pytest.approx([CONTENDED_SECONDS, 0.1, 0.2, 0.4, SLICE_SECONDS, SLICE_SECONDS])
    held.add(slots(5, first_at=at + 0.05, interval=0.01, leased_at=at - 0.03))
    assert held.slice_seconds == CONTENDED_SECONDS


def test_after_a_while_without_slots_nobody_else_is_seen_who_is_not_there() -> None:
    held = Held(slice_seconds=0.2)
    held.add(slots(5, first_at=0.0, interval=0.01))
    held.add(slots(5, first_at=7.0, interval=0.01))
    assert held.slice_seconds == SLICE_SECONDS


def test_of_what_is_let_go_nothing_is_used() -> None:
    held = Held()
    held.add(slots(5, first_at=0.0))
    held.clear()
    assert (held.next(0.0), held.count) == (None, 0)


@pytest.mark.parametrize(
    ("rate", "ready", "used", "left", "want"),
    [
        pytest.param(9.0, 16, 0, math.inf, 4, id="a slice"),
        pytest.param(1000.0, 1024, 0, math.inf, 500, id="a slice of many"),
        pytest.param(0.5, 16, 0, math.inf, 1, id="at least one"),
        pytest.param(200.0, 1, 4, math.inf, 3, id="as many as are answered"),
        pytest.param(200.0, 3, 0, math.inf, 3, id="as many as can begin"),
        pytest.param(200.0, 1024, 200, 7, 7, id="as many as there are rows"),
        pytest.param(200.0, 1024, 200, 0, 0, id="no rows"),
        pytest.param(1e6, 1, 10_000, math.inf, 500_000, id="the whole slice, though few of it can be used"),
        pytest.param(1e6, 1, 10_000, 150, 500_000, id="the whole slice for rows that outlast it"),
        pytest.param(1e6, 1, 10_000, 3, 3, id="the last rows"),
    ],
)
def test_what_can_be_used_is_leased(rate: float, ready: float, used: float, left: float, want: int) -> None:
    found = slots_wanted(Held(slice_seconds=SLICE_SECONDS), rate_per_second=rate, ready=ready, used_per_second=used, left=left)
    assert found == want


def test_what_is_held_is_enough_for_as_many_rows() -> None:
    held = Held()
    held.add(slots(5, first_at=0.0))
    wanted = [slots_wanted(held, rate_per_second=200.0, ready=16, used_per_second=100.0, left=left) for left in (3, 5, 7)]
    assert wanted == [0, 0, 2]


@given(RATES, st.floats(0, 1e4), st.floats(0, 1e6), st.one_of(st.just(math.inf), st.integers(0, 10**6)))
def test_never_more_than_a_slice_is_leased(rate: float, ready: float, used: float, left: float) -> None:
    want = slots_wanted(Held(slice_seconds=SLICE_SECONDS), rate_per_second=rate, ready=ready, used_per_second=used, left=left)
    assert 0 <= want <= max(1, round(rate * SLICE_SECONDS))
    assert want <= left or left >= FEW
