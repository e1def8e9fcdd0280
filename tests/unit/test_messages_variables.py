"""The names that columns have in a template."""

import keyword

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign.domain.errors import TemplateError
from campaign.domain.lists.columns import same_name
from campaign.loader.messages.resolve import plan_messages
from campaign.loader.messages.variables import RESERVED, Variables, variables
from tests.unit.messages_given import plan, refused, refused_at


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["code"], {"code": 0}),
        (["First name"], {"first_name": 0}),
        (["First_Name"], {"First_Name": 0, "first_name": 0}),
        (["CODE"], {"CODE": 0, "code": 0}),
        (["  E-Mail  (work) "], {"e_mail_work": 0}),
        (["Größe"], {"Größe": 0, "größe": 0}),
        (["Cafe\u0301"], {"Café": 0, "café": 0}),
        (["名前"], {"名前": 0}),
        (["2nd name"], {"column_2nd_name": 0}),
        (["20 %"], {"column_20": 0}),
        (["!!!", ""], {"column_1": 0, "column_2": 1}),
        (["loop", "in", "self", "None"], {"column_loop": 0, "column_in": 1, "column_self": 2, "column_none": 3}),
        # Exact before cleaned, left before right, then numbers.
        (["Code", "code"], {"Code": 0, "code": 1}),
        (["First name", "first_name"], {"first_name": 1, "first_name_2": 0}),
        (["First name", "First-Name", "FIRST NAME"], {"first_name": 0, "first_name_2": 1, "first_name_3": 2}),
        (["a b", "a-b", "a_b_2"], {"a_b_2": 2, "a_b": 0, "a_b_3": 1}),
        (["same", "same"], {"same": 0, "same_2": 1}),
    ],
)
def test_names(columns: list[str], expected: dict[str, int]) -> None:
    assert variables(columns) == expected


@given(
    st.lists(
        st.text(max_size=6) | st.sampled_from([*RESERVED, *keyword.kwlist, "a b", "A-B", "a_b", "a_b_2", "\u0130", "ﬁ", "ﷺ"]), max_size=8
    )
)
@example(["\u0130"])
@example(["\u0345"])
@example(["\U00010e60"])
@example(["price \u00bd", "\u2460"])
def test_every_column_can_be_written_in_a_template(columns: list[str]) -> None:
    found = variables(columns)
    assert set(found.values()) == set(range(len(columns)))
    assert all(name.isidentifier() and name == same_name(name) and name not in RESERVED for name in found)
    cells = [f"cell {place}" for place in range(len(columns))]
    for name, place in found.items():
        if Variables(columns).ambiguous(name):
            assert refused_at(f"{{{{ {name} }}}}", columns=columns) == (1, 4)
            continue
        assert plan(f"{{{{ {name} }}}}", columns=columns).render(cells).text == cells[place]
        # Beyond the fast path, where names become names of Python's.
        assert plan(f"{{% if {name} %}}{{{{ {name} | string }}}}{{% endif %}}", columns=columns).render(cells).text == cells[place]


def test_an_unknown_variable_is_refused_with_the_nearest_column_and_all_of_them() -> None:
    error = refused("Hello,\n{{ frist_name }}")
    assert isinstance(error, TemplateError)
    assert (error.template_line, error.position) == (2, 4)
    assert error.sentence == (
        "“frist_name” is not a column of the list. Did you mean {{ first_name }} (column “First name”)? "
        "The list offers: pass_id, first_name (“First name”), code, shop, points. "
        'If it may be absent, write {{ frist_name | default("...") }}.'
    )


@pytest.mark.parametrize("written", ["FirstName", "firstname", "FIRST_NAME", "first.name", "First_nam"])
def test_the_nearest_column_is_found_in_other_spellings(written: str) -> None:
    assert "{{ first_name }} (column “First name”)" in refused(f"{{{{ {written} }}}}").problem


def test_nothing_is_suggested_that_is_not_near() -> None:
    assert "Did you mean" not in refused("{{ xyzzy }}").problem


def test_a_column_name_with_a_blank_in_a_template_is_explained() -> None:
    for written in ("{{ First name }}", "{{ First name | upper }}", "{{- FIRST-NAME  -}}"):
        assert "{{ first_name }}" in refused(written).problem


def test_long_lists_of_columns_are_cut() -> None:
    fields = Variables([f"column {number}" for number in range(500)])
    assert fields.offered().endswith("column_39 (“column 39”) and 460 more")


def test_column_names_reach_no_terminal_as_they_are() -> None:
    problem = Variables(["\x1b[31mred\n" + "x" * 500]).unknown("blue")
    assert problem.isprintable()
    assert len(problem) < 1_000


def test_names_are_one_in_both_normal_forms() -> None:
    for column in ("Caf\u00e9", "Cafe\u0301"):
        for written in ("Caf\u00e9", "Cafe\u0301"):
            messages = plan_messages(
                [column], message=f"{{% if {written} %}}{{{{ {written} }}}}{{% endif %}}", template=None, templates=None
            )
            assert messages.render(["ok"]).text == "ok"


ALIKE = ["pass_id", "first_name", "Code", "First_Name", "FIRST NAME!"]


@pytest.mark.parametrize("written", ["{{ First_Name }}", "{{ first_name | default('x') }}", "{% if First_Name %}x{% endif %}"])
def test_names_that_a_template_can_not_tell_apart_are_an_error_if_it_uses_one(written: str) -> None:
    error = refused(f"Hi\n{written}", columns=ALIKE)
    assert isinstance(error, TemplateError)
    assert error.exit_code == 2
    assert error.template_line == 2
    for column, position in (("first_name", 2), ("First_Name", 4), ("FIRST NAME!", 5)):
        assert f"“{column}” (column {position})" in error.sentence


def test_names_that_a_template_can_not_tell_apart_are_no_error_if_it_uses_none() -> None:
    cells = ("p1", "Anna", "X1", "Ann", "A")
    assert plan("{{ code }} {{ pass_id }}", columns=ALIKE).render(cells).text == "X1 p1"
    assert plan("{{ first_name_2 }}", columns=("First name", "first_name")).render(("Anna", "Ann")).text == "Anna"
    assert plan("{% set first_name = 'me' %}{{ first_name }}", columns=ALIKE).render(cells).text == "me"


def test_a_message_column_beside_names_that_are_alike_is_sent() -> None:
    messages = plan_messages(["id", "name", "Name", "message"], message=None, template=None, templates=None)
    assert messages.render(["1", "a", "b", "Hi"]).text == "Hi"
