"""What the page is made of: groups, times, rests, wordings, percentages."""

from collections.abc import Iterable

import pandas as pd
import pytest

from campaign.domain.status import Status
from campaign.domain.text.lines import percent
from campaign.ledger.port import RunnerRecord
from campaign.reporter.charts import band_in_words
from campaign.reporter.figures import MOST_GROUPS, Latencies, by_value, without_values, wordings
from campaign.reporter.pauses import Kind, active_intervals, pauses
from campaign.reporter.svg import scoped
from tests.unit.reporter_given import attempts, by_column, row

NOTHING_SENT = attempts()


def runner(
    number: int, since: float, until: float, ended: str = "paused", *, alive: bool = False, activity: str = "sending"
) -> RunnerRecord:
    return RunnerRecord(
        id=number,
        campaign=1,
        host="here",
        pid=1,
        started_at=since,
        ended_at=0.0 if alive else until,
        ended="" if alive else ended,
        activity=activity,
        alive=alive,
    )


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "0 %"),
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 3, "33.3 %"),
        (1, 1000, "0.1 %"),
        (1, 100_000, "under 0.1 %"),
        (99_999, 100_000, "over 99.9 %"),
        (1, 2, "50.0 %"),
    ],
)
def test_a_percentage_never_rounds_something_to_nothing_or_to_all(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


def frame(values: Iterable[str], status: Status = Status.DELIVERED) -> pd.DataFrame:
    found = pd.DataFrame({"value": [*values]})
    return found.assign(status=status.value).astype("category")


def test_the_largest_groups_are_kept_and_the_rest_is_summed() -> None:
    values = [f"value {place:02}" for place in range(MOST_GROUPS + 5) for _ in range(place + 1)]
    *found, others = by_value(frame(values), "value")
    assert [line["rows"] for line in found] == list(range(MOST_GROUPS + 5, 5, -1))
    assert (others["value"], others["rows"], others["values"]) == (None, 1 + 2 + 3 + 4 + 5, 5)


def test_a_value_of_one_row_alone_is_not_named() -> None:
    *found, others = by_value(frame(["north", "north", "Ms Unique", "south", "south"], Status.FAILED), "value", least_rows=2)
    assert [line["value"] for line in found] == ["north", "south"]
    assert (others["value"], others["rows"], others["values"]) == (None, 1, 1)


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    nothing = Latencies.of(pd.Series([], dtype=float))
    assert (nothing.percentile_ms(50), nothing.bands()) == (0, [])
    latencies = Latencies.of(pd.Series([*range(1, 101), 31_000]) / 1000)
    assert [latencies.percentile_ms(part) for part in (50, 90, 99, 100)] == [51, 91, 100, 31_000]
    bands = {band_in_words(low_ms, high_ms): count for low_ms, high_ms, count in latencies.bands()}
    assert (bands["0–50 ms"], bands["50–100 ms"], bands["100–200 ms"], bands["over 30 s"]) == (49, 50, 1, 1)  # noqa: RUF001 - as it is written
    assert sum(bands.values()) == 101


def test_latencies_are_counted_by_whole_milliseconds_and_the_longest_as_ten_minutes() -> None:
    seconds = [0.0005, 0.0015, 0.0025, None, 12.3456, 9999.0]
    assert Latencies.of(pd.Series(seconds, dtype=float)).by_ms.to_dict() == {0: 1, 2: 2, 12_346: 1, 600_000: 1}


def test_rests_are_between_runs_and_end_with_the_next() -> None:
    runs = [
        runner(4, 300.0, 310.0, "finished"),
        runner(3, 112.0, 150.0, "lost"),
        runner(2, 90.0, 110.0, "limit"),
        runner(1, 50.0, 100.0, "paused"),
        runner(9, 0.0, 40.0, "staged", activity="staging"),
    ]
    # The third was found dead at 150, and had sent until 120.
    found = pauses(active_intervals(runs, attempts((119.0, 1.0, 200), runner=3), now=1000.0), NOTHING_SENT)
    assert found.each.to_dict("records") == [
        {"since": 110.0, "until": 112.0, "kind": Kind.NOBODY, "after": "limit", "seconds": 2.0},
        {"since": 120.0, "until": 300.0, "kind": Kind.NOBODY, "after": "", "seconds": 180.0},
    ]
    at_once = [runner(1, 10.0, 0.0, alive=True), runner(2, 500.0, 510.0)]
    assert pauses(active_intervals(at_once, NOTHING_SENT, now=1000.0), NOTHING_SENT).each.empty
    assert pauses(active_intervals([], NOTHING_SENT, now=1000.0), NOTHING_SENT).seconds() == 0.0


def test_an_active_interval_lasts_as_long_as_somebody_sends() -> None:
    runs = [runner(3, 200.0, 230.0, "finished"), runner(2, 60.0, 80.0, "limit"), runner(1, 50.0, 100.0), runner(4, 100.5, 110.0, "lost")]
    found = active_intervals(runs, attempts((104.0, 1.0, 200), runner=4), now=1000.0)
    assert found[["since", "until", "ended"]].to_numpy().tolist() == [[50.0, 105.0, ""], [200.0, 230.0, "finished"]]


@pytest.mark.parametrize(
    ("message", "cells", "said"),
    [
        ("Hi ANNA, C-1 is yours", ("Anna", "C-1"), "Hi «name», «code» is yours"),
        ("Made in DE", ("", "de"), "Made in «code»"),
        ("Made", ("", "de"), "Made"),
        ("Anna Berg", ("Anna", "Anna Berg"), "«name» Berg"),
        ("Hi Anna Berg", ("Anna", "Anna Berg"), "Hi «code»"),
        ("Hi .*, (", (".*", "("), "Hi «name», «code»"),
    ],
)
def test_the_values_of_a_row_give_way_to_the_names_of_their_columns(message: str, cells: tuple[str, str], said: str) -> None:
    assert without_values(message, ("name", "code"), cells) == said


def test_a_text_that_stands_alone_is_not_shown() -> None:
    texts = ("Dear Ms Unique, your test is back", "Sale!", "", "Sale!")
    found = wordings(
        by_column(row(number, cells=("1", text), message=text) for number, text in enumerate(texts, start=1)), ("id", "message")
    )
    assert found.most_common(1) == [("Sale!", 2)]
    assert found.total() == 3


def test_the_styles_of_a_chart_reach_no_other_and_no_paper_is_dark() -> None:
    css = "{a:b}text,.axis .line{fill:red}@media (prefers-color-scheme:dark){text{fill:blue}}svg{x:y}"
    assert scoped(css, "#one") == (
        "#one {a:b}#one text,#one .axis .line{fill:red}@media screen and (prefers-color-scheme:dark){#one text{fill:blue}}#one svg{x:y}"
    )
