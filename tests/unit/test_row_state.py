import pytest

from campaign.domain.lists.outcomes import row_number
from campaign.domain.model import Outcome, Skip
from campaign.domain.row_state import RowState, is_another_attempt, is_overtaken, same_attempt, tells_more
from campaign.domain.status import Status
from campaign.domain.verdict import WAS_SENDING


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("7.0", 7), ("7,0", 7), ("1E3", 1000), ("", 0), ("x", 0), ("-1", 0), ("nan", 0), ("inf", 0), ("1e400", 0), ("1e30", 0)],
)
def test_a_number_of_a_row_that_a_spreadsheet_has_changed(text: str, number: int) -> None:
    assert row_number(text) == number


def told(status: Status, attempts: int = 0, *, reason: str = "", sent_at: float = 0.0) -> Outcome:
    return Outcome(status=status, attempts=attempts, reason=reason, sent_at=sent_at)


def known(status: Status, attempts: int = 0, *, sent_at: float = 0.0, begun: bool = True) -> RowState:
    return RowState(1, "a", status, attempts, sent_at, begun)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING])
def test_an_attempt_more_is_news_of_a_row_that_may_be_sent(status: Status) -> None:
    assert tells_more(told(status, 2), known(Status.PENDING, 1))
    assert tells_more(told(status, 2), known(Status.FAILED, 1))


@pytest.mark.parametrize("ended", [Status.DELIVERED, Status.ACCEPTED, Status.SKIPPED])
def test_an_outcome_that_never_changes_is_news_unless_the_ledger_has_one(ended: Status) -> None:
    assert tells_more(told(ended, 1), known(Status.UNKNOWN, 1))
    assert not tells_more(told(ended, 9), known(Status.DELIVERED, 1))
    assert not tells_more(told(Status.UNKNOWN, 9), known(ended, 1))


def test_no_more_attempts_are_no_news_and_neither_is_a_duplicate() -> None:
    assert not tells_more(told(Status.FAILED, 1), known(Status.PENDING, 1))
    assert not tells_more(told(Status.SKIPPED, reason=Skip.DUPLICATE), known(Status.PENDING))
    assert not tells_more(told(Status.SKIPPED, reason=Skip.EXCLUDED), known(Status.PENDING))
    assert tells_more(told(Status.SKIPPED, reason=Skip.CANCELLED), known(Status.PENDING))


@pytest.mark.parametrize(
    ("told_attempts", "known_attempts", "status", "begun", "news"),
    [
        (0, 0, Status.PENDING, False, True),
        (2, 2, Status.PENDING, False, True),
        (1, 2, Status.PENDING, False, False),
        (0, 0, Status.PENDING, True, False),
        (0, 0, Status.SENDING, True, False),
        (0, 0, Status.UNKNOWN, True, False),
        (0, 0, Status.INVALID, False, False),
        (0, 0, Status.SKIPPED, False, False),
    ],
)
def test_a_row_under_way_is_news_of_one_that_the_ledger_never_began(
    told_attempts: int, known_attempts: int, status: Status, *, begun: bool, news: bool
) -> None:
    found = told(Status.UNKNOWN, told_attempts, reason=WAS_SENDING)
    assert tells_more(found, known(status, known_attempts, begun=begun)) is news


def test_an_attempt_is_known_by_the_millisecond_in_which_it_began() -> None:
    assert same_attempt(told(Status.FAILED, 1, sent_at=10.123), known(Status.PENDING, 1, sent_at=10.12345))
    assert not same_attempt(told(Status.FAILED, 1, sent_at=10.125), known(Status.PENDING, 1, sent_at=10.12345))
    assert not same_attempt(told(Status.SKIPPED), known(Status.PENDING))


def test_a_row_that_was_begun_since_is_overtaken() -> None:
    pending = told(Status.PENDING)
    assert is_overtaken(pending, known(Status.DELIVERED, 1))
    assert is_overtaken(pending, known(Status.SENDING))
    assert is_overtaken(told(Status.PENDING, 1), known(Status.FAILED, 2))
    assert not is_overtaken(told(Status.PENDING, 1), known(Status.SKIPPED, 1))
    assert not is_overtaken(pending, known(Status.SKIPPED, begun=False))
    assert not is_overtaken(pending, known(Status.SKIPPED)), "its claim was given back"
    assert is_overtaken(told(Status.FAILED, 1), known(Status.DELIVERED, 2))
    assert not is_overtaken(told(Status.DELIVERED, 1), known(Status.DELIVERED, 2))


@pytest.mark.parametrize(
    ("attempts", "sent_at", "another"),
    [
        (2, 99.123, True),
        (2, 100.1, False),
        (2, 100.13, False),
        (2, 3_700.123, False),
        (2, 3_710.123, True),
        (2, 90_100.123, True),
        (2, 99.0, False),
        (2, 0.0, False),
        (1, 99.123, False),
        (3, 99.123, False),
    ],
)
def test_an_attempt_with_another_time_is_another_one_unless_a_spreadsheet_may_have_changed_it(
    attempts: int, sent_at: float, *, another: bool
) -> None:
    assert is_another_attempt(told(Status.FAILED, attempts, sent_at=sent_at), known(Status.DELIVERED, 2, sent_at=100.123)) is another
    assert not is_another_attempt(told(Status.PENDING), known(Status.PENDING))
    assert not is_another_attempt(told(Status.FAILED, 1, sent_at=9.5), known(Status.FAILED, 1, sent_at=20.0))
    assert not is_another_attempt(told(Status.FAILED, 1, sent_at=9.5), known(Status.PENDING, 1, sent_at=20.5)), "refused for its token"
