"""What the page is made of: groups, times, rests, wordings, percentages."""

import pytest

from campaign.domain.model import Status
from campaign.ledger.port import RunnerRecord
from campaign.reporter.breakdown import MOST_GROUPS, MOST_VALUES, Tally
from campaign.reporter.drawings import band_in_words, scoped
from campaign.reporter.latencies import Latencies
from campaign.reporter.lines import percent
from campaign.reporter.rests import Rest, Spell, rests, spells
from campaign.reporter.wording import Wordings, without_values


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


def test_the_largest_groups_are_kept_and_the_rest_is_summed() -> None:
    tally = Tally()
    for place in range(MOST_GROUPS + 5):
        for _ in range(place + 1):
            tally.add(f"value {place:02}", Status.DELIVERED)
    found = tally.breakdown()
    assert [group.rows for group in found.groups] == list(range(MOST_GROUPS + 5, 5, -1))
    assert found.others is not None
    assert (found.others.rows, found.others.values) == (1 + 2 + 3 + 4 + 5, 5)


def test_a_value_of_one_row_alone_is_not_named() -> None:
    tally = Tally()
    for value in ("north", "north", "Ms Unique", "south", "south"):
        tally.add(value, Status.FAILED)
    found = tally.breakdown(least_rows=2)
    assert [group.value for group in found.groups] == ["north", "south"]
    assert found.others is not None
    assert (found.others.rows, found.others.values) == (1, 1)


def test_more_values_than_can_be_kept_apart_lose_no_row() -> None:
    tally = Tally()
    for place in range(MOST_VALUES + 7):
        tally.add(str(place), Status.DELIVERED)
    found = tally.breakdown()
    assert tally.overflowed
    assert found.others is not None
    assert sum(group.rows for group in found.groups) + found.others.rows == MOST_VALUES + 7


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    latencies = Latencies()
    assert latencies.percentile_ms(50) == 0
    assert latencies.bands() == ()
    for ms in range(1, 101):
        latencies.add(ms / 1000)
    latencies.add(31.0)
    assert [latencies.percentile_ms(part) for part in (50, 90, 99, 100)] == [51, 91, 100, 31_000]
    bands = {band_in_words(band): band.count for band in latencies.bands()}
    assert (bands["0–50 ms"], bands["50–100 ms"], bands["100–200 ms"], bands["over 30 s"]) == (49, 50, 1, 1)  # noqa: RUF001 - as it is written
    assert sum(bands.values()) == 101


def test_rests_are_between_runs_and_end_with_the_next() -> None:
    runs = [
        runner(4, 300.0, 310.0, "finished"),
        runner(3, 112.0, 150.0, "lost"),
        runner(2, 90.0, 110.0, "limit"),
        runner(1, 50.0, 100.0, "paused"),
        runner(9, 0.0, 40.0, "staged", activity="staging"),
    ]
    # The third was found dead at 150, and had sent until 120.
    found = rests(spells(runs, last_seen={3: 120.0}, now=1000.0))
    assert found == (Rest(since=110.0, until=112.0, after="limit"), Rest(since=120.0, until=300.0, after=""))
    assert rests(spells([runner(1, 10.0, 0.0, alive=True), runner(2, 500.0, 510.0)], last_seen={}, now=1000.0)) == ()


def test_spells_last_as_long_as_somebody_sends() -> None:
    runs = [runner(3, 200.0, 230.0, "finished"), runner(2, 60.0, 80.0, "limit"), runner(1, 50.0, 100.0), runner(4, 100.5, 110.0, "lost")]
    found = spells(runs, last_seen={4: 105.0}, now=1000.0)
    assert found == (Spell(since=50.0, until=105.0, ended=""), Spell(since=200.0, until=230.0, ended="finished"))


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
    wordings = Wordings(("id", "message"))
    for text in ("Dear Ms Unique, your test is back", "Sale!", "Sale!"):
        wordings.add(text, ("1", text))
    assert [(wording.text, wording.rows) for wording in wordings.shared()] == [("Sale!", 2)]


def test_the_styles_of_a_chart_reach_no_other_and_no_paper_is_dark() -> None:
    css = "{a:b}text,.axis .line{fill:red}@media (prefers-color-scheme:dark){text{fill:blue}}svg{x:y}"
    assert scoped(css, "#one") == (
        "#one {a:b}#one text,#one .axis .line{fill:red}@media screen and (prefers-color-scheme:dark){#one text{fill:blue}}#one svg{x:y}"
    )
