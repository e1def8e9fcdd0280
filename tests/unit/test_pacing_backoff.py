"""How long a try waits: within its bounds for every count, draw and answer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.pace.pacing import LONGEST_RETRY_AFTER_SECONDS, delay_seconds

JITTER = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 0.5), (1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (6, 16.0), (7, 30.0), (8, 30.0), (10**9, 30.0)],
)
def test_the_upper_end_doubles_up_to_the_longest(attempts: int, seconds: float) -> None:
    assert delay_seconds(attempts=attempts, jitter=0.5) == seconds


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (0.0, 0.5),
        (0.25, 0.75),
        (120.0, 120.5),
        (-5.0, 0.5),
        (LONGEST_RETRY_AFTER_SECONDS + 1, LONGEST_RETRY_AFTER_SECONDS + 0.5),
        (math.inf, LONGEST_RETRY_AFTER_SECONDS + 0.5),
        (math.nan, LONGEST_RETRY_AFTER_SECONDS + 0.5),
    ],
)
def test_what_the_answer_asks_for_wins_whatever_the_count(asked: float, seconds: float) -> None:
    assert {delay_seconds(attempts=attempts, jitter=0.5, retry_after_seconds=asked) for attempts in (1, 5, 50)} == {seconds}


@given(st.integers(0, 10**12), JITTER, st.floats(0.001, 10), st.floats(0.001, 1000))
def test_without_an_answer_the_wait_stays_within_its_bounds(attempts: int, jitter: float, base: float, longest: float) -> None:
    delay = delay_seconds(attempts=attempts, jitter=jitter, base_seconds=base, longest_retry_seconds=longest)
    assert 0 <= delay <= longest
    assert delay <= delay_seconds(attempts=attempts + 1, jitter=jitter, base_seconds=base, longest_retry_seconds=longest)


@given(st.integers(0, 1000), JITTER, st.floats())
def test_nobody_comes_back_before_what_was_asked(attempts: int, jitter: float, asked: float) -> None:
    delay = delay_seconds(attempts=attempts, jitter=jitter, retry_after_seconds=asked)
    assert 0 <= delay <= LONGEST_RETRY_AFTER_SECONDS + 1.0
    if asked <= LONGEST_RETRY_AFTER_SECONDS:
        assert delay >= asked
