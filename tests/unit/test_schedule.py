"""Windows and moments in zones, judged by the clock on the wall, minute by minute."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.schedule import Schedule, Window, is_open, next_opening, open_seconds_until, parse_moment, parse_window, zone

BERLIN = zone("Europe/Berlin")
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "Africa/Cairo",
    ]
).map(zone)
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
WINDOWS = st.builds(Window, opens=TIMES, closes=TIMES).filter(lambda window: window.opens != window.closes)
# Around the nights in which many zones change their clocks, and anywhere.
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 3, 27), datetime(2026, 4, 7)),  # noqa: DTZ001 - made aware below
    st.datetimes(datetime(2026, 10, 23), datetime(2026, 11, 3)),  # noqa: DTZ001 - (same)
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 - (same)
).map(lambda moment: moment.replace(tzinfo=UTC, second=0, microsecond=0))


@pytest.mark.parametrize(
    ("text", "opens", "closes"),
    [
        ("09:00-20:00", time(9), time(20)),
        ("9:05 - 20:30", time(9, 5), time(20, 30)),
        ("22:00\u201306:00", time(22), time(6)),
        ("00:00-24:00", time(0), time(0)),
        ("18:00-24:00", time(18), time(0)),
    ],
)
def test_a_window_is_read(text: str, opens: time, closes: time) -> None:
    assert parse_window(text) == Window(opens=opens, closes=closes)
    assert parse_window(str(parse_window(text))) == parse_window(text)


@pytest.mark.parametrize(
    "text", ["", "09:00", "09:00-", "9-20", "09:00-25:00", "09:60-10:00", "24:00-09:00", "noon-night", "09:00-20:00-21:00"]
)
def test_what_is_not_a_window_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a window"):
        parse_window(text)


def test_a_window_that_never_opens_is_told() -> None:
    with pytest.raises(ValueError, match="never opens"):
        parse_window("09:00-09:00")


@pytest.mark.parametrize("text", ["09:00-20:00", "22:00-02:00"])
def test_it_is_open_as_it_opens_and_shut_as_it_closes(text: str) -> None:
    window = parse_window(text)
    assert (window.holds(window.opens), window.holds(window.closes)) == (True, False)


def test_the_whole_day_is_always_open() -> None:
    assert all(parse_window("00:00-24:00").holds(time(hour, minute)) for hour in range(24) for minute in (0, 59))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Europe/Berln", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("Mars", "such as"), ("", "such as"), ("../etc", "such as")],
)
def test_an_unknown_zone_is_told_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        zone(name)


@given(WINDOWS, ZONES, MOMENTS)
def test_the_next_opening_is_the_first_open_minute(window: Window, in_zone: object, at: datetime) -> None:
    found = next_opening(window, zone(str(in_zone)), at)
    assert found >= at
    assert is_open(window, zone(str(in_zone)), found)
    minute = at
    while not is_open(window, zone(str(in_zone)), minute):
        minute += timedelta(minutes=1)
    assert found == minute


@given(WINDOWS, ZONES, MOMENTS, st.integers(1, 60 * 60))
def test_the_open_time_is_the_number_of_open_minutes(window: Window, in_zone: object, first: datetime, minutes: int) -> None:
    last = first + timedelta(minutes=minutes)
    counted = sum(is_open(window, zone(str(in_zone)), first + timedelta(minutes=minute)) for minute in range(minutes))
    assert open_seconds_until(window, zone(str(in_zone)), first=first, last=last) == counted * 60


def test_without_a_window_it_is_always_open() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert open_seconds_until(None, BERLIN, first=now, last=now + timedelta(hours=1)) == 3600
    assert open_seconds_until(None, BERLIN, first=now, last=now - timedelta(hours=1)) == 0


NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-24", "2026-12-23T23:00:00+00:00"),
        ("2026-12-24T18:00", "2026-12-24T17:00:00+00:00"),
        ("2026-12-24 18:00", "2026-12-24T17:00:00+00:00"),
        ("2026-12-24T18:00Z", "2026-12-24T18:00:00+00:00"),
        ("2026-12-24T18:00-05:00", "2026-12-24T23:00:00+00:00"),
        ("18:00", "2026-03-28T17:00:00+00:00"),
        ("13:00", "2026-03-28T12:00:00+00:00"),
        ("12:59", "2026-03-29T10:59:00+00:00"),
        # The night of the 29th has no half past two: three o'clock comes at once.
        ("02:30", "2026-03-29T01:00:00+00:00"),
        ("2026-03-29T02:30", "2026-03-29T01:00:00+00:00"),
        # The night of the 25th of October has two: the first counts.
        ("2026-10-25T02:30", "2026-10-25T00:30:00+00:00"),
    ],
)
def test_a_moment_is_read_in_its_zone(text: str, moment: str) -> None:
    assert parse_moment(text, in_zone=BERLIN, now=NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "tomorrow", "24:00", "2026-13-01", "18", "25:00"])
def test_what_is_not_a_moment_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_moment(text, in_zone=BERLIN, now=NOW)


@pytest.mark.parametrize(
    ("window", "end", "zones", "past"),
    [
        ("09:00-11:00", "2026-12-24T18:00", [""], True),
        ("09:00-11:00", "2026-12-25T09:00", [""], True),
        ("09:00-11:00", "2026-12-25T09:01", [""], False),
        ("09:00-13:00", "2026-12-24T18:00", [""], False),
        ("09:00-11:00", "2026-12-24T18:00", ["", "America/New_York"], False),
        ("09:00-11:00", "2026-12-24T12:00", [""], True),
        # Where nobody says whose zones they are, only the end itself ends it.
        ("09:00-11:00", "2026-12-24T18:00", [], False),
        (None, "2026-12-24T18:00", [""], False),
        ("09:00-11:00", None, [""], False),
    ],
)
def test_when_nothing_can_be_sent_before_the_end(window: str | None, end: str | None, zones: list[str], *, past: bool) -> None:
    berlin = zone("Europe/Berlin")
    at = datetime.fromisoformat("2026-12-24T12:00").replace(tzinfo=berlin)
    schedule = Schedule(
        home=berlin,
        window=parse_window(window) if window else None,
        end=datetime.fromisoformat(end).replace(tzinfo=berlin) if end else None,
    )
    assert schedule.is_past(zones, at) is past
