"""The sliding window and the exact maximum, against definitions that need no cleverness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.simulator.api.admission import SECOND_NS, Meter, Peak, Room, SlidingWindow, limit_headers, retry_after

GAPS = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2 * SECOND_NS), st.just(SECOND_NS), st.just(SECOND_NS - 1)), max_size=60)


def times_of(gaps: list[int]) -> list[int]:
    now, times = 5 * SECOND_NS, []
    for gap in gaps:
        now += gap
        times.append(now)
    return times


def busiest_second(times: list[int]) -> int:
    return max((sum(1 for time in times if start <= time < start + SECOND_NS) for start in times), default=0)


def test_a_request_counts_for_exactly_one_second() -> None:
    window = SlidingWindow()
    assert [window.admit(now, 2) for now in (0, 10, SECOND_NS - 1, SECOND_NS, SECOND_NS + 9, SECOND_NS + 10)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


@given(gaps=GAPS, limit=st.integers(1, 6))
def test_a_request_is_refused_exactly_if_so_many_were_admitted_in_the_last_second(gaps: list[int], limit: int) -> None:
    window, admitted = SlidingWindow(), list[int]()
    for now in times_of(gaps):
        lately = sum(1 for time in admitted if now - SECOND_NS < time <= now)
        assert window.admit(now, limit) is (lately < limit)
        if lately < limit:
            admitted.append(now)
    assert busiest_second(admitted) <= limit


@given(gaps=GAPS, limit=st.integers(1, 6), lowered=st.integers(1, 6))
def test_room_says_when_one_more_may_come_and_not_a_nanosecond_early(gaps: list[int], limit: int, lowered: int) -> None:
    def window_at_end() -> tuple[SlidingWindow, int]:
        window, now = SlidingWindow(), 0
        for now in times_of(gaps):
            window.admit(now, limit)
        return window, now

    window, now = window_at_end()
    room = window.room(now, lowered)
    if room.remaining:
        assert window.admit(now, lowered)
        return
    assert not window.admit(now + room.frees_in_ns - 1, lowered)
    assert window.admit(now + room.frees_in_ns, lowered)


@given(gaps=GAPS)
def test_the_peak_is_the_busiest_second(gaps: list[int]) -> None:
    peak = Peak()
    for now in times_of(gaps):
        peak.add(now)
    assert peak.highest == busiest_second(times_of(gaps))


def test_a_meter_tells_what_came_from_what_was_admitted() -> None:
    meter = Meter()
    for step in range(11):
        meter.arrive(step * SECOND_NS // 10)
        if step % 2 == 0:
            meter.admit(step * SECOND_NS // 10)
    assert (meter.arrived, meter.admitted) == (11, 6)
    assert (meter.max_arrived_in_a_second, meter.max_admitted_in_a_second) == (10, 5)
    assert meter.admitted_per_second == pytest.approx(5.0)


def test_a_meter_of_one_request_has_no_rate() -> None:
    meter = Meter()
    meter.admit(7)
    assert meter.admitted_per_second == 0.0


def test_headers_are_those_the_vendor_documents() -> None:
    room = Room(remaining=3, frees_in_ns=250_000_001)
    assert limit_headers(room, limit=10, endpoint_path="/x", unix_ns=1_700_000_000 * SECOND_NS) == {
        "x-rate-limit-limit": "10",
        "x-rate-limit-remaining": "3",
        "x-rate-limit-reset": "1700000001",
        "x-rate-limit-url": "/x",
    }
    assert retry_after(room) == "0.251"
