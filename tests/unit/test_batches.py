"""What is decided about the vendor's batches: plain functions of values."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.app.sending.batches import held_in_words
from campaign.domain.batches import (
    MOST_RECIPIENTS,
    AnswerTimeout,
    BatchAnswer,
    Delivery,
    Proof,
    RemoteState,
    Size,
    can_be_said,
    cancelled_elsewhere,
    name_of,
    proof_of,
    refused,
    settlement,
    unknown,
    wording,
)
from campaign.domain.failure_guard import PATIENCE_SECONDS
from campaign.domain.model import Claim
from campaign.domain.status import Status
from campaign.domain.verdict import BATCH_UNKNOWN, EARLIER_ATTEMPT, UNREADABLE_STATUS, WAS_SENDING, Resolution, after_reading
from campaign.ledger.port import HeldPasses, PassHolder

CLAIM = Claim(campaign=1, row=2, fencing_token=3, pass_id="p", message="Hi", attempts=4, counted_attempts=1)


@pytest.mark.parametrize(
    ("answer", "proof"),
    [
        (BatchAnswer(http_status=202), Proof.DONE),
        (BatchAnswer(http_status=200, readable=False), Proof.UNKNOWN),
        (BatchAnswer(http_status=None, written=False), Proof.NOT_SENT),
        (BatchAnswer(http_status=None), Proof.UNKNOWN),
        (BatchAnswer(http_status=429), Proof.THROTTLED),
        (BatchAnswer(http_status=429, by_api=False), Proof.UNKNOWN),
        *((BatchAnswer(http_status=status), Proof.NO_ACCESS) for status in (401, 403, 404)),
        *((BatchAnswer(http_status=status), Proof.REFUSED) for status in (400, 409, 410, 413, 415, 422)),
        *((BatchAnswer(http_status=status, by_api=False), Proof.UNKNOWN) for status in (400, 401, 403, 404, 422)),
        *((BatchAnswer(http_status=status), Proof.UNKNOWN) for status in (301, 402, 408, 425, 499, 500, 502, 503)),
    ],
)
def test_what_an_answer_proves(answer: BatchAnswer, proof: Proof) -> None:
    assert proof_of(answer) is proof


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_each_row_is_told_its_own_text(messages: list[str]) -> None:
    said = wording(messages)
    assert [said.message if said.texts is None else said.texts[place] for place in range(len(messages))] == messages
    assert (said.texts is None) == (len(set(messages)) == 1)


@pytest.mark.parametrize(("text", "said"), [("50 % off", True), ("{name}", True), ("% {x}", True), ("Hi %{name}", False), ("%{", False)])
def test_a_text_that_the_vendor_would_fill_in_can_not_be_said(text: str, *, said: bool) -> None:
    assert can_be_said(text) is said


@given(st.text(), st.integers(1, 9))
def test_a_name_is_plain_and_bounded_whatever_the_campaign_is_called(campaign: str, runner: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,40} [0-9]-abc", name_of(campaign, runner=runner, number="abc"))


class TestSize:
    def test_a_refusal_halves_it_until_one_row_stands_alone_and_each_success_doubles_it(self) -> None:
        size, seen = Size(), []
        while size.rows > 1:
            seen.append(size.rows)
            size.refused(size.rows)
        assert seen == [500, 250, 125, 62, 31, 15, 7, 3]
        for _ in range(20):
            size.accepted()
        assert size.rows == MOST_RECIPIENTS

    def test_it_is_hopeless_only_where_nothing_was_ever_accepted(self) -> None:
        never, once = Size(), Size()
        once.accepted()
        for _ in range(3):
            never.refused(1)
            once.refused(1)
        assert (never.nothing_is_accepted, once.nothing_is_accepted) == (True, False)


class TestSettlement:
    @pytest.mark.parametrize(
        ("word", "status", "reason"),
        [
            ("delivered", Status.DELIVERED, ""),
            ("notDelivered", Status.NOT_DELIVERED, "notDelivered"),
            ("failed", Status.FAILED, "refused_by_batch"),
            ("Delivered", Status.NOT_DELIVERED, "Delivered"),
            ("heldForReview", Status.NOT_DELIVERED, "heldForReview"),
        ],
    )
    def test_a_line_of_the_report_decides(self, word: str, status: Status, reason: str) -> None:
        outcome = settlement(CLAIM, Delivery(status=word, detail="why"), RemoteState.SUCCESSFUL, sent_at=5.0, now=6.0).outcome
        assert (outcome.status, outcome.reason, outcome.notification_status) == (status, reason, word)
        assert (outcome.attempts, outcome.sent_at, outcome.settled_at) == (5, 5.0, 6.0)
        assert "why" in {outcome.error, outcome.notification_message}

    @pytest.mark.parametrize(
        ("remote", "reason"),
        [
            (RemoteState.SUCCESSFUL, "not_in_delivery_report"),
            (RemoteState.COMPLETED_WITH_ERRORS, "not_in_delivery_report"),
            (RemoteState.FAILED, "batch_failed"),
            (RemoteState.CANCELLED, "batch_cancelled"),
        ],
    )
    def test_a_row_without_a_line_waits_for_a_person(self, remote: RemoteState, reason: str) -> None:
        found = settlement(CLAIM, None, remote, sent_at=5.0, now=6.0)
        assert (found.outcome.status, found.outcome.reason, found.waits_seconds) == (Status.UNKNOWN, reason, None)

    def test_a_refusal_says_nothing_of_an_earlier_attempt_that_may_have_arrived(self) -> None:
        tried = Claim(campaign=1, row=2, fencing_token=3, pass_id="p", message="Hi", attempts=4, counted_attempts=1, may_have_arrived=True)
        for found in (refused(tried, "no", http_status=422, now=1.0), cancelled_elsewhere(tried, now=1.0)):
            assert (found.outcome.status, found.outcome.reason) == (Status.UNKNOWN, EARLIER_ATTEMPT)
        assert refused(CLAIM, "no", http_status=422, now=1.0).outcome.status is Status.FAILED


@pytest.mark.parametrize("reason", sorted(BATCH_UNKNOWN | {WAS_SENDING, EARLIER_ATTEMPT, UNREADABLE_STATUS}))
@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED, Status.UNKNOWN])
def test_reading_a_pass_never_shows_that_a_batch_did_not_reach_it(reason: str, status: Status) -> None:
    found = after_reading(Resolution(status=status, reason="x"), reason=reason, counted_attempts=1, max_attempts=5)
    assert found == Resolution(status=Status.UNKNOWN, reason=reason)
    seen = Resolution(status=Status.ACCEPTED)
    assert after_reading(seen, reason=reason, counted_attempts=1, max_attempts=5) == seen


@pytest.mark.parametrize("reason", sorted(BATCH_UNKNOWN))
def test_a_row_of_a_batch_that_is_unknown_says_why(reason: str) -> None:
    assert unknown(CLAIM, reason, sent_at=1.0, now=2.0).outcome.error


def test_patience_ends_with_an_api_that_answers_nothing_for_long() -> None:
    timeout = AnswerTimeout()
    assert timeout.note(is_trouble=True, now=0.0) == ""
    assert timeout.note(is_trouble=True, now=PATIENCE_SECONDS - 1) == ""
    assert timeout.note(is_trouble=False, now=PATIENCE_SECONDS) == ""
    assert timeout.note(is_trouble=True, now=PATIENCE_SECONDS + 1) == ""
    assert "15 minutes" in timeout.note(is_trouble=True, now=2 * PATIENCE_SECONDS + 2)


def holder(rows: int, *, worked_on: bool = False, cancelled: bool = False) -> PassHolder:
    return PassHolder(campaign="mon", rows=rows, worked_on=worked_on, cancelled=cancelled)


@pytest.mark.parametrize(
    ("pending", "holders", "is_stuck"),
    [
        (0, (), False),
        (5, (), False),
        (5, (holder(5),), True),
        (5, (holder(3), holder(2)), True),
        (5, (holder(3),), False),
        (5, (holder(5, worked_on=True),), False),
        (5, (holder(3), holder(2, worked_on=True)), False),
        (5, (holder(5, cancelled=True),), True),
    ],
)
def test_rows_wait_for_ever_if_nobody_works_on_any_batch_that_they_wait_for(
    *, pending: int, holders: tuple[PassHolder, ...], is_stuck: bool
) -> None:
    assert HeldPasses(pending=pending, holders=holders).is_stuck is is_stuck


def test_who_waits_for_a_batch_is_told_how_to_end_it() -> None:
    held = HeldPasses(pending=9, holders=(holder(600), replace(holder(1, cancelled=True), campaign="a b"), holder(2, worked_on=True)))
    assert held_in_words(held, ledger="c.db") == (
        "600 rows wait for their passes: these are in batches of the campaign “mon”, which no process works on. "
        "Go on with it (campaign resume mon --ledger c.db) or undo them (campaign cancel mon --ledger c.db). "
        "1 row waits for its pass: it is in a batch of the campaign “a b”, which no process works on. "
        "Undo it (campaign cancel 'a b' --ledger c.db). "
        "2 rows wait for their passes: these are in batches of the campaign “mon”, which a process works on."
    )
