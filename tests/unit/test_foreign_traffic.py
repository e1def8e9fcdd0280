"""Strangers on the same token, seen in what the API says is left of its limit: a simulated sliding window, no clock."""

import random
from collections import deque

import pytest

from campaign.domain.pace.foreign_traffic import ANSWERS, ForeignTrafficEstimator, factor_beside
from campaign.domain.pace.pacing import LOWEST_FACTOR


def seen(*, limit: int, ours: float, theirs: float, seconds: float = 20.0, jitter: float = 0.04, seed: int = 1) -> list[float]:
    """What is made of the answers, one by one, of an API with a sliding window of a second, where both sides send evenly."""
    rng = random.Random(seed)
    phase = rng.random()
    arrivals = [(n / ours + rng.uniform(0, jitter), True) for n in range(int(seconds * ours))]
    if theirs:
        arrivals += [((n + phase) / theirs + rng.uniform(0, jitter), False) for n in range(int(seconds * theirs))]
    window: deque[float] = deque()
    neighbours = ForeignTrafficEstimator()
    found = []
    for at, is_ours in sorted(arrivals):
        while window and window[0] <= at - 1:
            window.popleft()
        throttled = len(window) >= limit
        if not throttled:
            window.append(at)
        if is_ours:
            neighbours.note(limit=limit, remaining=limit - len(window), throttled=throttled, ours_per_second=ours)
            found.append(neighbours.per_second)
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("limit", "ours"), [(10, 9.0), (10, 5.0), (10, 1.0), (100, 90.0), (200, 200.0), (1000, 9.0)])
def test_alone_nobody_is_seen(limit: int, ours: float, seed: int) -> None:
    assert max(seen(limit=limit, ours=ours, theirs=0.0, seed=seed)) == 0


@pytest.mark.parametrize(("limit", "ours", "theirs"), [(10, 9.0, 3.0), (10, 6.3, 3.3), (10, 5.0, 9.0), (10, 8.5, 4.0), (100, 80.0, 50.0)])
def test_strangers_who_fill_the_limit_are_seen_soon(limit: int, ours: float, theirs: float) -> None:
    found = seen(limit=limit, ours=ours, theirs=theirs)
    assert not any(found[: ANSWERS - 1]), "one answer alone tells nothing"
    assert max(found[: ANSWERS + int(4 * ours)]) > 0
    assert max(found) <= theirs + 1


def test_strangers_for_whom_there_is_room_are_left_alone() -> None:
    assert max(seen(limit=100, ours=9.0, theirs=50.0)) == 0


def test_room_is_made_step_by_step_until_both_fit() -> None:
    ours, theirs, limit = 9.0, 3.0, 10
    for step in range(40):
        estimate = max(seen(limit=limit, ours=ours, theirs=theirs, seconds=10.0, seed=step))
        if not estimate:
            break
        neighbours = ForeignTrafficEstimator(per_second=estimate)
        neighbours._limit, neighbours._ours = limit, ours
        ours = min(ours, 9.0 * factor_beside(neighbours.room_per_second(), rate_per_second=9.0))
    assert 5.0 <= ours <= 7.2


@pytest.mark.parametrize(("limit", "remaining"), [(None, None), (10, None), (None, 0), (0, 0)])
def test_an_answer_that_does_not_say_starts_the_count_anew(limit: int | None, remaining: int | None) -> None:
    neighbours = ForeignTrafficEstimator()
    for _ in range(ANSWERS):
        neighbours.note(limit=10, remaining=0, throttled=False, ours_per_second=5.0)
    assert neighbours.per_second == 3.5
    neighbours.note(limit=limit, remaining=remaining, throttled=False, ours_per_second=5.0)
    assert neighbours.per_second == 0


def test_the_window_of_a_minute_is_not_mistaken_for_strangers() -> None:
    neighbours = ForeignTrafficEstimator()
    for _ in range(200):
        neighbours.note(limit=600, remaining=60, throttled=False, ours_per_second=9.0)
    assert neighbours.per_second == 0


@pytest.mark.parametrize(("room", "share"), [(4.5, 0.5), (20.0, 1.0), (0.0, LOWEST_FACTOR), (-5.0, LOWEST_FACTOR)])
def test_there_is_always_some_room(room: float, share: float) -> None:
    assert factor_beside(room, rate_per_second=9.0) == pytest.approx(share)


def test_a_rate_of_our_own_that_was_too_high_is_not_laid_to_strangers() -> None:
    neighbours = ForeignTrafficEstimator()
    for _ in range(ANSWERS):
        neighbours.note(limit=12, remaining=0, throttled=True, ours_per_second=30.0)
    for _ in range(ANSWERS - 1):
        neighbours.note(limit=12, remaining=2, throttled=False, ours_per_second=10.0)
        assert neighbours.per_second == 0
