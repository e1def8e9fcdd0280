"""The table of changes, and that the ledger's own constraints and the diagram agree with it."""

import re
from itertools import product
from pathlib import Path

import apsw
import pytest

from campaign.domain.status import BY_OUTCOME, ENDED, MAY_HAVE_ARRIVED, OPEN, RETRYABLE, TRANSITIONS, Event, Status
from tests.transitions import reachable

ROOT = Path(__file__).parents[2]
SCHEMA = (ROOT / "campaign/ledger/sql/schema.sql").read_text(encoding="utf-8")
DIAGRAM = ROOT / "docs/developers/states.md"

PAIRS = list(product(Status, Status))


def test_people_are_shown_every_status_once() -> None:
    assert sorted(BY_OUTCOME) == sorted(Status)


def test_every_event_is_used_and_leads_somewhere() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert all(TRANSITIONS.values())


def test_what_ended_is_never_sent_again_by_anybody() -> None:
    assert frozenset({Status.DELIVERED, Status.ACCEPTED, Status.SKIPPED}) == ENDED
    assert not any(reachable(status) for status in ENDED)


def test_who_may_be_sent_again_on_request() -> None:
    assert frozenset({Status.UNKNOWN, Status.NOT_DELIVERED, Status.FAILED}) == RETRYABLE


def test_an_attempt_may_have_arrived_unless_it_failed() -> None:
    assert frozenset({Status.DELIVERED, Status.NOT_DELIVERED, Status.ACCEPTED, Status.UNKNOWN}) == MAY_HAVE_ARRIVED


def test_a_post_leaves_only_after_a_claim_and_a_claim_only_from_pending() -> None:
    assert [(before, event) for (before, event), after in TRANSITIONS.items() if Status.SENDING in after] == [
        (Status.PENDING, Event.CLAIMED)
    ]


def test_a_lost_claim_is_unknown_and_nothing_else() -> None:
    assert TRANSITIONS[Status.SENDING, Event.LOST] == {Status.UNKNOWN}


@pytest.mark.parametrize("start", sorted(OPEN))
def test_every_open_row_can_end(start: Status) -> None:
    seen, ahead = {start}, [start]
    while ahead:
        for after in reachable(ahead.pop()) - seen:
            seen.add(after)
            ahead.append(after)
    assert seen >= ENDED


def held(before: Status, after: Status) -> bool:
    """Whether SQLite lets a row change like this, all else being in order."""
    db = apsw.Connection(":memory:")
    db.execute(SCHEMA)
    db.execute(
        "INSERT INTO rows (campaign, row, pass_id, pass_key, message, cells, status, due_at, runner)"
        " VALUES (1, 1, 'p', 'p', 'm', '[]', ?, 0, ?)",
        (before.value, 1 if before is Status.SENDING else None),
    )
    try:
        db.execute("UPDATE rows SET status = ?, runner = ?", (after.value, 1 if after is Status.SENDING else None))
    except apsw.ConstraintError as error:
        assert "a row can not change like this" in str(error)  # noqa: PT017 - any other constraint would be a fault of this test
        return False
    finally:
        db.close()
    return True


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_trigger_lets_the_table_and_nothing_else_through(before: Status, after: Status) -> None:
    assert held(before, after) is (before is after or after in reachable(before))


@pytest.mark.parametrize("status", Status)
def test_the_ledger_knows_every_status(status: Status) -> None:
    assert held(status, status)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (Status.PENDING, "runner = 1"),
        (Status.PENDING, "due_at = NULL"),
        (Status.PENDING, "message = ''"),
        (Status.PENDING, "pass_id = ''"),
        (Status.PENDING, "status = 'sending'"),
        (Status.PENDING, "status = 'lost'"),
        (Status.PENDING, "row = 0"),
        (Status.SENDING, "runner = NULL"),
        (Status.SENDING, "status = 'delivered'"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(status: Status, changes: str) -> None:
    db = apsw.Connection(":memory:")
    db.execute(SCHEMA)
    db.execute(
        "INSERT INTO rows (campaign, row, pass_id, pass_key, message, cells, status, due_at, runner)"
        " VALUES (1, 1, 'p', 'p', 'm', '[]', ?, 0, ?)",
        (status.value, 1 if status is Status.SENDING else None),
    )
    with pytest.raises(apsw.ConstraintError, match=r"CHECK|can not change"):
        db.execute(f"UPDATE rows SET {changes}")
    db.close()


def test_the_diagram_draws_the_table() -> None:
    drawn = set(re.findall(r"^\s*(\w+) --> (\w+)\s*:\s*(\w+)", DIAGRAM.read_text(encoding="utf-8"), re.MULTILINE))
    table = {(before.value, after.value, event.value) for (before, event), afters in TRANSITIONS.items() for after in afters}
    assert drawn == table
