"""Which request gets which fault, what each does, and how faults are asked for."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.errors import UsageError
from campaign.simulator.faults import PLANS, Act, Fault, FaultTable, Processing, draw, parse_faults
from tests.ambiguous_faults import AMBIGUOUS
from tests.errors import raises

PROCESSED_NOW = {
    Fault.CUT_AFTER,
    Fault.HANG_AFTER,
    Fault.ERROR_AFTER,
    Fault.CUT_JSON,
    Fault.CUT_BODY,
    Fault.HTML_OK,
    Fault.NOT_DELIVERED,
    Fault.UNKNOWN_STATUS,
    Fault.SLOW,
    Fault.HUGE,
    Fault.GZIP_BOMB,
    Fault.ENDLESS_HEADERS,
    Fault.DEEP_JSON,
    Fault.TAKEN_THEN,
}


def test_every_fault_has_a_plan() -> None:
    assert set(PLANS) == set(Fault)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_processes_the_message_exactly_if_its_name_says_so(fault: Fault) -> None:
    expected = Processing.NOW if fault in PROCESSED_NOW else Processing.LATE if fault is Fault.LATE else Processing.NEVER
    assert PLANS[fault].processing is expected


def test_the_ambiguous_ones_are_those_that_no_plain_answer_betrays() -> None:
    for fault in Fault:
        if fault.method == "GET":
            assert fault not in AMBIGUOUS
            continue
        acts = {end.act for end in PLANS[fault].ends}
        refused = {end.status for end in PLANS[fault].ends} <= {307, 404, 409, 410, 422, 429}
        understood = fault in {Fault.NOT_DELIVERED, Fault.UNKNOWN_STATUS, Fault.SLOW} and acts <= {Act.ANSWER, Act.ANSWER_SLOWLY}
        assert (fault in AMBIGUOUS) is not (refused or understood), fault


@given(seed=st.integers(0, 9), turn=st.integers(1, 9), pass_id=st.text(max_size=20).filter(lambda text: text.isprintable()))
def test_luck_depends_on_nothing_but_seed_method_pass_and_turn(seed: int, turn: int, pass_id: str) -> None:
    luck = draw(seed=seed, method="POST", pass_id=pass_id, turn=turn)
    assert luck == draw(seed=seed, method="POST", pass_id=pass_id, turn=turn)
    assert 0 <= luck.chance < 1
    assert 0 <= luck.share < 1
    others = [
        draw(seed=seed + 1, method="POST", pass_id=pass_id, turn=turn),
        draw(seed=seed, method="GET", pass_id=pass_id, turn=turn),
        draw(seed=seed, method="POST", pass_id=pass_id + "x", turn=turn),
        draw(seed=seed, method="POST", pass_id=pass_id, turn=turn + 1),
    ]
    assert luck not in others


def test_each_fault_comes_as_often_as_asked() -> None:
    table = FaultTable({Fault.CUT_AFTER: 0.05, Fault.LATE: 0.2, Fault.READ_NULL: 0.5})
    lucks = [draw(seed=7, method="POST", pass_id=f"pass-{number}", turn=1).chance for number in range(20_000)]
    counts = Counter(table.choose("POST", luck) for luck in lucks)
    assert counts[Fault.CUT_AFTER] == pytest.approx(1_000, rel=0.15)
    assert counts[Fault.LATE] == pytest.approx(4_000, rel=0.1)
    assert set(counts) == {Fault.CUT_AFTER, Fault.LATE, None}
    assert {table.choose("GET", luck) for luck in lucks} == {Fault.READ_NULL, None}


def test_a_certain_fault_leaves_no_request_out_and_a_fault_at_0_none_in() -> None:
    table = FaultTable({Fault.GONE: 1.0, Fault.CUT_AFTER: 0.0})
    assert {table.choose("POST", chance) for chance in (0.0, 0.5, 1 - 2**-53)} == {Fault.GONE}


def test_the_order_in_which_faults_are_given_does_not_matter() -> None:
    one, other = FaultTable({Fault.GONE: 0.5, Fault.SLOW: 0.5}), FaultTable({Fault.SLOW: 0.5, Fault.GONE: 0.5})
    assert all(one.choose("POST", step / 100) is other.choose("POST", step / 100) for step in range(100))


def test_faults_are_read_as_shares_and_as_percentages() -> None:
    assert parse_faults(["cut_after=0.05", " late = 5% ", "read_null=1"]) == {
        Fault.CUT_AFTER: 0.05,
        Fault.LATE: 0.05,
        Fault.READ_NULL: 1.0,
    }


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["cut_aftr=0.1"], "unknown_fault"),
        (["zzz=0.1"], "unknown_fault"),
        (["cut_after"], "bad_probability"),
        (["cut_after="], "bad_probability"),
        (["=0.1"], "bad_probability"),
        (["cut_after=often"], "bad_probability"),
        (["cut_after=1.5"], "bad_probability"),
        (["cut_after=-1%"], "bad_probability"),
        (["cut_after=nan"], "bad_probability"),
        (["late=0.1", "late=0.2"], "repeated_fault"),
        (["late=0.6", "gone=0.6"], "bad_probability"),
        (["read_null=0.6", "read_error=0.6"], "bad_probability"),
    ],
)
def test_faults_that_make_no_sense_are_refused(texts: list[str], code: str) -> None:
    with raises(UsageError, code):
        parse_faults(texts)


def test_faults_of_the_two_methods_do_not_add_up() -> None:
    assert len(parse_faults(["late=0.9", "read_null=0.9"])) == 2
