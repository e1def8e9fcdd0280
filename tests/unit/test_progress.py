"""A run in numbers, on a clock of the test's own."""

import time
from collections.abc import Iterator

import pytest

from campaign.app.progress import Tally
from campaign.cli.logs.sinks import describe_event, for_terminals
from campaign.domain.model import Counts
from campaign.domain.status import Status


def tally(**by_status: int) -> Tally:
    return Tally(Counts(by_status=dict.fromkeys(Status, 0) | {Status(name): count for name, count in by_status.items()}), 100.0)


@pytest.fixture
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_rate_and_time_left_follow_the_last_ten_seconds() -> None:
    seen = tally(pending=1000)
    for number in range(200):
        seen.settled(Status.DELIVERED, 100.0 + number / 10)
    assert seen.rate_per_second(119.9) == pytest.approx(10.0, rel=0.02)
    assert seen.eta_seconds(119.9) == pytest.approx(80.0, rel=0.02)
    assert seen.rate_per_second(125.0) == pytest.approx(5.0, rel=0.05)
    assert seen.rate_per_second(140.0) == 0.0
    assert seen.eta_seconds(140.0) is None


def test_no_time_is_left_to_tell_while_nothing_can_be_sent() -> None:
    seen = tally(pending=100)
    for number in range(20):
        seen.settled(Status.DELIVERED, 100.0 + number / 10)
    seen.held(8.0, "PassEntry can't be reached", 102.0)
    assert seen.eta_seconds(102.1) is not None
    seen.settled(Status.PENDING, 104.9)
    assert seen.eta_seconds(105.0) is None
    seen.settled(Status.DELIVERED, 110.0)
    assert seen.eta_seconds(110.1) is not None


def test_the_last_counts_are_not_of_the_last_moment() -> None:
    seen = tally(pending=100)
    seen.settled(Status.DELIVERED, 109.0)
    seen.event("standing", {"counts": Counts(by_status=dict.fromkeys(Status, 0) | {Status.DELIVERED: 100}), "ended": True}, 110.0)
    assert seen.open == 0
    assert seen.rate_per_second(110.0) == pytest.approx(0.1)


def test_a_rate_of_the_first_second_is_not_blown_up() -> None:
    seen = tally(pending=10)
    seen.settled(Status.DELIVERED, 100.01)
    assert seen.rate_per_second(100.02) == 1.0


def test_rows_are_counted_once_wherever_they_go() -> None:
    seen = tally(pending=5, sending=2, delivered=3)
    seen.event("rows_of_a_dead_runner", {"rows": 2}, 100.0)
    seen.settled(Status.UNKNOWN, 101.0)
    seen.settled(Status.PENDING, 102.0)
    seen.read_back(Status.ACCEPTED, 103.0)
    seen.read_back(Status.PENDING, 104.0)
    assert {status: count for status, count in seen.by_status.items() if count} == {
        Status.PENDING: 5,
        Status.UNKNOWN: 1,
        Status.ACCEPTED: 1,
        Status.DELIVERED: 3,
    }
    assert sum(seen.by_status.values()) == seen.rows == 10
    assert seen.open == 5


def test_waiting_has_a_reason_once_nothing_was_settled_for_a_while() -> None:
    seen = tally(pending=1)
    seen.settled(Status.PENDING, 100.0)
    seen.held(8.0, describe_event("backing_off", seconds=8.0, reason="connect"), 100.0)
    seen.held(3.0, describe_event("throttled", retry_after_seconds=3.0), 100.0)
    assert seen.waiting(101.9) == ""
    assert seen.waiting(103.0).endswith(" 5 s")
    held = seen.waiting(109.0)
    seen.settled(Status.PENDING, 109.0)
    assert seen.waiting(112.0) == held != ""
    seen.settled(Status.DELIVERED, 112.0)
    seen.by_status[Status.PENDING] += 1
    assert seen.waiting(115.0) not in {held, ""}
    due_later = seen.waiting(115.0)
    seen.settled(Status.UNKNOWN, 120.0)
    assert seen.waiting(121.0) == ""
    assert seen.waiting(123.0) not in {due_later, ""}


def test_only_reads_are_left_once_every_row_was_sent() -> None:
    seen = tally(pending=1, unknown=1)
    told = [seen.only_reads]
    seen.settled(Status.DELIVERED, 101.0)
    told.append(seen.only_reads)
    seen.read_back(Status.ACCEPTED, 102.0)
    told.append(seen.only_reads)
    assert told == [False, True, False]


def test_nothing_is_left_when_all_is_settled() -> None:
    seen = tally(pending=1)
    seen.settled(Status.DELIVERED, 101.0)
    assert (seen.open, seen.eta_seconds(101.0)) == (0, None)


@pytest.mark.usefixtures("_in_berlin")
def test_a_closed_window_is_the_reason_until_a_row_is_settled_by_the_clock_on_the_wall() -> None:
    seen = tally(pending=2)
    seen.closed(describe_event("waiting_for_its_time", until="2127-01-02T08:00+00:00"))
    assert "09:00 on Thu 2 Jan 2127" in seen.waiting(103.0)
    seen.settled(Status.DELIVERED, 104.0)
    assert "09:00" not in seen.waiting(110.0)


def test_a_notice_is_seen_for_a_while() -> None:
    seen = tally(pending=2)
    assert seen.notice(100.0) == ""
    seen.noticed("others send, too", 100.0)
    assert seen.notice(129.0) == "others send, too"
    assert seen.notice(131.0) == ""


def test_an_event_of_a_row_holds_nothing_up() -> None:
    assert describe_event("read_back", row=1, status="accepted", reason="") == ""


def test_warnings_are_sentences_on_a_terminal() -> None:
    for event in ({"event": "rows_of_a_dead_runner", "rows": 3}, {"event": "backing_off", "seconds": 4.0, "reason": "connect"}):
        shown = for_terminals(None, "", {**event, "level": "warning", "campaign": "spring"})
        assert set(shown) == {"event", "level"}
        assert "_" not in shown["event"]
    logged = {"event": "late_settlement_ignored", "row": 3, "level": "warning"}
    assert for_terminals(None, "", dict(logged)) == logged
