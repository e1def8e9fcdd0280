"""The sentence that says what will happen, and the number that agrees to it."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from campaign.app.confirmation import Question, is_number, plan_in_words
from campaign.domain.schedule import Schedule, parse_window
from campaign.ledger.port import CampaignRecord, CampaignSpec, DesiredState

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
SPEC = CampaignSpec(
    name="promo", list_name="promo.csv", list_sha256="", message_sha256="", columns=("id",), id_column="id", settings={"rate": "9"}
)
RECORD = CampaignRecord(
    id=1, spec=SPEC, content_sha256="", rows=1, desired_state=DesiredState.GO, created_at=1.0, started_at=0.0, finished_at=0.0, ended=""
)


def asked(messages: int, left: int | None = None, *, rate_per_second: float | None = 9.0, left_out: int = 0) -> Question:
    return Question(
        record=RECORD,
        list_name="promo.csv",
        messages=messages,
        left=left or messages,
        left_out=left_out,
        rate_per_second=rate_per_second,
        schedule=Schedule(home=BERLIN),
        zones=("",),
        first="Hi",
        findings=lambda: (),
        lock_screen=140,
    )


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def plan(question: Question) -> str:
    return plan_in_words(question, now=NOW)


def figures(question: Question) -> list[str]:
    """The large numbers, durations and times that the sentence tells; how it tells them is in a golden file."""
    return re.findall(r"\d+(?:,\d+)+|\d+ (?:d|h|min|s)\b(?: \d+ (?:h|min|s))?|\d\d:\d\d(?: on \w+ \d+ \w+)?", plan(question))


def test_how_many_how_long_and_until_when_by_the_clock_on_the_wall() -> None:
    assert figures(asked(12_345)) == ["12,345", "22 min 52 s", "10:23"]
    assert figures(asked(1)) == ["1 s", "10:00"]
    assert figures(asked(1_000_000)) == ["1,000,000", "1 d 6 h", "16:52 on Wed 2 Dec"]
    assert figures(asked(5, rate_per_second=None)) == []


def test_a_limit_is_told() -> None:
    assert "5 of 100" in plan(asked(5, 100))


def test_a_window_moves_the_end() -> None:
    question = replace(asked(100_000), schedule=Schedule(home=BERLIN, window=parse_window("09:00-12:00")))
    assert figures(question)[2:] == ["10:05 on Wed 2 Dec", "09:00", "12:00"]
    assert "Europe/Berlin" in plan(question)
    elsewhere = replace(question, zones=("", "Asia/Tokyo"))
    assert figures(elsewhere)[1:] == ["3 h 5 min", "09:00", "12:00"]
    assert "Europe/Berlin" not in plan(elsewhere)


def test_a_window_that_is_shut_says_when_it_opens() -> None:
    question = replace(asked(90), schedule=Schedule(home=BERLIN, window=parse_window("03:00-04:00")))
    assert figures(question) == ["03:00 on Wed 2 Dec", "10 s", "03:00 on Wed 2 Dec", "03:00", "04:00"]
    tokyo = replace(question, schedule=Schedule(home=BERLIN, window=parse_window("20:00-21:00")), zones=("Asia/Tokyo",))
    assert figures(tokyo)[0] == "12:00"


def test_a_start_and_an_end_are_told() -> None:
    schedule = Schedule(home=BERLIN, start=datetime(2026, 12, 1, 17, 0, tzinfo=UTC), end=datetime(2026, 12, 24, 17, 0, tzinfo=UTC))
    question = replace(asked(90), schedule=schedule)
    assert figures(question) == ["18:00", "10 s", "18:00", "18:00 on Thu 24 Dec"]
    begun = replace(asked(90), schedule=replace(schedule, start=datetime(2026, 11, 30, 17, 0, tzinfo=UTC)))
    assert figures(begun) == ["10 s", "10:00", "18:00 on Thu 24 Dec"]
    too_many = replace(asked(100_000_000), schedule=schedule)
    assert figures(too_many) == ["100,000,000", "18:00", "128 d 14 h", "18:00 on Thu 24 Dec"]


def test_another_zone_than_the_machines_is_named() -> None:
    assert "18:00 in Asia/Tokyo" in plan(replace(asked(1), schedule=Schedule(home=ZoneInfo("Asia/Tokyo"))))
    # Only where its clocks show another time.
    assert "Paris" not in plan(replace(asked(1), schedule=Schedule(home=ZoneInfo("Europe/Paris"))))


def test_a_message_to_oneself_is_one() -> None:
    assert "my/pass" in plan(replace(asked(1), to="my/pass"))


@pytest.mark.parametrize("answer", ["12345", "12,345", "12.345", " 12345 ", "12 345", "12'345", "12’345", "12\u202f345"])  # noqa: RUF001 - the Swiss sign
def test_a_number_as_people_write_it(answer: str) -> None:
    assert is_number(answer, 12_345)


@pytest.mark.parametrize(
    "answer",
    ["", "y", "yes", "12344", "123,45", "1,2345", "12,,345", "12,345.0", "12345.", "-12345", "+12345", "12345 yes", "1e4", "١٢٣٤٥"],
)
def test_any_other_answer_is_no(answer: str) -> None:
    assert not is_number(answer, 12_345)


def test_millions_need_one_sign_throughout() -> None:
    assert is_number("1,234,567", 1_234_567)
    assert is_number("1.234.567", 1_234_567)
    assert not is_number("1,234.567", 1_234_567)


def test_rows_that_are_not_sent_to_are_counted() -> None:
    assert " 14 " in plan(asked(37, left_out=14))
    assert " 14 " not in plan(asked(37))
