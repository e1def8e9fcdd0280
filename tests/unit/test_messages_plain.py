"""The fast path for templates of text and fields: the same as Jinja2, for any cells."""

from hypothesis import example, given
from hypothesis import strategies as st

from campaign.loader.messages import MessageLimits, plan_messages
from campaign.loader.messages.bounds import MAX_CELL
from campaign.loader.messages.fields import Fields
from campaign.loader.messages.plain import MOST_FIELDS, PlainTemplate
from campaign.loader.messages.sandbox import ENVIRONMENT
from campaign.loader.messages.scopes import check_names
from campaign.loader.messages.source import Source
from campaign.loader.messages.template import JinjaTemplate, Template, compile_template
from tests.unit.messages_given import COLUMNS

FIELDS = Fields.of(COLUMNS)
CELL = (
    st.text(max_size=12)
    | st.text(alphabet="aé %s{}\n\t\u200b\u00a0{{", max_size=6)
    | st.sampled_from(["", " ", "\u200b", "x" * (MAX_CELL + 1), "%s", "{{ code }}", "\ud800", "👩\u200d👧"])
)
TEXT = st.text(alphabet="abé %s,.!\n", max_size=10) | st.sampled_from(
    ["%", "%%", "%(a)s", "{% raw %}{{{% endraw %}", "{# note #}", "{ }", "👩\u200d👧"]
)
FIELD = st.sampled_from(["{{ first_name }}", "{{code}}", "{{- shop -}}", "{{ points }}{{ points }}"])


def both(source: str, limits: MessageLimits) -> tuple[Template, Template]:
    given_source = Source(text=source, file="--message")
    tree = ENVIRONMENT.parse(source)
    return compile_template(given_source, FIELDS, limits), JinjaTemplate(tree, given_source, FIELDS, check_names(tree, FIELDS), limits)


@given(st.lists(TEXT | FIELD, max_size=8).map("".join), st.tuples(CELL, CELL, CELL, CELL, CELL), st.sampled_from([1, 20, 350, 10_000]))
@example("{{ first_name }}{{ code }}", ("", "x" * (MAX_CELL + 1), "", "", ""), 350)
@example("{{ first_name }}", ("", "", "", "", ""), 350)
@example("", ("", "", "", "", ""), 350)
@example("100 %s {{ code }} %", ("", "", "50 %", "", ""), 350)
def test_both_ways_give_the_same(source: str, cells: tuple[str, ...], max_length: int) -> None:
    fast, slow = both(source, MessageLimits(max_length=max_length))
    assert isinstance(fast, PlainTemplate)
    assert fast.render(cells) == slow.render(cells)
    assert fast.texts([cells, ("p", "Anna", "X1", "Kiel", "7")])[0] in {"", slow.render(cells).text}


def test_anything_more_is_left_to_jinja() -> None:
    for source in (
        "{{ code | upper }}",
        "{% if code %}{% endif %}",
        "{% set code = 1 %}{{ code }}",
        "{{ 'code' }}",
        "{{ x | default('') }}",
    ):
        assert isinstance(both(source, MessageLimits())[0], JinjaTemplate)


def test_many_at_once_leave_only_what_is_odd_to_a_closer_look() -> None:
    anna, odd = ("p1", "Anna", "X1", "Köln", "120"), ("p2", "", "{X1}", " ", "👩\u200d👧")
    long = ("p3", "x" * 351, "x" * MAX_CELL, "x" * (MAX_CELL + 1), "\t" * MAX_CELL)
    for field, column in {"first_name": 1, "code": 2, "shop": 3, "points": 4}.items():
        fast, _ = both(f" Hi\n{{{{ {field} }}}}!", MessageLimits())
        assert fast.texts([anna, odd, long, anna]) == [f"Hi\n{anna[column]}!", "", "", f"Hi\n{anna[column]}!"]


def test_a_template_that_names_cells_often_makes_no_text_before_it_has_looked_at_them() -> None:
    fast, slow = both("{{ code }}" * (MOST_FIELDS + 1), MessageLimits())
    cells = ("p1", "", "x", "", "")
    assert fast.texts([cells]) == [""]
    assert fast.render(cells) == slow.render(cells)


def test_messages_of_a_column_at_once_are_what_each_is_by_itself() -> None:
    messages = plan_messages(("pass_id", "message"), message=None, template=None, templates=None)
    rows = [("p", text) for text in (" Hi\nthere ", "", "{{ name }}", "x" * 351, "Hi \x07", "👩\u200d👧", "Zoë")]
    assert messages.texts(rows) == ["Hi\nthere", "", "", "", "", "", "Zoë"]
    assert [messages.render(cells).text for cells in rows] == ["Hi\nthere", "", "", "", "", "👩\u200d👧", "Zoë"]
