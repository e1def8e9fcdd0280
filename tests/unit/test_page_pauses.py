"""What the page says of pauses and retries: merged, clipped to the runs, counted by reason."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from campaign.domain.model import Outcome, Status
from campaign.ledger.port import Sends
from campaign.ledger.records import AttemptRecord
from campaign.reporter.analysis import MOST_REASONS, OTHERS, READ_BACK, Attempts, Retried, attempts_of, count_attempts, retried
from campaign.reporter.drawings import THROTTLED, sends_drawing
from campaign.reporter.pauses import Kind, Pause, Pauses, SentTimes, Spell, pauses
from campaign.reporter.timeline import Timeline, pace

SPELLS = (
    Spell(since=100.0, until=200.0, ended="paused"),
    Spell(since=260.0, until=300.0, ended="limit"),
    Spell(since=310.0, until=400.0, ended=""),
)


def sent(*attempts: tuple[float, float, float]) -> SentTimes:
    """Of attempts by when they were sent, how long they took, and their HTTP status."""
    at, took, status = np.array(attempts or np.empty((0, 3)), dtype=np.float64).T
    return SentTimes(sent_at=at, ended_at=at + took, http_status=status)


def test_a_gap_says_why_by_what_was_under_way_and_ends_with_its_run() -> None:
    usual = [(101.0 + place / 100, 0.1, 200.0) for place in range(2000)]
    found = pauses(
        SPELLS,
        sent(
            *usual[:900],
            *((110.0, 0.2, 429.0), (110.1, 0.5, 200.0)),
            *[(115.0 + place / 100, 0.1, 200.0) for place in range(8490)],
            (199.95, 3.0, math.nan),
            *[(265.0 + place / 100, 0.1, 200.0) for place in range(3490)],
            *[(310.0 + place / 100, 0.1, 200.0) for place in range(2000)],
            *((330.0, 1.0, 502.0), (340.0, 0.1, 200.0)),
            *[(340.0 + place / 100, 0.1, 404.0) for place in range(1, 5000)],
        ),
    )
    assert [(round(one.since, 1), round(one.until, 1), one.kind, one.after) for one in found.all] == [
        (100.0, 101.0, Kind.HOURS, ""),
        (110.1, 115.0, Kind.SLOWED, ""),
        (200.0, 260.0, Kind.PERSON, "paused"),
        (260.0, 265.0, Kind.HOURS, ""),
        (300.0, 310.0, Kind.NOBODY, "limit"),
        (330.0, 340.0, Kind.TROUBLE, ""),
        (390.0, 400.0, Kind.HOURS, ""),
    ]
    assert found.kinds == (Kind.PERSON, Kind.NOBODY, Kind.SLOWED, Kind.TROUBLE, Kind.HOURS)
    assert found.seconds == pytest.approx(1 + 4.9 + 65 + 10 + 10 + 10, abs=0.1)
    assert found.seconds_within(195.0, 262.0) == pytest.approx(62.0)
    assert found.longest(1) == (Pause(since=200.0, until=260.0, kind=Kind.PERSON, after="paused"),)


def test_what_is_usual_at_a_low_rate_is_no_pause() -> None:
    assert pauses((Spell(since=0.0, until=600.0, ended=""),), sent(*[(place * 60.0, 1.0, 200.0) for place in range(10)])).all == ()


def test_the_chart_shows_what_a_stretch_has_lost_and_marks_its_429s() -> None:
    sends = [Sends(at=place * 10.0, by_status={Status.DELIVERED: count} if count else {}) for place, count in enumerate((100, 60, 0, 100))]
    timeline = Timeline(since=0.0, seconds=10, sends=tuple(sends))
    attempts = Attempts(
        total=260, first_at=0.0, throttled=2, throttled_by_stretch=(0, 2, 0, 0), throttled_again_by_stretch=(0, 0, 0, 0), last_seen={}
    )
    first = Pause(since=15.0, until=25.0, kind=Kind.SLOWED)
    found = Pauses(all=(first, Pause(since=22.0, until=30.0, kind=Kind.TROUBLE)))
    drawing = sends_drawing(timeline, attempts, found)
    values = {(series.name, series.mark): series.values for series in drawing.key}
    # Half of the second stretch is lost, of which 40 % are free above its sends; of the third as much as there is.
    assert values[Kind.SLOWED.value, False] == (0.0, 4.0, 5.0, 0.0)
    assert values[Kind.TROUBLE.value, False] == (0.0, 0.0, 5.0, 0.0)
    assert values[THROTTLED, True] == (0.0, 2.0, 0.0, 0.0)
    # Once for wide pages, once for phones.
    assert drawing.picture.count("<polygon") == 2
    assert len(re.findall(r'aria-label="[^"]* 10 [^"]*"', drawing.picture)) == 2


def test_a_campaign_of_a_month_is_told_in_a_unit_in_which_there_is_something_to_count() -> None:
    sends = tuple(Sends(at=place * 86_400.0, by_status={Status.DELIVERED: count}) for place, count in enumerate((480, 240, 0, 720)))
    timeline = Timeline(since=0.0, seconds=86_400, sends=sends)
    nothing = (0,) * 4
    attempts = Attempts(
        total=1440, first_at=0.0, throttled=0, throttled_by_stretch=nothing, throttled_again_by_stretch=nothing, last_seen={}
    )
    found = pauses((Spell(since=0.0, until=2 * 86_400.0, ended="limit"), Spell(since=3 * 86_400.0, until=4 * 86_400.0, ended="")), sent())
    drawing = sends_drawing(timeline, attempts, found)
    assert {series.name: series.values for series in drawing.key} == {
        Status.DELIVERED.value: (20.0, 10.0, 0.0, 30.0),
        Kind.NOBODY.value: (0.0, 0.0, 30.0, 0.0),
    }
    assert "at most 30 in any hour" in drawing.picture
    assert ">0.0<" not in drawing.picture
    assert pace(1440 / (3 * 86_400)) == "20.0 an hour"
    assert (pace(8.61), pace(0.5), pace(1 / 100_000)) == ("8.6 a second", "30.0 a minute", "0.9 a day")


def made(row: int, reason: str = "", status: Status = Status.FAILED, http_status: int | None = None) -> AttemptRecord:
    """An attempt, of which only what its row, answer and reason were matters."""
    return AttemptRecord(
        row=row,
        pass_key="",
        runner=1,
        status=status.value,
        reason=reason,
        http_status=http_status,
        sent_at=0.0,
        settled_at=0.0,
        latency_seconds=None,
        message=None,
    )


NOWHEN = Timeline(since=0.0, seconds=10, sends=(Sends(at=0.0),))


def rows(*outcomes: Outcome) -> pd.DataFrame:
    """Rows of these outcomes, numbered from 1."""
    return pd.DataFrame(
        {
            "row": range(1, len(outcomes) + 1),
            "status": [outcome.status.value for outcome in outcomes],
            "attempts": [outcome.attempts for outcome in outcomes],
        }
    )


def test_all_attempts_are_counted() -> None:
    attempts = [made(1), made(3, "http_429", Status.PENDING, 429), made(3), made(4), made(9, http_status=429)]
    found = count_attempts(attempts_of(attempts), NOWHEN)
    assert (found.total, found.throttled, found.throttled_by_stretch, found.throttled_again_by_stretch) == (5, 2, (2,), (1,))
    assert (found.first_at, found.last_seen) == (0.0, {1: 0.0})
    nothing = count_attempts(attempts_of([]), NOWHEN)
    assert (nothing.total, nothing.first_at) == (0, None)


def test_why_rows_were_sent_again_and_what_became_of_them() -> None:
    slowed, in_doubt, broken = ("http_429", Status.PENDING, 429), ("", Status.PENDING, None), ("", Status.PENDING, 502)
    attempts = [
        made(1),
        *(made(2, *slowed), made(2, *slowed), made(2)),
        *(made(3, *slowed), made(3, *in_doubt), made(3)),
        *(made(4, *in_doubt), made(4, *broken), made(4, "http_404")),
        made(5),
    ]
    outcomes = [
        Outcome(status=Status.DELIVERED, attempts=1),
        Outcome(status=Status.DELIVERED, attempts=1),
        Outcome(status=Status.DELIVERED, attempts=2),
        Outcome(status=Status.FAILED, attempts=3),
        # Sent before by another ledger, of which this one knows nothing more.
        Outcome(status=Status.ACCEPTED, attempts=2),
        Outcome(status=Status.SKIPPED),
    ]
    found, unexplained = retried(attempts_of(attempts), rows(*outcomes))
    assert found == (
        Retried(reason="http_429", sends=3, by_status={Status.DELIVERED: 2}),
        Retried(reason=READ_BACK, sends=2, by_status={Status.DELIVERED: 1, Status.FAILED: 1}),
        Retried(reason="http_502", sends=1, by_status={Status.FAILED: 1}),
    )
    assert unexplained == 1


def test_more_reasons_than_are_kept_apart_lose_no_row() -> None:
    count = MOST_REASONS + 20
    attempts = [attempt for number in range(1, count + 1) for attempt in (made(number, f"reason {number}"), made(number))]
    found, _ = retried(attempts_of(attempts), rows(*[Outcome(status=Status.DELIVERED, attempts=2)] * count))
    assert len(found) == MOST_REASONS + 1
    assert (found[0].reason, found[0].sends) == (OTHERS, 20)
    assert sum(one.rows for one in found) == sum(one.sends for one in found) == MOST_REASONS + 20
