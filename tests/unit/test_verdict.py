"""What an attempt and a reading prove, case by case: promise 2 stands on these tables."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.status import Event, Status
from campaign.domain.verdict import (
    ANSWERS,
    UNLISTED,
    UNSIGNED,
    AttemptOutcome,
    Evidence,
    Fault,
    Latest,
    PassReading,
    Reply,
    Resolution,
    Signature,
    after_reading,
    classify,
    foreign,
    quiet_after,
    read_back,
    same_text,
    status_after,
)
from tests.transitions import allowed

TEXTS = st.sampled_from(["", " ", "ours", " ours\n", "theirs", "old", "old  text", "old text"])


API = Signature(documented=True)
SOME_JSON = Signature(json=True)
PAGE = Signature(page=True)
API_PAGE = Signature(documented=True, page=True)

FINAL = {400, 404, 409, 410, 413, 414, 415, 422}
"""The statuses that refuse the content."""

OF_THE_CALLER = {402, 403}


@pytest.mark.parametrize("signature", [API, API_PAGE, SOME_JSON])
@pytest.mark.parametrize("cached", [False, True])
def test_what_a_status_proves(signature: Signature, *, cached: bool) -> None:
    # What has a row sent once more has to be PassEntry's own.
    of_the_caller = Evidence.ROW_OR_ALL if signature.documented else Evidence.AMBIGUOUS
    proven = dict.fromkeys(FINAL, Evidence.REFUSED) | dict.fromkeys(OF_THE_CALLER, of_the_caller)
    proven |= {401: Evidence.TOKEN_REFUSED, 429: Evidence.THROTTLED}
    if cached:
        proven = {} if signature.page else {401: Evidence.TOKEN_REFUSED}
    for http_status in (*range(100, 200), *range(300, 1000)):
        reply = Reply(
            http_status=http_status, readable=not cached, notification_status="delivered", error="the excerpt", signature=signature
        )
        reason = "forbidden" if http_status == 403 and not (cached and signature.page) else f"http_{http_status}"
        assert classify(reply) == AttemptOutcome(proof=proven.get(http_status, Evidence.AMBIGUOUS), reason=reason, error="the excerpt")


CUT = Signature(documented=True, json=True, whole=False)


@pytest.mark.parametrize("http_status", sorted(FINAL | OF_THE_CALLER | {401, 429, 408, 302, 500}))
@pytest.mark.parametrize("signature", [UNSIGNED, PAGE, CUT], ids=["bare", "page", "cut"])
def test_an_answer_that_nothing_shows_to_be_an_apis_proves_nothing(signature: Signature, http_status: int) -> None:
    # A 401 stops the run all the same.
    proof = Evidence.TOKEN_REFUSED if http_status == 401 and not signature.page else Evidence.AMBIGUOUS
    reason = "forbidden" if http_status == 403 and not signature.page else f"http_{http_status}"
    assert classify(Reply(http_status=http_status, signature=signature)) == AttemptOutcome(proof=proof, reason=reason)


def test_every_rule_says_why() -> None:
    assert all(rule.why for rule in (*ANSWERS.values(), UNLISTED))
    assert not any(200 <= status < 300 for status in ANSWERS)


def test_the_docs_have_the_same_table() -> None:
    """`docs/api.md` says for each status what it proves."""
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    said = {int(status): cells[1] for cells in rows_of(text) for status in re.findall(r"\b[1-5]\d\d\b", cells[0])}
    assert said == {status: rule.proof.value for status, rule in ANSWERS.items()}


def rows_of(text: str) -> list[list[str]]:
    """The cells of the lines of the table of statuses."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ") and line.count("|") == 4]
    found = [[cell.strip(" `") for cell in cells] for cells in lines]
    return [cells for cells in found if cells[1] in set(Evidence)]


@pytest.mark.parametrize(
    ("answer", "is_foreign"),
    [
        (Reply(http_status=200, readable=False, signature=PAGE), True),
        (Reply(http_status=200, readable=False), True),
        (Reply(http_status=204, readable=False), True),
        (Reply(http_status=200, readable=False, signature=Signature(whole=False)), False),
        (Reply(http_status=200, readable=False, signature=Signature(whole=False, page=True)), True),
        (Reply(http_status=200, readable=False, signature=API), False),
        (Reply(http_status=200, notification_status="delivered", signature=API), False),
        (Reply(http_status=302, signature=Signature(redirects_to="portal.example")), True),
        (Reply(http_status=302), True),
        (Reply(http_status=302, signature=API), False),
        (Reply(http_status=407), True),
        (Reply(http_status=511, signature=PAGE), True),
        (Reply(http_status=403, signature=PAGE), True),
        (Reply(http_status=403, signature=API_PAGE), False),
        (Reply(http_status=403), True),
        (Reply(http_status=403, signature=API), False),
        (PassReading(latest=Latest.UNREADABLE, http_status=403), False),
        (Reply(http_status=404, signature=PAGE), True),
        (Reply(http_status=404), False),
        (Reply(http_status=429, signature=PAGE), False),
        (Reply(http_status=502, signature=PAGE), False),
        (PassReading(latest=Latest.UNREADABLE, http_status=200, signature=PAGE), True),
        (PassReading(latest=Latest.UNREADABLE, http_status=302), True),
        (PassReading(latest=Latest.UNREADABLE, http_status=404), False),
        (PassReading(latest=Latest.UNREADABLE, http_status=503, signature=PAGE), False),
        (PassReading(latest=Latest.UNREADABLE), False),
        (PassReading(latest=Latest.NULL, http_status=200, signature=API), False),
    ],
)
def test_what_passentry_never_answers(answer: Reply | PassReading, *, is_foreign: bool) -> None:
    assert bool(foreign(answer)) is is_foreign


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(http_status=200, notification_status="delivered"), AttemptOutcome(proof=Evidence.DELIVERED)),
        (Reply(http_status=201, notification_status="delivered"), AttemptOutcome(proof=Evidence.DELIVERED)),
        (Reply(http_status=200, notification_status="notDelivered"), AttemptOutcome(proof=Evidence.NOT_DELIVERED, reason="notDelivered")),
        (Reply(http_status=200, notification_status="Delivered"), AttemptOutcome(proof=Evidence.NOT_DELIVERED, reason="Delivered")),
        (Reply(http_status=200, notification_status="queued"), AttemptOutcome(proof=Evidence.NOT_DELIVERED, reason="queued")),
        (
            Reply(http_status=200, readable=False, notification_status="delivered", error="cut off"),
            AttemptOutcome(proof=Evidence.AMBIGUOUS, reason="unreadable_reply", error="cut off"),
        ),
        (Reply(http_status=204, readable=False), AttemptOutcome(proof=Evidence.AMBIGUOUS, reason="unreadable_reply")),
    ],
)
def test_a_2xx_says_what_its_body_says(reply: Reply, verdict: AttemptOutcome) -> None:
    assert classify(reply) == verdict


@pytest.mark.parametrize(("written", "proof"), [(False, Evidence.NOT_ACCEPTED), (True, Evidence.AMBIGUOUS)])
def test_a_fault_is_safe_only_if_nothing_was_written(proof: Evidence, *, written: bool) -> None:
    assert classify(Fault(reason="reset", written=written, error="Reset.")) == AttemptOutcome(proof=proof, reason="reset", error="Reset.")


@pytest.mark.parametrize(
    ("proof", "before_the_last", "at_the_last"),
    [
        (Evidence.DELIVERED, Status.DELIVERED, Status.DELIVERED),
        (Evidence.NOT_DELIVERED, Status.NOT_DELIVERED, Status.NOT_DELIVERED),
        (Evidence.REFUSED, Status.FAILED, Status.FAILED),
        (Evidence.NOT_ACCEPTED, Status.PENDING, Status.FAILED),
        (Evidence.THROTTLED, Status.PENDING, Status.PENDING),
        (Evidence.TOKEN_REFUSED, Status.PENDING, Status.PENDING),
        (Evidence.ROW_OR_ALL, Status.PENDING, Status.PENDING),
        (Evidence.AMBIGUOUS, Status.UNKNOWN, Status.UNKNOWN),
    ],
)
def test_where_a_row_goes(proof: Evidence, before_the_last: Status, at_the_last: Status) -> None:
    assert status_after(proof, attempts=4, max_attempts=5) is before_the_last
    assert status_after(proof, attempts=5, max_attempts=5) is at_the_last
    assert status_after(proof, attempts=6, max_attempts=5) is at_the_last


def test_only_what_says_nothing_of_the_row_costs_no_attempt() -> None:
    assert {proof for proof in Evidence if not AttemptOutcome(proof=proof).counts_as_attempt} == {
        Evidence.THROTTLED,
        Evidence.TOKEN_REFUSED,
        Evidence.ROW_OR_ALL,
    }


@given(
    st.one_of(
        st.builds(Fault, reason=st.text(), written=st.booleans()),
        st.builds(
            Reply,
            http_status=st.integers(100, 999),
            readable=st.booleans(),
            notification_status=st.sampled_from(["delivered", "notDelivered", ""]),
            signature=st.builds(Signature, documented=st.booleans(), json=st.booleans(), page=st.booleans(), whole=st.booleans()),
        ),
    ),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_only_what_is_provably_not_accepted_is_tried_again(result: Reply | Fault, attempts: int, most: int) -> None:
    status = status_after(classify(result).proof, attempts=attempts, max_attempts=most)
    assert allowed(Status.SENDING, Event.SETTLED, status)
    if status is Status.PENDING:
        assert not result.written if isinstance(result, Fault) else result.http_status in {401, 402, 403, 429}
    if status is Status.DELIVERED:
        assert isinstance(result, Reply)
        assert (result.http_status // 100, result.readable, result.notification_status) == (2, True, "delivered")


@pytest.mark.parametrize(
    ("latest", "text", "sent_before", "last_before", "baseline", "status", "reason"),
    [
        (Latest.UNREADABLE, "", set(), None, False, Status.UNKNOWN, "unreadable"),
        (Latest.UNREADABLE, "ours", set(), "old", True, Status.UNKNOWN, "unreadable"),
        (Latest.MISSING, "", set(), None, False, Status.UNKNOWN, "no_latest_message"),
        (Latest.MISSING, "", set(), None, True, Status.UNKNOWN, "no_latest_message"),
        (Latest.NULL, "", set(), None, False, Status.PENDING, ""),
        (Latest.NULL, "", set(), None, True, Status.PENDING, ""),
        (Latest.NULL, "", set(), "", True, Status.PENDING, ""),
        (Latest.NULL, "", {"older"}, None, False, Status.UNKNOWN, "no_latest_message"),
        (Latest.NULL, "", {"old"}, "old", False, Status.UNKNOWN, "no_latest_message"),
        (Latest.NULL, "", set(), "old", True, Status.UNKNOWN, "no_latest_message"),
        (Latest.NULL, "", {"old"}, None, True, Status.UNKNOWN, "no_latest_message"),
        (Latest.TEXT, "ours", set(), None, False, Status.ACCEPTED, ""),
        (Latest.TEXT, "  ours\n", set(), None, False, Status.ACCEPTED, ""),
        (Latest.TEXT, "ours", {"old"}, "old", False, Status.ACCEPTED, ""),
        (Latest.TEXT, "ours", {"ours", "old"}, "old", False, Status.UNKNOWN, "same_text_before"),
        (Latest.TEXT, "ours", {" ours "}, None, False, Status.UNKNOWN, "same_text_before"),
        (Latest.TEXT, "ours", set(), "ours", False, Status.UNKNOWN, "same_text_before"),
        (Latest.TEXT, "ours", set(), "ours", True, Status.UNKNOWN, "same_text_before"),
        (Latest.TEXT, "ours", {"ours"}, "old", True, Status.ACCEPTED, ""),
        (Latest.TEXT, "ours", {"ours"}, None, True, Status.ACCEPTED, ""),
        (Latest.TEXT, "old", {"old"}, "old", False, Status.PENDING, ""),
        (Latest.TEXT, "old ", set(), "old", True, Status.PENDING, ""),
        (Latest.TEXT, "old", {"old", "new"}, "new", False, Status.UNKNOWN, "other_message"),
        (Latest.TEXT, "theirs", set(), None, False, Status.UNKNOWN, "other_message"),
        (Latest.TEXT, "theirs", set(), None, True, Status.UNKNOWN, "other_message"),
        (Latest.TEXT, "Ours", set(), "old", True, Status.UNKNOWN, "same_text_before"),
        (Latest.TEXT, "ou…", set(), "ou…", True, Status.UNKNOWN, "same_text_before"),
        (Latest.TEXT, "…", set(), "…", True, Status.PENDING, ""),
    ],
)
def test_what_reading_back_proves(
    *, latest: Latest, text: str, sent_before: set[str], last_before: str | None, status: Status, reason: str, baseline: bool
) -> None:
    reading = PassReading(latest=latest, text=text)
    conclusion = read_back(reading, message="ours", sent_before=frozenset(sent_before), last_before=last_before, baseline=baseline)
    assert (conclusion.status, conclusion.reason) == (status, reason)


@pytest.mark.parametrize(
    "shown",
    [
        "Acme: It's 20 % off: our shop. Reply STOP",
        "It&#39;s 20 % off: our shop",
        "It's 20 % off: <b>our shop</b>",
        "IT'S 20 % OFF: our shop",
        "It's\u00a020 % off: our shop!",
    ],
)
def test_a_text_that_may_be_ours_as_the_api_shows_it_is_not_taken_for_another(shown: str) -> None:
    ours = "It's 20 % off: [our shop](https://shop.example)"
    reading = PassReading(latest=Latest.TEXT, text=shown)
    conclusion = read_back(reading, message=ours, sent_before=frozenset(), last_before=shown, baseline=True)
    assert conclusion == Resolution(status=Status.UNKNOWN, reason="same_text_before")


def test_any_text_may_be_a_form_of_a_message_without_letters() -> None:
    reading = PassReading(latest=Latest.TEXT, text="Acme: :tada:")
    conclusion = read_back(reading, message="🎉", sent_before=frozenset(), last_before="Acme: :tada:", baseline=True)
    assert conclusion == Resolution(status=Status.UNKNOWN, reason="same_text_before")


def test_where_the_same_was_sent_before_an_older_text_proves_nothing() -> None:
    reading = PassReading(latest=Latest.TEXT, text="shown otherwise")
    conclusion = read_back(reading, message="ours", sent_before=frozenset({"ours"}), last_before="shown otherwise", baseline=True)
    assert conclusion == Resolution(status=Status.UNKNOWN, reason="same_text_before")


@pytest.mark.parametrize(
    ("lasted", "quiet_seconds", "after"),
    [
        (0.2, 10.0, 10.0),
        (10.0, 10.0, 10.0),
        (10.5, 10.0, 10.5),
        (30.0, 10.0, 30.0),
        (30.0, 60.0, 60.0),
        (0.0, 0.0, 0.0),
        (3600.0, 10.0, 300.0),
        (None, 10.0, 10.0),
    ],
)
def test_a_pass_is_read_after_the_quiet_period_or_as_long_again_as_the_request_lasted(
    lasted: float | None, quiet_seconds: float, after: float
) -> None:
    assert quiet_after(lasted, quiet_seconds=quiet_seconds) == after


def test_an_empty_text_is_none() -> None:
    for text in ("", " \n"):
        reading = PassReading(latest=Latest.TEXT, text=text)
        assert read_back(reading, message="ours", sent_before=frozenset(), last_before=None, baseline=False).status is Status.PENDING
        assert read_back(reading, message="ours", sent_before=frozenset(), last_before="old", baseline=True).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("counted_attempts", "status", "reason"), [(4, Status.PENDING, ""), (5, Status.FAILED, "http_500"), (6, Status.FAILED, "http_500")]
)
def test_a_row_that_never_arrives_is_given_up_after_its_last_try(counted_attempts: int, status: Status, reason: str) -> None:
    not_arrived = Resolution(status=Status.PENDING)
    assert after_reading(not_arrived, reason="http_500", counted_attempts=counted_attempts, max_attempts=5) == Resolution(
        status=status, reason=reason
    )


def test_a_row_that_was_forbidden_and_did_not_arrive_is_given_up_at_once() -> None:
    not_arrived = Resolution(status=Status.PENDING)
    assert after_reading(not_arrived, reason="forbidden", counted_attempts=1, max_attempts=5) == Resolution(
        status=Status.FAILED, reason="forbidden"
    )


def test_a_row_whose_content_was_refused_twice_and_did_not_arrive_is_given_up() -> None:
    not_arrived = Resolution(status=Status.PENDING)
    assert after_reading(not_arrived, reason="http_422", counted_attempts=1, max_attempts=5) == not_arrived
    assert after_reading(not_arrived, reason="http_422", counted_attempts=2, max_attempts=5) == Resolution(
        status=Status.FAILED, reason="http_422"
    )
    assert after_reading(not_arrived, reason="http_429", counted_attempts=2, max_attempts=5) == not_arrived


@pytest.mark.parametrize("reason", ["http_500", "forbidden"])
@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.UNKNOWN])
def test_what_may_have_arrived_is_not_given_up(status: Status, reason: str) -> None:
    conclusion = Resolution(status=status, reason="other_message")
    assert after_reading(conclusion, reason=reason, counted_attempts=99, max_attempts=5) == conclusion


@given(st.sampled_from(Latest), TEXTS, st.frozensets(TEXTS), st.none() | TEXTS, st.booleans())
def test_a_reading_frees_a_row_only_on_proof(
    latest: Latest,
    text: str,
    sent_before: frozenset[str],
    last_before: str | None,
    baseline: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    reading = PassReading(latest=latest, text=text)
    conclusion = read_back(reading, message="ours", sent_before=sent_before, last_before=last_before, baseline=baseline)
    assert allowed(Status.UNKNOWN, Event.READ_BACK, conclusion.status)
    assert bool(conclusion.reason) == (conclusion.status is Status.UNKNOWN)
    if conclusion.status is Status.PENDING:
        nothing = latest is Latest.NULL or not text.strip()
        assert not same_text(text, "ours") or nothing
        assert nothing or (last_before is not None and same_text(text, last_before))
    if conclusion.status is Status.ACCEPTED:
        assert latest is Latest.TEXT
        assert text.strip() == "ours"
        assert last_before is None or last_before.strip() != "ours"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("a b", "a  b\n", True), ("a b", " a\tb ", True), ("a b", "ab", False), ("a", "A", False), ("", " ", True), ("a", "", False)],
)
def test_blanks_do_not_make_another_message(one: str, other: str, *, same: bool) -> None:
    assert same_text(one, other) is same
    assert same_text(other, one) is same
