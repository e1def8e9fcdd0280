"""The shared budget, simulated: many processes, one `RateState`, a clock that the test owns."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.pace.pacing import (
    CLEAN_SECONDS,
    CONTENDED_SECONDS,
    DEFAULT_PAUSE_SECONDS,
    FALL,
    LONGEST_AHEAD_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    LOWEST_FACTOR,
    RISE,
    SLICES_AHEAD,
    SPARE,
    SUSTAINED_SECONDS,
    RateState,
    Slots,
    lower_rate,
    pause,
    reserve_slots,
    retry_in_seconds,
    rows_ahead,
    throttle,
)

SECOND = 1 - 1e-6
RATES = st.one_of(st.sampled_from([0.002, 0.5, 1.0, 9.0, 10.0, 200.0, 1000.0]), st.floats(0.001, 500))
TIMES = st.floats(0, 2e9)
STEPS = st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 300), st.booleans()), max_size=60)


def most_in_a_second(times: list[float]) -> int:
    times = sorted(times)
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] > SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


def taken(pace: RateState, *, now: float, rate: float, want: int) -> tuple[RateState, list[float]]:
    pace, slots = reserve_slots(pace, now=now, rate_per_second=rate, want=want)
    return pace, [now + slots.first_in_seconds + number * slots.interval_seconds for number in range(slots.count)]


@given(RATES, STEPS)
def test_no_second_holds_more_than_the_rate_and_one_whoever_leases_when(rate: float, steps: list[tuple[float, int, bool]]) -> None:
    pace, now, slots = RateState(), 1000.0, list[float]()
    for wait, want, throttled in steps:
        now += wait
        if throttled:
            pace = throttle(pace, now=now, retry_after_seconds=wait)
        pace, more = taken(pace, now=now, rate=rate, want=want)
        assert len(more) <= want
        assert all(now <= slot <= now + LONGEST_AHEAD_SECONDS + 1e-6 for slot in more)
        slots += more
    assert slots == sorted(slots)
    assert most_in_a_second(slots) <= rate + 1


@pytest.mark.parametrize("rate", [0.5, 1.0, 9.0, 33.3, 200.0])
@pytest.mark.parametrize("processes", [1, 4])
def test_who_always_asks_gets_the_whole_rate(rate: float, processes: int) -> None:
    pace, slots = RateState(), list[float]()
    for tick in range(20 * 20 * processes):
        pace, more = taken(pace, now=tick / (20 * processes), rate=rate, want=max(1, round(rate * CONTENDED_SECONDS)))
        slots += more
    assert sum(slot < 20 for slot in slots) == pytest.approx(20 * rate / SPARE, abs=1 + 2 * CONTENDED_SECONDS * rate)
    assert most_in_a_second(slots) <= rate + 1


@given(RATES)
def test_however_slow_the_rate_a_taken_slot_is_waited_for(rate: float) -> None:
    pace, (first,) = taken(RateState(), now=0.0, rate=rate, want=1)
    pace = throttle(pace, now=0.0, retry_after_seconds=0.05)
    now, later = 0.0, list[float]()
    while not later:
        pace, slots = reserve_slots(pace, now=now, rate_per_second=rate, want=1)
        later = [now + slots.first_in_seconds] * slots.count
        now += min(slots.first_in_seconds, 1 / rate / 3)
    assert later[0] - first >= 1 / rate - 1e-9


def test_who_finds_no_room_is_told_when_there_will_be_some() -> None:
    pace, slots = reserve_slots(RateState(), now=0.0, rate_per_second=10, want=100)
    assert slots.count == 1 + SLICES_AHEAD
    unchanged, none = reserve_slots(pace, now=0.0, rate_per_second=10, want=1)
    assert unchanged == pace
    assert none.count == 0
    assert none.first_in_seconds == pytest.approx(0.1, rel=0.01)
    assert reserve_slots(pace, now=0.11, rate_per_second=10, want=1)[1].count == 1


@pytest.mark.parametrize(("rate", "want"), [(9.0, 1), (100.0, 5), (1000.0, 50)])
def test_many_processes_queue_up_and_none_is_refused(rate: float, want: int) -> None:
    pace, slots = RateState(), list[float]()
    for _ in range(19):
        pace, more = taken(pace, now=0.0, rate=rate, want=want)
        assert len(more) == want
        slots += more
    assert most_in_a_second(slots) <= rate + 1


def test_nothing_wanted_takes_nothing() -> None:
    pace, slots = reserve_slots(RateState(), now=5.0, rate_per_second=10, want=0)
    assert pace == RateState()
    assert slots.count == 0
    assert slots.first_in_seconds > 0


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (None, DEFAULT_PAUSE_SECONDS),
        (7.0, 7.0),
        (0.0, 0.05),
        (-3.0, 0.05),
        (1e9, LONGEST_RETRY_AFTER_SECONDS),
        (math.inf, LONGEST_RETRY_AFTER_SECONDS),
        (math.nan, LONGEST_RETRY_AFTER_SECONDS),
    ],
)
def test_a_429_pauses_everyone_for_what_it_asks(asked: float | None, pause: float) -> None:
    paused = throttle(RateState(next_free=100.0), now=100.0, retry_after_seconds=asked)
    assert paused.paused_until == pytest.approx(100.0 + pause)
    assert paused.rate_factor == 1.0
    _, (slot,) = taken(paused, now=paused.paused_until - 0.02, rate=9, want=1)
    assert slot == pytest.approx(paused.paused_until)


@given(st.lists(st.tuples(st.floats(0, 0.99), st.floats(0, 50)), min_size=1, max_size=30))
def test_more_429_in_a_pause_never_shorten_it_nor_lower_the_share_again(later: list[tuple[float, float]]) -> None:
    pace = throttle(throttle(RateState(), now=0.0, retry_after_seconds=1.0), now=2.0, retry_after_seconds=1.0)
    assert pace.rate_factor == pytest.approx(FALL)
    for after, asked in sorted(later):
        more = throttle(pace, now=2.0 + after, retry_after_seconds=asked)
        assert more.rate_factor == pace.rate_factor
        assert more.paused_until >= pace.paused_until
        pace = more


def test_only_pauses_close_to_each_other_lower_the_share() -> None:
    once = throttle(RateState(), now=0.0, retry_after_seconds=1.0)
    assert throttle(once, now=SUSTAINED_SECONDS, retry_after_seconds=1.0).rate_factor == 1.0
    assert throttle(once, now=SUSTAINED_SECONDS - 1, retry_after_seconds=1.0).rate_factor == pytest.approx(FALL)


def test_the_share_has_a_floor_and_rises_again_step_by_step() -> None:
    pace, now = RateState(), 0.0
    for _ in range(20):
        pace = throttle(pace, now=now, retry_after_seconds=1.0)
        now += 1.5
    assert pace.rate_factor == LOWEST_FACTOR
    assert reserve_slots(pace, now=pace.paused_until + CLEAN_SECONDS - 0.01, rate_per_second=9, want=1)[0].rate_factor == LOWEST_FACTOR
    now, shares = pace.paused_until, [pace.rate_factor]
    while pace.rate_factor < 1.0:
        now += CLEAN_SECONDS
        pace, slots = reserve_slots(pace, now=now, rate_per_second=9, want=1)
        assert slots.interval_seconds == pytest.approx(SPARE / (9 * pace.rate_factor))
        assert reserve_slots(pace, now=now, rate_per_second=9, want=1)[0].rate_factor == pace.rate_factor
        shares.append(pace.rate_factor)
    assert shares[1:] == pytest.approx([min(1.0, share * RISE) for share in shares[:-1]])


@given(TIMES, st.floats(0, 2e9), st.floats(0.01, 500), st.booleans())
def test_a_clock_set_back_is_waited_out_for_minutes_at_most(now: float, back: float, rate: float, throttled: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    pace, _ = taken(RateState(), now=now, rate=rate, want=1)
    if throttled:
        pace = throttle(pace, now=now, retry_after_seconds=LONGEST_RETRY_AFTER_SECONDS)
    earlier = now - back
    assert wait_for_a_slot(pace, now=earlier, rate=rate) <= longest_wait(rate)


@given(
    TIMES,
    st.builds(
        RateState, next_free=st.floats(), rate_factor=st.floats(LOWEST_FACTOR, 1.0), paused_until=st.floats(), changed_at=st.floats()
    ),
    RATES,
)
def test_a_damaged_pace_stops_nobody(now: float, pace: RateState, rate: float) -> None:
    assert wait_for_a_slot(pace, now=now, rate=rate) <= longest_wait(rate)
    paused = throttle(pace, now=now, retry_after_seconds=1.0)
    assert now < paused.paused_until <= now + LONGEST_RETRY_AFTER_SECONDS + LONGEST_AHEAD_SECONDS
    assert LOWEST_FACTOR <= paused.rate_factor <= pace.rate_factor


def longest_wait(rate: float) -> float:
    return LONGEST_AHEAD_SECONDS + max(LONGEST_RETRY_AFTER_SECONDS, 1 / (rate * LOWEST_FACTOR)) + 2 / (rate * LOWEST_FACTOR)


def wait_for_a_slot(pace: RateState, *, now: float, rate: float) -> float:
    began = now
    for _ in range(10):
        pace, slots = reserve_slots(pace, now=now, rate_per_second=rate, want=1)
        assert slots.first_in_seconds >= 0
        now += slots.first_in_seconds
        if slots.count:
            return now - began
        now += 1e-6
    pytest.fail(f"no slot by {now - began} s")


def test_a_pause_makes_everyone_wait_and_changes_no_rate_however_often_it_comes() -> None:
    pace = RateState(next_free=100.0)
    for second in range(5):
        pace = pause(pace, now=100.0 + second, seconds=10.0)
    assert (pace.rate_factor, pace.paused_until) == (1.0, 114.0)
    assert reserve_slots(pace, now=104.0, rate_per_second=9.0, want=9)[1].count == 0
    assert reserve_slots(pace, now=114.0, rate_per_second=9.0, want=9)[1].count > 0
    assert pause(pace, now=104.0, seconds=1e9).paused_until == 104.0 + LONGEST_RETRY_AFTER_SECONDS


def test_room_for_strangers_is_made_at_once_and_kept_while_they_are_seen() -> None:
    pace = lower_rate(RateState(), now=100.0, rate_factor=0.5)
    assert reserve_slots(pace, now=100.0, rate_per_second=10.0, want=1)[1].interval_seconds == pytest.approx(0.2 * SPARE)
    assert lower_rate(pace, now=101.0, rate_factor=0.9).rate_factor == 0.5
    for second in range(1, 60):
        pace = lower_rate(pace, now=100.0 + second, rate_factor=0.5)
        pace, _ = reserve_slots(pace, now=100.0 + second, rate_per_second=10.0, want=1)
    assert pace.rate_factor == 0.5
    for second in range(60, 300):
        pace, _ = reserve_slots(pace, now=100.0 + second, rate_per_second=10.0, want=1)
    assert pace.rate_factor == 1.0
    assert lower_rate(RateState(), now=0.0, rate_factor=-3.0).rate_factor == LOWEST_FACTOR


@pytest.mark.parametrize(
    ("first_in_seconds", "refused", "jitter", "seconds"),
    [
        (0.1, 1, 0.0, 0.12),
        (0.1, 1, 0.5, 0.14),
        (0.0, 3, 0.5, 0.16),
        (30.0, 0, 0.0, 1.01),
        (0.0, 12, 0.5, 5.0),
        (0.0, 10_000, 0.5, 5.0),
    ],
)
def test_who_was_refused_more_often_asks_less_often(first_in_seconds: float, refused: int, jitter: float, seconds: float) -> None:
    slots = Slots(count=0, first_in_seconds=first_in_seconds, interval_seconds=0.1, leased_at=0.0)
    assert retry_in_seconds(slots, refused=refused, jitter=jitter) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("last", "taken", "seconds", "starved", "rows"),
    [
        (5, 9, 1.0, False, 5),
        (50, 10, 1.0, False, 25),
        (50, 10, 100.0, False, 25),
        (1, 1, 100.0, False, 1),
        (5, 5, 0.01, True, 10),
        (400, 400, 0.01, True, 500),
        (1, 1, 0.0, False, 500),
    ],
)
def test_rows_are_claimed_ahead_for_half_a_second_of_ones_own_share(
    last: int, taken: int, seconds: float, *, starved: bool, rows: int
) -> None:
    assert rows_ahead(last=last, taken=taken, seconds=seconds, starved=starved, most=500) == rows


def test_slots_are_not_leased_in_crumbs() -> None:
    pace, first = reserve_slots(RateState(), now=0.0, rate_per_second=1000.0, want=2000)
    assert first.count == pytest.approx(1000, rel=0.01)
    same, crumbs = reserve_slots(pace, now=0.01, rate_per_second=1000.0, want=2000)
    assert (same, crumbs.count) == (pace, 0)
    later = 0.01 + crumbs.first_in_seconds + 1e-9
    _, slots = reserve_slots(pace, now=later, rate_per_second=1000.0, want=2000)
    assert slots.count >= 49
