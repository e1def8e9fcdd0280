"""A results file as a list: what its rows say became of them, however it was edited, and that no doubt ever leads to a send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.lists.outcomes import read_outcome
from campaign.domain.model import RESULT_COLUMNS, UNSENT, Outcome
from campaign.domain.status import Status
from campaign.domain.verdict import EARLIER_ATTEMPT, NOT_REPORTED, UNREADABLE_STATUS, WAS_SENDING

BLANK = dict.fromkeys(RESULT_COLUMNS, "")
KEPT = [status for status in Status if status not in {Status.PENDING, Status.SENDING}]


def read(**cells: str) -> Outcome:
    return read_outcome(BLANK | {f"delivery_{name}": text for name, text in cells.items()})


@pytest.mark.parametrize("status", KEPT)
@pytest.mark.parametrize("spelt", [str, str.upper, str.title, lambda word: f"  {word}\xa0", lambda word: word.replace("_", " ")])
def test_a_status_is_kept_in_any_spelling_that_leaves_no_doubt(status: Status, spelt: type[str]) -> None:
    assert read(status=spelt(status.value), reason="why") == Outcome(status=status, reason="why")


def test_of_what_waits_to_be_sent_once_more_the_last_attempt_is_kept() -> None:
    found = read(status="pending", attempts="2", http_status="200", notification_status="notDelivered")
    assert found == Outcome(status=Status.PENDING, attempts=2, http_status=200, notification_status="notDelivered")
    assert read(status="pending", attempts="0") is UNSENT


@pytest.mark.parametrize(("written", "attempts"), [("", 1), ("0", 1), ("3", 3)])
def test_what_waits_though_an_earlier_attempt_may_have_arrived_was_tried(written: str, attempts: int) -> None:
    found = read(status="pending", reason=EARLIER_ATTEMPT, attempts=written)
    assert found == Outcome(status=Status.PENDING, reason=EARLIER_ATTEMPT, attempts=attempts)


@pytest.mark.parametrize("written", [NOT_REPORTED.upper(), NOT_REPORTED.title(), f" {NOT_REPORTED}\xa0"])
def test_why_a_row_is_unknown_is_read_in_any_spelling_that_leaves_no_doubt(written: str) -> None:
    assert read(status="unknown", reason=written) == Outcome(status=Status.UNKNOWN, reason=NOT_REPORTED)


def test_a_row_that_does_not_say_why_it_is_unknown_can_not_be_read() -> None:
    """A ledger always says why; perhaps it was sent in a batch."""
    assert read(status="unknown", attempts="1") == Outcome(status=Status.UNKNOWN, reason=UNREADABLE_STATUS, attempts=1)


def test_what_was_being_sent_may_have_arrived() -> None:
    assert read(status="sending") == Outcome(status=Status.UNKNOWN, reason=WAS_SENDING)


@pytest.mark.parametrize("word", ["delivred", "ok", "?", "#N/A", "'pending", "pending?", "0", "geliefert", "pending,delivered", "TRUE"])
def test_a_status_that_can_not_be_read_is_held(word: str) -> None:
    assert read(status=word) == Outcome(status=Status.UNKNOWN, reason=UNREADABLE_STATUS)


@given(st.text(max_size=20))
def test_only_the_word_pending_or_an_untouched_row_is_sent(word: str) -> None:
    found = read(status=word, attempts="1")
    assert found.status is not Status.PENDING or "pending" in word.casefold()


def test_a_row_that_someone_has_added_is_pending() -> None:
    assert read() == UNSENT
    assert read(message="Hi!", attempts="0") == UNSENT


@pytest.mark.parametrize(
    "trace",
    [
        {"attempts": "1"},
        {"sent_at": "2026-01-02T03:04:05.000Z"},
        {"settled_at": "x"},
        {"http_status": "200"},
        {"notification_status": "delivered"},
        {"notification_message": "Delivered"},
        {"reason": "duplicate"},
        {"error": "e"},
        {"latency_ms": "3"},
    ],
)
def test_a_row_whose_status_was_emptied_is_held(trace: dict[str, str]) -> None:
    found = read(**trace)
    assert (found.status, found.reason) == (Status.UNKNOWN, UNREADABLE_STATUS)


@pytest.mark.parametrize("status", ["pending", "failed", "not_delivered"])
def test_a_status_that_the_rows_own_answer_contradicts_is_held(status: str) -> None:
    found = read(status=status, notification_status="delivered", http_status="200", attempts="1")
    assert (found.status, found.reason, found.http_status, found.attempts) == (Status.UNKNOWN, UNREADABLE_STATUS, 200, 1)
    assert read(status=status, notification_status="notDelivered", http_status="200").status is Status(status)


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1e999", "-1", "9" * 400, "x", "1,2,3", "\x00"])
def test_numbers_that_are_none_are_left_out(text: str) -> None:
    found = read(status="failed", attempts=text, http_status=text, latency_ms=text, sent_at=text, settled_at=text)
    assert found == Outcome(status=Status.FAILED)


def test_numbers_and_times_as_spreadsheets_save_them() -> None:
    times = {"sent_at": "2026-01-02 03:04:05", "settled_at": "0001-01-01"}
    found = read(status="failed", attempts="2,0", http_status="404.0", latency_ms="12,5", **times)
    assert found == Outcome(status=Status.FAILED, attempts=2, http_status=404, latency_seconds=0.0125, sent_at=1_767_323_045.0)


@given(st.fixed_dictionaries({name: st.text(max_size=12) | st.sampled_from(["1e400", "nan", "pending", "200"]) for name in RESULT_COLUMNS}))
def test_whatever_is_in_the_cells_gives_an_outcome_a_ledger_can_hold(delivery: dict[str, str]) -> None:
    found = read_outcome(delivery)
    assert found.status is not Status.SENDING
    assert 0 <= found.attempts <= 1_000_000
    assert found.http_status is None or 100 <= found.http_status <= 999
    assert 0 <= found.sent_at < 1e12
    assert 0 <= found.settled_at < 1e12
    assert found.latency_seconds is None or 0 <= found.latency_seconds < 1e12
