"""When a run stops or backs off by itself."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.failure_guard import (
    FEWEST_FOR_A_SHARE,
    FIRST_REFUSED,
    FOREIGN_ANSWERS,
    FOREIGN_SENDS,
    LOGINS_REFUSED,
    LONGEST_PAUSE_SECONDS,
    MOST_HELD,
    MOST_OWN,
    MOST_REFUSED,
    MOST_REMEMBERED,
    PATIENCE_SECONDS,
    PROXY_AUTH,
    RECENT,
    TROUBLES_IN_A_ROW,
    FailureGuard,
    Halt,
    Recognition,
    Refusals,
    RowErrors,
    parse_halt,
)
from campaign.domain.verdict import AttemptOutcome, Evidence, Fault, Latest, PassReading, Reply, Signature

FINE = AttemptOutcome(proof=Evidence.DELIVERED)
REFUSED = AttemptOutcome(proof=Evidence.REFUSED, reason="http_404")
TROUBLE = AttemptOutcome(proof=Evidence.AMBIGUOUS, reason="http_500")
UNREACHED = AttemptOutcome(proof=Evidence.NOT_ACCEPTED, reason="dns", error="Check the DNS.")
THROTTLED = AttemptOutcome(proof=Evidence.THROTTLED, reason="http_429")


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
    with pytest.raises(ValueError, match=re.escape(f"“{text}”")):
        parse_halt(text)


@given(st.text())
def test_any_text_is_one_limit_or_refused(text: str) -> None:
    try:
        halt = parse_halt(text)
    except ValueError:
        return
    assert (halt.share is None) is not (halt.count is None)


def test_a_refused_token_stops_at_once() -> None:
    assert FailureGuard().note(AttemptOutcome(proof=Evidence.TOKEN_REFUSED, reason="http_401"), failed=False, now=0.0)


def test_a_refusal_of_a_row_or_of_all_is_no_failure_yet_but_ends_the_row_of_troubles() -> None:
    guard = FailureGuard(halt=Halt(count=1))
    for _ in range(TROUBLES_IN_A_ROW):
        guard.note(UNREACHED, failed=False, now=0.0)
    assert not guard.note(AttemptOutcome(proof=Evidence.ROW_OR_ALL, reason="forbidden"), failed=False, now=0.0)
    assert not guard.in_trouble


def test_a_token_refused_after_messages_were_accepted_or_again_for_a_row_may_be_about_one_pass() -> None:
    guard = FailureGuard()
    refused = AttemptOutcome(proof=Evidence.TOKEN_REFUSED, reason="http_401")
    assert "--exclude" not in guard.note(refused, failed=False, now=0.0)
    assert "--exclude" in guard.note(refused, failed=False, now=0.0, again=True)
    guard.note(FINE, failed=False, now=1.0)
    assert "--exclude" in guard.note(refused, failed=False, now=2.0)


def test_a_number_of_failures_stops_exactly_there() -> None:
    guard = FailureGuard(halt=Halt(count=3))
    said = [guard.note(verdict, failed=verdict is REFUSED, now=0.0) for verdict in (REFUSED, FINE, REFUSED, FINE, REFUSED)]
    assert [bool(one) for one in said] == [False, False, False, False, True]
    assert "--halt" in said[-1]


def test_a_share_is_not_judged_before_there_are_enough() -> None:
    guard = FailureGuard(halt=Halt(share=0.2))
    said = [guard.note(REFUSED, failed=True, now=0.0) for _ in range(FEWEST_FOR_A_SHARE)]
    assert said[:-1] == [""] * (FEWEST_FOR_A_SHARE - 1)
    assert re.findall(r"\d+", said[-1]) == ["100", "20", "20"]


def test_only_the_recent_sends_count_towards_a_share() -> None:
    guard = FailureGuard(halt=Halt(share=0.2))
    for _ in range(10 * RECENT):
        assert not guard.note(FINE, failed=False, now=0.0)
    said = [guard.note(REFUSED, failed=True, now=0.0) for _ in range(RECENT // 5)]
    assert said[:-1] == [""] * (RECENT // 5 - 1)
    assert re.findall(r"\d+", said[-1]) == ["20", "100", "20"]


@given(st.integers(1, 100), st.lists(st.booleans(), max_size=300))
def test_a_share_stops_just_when_it_is_reached(percent: int, failures: list[bool]) -> None:
    guard = FailureGuard(halt=Halt(share=percent / 100))
    for at, failed in enumerate(failures, start=1):
        recent = failures[max(0, at - RECENT) : at]
        reached = len(recent) >= FEWEST_FOR_A_SHARE and 100 * sum(recent) >= percent * len(recent)
        assert bool(guard.note(REFUSED if failed else FINE, failed=failed, now=0.0)) is reached


def test_without_a_limit_failures_never_stop_a_run() -> None:
    guard = FailureGuard()
    assert not any(guard.note(REFUSED, failed=True, now=float(second)) for second in range(5000))


def test_troubles_in_a_row_make_everyone_pause_longer_and_longer() -> None:
    guard, pauses = FailureGuard(), list[float]()
    now = 0.0
    for _ in range(TROUBLES_IN_A_ROW + 8):
        guard.note(TROUBLE, failed=True, now=now)
        pauses.append(guard.pause_seconds)
        now += guard.pause_seconds
    assert pauses == [0.0] * (TROUBLES_IN_A_ROW - 1) + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] + [LONGEST_PAUSE_SECONDS] * 3


@pytest.mark.parametrize("answer", [FINE, REFUSED, AttemptOutcome(proof=Evidence.AMBIGUOUS, reason="http_422")])
def test_an_answer_ends_the_row_of_troubles(answer: AttemptOutcome) -> None:
    guard = FailureGuard()
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
    ("verdict", "why"),
    [(THROTTLED, "429"), (TROUBLE, "15 minutes"), (UNREACHED, UNREACHED.error)],
)
def test_trouble_that_lasts_stops_the_run(verdict: AttemptOutcome, why: str) -> None:
    guard = FailureGuard()
    for seconds in range(0, int(PATIENCE_SECONDS), 50):
        assert not guard.note(verdict, failed=False, now=50.0 + seconds)
    assert why in guard.note(verdict, failed=False, now=50.0 + PATIENCE_SECONDS)


def test_troubles_of_requests_that_were_under_way_together_are_one_pause() -> None:
    guard = FailureGuard()
    for _ in range(TROUBLES_IN_A_ROW):
        guard.note(TROUBLE, failed=True, now=10.0)
    assert guard.pause_seconds == 1.0
    for _ in range(30):
        guard.note(TROUBLE, failed=True, now=10.5)
        assert guard.pause_seconds == 0.0
    guard.note(TROUBLE, failed=True, now=11.0)
    assert guard.pause_seconds == 2.0


def test_two_troubles_with_a_long_silence_between_are_not_one_that_lasts() -> None:
    guard = FailureGuard()
    assert not guard.note(THROTTLED, failed=False, now=0.0)
    assert not guard.note(THROTTLED, failed=False, now=10 * PATIENCE_SECONDS)


def test_rows_that_wait_longer_between_their_attempts_are_one_trouble_that_lasts() -> None:
    """The last rows of a list, each of which is read after its quiet period before it is sent again."""
    guard = FailureGuard(quiet_seconds=600.0)
    said = [guard.note(TROUBLE, failed=False, now=620.0 * attempt) for attempt in range(12)]
    assert "15 minutes" in said[-1]


def test_rows_that_wait_as_long_again_as_their_requests_lasted_are_one_trouble_too() -> None:
    guard = FailureGuard(quiet_seconds=10.0)
    said = [guard.note(TROUBLE, failed=False, now=620.0 * attempt, latency_seconds=300.0) for attempt in range(12)]
    assert "15 minutes" in said[-1]


def test_one_answer_renews_the_patience() -> None:
    guard = FailureGuard()
    guard.note(THROTTLED, failed=False, now=0.0)
    guard.note(FINE, failed=False, now=PATIENCE_SECONDS - 1)
    assert not guard.note(THROTTLED, failed=False, now=PATIENCE_SECONDS + 1)


def test_a_429_is_no_failure_of_a_row() -> None:
    guard = FailureGuard(halt=Halt(share=0.01))
    assert not any(guard.note(THROTTLED, failed=False, now=0.0) for _ in range(2 * RECENT))
    assert guard.pause_seconds == 0.0


def test_it_is_in_trouble_from_the_fifth_in_a_row_until_something_is_answered() -> None:
    guard = FailureGuard()
    for number in range(1, TROUBLES_IN_A_ROW + 3):
        guard.note(UNREACHED, failed=False, now=float(number))
        assert guard.in_trouble is (number >= TROUBLES_IN_A_ROW)
    guard.note(REFUSED, failed=True, now=20.0)
    assert not guard.in_trouble


class TestRowErrors:
    @pytest.mark.parametrize(
        ("events", "own"),
        [
            ([], False),
            ([("fails", 1.0)], False),
            ([("accepted", 0.0), ("fails", 1.0)], False),
            ([("fails", 1.0), ("fails", 3.0)], False),
            # It was under way when the row failed: sending may have ended between the two.
            ([("fails", 1.0), ("accepted", 0.5)], False),
            ([("fails", 1.0), ("accepted", 1.0)], True),
            ([("fails", 1.0), ("accepted", 2.0)], True),
            # Once seen, it stays: nothing else may be left to send.
            ([("fails", 1.0), ("accepted", 2.0), ("fails", 3.0)], True),
            # Messages end in another order than they were sent in.
            ([("fails", 1.0), ("accepted", 2.0), ("accepted", 0.5)], True),
            ([("fails", 1.0), ("accepted", 2.0), ("row accepted", 3.0)], False),
        ],
    )
    def test_a_row_that_fails_again_after_another_was_sent_and_accepted_has_an_error_of_its_own(
        self,
        events: list[tuple[str, float]],
        own: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        errors = RowErrors()
        for event, at in events:
            if event == "fails":
                errors.fail(7, answered_at=at)
            else:
                errors.accept(7 if event == "row accepted" else 8, sent_at=at)
        assert errors.is_own(7) is own
        assert not errors.is_own(9)

    @given(
        st.lists(st.tuples(st.integers(0, 9), st.floats(0, 9), st.floats(0, 3)), max_size=60),
        st.floats(0, 10),
    )
    def test_whenever_an_outage_begins_no_row_has_an_error_of_its_own_that_had_not_failed_before(
        self, sends: list[tuple[int, float, float]], begins_at: float
    ) -> None:
        errors = RowErrors()
        for answered, sent, row in sorted((sent + took, sent, row) for row, sent, took in sends):
            if answered >= begins_at:
                assert not errors.is_own(row)
                errors.fail(row, answered_at=answered)
            else:
                errors.accept(row, sent_at=sent)

    def test_it_remembers_only_so_many_rows(self) -> None:
        errors = RowErrors()
        for row in range(MOST_REMEMBERED + 1):
            errors.fail(row, answered_at=0.0)
        errors.accept(-1, sent_at=1.0)
        assert [errors.is_own(row) for row in (0, 1, MOST_REMEMBERED)] == [False, True, True]

    @pytest.mark.parametrize("rows", [1, TROUBLES_IN_A_ROW, MOST_OWN])
    def test_rows_own_failures_count_and_are_no_outage_however_long_they_last(self, rows: int) -> None:
        guard = FailureGuard()
        for second in range(0, 3 * int(PATIENCE_SECONDS), 5):
            assert guard.counts(own=True)
            assert not guard.note(TROUBLE, failed=True, now=float(second), row=second // 5 % rows, own=True)
            assert guard.pause_seconds == 0.0
        assert not guard.in_trouble

    def test_they_count_while_only_a_few_others_fail_whose_attempts_do_not(self) -> None:
        guard = FailureGuard()
        for turn in range(9 * TROUBLES_IN_A_ROW):
            guard.note(TROUBLE, failed=True, now=0.0, row=turn % (TROUBLES_IN_A_ROW - 1))
        assert (guard.counts(own=True), guard.counts(own=False)) == (True, False)

    def test_in_an_outage_they_do_not_count(self) -> None:
        guard = FailureGuard()
        for row in range(TROUBLES_IN_A_ROW):
            assert guard.counts(own=False)
            guard.note(TROUBLE, failed=True, now=0.0, row=row)
        assert not guard.counts(own=True)
        guard.note(FINE, failed=False, now=1.0, row=99)
        assert guard.counts(own=True)

    def test_so_many_rows_without_an_answer_between_are_an_outage(self) -> None:
        guard = FailureGuard()
        for row in range(MOST_OWN + 1):
            assert guard.counts(own=True)
            guard.note(TROUBLE, failed=True, now=0.0, row=row, own=True)
        for row in range(TROUBLES_IN_A_ROW):
            guard.note(TROUBLE, failed=True, now=0.0, row=row, own=True)
        assert guard.in_trouble
        assert not guard.counts(own=True)
        assert guard.note(TROUBLE, failed=True, now=0.0) == ""
        assert guard.note(TROUBLE, failed=True, now=PATIENCE_SECONDS - 1) == ""

    @given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=900))
    def test_without_an_answer_a_row_that_never_failed_while_others_were_accepted_uses_up_no_more_attempts_than_before(
        self, failures: list[tuple[int, bool]]
    ) -> None:
        guard, counted = FailureGuard(), 0
        for row, own in failures:
            counted += guard.counts(own=own) and not own
            guard.note(TROUBLE, failed=True, now=0.0, row=row, own=own)
        assert counted <= TROUBLES_IN_A_ROW


def refuse(guard: Refusals[int], place: int, *, answered_at: float = 1.0, again: bool = False) -> None:
    guard.refuse(place, row=place, answered_at=answered_at, http_status=403, again=again)


def refusals(*events: tuple[str, float, float], again: bool = True) -> tuple[Refusals[int], list[int]]:
    """What became of answers that came in this order, each (kind, sent at, answered at); refusals are numbered by their place."""
    guard, own = Refusals[int](), list[int]()
    for place, (kind, sent_at, answered_at) in enumerate(events):
        if kind == "403":
            refuse(guard, place, answered_at=answered_at, again=again)
        else:
            own += [item for item, is_own in guard.accept(sent_at=sent_at) if is_own]
    return guard, own


class TestRefusals:
    @pytest.mark.parametrize(
        ("events", "own"),
        [
            ([("403", 0, 1)], []),
            # The first answer is a refusal, and the next message is accepted.
            ([("403", 0, 1), ("200", 1, 2)], [0]),
            ([("403", 0, 1), ("200", 2, 3)], [0]),
            # What was under way when the refusal came was perhaps accepted before the token was revoked.
            ([("403", 0, 1), ("200", 0.5, 2)], []),
            ([("200", 0, 1), ("403", 0, 1.5), ("200", 0.5, 2)], []),
            ([("200", 0, 1), ("403", 0, 1.5), ("200", 0.5, 2), ("200", 1.5, 3)], [1]),
            # Several at once: each is decided by what was sent after it.
            ([("403", 0, 1), ("403", 0, 2), ("200", 1.5, 3)], [0]),
            ([("403", 0, 1), ("403", 0, 2), ("200", 1.5, 3), ("200", 2, 4)], [0, 1]),
            # Answers are taken in in another order than they came in.
            ([("403", 0, 2), ("403", 0, 1), ("200", 1.5, 3)], [1]),
        ],
    )
    def test_a_second_refusal_is_its_rows_own_once_a_message_is_accepted_that_was_sent_after_it(
        self, events: list[tuple[str, float, float]], own: list[int]
    ) -> None:
        guard, found = refusals(*events)
        assert found == own
        assert not guard.must_ask
        assert sorted([*own, *guard.release()]) == [place for place, (kind, *_) in enumerate(events) if kind == "403"]

    def test_a_first_refusal_is_never_its_rows_own_by_what_others_are_answered(self) -> None:
        guard = Refusals[int]()
        refuse(guard, 0)
        assert guard.accept(sent_at=2) == [(0, False)]

    def test_the_first_answers_all_refused_have_to_be_asked_about(self) -> None:
        guard, _ = refusals(*[("403", 0, 1)] * (FIRST_REFUSED - 1))
        before = guard.must_ask
        refuse(guard, 99, answered_at=2)
        assert (before, guard.must_ask) == (False, True)

    @pytest.mark.parametrize("accepted", [1, 50])
    def test_nearly_all_of_the_last_answers_refused_have_to_be_asked_about(self, accepted: int) -> None:
        guard, own = refusals(*[("200", 0, 1)] * accepted, *[("403", 2, 3)] * (MOST_REFUSED - 1))
        before = guard.must_ask
        refuse(guard, 99, answered_at=3)
        assert (before, guard.must_ask) == (False, True)
        assert own == []

    @pytest.mark.parametrize("works", [False, None])
    def test_if_the_token_is_not_let_in_the_run_stops_and_no_row_is_judged(self, *, works: bool | None) -> None:
        guard, _ = refusals(("200", 0, 1), *[("403", 2, 3)] * MOST_REFUSED)
        assert guard.asked(works=works, readable=dict.fromkeys(range(99))) == []
        assert guard.stop
        assert not guard.must_ask
        assert guard.accept(sent_at=9) == []
        assert len(guard.release()) == MOST_REFUSED

    def test_many_that_the_token_may_read_and_not_send_to_stop_the_run(self) -> None:
        guard, _ = refusals(("200", 0, 1), *[("403", 2, 3)] * FIRST_REFUSED, again=False)
        assert guard.asked(works=True, readable=dict.fromkeys(range(99), True)) == []
        assert guard.stop
        assert len(guard.release()) == FIRST_REFUSED

    def test_those_after_which_others_were_accepted_do_not(self) -> None:
        guard, _ = refusals(("200", 0, 1), *[("403", 2, 3), ("200", 2, 3)] * MOST_REFUSED, again=False)
        decided = guard.asked(works=True, readable=dict.fromkeys(range(99), True))
        assert [is_own for _, is_own in decided] == [False] * MOST_REFUSED
        assert not guard.stop

    def test_any_number_that_were_refused_before_are_their_rows_own_though_the_token_may_read_them(self) -> None:
        guard, _ = refusals(("200", 0, 1))
        for row in range(MOST_REFUSED):
            refuse(guard, row, again=True)
        assert guard.asked(works=True, readable=dict.fromkeys(range(99), True)) == [(row, True) for row in range(MOST_REFUSED)]
        assert not guard.stop

    def test_any_number_that_the_token_may_not_read_either_are_their_rows_own_and_the_run_goes_on(self) -> None:
        guard, _ = refusals(("200", 0, 1))
        for part in range(9):
            rows = range(100 * part, 100 * part + MOST_REFUSED)
            for row in rows:
                assert not guard.must_ask
                refuse(guard, row)
            assert guard.must_ask
            assert guard.asked(works=True, readable=dict.fromkeys(rows, False)) == [(row, True) for row in rows]
        assert not guard.stop

    def test_answers_about_the_content_show_that_not_everything_is_refused_but_decide_nothing_and_no_more_are_held_than_may_be(
        self,
    ) -> None:
        guard = Refusals[int]()
        for place in range(MOST_HELD):
            assert not guard.must_ask
            refuse(guard, place)
            if not place % 4:
                guard.answer()
        assert guard.must_ask
        assert not guard.refuse_everything

    @given(st.lists(st.booleans(), max_size=400))
    def test_refusals_among_messages_that_are_accepted_are_never_asked_about(self, refused: list[bool]) -> None:
        # At most four of five.
        guard = Refusals[int]()
        for at, one in enumerate(refused):
            guard.accept(sent_at=at)
            for _ in range(4 if one else 0):
                refuse(guard, at, answered_at=at)
            assert not guard.must_ask

    @given(
        st.lists(st.tuples(st.floats(0, 9), st.floats(0, 3), st.booleans()), max_size=60),
        st.floats(0, 10),
        st.booleans(),
    )
    def test_whenever_the_token_is_revoked_only_passes_of_somebody_else_are_judged(
        self,
        sends: list[tuple[float, float, bool]],
        revoked_at: float,
        again: bool,  # noqa: FBT001 - drawn by hypothesis
    ) -> None:
        """Each is sent at a time, takes a while, and is processed at its end; what is processed after the revocation is refused."""
        answers = sorted((sent + took, sent, own) for sent, took, own in sends)
        guard, decided, refused = Refusals[tuple[float, bool]](), list[tuple[tuple[float, bool], bool]](), 0
        for answered, sent, own in answers:
            if own or answered >= revoked_at:
                guard.refuse((answered, own), row=refused, answered_at=answered, http_status=403, again=again)
                refused += 1
            else:
                decided += guard.accept(sent_at=sent)
        assert all(own for (_, own), is_own in decided if is_own)
        assert len(decided) + len(guard.release()) == refused

    @pytest.mark.parametrize(
        ("before", "works", "readable", "again", "found"),
        [
            # Nothing was ever accepted.
            ([], True, False, False, True),
            ([], True, True, False, False),
            ([], True, True, True, True),
            ([], False, None, True, None),
            ([], None, None, True, None),
            ([("200", 0.0, 1.0)], True, False, False, True),
            ([("200", 0.0, 1.0)], True, None, False, False),
            ([("200", 0.0, 1.0)], True, None, True, True),
            ([("200", 0.0, 1.0)], False, None, True, None),
            # The token can't be tried: the row is sent again as any other.
            ([("200", 0.0, 1.0)], None, None, True, False),
        ],
    )
    def test_where_no_more_answers_come_the_passes_are_read(
        self, *, before: list[tuple[str, float, float]], works: bool | None, readable: bool | None, again: bool, found: bool | None
    ) -> None:
        guard, _ = refusals(*before)
        refuse(guard, 7, again=again)
        assert guard.asked(works=works, readable={7: readable}) == ([] if found is None else [(7, found)])
        assert bool(guard.stop) is bool(guard.held) is (found is None)

    def test_what_was_refused_while_the_passes_were_read_stays_undecided(self) -> None:
        guard, _ = refusals(("403", 1.0, 2.0), ("403", 1.0, 4.0))
        assert guard.asked(works=True, readable={0: False}) == [(0, True)]
        assert guard.release() == [1]


PORTAL = Reply(http_status=200, readable=False, signature=Signature(page=True))
OURS = Reply(http_status=404, signature=Signature(documented=True))
BROKEN = Fault(reason="reset", written=True)


class TestRecognition:
    def test_a_few_answers_of_somebody_else_stop_the_run_and_the_sentence_names_both(self) -> None:
        guard = Recognition(origin="https://api.example")
        said = [guard.note_send(PORTAL) for _ in range(FOREIGN_ANSWERS)]
        assert said[:-1] == [""] * (FOREIGN_ANSWERS - 1)
        assert "https://api.example" in said[-1]
        assert "200" in said[-1]

    @pytest.mark.parametrize("between", [BROKEN, Reply(http_status=503), Reply(http_status=429)])
    def test_only_such_answers_in_a_row_stop_it(self, between: Reply | Fault) -> None:
        guard = Recognition(origin="https://api.example")
        answers = [PORTAL] * (FOREIGN_ANSWERS - 1) + [between]
        assert not any(guard.note_send(one) for one in answers * 9)

    def test_after_one_answer_of_passentry_it_has_to_be_seen_again_who_answers(self) -> None:
        guard = Recognition(origin="https://api.example")
        for _ in range(FOREIGN_ANSWERS - 1):
            assert not guard.note_send(PORTAL)
        assert not guard.note_send(OURS)
        assert guard.known
        for _ in range(9):
            for _ in range(FOREIGN_ANSWERS):
                assert not guard.must_identify
                assert not guard.note_send(PORTAL)
            assert guard.must_identify
            guard.go_on()

    def test_a_proxy_that_does_not_accept_the_login_stops_after_a_few_whatever_it_is_asked_for(self) -> None:
        sent = Fault(reason=PROXY_AUTH, written=False, error="No login.")
        read = PassReading(latest=Latest.UNREADABLE, cause=PROXY_AUTH, error="No login.")
        guard = Recognition(origin="https://api.example")
        for _ in range(LOGINS_REFUSED - 1):
            assert not guard.note_send(sent)
        assert not guard.note_send(OURS)
        assert [guard.note_read(read), guard.note_send(sent), guard.note_read(read)] == ["", "", "No login."]

    def test_a_gateway_that_lets_reads_through_and_keeps_messages_back_is_noticed(self) -> None:
        guard = Recognition(origin="https://api.example")
        assert not guard.note_read(PassReading(latest=Latest.NULL, http_status=200, signature=Signature(documented=True)))
        assert [bool(guard.note_send(PORTAL)) for _ in range(FOREIGN_SENDS)] == [False] * (FOREIGN_SENDS - 1) + [True]

    def test_reads_that_somebody_else_answers_stop_only_a_run_that_passentry_never_answered(self) -> None:
        elsewhere = PassReading(latest=Latest.UNREADABLE, http_status=302, signature=Signature(redirects_to="portal.example"))
        guard = Recognition(origin="https://api.example")
        said = [guard.note_read(elsewhere) for _ in range(FOREIGN_ANSWERS)]
        assert said[:-1] == [""] * (FOREIGN_ANSWERS - 1)
        assert "portal.example" in said[-1]
        guard = Recognition(origin="https://api.example")
        guard.note_send(OURS)
        assert not any(guard.note_read(elsewhere) for _ in range(99))
