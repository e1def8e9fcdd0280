"""When a run stops or backs off by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.safeguard import (
    FEWEST_FOR_A_SHARE,
    LOGINS_REFUSED,
    LONGEST_PAUSE_SECONDS,
    PATIENCE_SECONDS,
    PROXY_AUTH,
    RECENT,
    TROUBLES_IN_A_ROW,
    Halt,
    Safeguard,
    parse_halt,
)
from campaign.domain.verdict import Proof, Verdict

FINE = Verdict(proof=Proof.DELIVERED)
REFUSED = Verdict(proof=Proof.REFUSED, reason="http_404")
TROUBLE = Verdict(proof=Proof.AMBIGUOUS, reason="http_500")
UNREACHED = Verdict(proof=Proof.NOT_ACCEPTED, reason="dns", error="Check the DNS.")
THROTTLED = Verdict(proof=Proof.THROTTLED, reason="http_429")


@pytest.mark.parametrize(
    ("text", "halt"),
    [
        ("20%", Halt(share=0.2)),
        (" 12.5 % ", Halt(share=0.125)),
        ("100%", Halt(share=1.0)),
        ("500", Halt(count=500)),
        (" 1 ", Halt(count=1)),
    ],
)
def test_a_limit_is_read(text: str, halt: Halt) -> None:
    assert parse_halt(text) == halt


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-1", "-5%", "1.5", "%", "many", "nan%", "1e2", "9" * 400 + "%"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit of failures; write a share such as"):
        parse_halt(text)


@given(st.text())
def test_any_text_is_one_limit_or_refused(text: str) -> None:
    try:
        halt = parse_halt(text)
    except ValueError:
        return
    assert (halt.share is None) is not (halt.count is None)


@pytest.mark.parametrize("code", ["401", "403"])
def test_a_refused_token_stops_at_once(code: str) -> None:
    reason = Safeguard().note(Verdict(proof=Proof.TOKEN_REFUSED, reason=f"http_{code}"), failed=False, now=0.0)
    assert reason == f"The API refused the token ({code}). Check PASSENTRY_API_KEY."


def test_a_proxy_that_does_not_accept_the_login_stops_after_a_few() -> None:
    unproxied = Verdict(proof=Proof.NOT_ACCEPTED, reason=PROXY_AUTH, error="The proxy does not accept the user and password.")
    guard = Safeguard()
    for _ in range(LOGINS_REFUSED - 1):
        assert not guard.note(unproxied, failed=False, now=0.0)
    assert not guard.note(FINE, failed=False, now=0.0)
    said = [guard.note(unproxied, failed=False, now=0.0) for _ in range(LOGINS_REFUSED)]
    assert said == [""] * (LOGINS_REFUSED - 1) + [unproxied.error]


def test_a_number_of_failures_stops_exactly_there() -> None:
    guard = Safeguard(halt=Halt(count=3))
    said = [guard.note(verdict, failed=verdict is REFUSED, now=0.0) for verdict in (REFUSED, FINE, REFUSED, FINE, REFUSED)]
    assert said == ["", "", "", "", "3 sends failed, which is the limit set by --halt."]


def test_a_share_is_not_judged_before_there_are_enough() -> None:
    guard = Safeguard(halt=Halt(share=0.2))
    said = [guard.note(REFUSED, failed=True, now=0.0) for _ in range(FEWEST_FOR_A_SHARE)]
    assert said[:-1] == [""] * (FEWEST_FOR_A_SHARE - 1)
    assert said[-1] == "100% of the last 20 sends failed; --halt allows 20%."


def test_only_the_recent_sends_count_towards_a_share() -> None:
    guard = Safeguard(halt=Halt(share=0.2))
    for _ in range(10 * RECENT):
        assert not guard.note(FINE, failed=False, now=0.0)
    said = [guard.note(REFUSED, failed=True, now=0.0) for _ in range(RECENT // 5)]
    assert said[:-1] == [""] * (RECENT // 5 - 1)
    assert said[-1] == "20% of the last 100 sends failed; --halt allows 20%."


@given(st.integers(1, 100), st.lists(st.booleans(), max_size=300))
def test_a_share_stops_just_when_it_is_reached(percent: int, failures: list[bool]) -> None:
    guard = Safeguard(halt=Halt(share=percent / 100))
    for at, failed in enumerate(failures, start=1):
        recent = failures[max(0, at - RECENT) : at]
        reached = len(recent) >= FEWEST_FOR_A_SHARE and 100 * sum(recent) >= percent * len(recent)
        assert bool(guard.note(REFUSED if failed else FINE, failed=failed, now=0.0)) is reached


def test_without_a_limit_failures_never_stop_a_run() -> None:
    guard = Safeguard()
    assert not any(guard.note(REFUSED, failed=True, now=float(second)) for second in range(5000))


def test_troubles_in_a_row_make_everyone_pause_longer_and_longer() -> None:
    guard, pauses = Safeguard(), list[float]()
    now = 0.0
    for _ in range(TROUBLES_IN_A_ROW + 8):
        guard.note(TROUBLE, failed=True, now=now)
        pauses.append(guard.pause_seconds)
        now += guard.pause_seconds
    assert pauses == [0.0] * (TROUBLES_IN_A_ROW - 1) + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] + [LONGEST_PAUSE_SECONDS] * 3


@pytest.mark.parametrize("answer", [FINE, REFUSED])
def test_an_answer_ends_the_row_of_troubles(answer: Verdict) -> None:
    guard = Safeguard()
    for _ in range(TROUBLES_IN_A_ROW + 3):
        guard.note(UNREACHED, failed=False, now=0.0)
    guard.note(answer, failed=False, now=0.0)
    assert guard.pause_seconds == 0.0
    for _ in range(TROUBLES_IN_A_ROW - 1):
        guard.note(UNREACHED, failed=False, now=100.0)
        assert guard.pause_seconds == 0.0
    guard.note(UNREACHED, failed=False, now=100.0)
    assert guard.pause_seconds == 1.0


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (THROTTLED, "The API answered only 429 (too many requests) for 15 minutes."),
        (TROUBLE, "The API could not be reached, or failed, for 15 minutes."),
        (UNREACHED, "The API could not be reached, or failed, for 15 minutes. Check the DNS."),
    ],
)
def test_trouble_that_lasts_stops_the_run(verdict: Verdict, said: str) -> None:
    guard = Safeguard()
    for seconds in range(0, int(PATIENCE_SECONDS), 50):
        assert not guard.note(verdict, failed=False, now=50.0 + seconds)
    assert guard.note(verdict, failed=False, now=50.0 + PATIENCE_SECONDS) == said


def test_troubles_of_requests_that_were_under_way_together_are_one_pause() -> None:
    guard = Safeguard()
    for _ in range(TROUBLES_IN_A_ROW):
        guard.note(TROUBLE, failed=True, now=10.0)
    assert guard.pause_seconds == 1.0
    for _ in range(30):
        guard.note(TROUBLE, failed=True, now=10.5)
        assert guard.pause_seconds == 0.0
    guard.note(TROUBLE, failed=True, now=11.0)
    assert guard.pause_seconds == 2.0


def test_two_troubles_with_a_long_silence_between_are_not_one_that_lasts() -> None:
    guard = Safeguard()
    assert not guard.note(THROTTLED, failed=False, now=0.0)
    assert not guard.note(THROTTLED, failed=False, now=10 * PATIENCE_SECONDS)


def test_one_answer_renews_the_patience() -> None:
    guard = Safeguard()
    guard.note(THROTTLED, failed=False, now=0.0)
    guard.note(FINE, failed=False, now=PATIENCE_SECONDS - 1)
    assert not guard.note(THROTTLED, failed=False, now=PATIENCE_SECONDS + 1)


def test_a_429_is_no_failure_of_a_row() -> None:
    guard = Safeguard(halt=Halt(share=0.01))
    assert not any(guard.note(THROTTLED, failed=False, now=0.0) for _ in range(2 * RECENT))
    assert guard.pause_seconds == 0.0


def test_it_is_in_trouble_from_the_fifth_in_a_row_until_something_is_answered() -> None:
    guard = Safeguard()
    for number in range(1, TROUBLES_IN_A_ROW + 3):
        guard.note(UNREACHED, failed=False, now=float(number))
        assert guard.in_trouble is (number >= TROUBLES_IN_A_ROW)
    guard.note(REFUSED, failed=True, now=20.0)
    assert not guard.in_trouble
