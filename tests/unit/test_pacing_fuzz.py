"""The shared budget where nobody's clock agrees: each process reads its own, late, early or set back, and meets 429s of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.pace.pacing import RateState, reserve_slots, throttle

pytestmark = pytest.mark.fuzz

SECOND = 1 - 1e-6
RATES = st.one_of(st.sampled_from([1.0, 9.0, 10.0, 200.0]), st.floats(0.5, 300))
OFF_SECONDS = st.floats(-0.25, 0.25)
"""By how much a process is off. What it holds is spaced from the latest slot of all, so an early clock takes nothing that was taken."""

STEPS = st.lists(st.tuples(st.integers(0, 3), st.floats(0, 0.4), st.integers(0, 80), st.one_of(st.none(), st.floats(0, 3))), max_size=80)


def most_in_a_second(times: list[float]) -> int:
    times = sorted(times)
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] > SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(RATES, st.lists(OFF_SECONDS, min_size=4, max_size=4), STEPS)
def test_however_the_clocks_of_processes_differ_no_second_holds_more_than_the_rate_and_one(
    rate: float, off: list[float], steps: list[tuple[int, float, int, float | None]]
) -> None:
    pace, now, slots = RateState(), 1000.0, list[float]()
    for process, wait, want, retry_after in steps:
        now += wait
        seen = now + off[process]
        if retry_after is not None:
            paused = throttle(pace, now=seen, retry_after_seconds=retry_after)
            assert paused.rate_factor <= pace.rate_factor
            pace = paused
        pace, found = reserve_slots(pace, now=seen, rate_per_second=rate, want=want)
        # The slots as the ledger has them: a process waits from its own `now`, which is what they are counted from.
        slots += [seen + found.first_in_seconds + number * found.interval_seconds for number in range(found.count)]
    assert slots == sorted(slots)
    assert most_in_a_second(slots) <= rate + 1


@given(RATES, st.integers(1, 5), st.floats(0.1, 10))
def test_after_a_429_nobody_gets_a_slot_before_its_time_whichever_asks_first(rate: float, processes: int, asked: float) -> None:
    pace, now = RateState(), 50.0
    pace, _ = reserve_slots(pace, now=now, rate_per_second=rate, want=5)
    pace = throttle(pace, now=now, retry_after_seconds=asked)
    for process in range(processes * 10):
        seen = now + asked * process / (processes * 10)
        pace, found = reserve_slots(pace, now=seen, rate_per_second=rate, want=100)
        assert not found.count or seen + found.first_in_seconds >= now + asked - 1e-9
