"""When a run will be through, over windows and the nights in which the clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.schedule import Window, ends_at, is_open, moment_in_words, open_seconds_until, parse_window

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("window", "start", "hours", "end"),
    [
        (None, "2026-12-01T10:00", 3.0, "2026-12-01T13:00"),
        ("09:00-20:00", "2026-12-01T10:00", 3.0, "2026-12-01T13:00"),
        ("09:00-20:00", "2026-12-01T07:00", 3.0, "2026-12-01T12:00"),
        ("09:00-20:00", "2026-12-01T18:00", 3.0, "2026-12-02T10:00"),
        ("09:00-20:00", "2026-12-01T18:00", 2.0, "2026-12-01T20:00"),
        ("09:00-20:00", "2026-12-01T09:00", 31.0, "2026-12-03T18:00"),
        ("22:00-06:00", "2026-12-01T10:00", 9.0, "2026-12-02T23:00"),
        ("00:00-24:00", "2026-12-01T10:00", 30.0, "2026-12-02T16:00"),
        # Between 2 and 3 an hour is missing in March, and comes twice in October.
        ("01:00-05:00", "2026-03-29T00:00", 3.0, "2026-03-29T05:00"),
        ("01:00-05:00", "2026-10-25T00:00", 5.0, "2026-10-25T05:00"),
    ],
)
def test_the_end_of_a_run(window: str | None, start: str, hours: float, end: str) -> None:
    found = ends_at(hours * HOUR, window=parse_window(window) if window else None, in_zone=BERLIN, start=berlin(start))
    assert found == berlin(end)


def test_an_end_that_nobody_will_see_is_none() -> None:
    assert ends_at(1e12, window=None, in_zone=BERLIN, start=berlin("2026-12-01T10:00")) is None
    assert ends_at(1e8, window=parse_window("09:00-09:01"), in_zone=BERLIN, start=berlin("2026-12-01T10:00")) is None


@given(
    st.integers(min_value=60, max_value=200_000),
    st.times(),
    st.integers(min_value=30, max_value=1400),
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 12, 31)),  # noqa: DTZ001 - made aware below
)
def test_until_the_end_the_window_was_open_for_just_that_long(seconds: int, opens: time, minutes: int, start: datetime) -> None:
    first = datetime.combine(start.date(), opens.replace(second=0, microsecond=0))
    window = Window(opens=first.time(), closes=(first + timedelta(minutes=minutes)).time())
    begin = start.replace(microsecond=0, tzinfo=UTC)
    end = ends_at(seconds, window=window, in_zone=BERLIN, start=begin)
    assert end is not None
    assert open_seconds_until(window, BERLIN, first=begin, last=end) == pytest.approx(seconds, abs=1.5)
    assert is_open(window, BERLIN, end - timedelta(seconds=1))


def test_moments_in_words() -> None:
    now = berlin("2026-12-01T10:00")
    assert moment_in_words(berlin("2026-12-01T14:32"), now=now, in_zone=BERLIN) == "14:32"
    assert moment_in_words(berlin("2026-12-02T03:10"), now=now, in_zone=BERLIN) == "03:10 on Wed 2 Dec"
    assert moment_in_words(berlin("2027-01-01T00:00"), now=now, in_zone=BERLIN) == "00:00 on Fri 1 Jan 2027"
    assert moment_in_words(datetime(2026, 12, 1, 23, 30, tzinfo=UTC), now=now, in_zone=BERLIN) == "00:30 on Wed 2 Dec"
