"""Cells on their way into a spreadsheet and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.text.formula_escape import escape_formula, lost_characters, strip_unseen, unescape_formula

RUNS = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 - Excel in Japan runs the full-width forms, too
cells = st.text(alphabet=st.one_of(st.sampled_from(f"'{RUNS} a1"), st.characters(codec="utf-8")), max_size=12)


@pytest.mark.parametrize("first", RUNS)
def test_what_a_spreadsheet_would_run_gets_one_apostrophe(first: str) -> None:
    assert escape_formula(f"{first}1+1") == f"'{first}1+1"
    assert escape_formula(f"'{first}1+1") == f"''{first}1+1"
    assert escape_formula(f"  {first}1+1") == f"'  {first}1+1"


@pytest.mark.parametrize("text", ["", "Anna", "0017", "a=b", "'", "'Anna'", "’s-Hertogenbosch", " x", "1-2", "#N/A"])  # noqa: RUF001 - a typographic apostrophe
def test_everything_else_stays(text: str) -> None:
    assert escape_formula(text) == unescape_formula(text) == text


@given(cells)
def test_restoring_gives_back_what_was_neutralised(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


@given(cells, cells)
def test_two_texts_never_become_the_same_cell(one: str, other: str) -> None:
    assert (escape_formula(one) == escape_formula(other)) == (one == other)


@given(cells)
def test_no_cell_runs(text: str) -> None:
    assert not escape_formula(text).lstrip(" ").startswith(tuple(RUNS))


@given(st.text(max_size=8), st.text(alphabet=" \t\n\xa0\u200b\u200d\u2060\ufeff\u3000", max_size=5))
def test_only_what_nobody_sees_is_stripped(text: str, around: str) -> None:
    inner = strip_unseen(text)
    assert strip_unseen(f"{around}{text}{around}") == inner
    assert inner in text
    assert strip_unseen(f"a{around}b") == f"a{around}b"


def test_every_blank_that_python_knows_is_stripped() -> None:
    blanks = "".join(character for character in map(chr, range(0x110000)) if character.isspace())
    assert strip_unseen(f"{blanks}x{blanks}") == "x"


@pytest.mark.parametrize(
    ("before", "now", "lost"),
    [
        ("Hi Łukasz 🎉 € 20 %", "Hi ?ukasz ? € 20 %", "Ł🎉"),
        ("Hi Łukasz 🎉 € 20 %", "Hi ?ukasz ?? ? 20 %", "Ł🎉€"),
        ("Łódź, Łukasz", "?ód?, ?ukasz", "Łź"),
        ("really? Łukasz", "really? ?ukasz", "Ł"),
        ("Łukasz", "Łukasz", ""),
        ("Łukasz", "Lukasz", ""),
        ("Łukasz", "?", ""),
        ("Łukasz 🎉", "?ukasz 🎈", ""),
        ("Anna", "?nna", ""),
        ("é", "", ""),
        ("", "?", ""),
    ],
)
def test_characters_that_became_question_marks_are_found(before: str, now: str, lost: str) -> None:
    assert lost_characters(before, now) == lost


@given(st.text(max_size=12), st.sampled_from(["ascii", "cp1252", "cp1250", "latin-1"]))
def test_every_loss_of_an_encoding_is_found(text: str, encoding: str) -> None:
    saved = text.encode(encoding, "replace").decode(encoding)
    assert bool(lost_characters(text, saved)) == (saved != text)
