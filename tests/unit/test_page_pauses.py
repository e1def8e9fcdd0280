"""What the page says of pauses and retries: merged, clipped to the runs, counted by reason."""

import math
import re

import pandas as pd
import pytest

from campaign.domain.model import Outcome
from campaign.domain.status import Status
from campaign.reporter.charts import THROTTLED, sends_picture, sends_series
from campaign.reporter.figures import MOST_REASONS, OTHERS, READ_BACK, retried
from campaign.reporter.pauses import Kind, Pauses, pauses
from campaign.reporter.timeline import by_stretch, pace
from tests.unit.reporter_given import attempts, timeline_given


def active(*times: tuple[float, float, str]) -> pd.DataFrame:
    return pd.DataFrame(times, columns=["since", "until", "ended"])


def paused(*times: tuple[float, float, Kind]) -> Pauses:
    each = pd.DataFrame(times, columns=["since", "until", "kind"])
    return Pauses(each.assign(after="", seconds=each["until"] - each["since"]))


def test_a_gap_says_why_by_what_was_under_way_and_ends_with_its_run() -> None:
    usual = [(101.0 + place / 100, 0.1, 200.0) for place in range(2000)]
    found = pauses(
        active((100.0, 200.0, "paused"), (260.0, 300.0, "limit"), (310.0, 400.0, "")),
        attempts(
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
    assert [(round(one["since"], 1), round(one["until"], 1), one["kind"], one["after"]) for one in found.each.to_dict("records")] == [
        (100.0, 101.0, Kind.HOURS, ""),
        (110.1, 115.0, Kind.SLOWED, ""),
        (200.0, 260.0, Kind.PERSON, "paused"),
        (260.0, 265.0, Kind.HOURS, ""),
        (300.0, 310.0, Kind.NOBODY, "limit"),
        (330.0, 340.0, Kind.TROUBLE, ""),
        (390.0, 400.0, Kind.HOURS, ""),
    ]
    by_kind = found.by_kind.round(1).to_dict("index")
    assert list(by_kind) == [Kind.PERSON, Kind.NOBODY, Kind.SLOWED, Kind.TROUBLE, Kind.HOURS]
    assert by_kind[Kind.HOURS] == {"times": 3, "seconds": 16.0, "longest": 10.0}
    assert found.seconds() == pytest.approx(1 + 4.9 + 65 + 10 + 10 + 10, abs=0.1)
    assert found.seconds(195.0, 262.0) == pytest.approx(62.0)
    assert [(one["since"], one["kind"]) for one in found.longest(1)] == [(200.0, Kind.PERSON)]


def test_what_is_usual_at_a_low_rate_is_no_pause() -> None:
    assert pauses(active((0.0, 600.0, "")), attempts(*[(place * 60.0, 1.0, 200.0) for place in range(10)])).each.empty


def test_the_chart_shows_what_a_stretch_has_lost_and_marks_its_429s() -> None:
    timeline = timeline_given(*({"delivered": count} for count in (100, 60, 0, 100)), throttled=(0, 2, 0, 0))
    found = paused((15.0, 25.0, Kind.SLOWED), (22.0, 30.0, Kind.TROUBLE))
    key = tuple(sends_series(timeline, found))
    picture = sends_picture(timeline, key)
    values = {(series.name, series.mark): series.values for series in key}
    # Half of the second stretch is lost, of which 40 % are free above its sends; of the third as much as there is.
    assert values[Kind.SLOWED.value, False] == (0.0, 4.0, 5.0, 0.0)
    assert values[Kind.TROUBLE.value, False] == (0.0, 0.0, 5.0, 0.0)
    assert values[THROTTLED, True] == (0.0, 2.0, 0.0, 0.0)
    # Once for wide pages, once for phones.
    assert picture.count("<polygon") == 2
    assert len(re.findall(r'aria-label="[^"]* 10 [^"]*"', picture)) == 2


def test_a_campaign_of_a_month_is_told_in_a_unit_in_which_there_is_something_to_count() -> None:
    timeline = timeline_given(*({"delivered": count} for count in (480, 240, 0, 720)), seconds=86_400)
    found = pauses(active((0.0, 2 * 86_400.0, "limit"), (3 * 86_400.0, 4 * 86_400.0, "")), attempts())
    key = tuple(sends_series(timeline, found))
    picture = sends_picture(timeline, key)
    assert {series.name: series.values for series in key} == {
        Status.DELIVERED.value: (20.0, 10.0, 0.0, 30.0),
        Kind.NOBODY.value: (0.0, 0.0, 30.0, 0.0),
    }
    assert "at most 30 in any hour" in picture
    assert ">0.0<" not in picture
    assert pace(1440 / (3 * 86_400)) == "20.0 an hour"
    assert (pace(8.61), pace(0.5), pace(1 / 100_000)) == ("8.6 a second", "30.0 a minute", "0.9 a day")


Made = tuple[int, str, Status, int | None]


def made(row: int, reason: str = "", status: Status = Status.FAILED, http_status: int | None = None) -> Made:
    """An attempt, of which only what its row, answer and reason were matters."""
    return row, reason, status, http_status


def attempts_made(*some: Made) -> pd.DataFrame:
    found = pd.DataFrame(some, columns=["row", "reason", "status", "http_status"])
    return found.astype({"status": "category", "reason": "category", "http_status": float}).assign(latency_seconds=math.nan)


def rows(*outcomes: Outcome) -> pd.DataFrame:
    """Rows of these outcomes, numbered from 1."""
    return pd.DataFrame(
        {
            "row": range(1, len(outcomes) + 1),
            "status": pd.Categorical([outcome.status.value for outcome in outcomes]),
            "attempts": [outcome.attempts for outcome in outcomes],
        }
    )


def test_the_attempts_of_a_stretch_are_counted() -> None:
    some = attempts_made(made(1), made(3, "http_429", Status.PENDING, 429), made(3), made(4), made(9, http_status=429))
    (found,) = by_stretch(some, pd.Series([0] * 5, name="stretch")).to_dict("records")
    assert (found["failed"], found["pending"], found["throttled"], found["throttled_again"], found["answered"]) == (4, 1, 2, 1, 0)
    assert by_stretch(some.iloc[:0], pd.Series([], name="stretch", dtype=float)).empty


def test_why_rows_were_sent_again_and_what_became_of_them() -> None:
    slowed, unanswered, broken = ("http_429", Status.PENDING, 429), ("", Status.PENDING, None), ("", Status.PENDING, 502)
    some = [
        made(1),
        *(made(2, *slowed), made(2, *slowed), made(2)),
        *(made(3, *slowed), made(3, *unanswered), made(3)),
        *(made(4, *unanswered), made(4, *broken), made(4, "http_404")),
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
    found, unexplained = retried(attempts_made(*some), rows(*outcomes))
    assert [(line["reason"], line["sends"], line["rows"], line["delivered"], line["failed"]) for line in found] == [
        ("http_429", 3, 2, 2, 0),
        (READ_BACK, 2, 2, 1, 1),
        ("http_502", 1, 1, 0, 1),
    ]
    assert unexplained == 1


def test_more_reasons_than_are_kept_apart_lose_no_row() -> None:
    count = MOST_REASONS + 20
    some = [attempt for number in range(1, count + 1) for attempt in (made(number, f"reason {number}"), made(number))]
    found, _ = retried(attempts_made(*some), rows(*[Outcome(status=Status.DELIVERED, attempts=2)] * count))
    assert len(found) == MOST_REASONS + 1
    assert (found[0]["reason"], found[0]["sends"]) == (OTHERS, 20)
    assert sum(line["rows"] for line in found) == sum(line["sends"] for line in found) == MOST_REASONS + 20
