"""What is recorded of an attempt, for every end of it and every policy."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.model import Claim, Outcome, Settlement
from campaign.domain.pace.pacing import LONGEST_RETRY_AFTER_SECONDS
from campaign.domain.status import Event, Status
from campaign.domain.verdict import EARLIER_ATTEMPT, Evidence, Fault, Reply, Signature, classify
from campaign.sender.attempt import OnUnknown, Policy, settle_attempt
from tests.transitions import allowed

SENT_AT = 1_800_000_000.0
DELIVERED = Reply(http_status=200, notification_status="delivered", notification_message="Delivered succesfully")
SOME_JSON = Signature(json=True)
THROTTLED = Reply(http_status=429, retry_after_seconds=7.0, error="Too Many Requests", signature=SOME_JSON)
BROKEN = Reply(http_status=500, error="oops")
UNSENT = Fault(reason="no_connection", written=False, error="No connection.")
CUT = Fault(reason="reset", written=True, error="Reset.")

RESULTS = st.one_of(
    st.builds(Fault, reason=st.sampled_from(["reset", "timeout"]), written=st.booleans()),
    st.builds(
        Reply,
        http_status=st.sampled_from([200, 201, 302, 400, 401, 403, 404, 422, 429, 500, 503]),
        readable=st.booleans(),
        notification_status=st.sampled_from(["delivered", "notDelivered"]),
        retry_after_seconds=st.none() | st.floats(0, 1000),
        signature=st.builds(Signature, documented=st.booleans(), json=st.booleans()),
    ),
)


def claim(*, attempts: int = 0, counted_attempts: int = 0) -> Claim:
    return Claim(campaign=1, row=2, fencing_token=3, pass_id="p", message="m", attempts=attempts, counted_attempts=counted_attempts)


def settled(result: Reply | Fault, policy: Policy | None = None, *, attempts: int = 0, counted_attempts: int = 0) -> Settlement:
    return settle_attempt(
        claim(attempts=attempts, counted_attempts=counted_attempts),
        result,
        classify(result),
        policy=policy or Policy(),
        sent_at=SENT_AT,
        latency_seconds=0.25,
        jitter=0.5,
    )


def test_all_that_the_answer_said_is_recorded() -> None:
    settlement = settled(DELIVERED, attempts=4, counted_attempts=1)
    assert settlement == Settlement(
        claim=claim(attempts=4, counted_attempts=1),
        outcome=Outcome(
            status=Status.DELIVERED,
            notification_status="delivered",
            notification_message="Delivered succesfully",
            http_status=200,
            attempts=5,
            sent_at=SENT_AT,
            settled_at=SENT_AT + 0.25,
            latency_seconds=0.25,
        ),
        counted_attempts=2,
        due_in_seconds=None,
    )


@pytest.mark.parametrize(
    ("result", "counted_attempts", "status", "reason", "http_status", "due", "counted_after"),
    [
        (DELIVERED, 0, Status.DELIVERED, "", 200, None, 1),
        (Reply(http_status=200, notification_status="notDelivered"), 0, Status.NOT_DELIVERED, "notDelivered", 200, None, 1),
        (Reply(http_status=404, signature=SOME_JSON), 0, Status.FAILED, "http_404", 404, None, 1),
        (Reply(http_status=404), 0, Status.UNKNOWN, "http_404", 404, 10.0, 1),
        (THROTTLED, 0, Status.PENDING, "http_429", 429, 7.5, 0),
        (THROTTLED, 5, Status.PENDING, "http_429", 429, 7.5, 5),
        (Reply(http_status=429, signature=SOME_JSON), 2, Status.PENDING, "http_429", 429, 1.0, 2),
        (Reply(http_status=429, retry_after_seconds=7.0), 2, Status.UNKNOWN, "http_429", 429, 10.0, 3),
        (Reply(http_status=401, signature=Signature(documented=True)), 0, Status.PENDING, "http_401", 401, 0.5, 0),
        (Reply(http_status=401, signature=Signature(documented=True, whole=False)), 0, Status.UNKNOWN, "http_401", 401, 10.0, 1),
        (Reply(http_status=401, signature=SOME_JSON), 0, Status.UNKNOWN, "http_401", 401, 10.0, 1),
        (Reply(http_status=401), 0, Status.UNKNOWN, "http_401", 401, 10.0, 1),
        (Reply(http_status=403, signature=Signature(documented=True)), 4, Status.PENDING, "forbidden", 403, 4.0, 4),
        (Reply(http_status=403), 4, Status.UNKNOWN, "forbidden", 403, 10.0, 5),
        (Reply(http_status=408), 0, Status.UNKNOWN, "http_408", 408, 10.0, 1),
        (UNSENT, 0, Status.PENDING, "no_connection", None, 0.5, 1),
        (UNSENT, 2, Status.PENDING, "no_connection", None, 2.0, 3),
        (UNSENT, 4, Status.FAILED, "no_connection", None, None, 5),
        (CUT, 0, Status.UNKNOWN, "reset", None, 10.0, 1),
        (CUT, 4, Status.UNKNOWN, "reset", None, 10.0, 5),
        (BROKEN, 0, Status.UNKNOWN, "http_500", 500, 10.0, 1),
        (Reply(http_status=200, readable=False), 0, Status.UNKNOWN, "unreadable_reply", 200, 10.0, 1),
    ],
)
def test_what_becomes_of_a_row(
    *,
    result: Reply | Fault,
    counted_attempts: int,
    status: Status,
    reason: str,
    http_status: int | None,
    due: float | None,
    counted_after: int,
) -> None:
    settlement = settled(result, counted_attempts=counted_attempts, attempts=counted_attempts + 10)
    outcome = settlement.outcome
    assert (outcome.status, outcome.reason, outcome.http_status) == (status, reason, http_status)
    assert outcome.error == result.error
    assert settlement.due_in_seconds == due
    assert settlement.counted_attempts == counted_after
    assert outcome.attempts == counted_after + 10


@pytest.mark.parametrize(
    ("on_unknown", "counted_attempts", "status", "due"),
    [
        (OnUnknown.VERIFY, 0, Status.UNKNOWN, 3.0),
        (OnUnknown.VERIFY, 4, Status.UNKNOWN, 3.0),
        (OnUnknown.HOLD, 0, Status.UNKNOWN, None),
        (OnUnknown.RESEND, 0, Status.PENDING, 0.5),
        (OnUnknown.RESEND, 3, Status.PENDING, 4.0),
        (OnUnknown.RESEND, 4, Status.UNKNOWN, None),
        (OnUnknown.RESEND, 9, Status.UNKNOWN, None),
    ],
)
@pytest.mark.parametrize("result", [CUT, BROKEN])
def test_the_policy_decides_on_an_unknown_row(
    result: Reply | Fault, on_unknown: OnUnknown, counted_attempts: int, status: Status, due: float | None
) -> None:
    settlement = settled(result, Policy(max_attempts=5, on_unknown=on_unknown, quiet_seconds=3.0), counted_attempts=counted_attempts)
    assert (settlement.outcome.status, settlement.due_in_seconds) == (status, due)


@pytest.mark.parametrize(("latency_seconds", "due"), [(2.0, 3.0), (29.5, 29.5)])
def test_a_pass_is_read_later_if_the_request_lasted_longer_than_the_quiet_period(latency_seconds: float, due: float) -> None:
    policy = Policy(quiet_seconds=3.0)
    found = settle_attempt(claim(), BROKEN, classify(BROKEN), policy=policy, sent_at=SENT_AT, latency_seconds=latency_seconds, jitter=0.5)
    assert (found.outcome.status, found.due_in_seconds) == (Status.UNKNOWN, due)


@pytest.mark.parametrize("on_unknown", OnUnknown)
@pytest.mark.parametrize(
    ("result", "counted_attempts"),
    [(Reply(http_status=404, error="None.", signature=SOME_JSON), 1), (Reply(http_status=422, signature=SOME_JSON), 1), (UNSENT, 4)],
)
def test_what_may_have_arrived_before_stays_unknown_though_the_last_attempt_did_not(
    result: Reply | Fault, counted_attempts: int, on_unknown: OnUnknown
) -> None:
    tried = replace(claim(attempts=counted_attempts, counted_attempts=counted_attempts), may_have_arrived=True)
    policy = Policy(on_unknown=on_unknown)
    found = settle_attempt(tried, result, classify(result), policy=policy, sent_at=SENT_AT, latency_seconds=0.25, jitter=0.5)
    assert (found.outcome.status, found.outcome.reason, found.outcome.error) == (Status.UNKNOWN, EARLIER_ATTEMPT, result.error)
    assert found.due_in_seconds is None


def test_a_resend_waits_for_what_a_503_asked() -> None:
    settlement = settled(Reply(http_status=503, retry_after_seconds=20.0), Policy(on_unknown=OnUnknown.RESEND))
    assert settlement.due_in_seconds == 20.5


@given(RESULTS, st.sampled_from(OnUnknown), st.integers(0, 9), st.integers(1, 9), st.floats(0, 1, exclude_max=True))
def test_every_settlement_is_one_the_ledger_takes(
    result: Reply | Fault, on_unknown: OnUnknown, counted_attempts: int, most: int, jitter: float
) -> None:
    verdict = classify(result)
    settlement = settle_attempt(
        claim(attempts=counted_attempts, counted_attempts=counted_attempts),
        result,
        verdict,
        policy=Policy(max_attempts=most, on_unknown=on_unknown),
        sent_at=SENT_AT,
        latency_seconds=0.1,
        jitter=jitter,
    )
    status, due = settlement.outcome.status, settlement.due_in_seconds
    assert allowed(Status.SENDING, Event.SETTLED, status)
    # A refused token that is not surely refused by PassEntry is ambiguous.
    ambiguous = isinstance(result, Reply) and result.http_status == 401 and not result.signature.documented
    assert settlement.counted_attempts == settlement.outcome.attempts == counted_attempts + (verdict.counts_as_attempt or ambiguous)
    if status is Status.PENDING:
        assert due is not None
        assert 0 <= due <= LONGEST_RETRY_AFTER_SECONDS + 1
        assert settlement.counted_attempts < most or not verdict.counts_as_attempt
        assert verdict.proof is not Evidence.AMBIGUOUS or on_unknown is OnUnknown.RESEND
    elif status is not Status.UNKNOWN:
        assert due is None


@pytest.mark.parametrize("result", [UNSENT, CUT, BROKEN])
def test_what_is_not_held_against_the_row_uses_up_no_try_and_never_fails_it(result: Reply | Fault) -> None:
    settlement = settle_attempt(
        claim(attempts=9, counted_attempts=4),
        result,
        classify(result),
        policy=Policy(max_attempts=5),
        sent_at=SENT_AT,
        latency_seconds=0.25,
        jitter=0.5,
        held_against=False,
    )
    assert (settlement.counted_attempts, settlement.outcome.attempts) == (4, 10)
    assert settlement.outcome.status in {Status.PENDING, Status.UNKNOWN}
