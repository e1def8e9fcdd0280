"""Durations as people write and read them."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.text.durations import clamp, parse_duration, words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("0s", 0.0),
        ("1.5h", 5400.0),
        (" 10 s ", 10.0),
        ("10S", 10.0),
        ("250MS", 0.25),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "10", "s", "-1s", "+1s", "1e3s", "1,5s", "5 min", "1h30m", "nan s", "inf s", ".5s", "5.s", "5\u017f", "٣s", "9" * 400 + "h"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"“{text}”")):
        parse_duration(text)


@given(st.one_of(st.text(), st.from_regex(r"(?i)\d+(\.\d+)?\s?(ms|s|m|h|d)", fullmatch=True)))
def test_any_text_is_a_finite_wait_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds < math.inf


@given(st.integers(0, 10**6), st.sampled_from([("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)]))
def test_every_unit_scales(number: int, unit: tuple[str, float]) -> None:
    name, seconds = unit
    assert parse_duration(f"{number}{name}") == pytest.approx(number * seconds)


@pytest.mark.parametrize(
    ("value", "clamped"),
    [(5.0, 5.0), (-1.0, 0.0), (11.0, 10.0), (0.0, 0.0), (10.0, 10.0), (math.inf, 10.0), (-math.inf, 0.0), (math.nan, 10.0)],
)
def test_clamp(value: float, clamped: float) -> None:
    assert clamp(value, 0.0, 10.0) == clamped


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.4, "0 s"),
        (8.0, "8 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (130.0, "2 min 10 s"),
        (3599.6, "1 h"),
        (11_100.0, "3 h 5 min"),
        (86_399.0, "23 h 59 min"),
        (86_400.0, "1 d"),
        (111_111.0, "1 d 6 h"),
    ],
)
def test_a_duration_in_words(seconds: float, text: str) -> None:
    assert words(seconds) == text


@given(st.floats(0, 10**8))
def test_words_lose_less_than_the_unit_after_the_last_one_named(seconds: float) -> None:
    units = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    parts = words(seconds).split()
    said = sum(int(number) * units[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True))
    assert -0.5 <= seconds - said < max(units[parts[-1]], 1)
