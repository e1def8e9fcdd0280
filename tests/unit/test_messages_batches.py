"""Many rows at once: each gets what it would get by itself, whatever the others hold."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from campaign.domain.errors import InputError
from campaign.domain.model import Invalid
from campaign.loader.messages.resolve import Messages, plan_messages
from campaign.loader.messages.result import MAX_CELL, RenderedBatch
from campaign.loader.messages.template import WORK_UNITS, Template
from campaign.loader.messages.translate import Source
from campaign.loader.messages.variables import Variables
from tests.examples import examples
from tests.unit.messages_given import ANNA, COLUMNS, plan

VARIABLES = Variables(COLUMNS)
CELL = (
    st.text(max_size=12)
    | st.text(alphabet="aé %s{}\n\t\u200b\u00a0{{", max_size=6)
    | st.sampled_from(["", " ", "\u200b", "x" * 400, "x" * (MAX_CELL + 1), "%s", "{{ code }}", "👩\u200d👧", "\x1e", "\x1f"])
)
ROWS = st.lists(st.tuples(CELL, CELL, CELL, CELL, CELL), min_size=1, max_size=6)
TEXT = st.text(alphabet="abé %s,.!\n", max_size=10) | st.sampled_from(
    ["%", "%%", "%(a)s", "{% raw %}{{{% endraw %}", "{# note #}", "{ }", "👩\u200d👧"]
)
FIELD = st.sampled_from(["{{ first_name }}", "{{code}}", "{{- shop -}}", "{{ points }}{{ points }}"])
PART = st.sampled_from(
    [
        "{{ first_name | default('there') }}",
        "{{ code | upper }}",
        "{{ shop or code }}",
        "{{ (shop | trim) | default(code) }}",
        "{{ 'Hi ' ~ first_name }}",
        "{{ 'yes' if code == 'X1' else shop }}",
        "{% if points %}{{ points | int(0) + 1 }}{% endif %}",
        "{% set n = first_name %}{{ n | title }}",
        "{{ '' }}",
        "{{ nick | default('you') }}",
        "{% if nick is defined %}{{ nick }}{% endif %}",
        "{{ points | int }}",
        "{% for part in shop.split(' ') %}{{ part }}{{ code }}{% endfor %}",
    ]
)


def columns(rows: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, dtype="str")


def by_itself(messages: Messages, rows: Sequence[tuple[str, ...]]) -> RenderedBatch:
    found = [messages.render(cells) for cells in rows]
    return RenderedBatch(
        texts=[rendered.text for rendered in found],
        refused={index: rendered for index, rendered in enumerate(found) if rendered.reason is not None},
    )


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXT | FIELD | PART, min_size=1, max_size=8).map("".join), ROWS, st.sampled_from([1, 20, 350, 10_000]))
@example("{{ first_name }}{{ code }}", [("", "x" * (MAX_CELL + 1), "", "", ""), ANNA], 350)
@example("{{ first_name }}", [("", "", "", "", ""), ANNA], 350)
@example("100 %s {{ code }} %", [("", "", "50 %", "", "")], 350)
@example("Hi", [ANNA, ANNA], 350)
@example("Hi {% raw %}{{{% endraw %}", [ANNA, ANNA], 350)
@example("{{ code }}" * 17, [ANNA, ("", "", "x" * 4_096, "", "")], 10_000)
@example("{{ nick | default('') }}", [ANNA, ANNA], 350)
def test_many_at_once_are_what_each_is_by_itself(source: str, rows: list[tuple[str, ...]], max_length: int) -> None:
    try:
        messages = plan(source, max_length=max_length)
    except InputError:
        assert not source.strip()
        return
    assert messages.render_columns(columns(rows)) == by_itself(messages, rows)


@settings(max_examples=examples(60))
@given(st.lists(TEXT | FIELD, min_size=1, max_size=8).map("".join).filter(bool), ROWS)
def test_plain_templates_give_what_minijinja_gives(source: str, rows: list[tuple[str, ...]]) -> None:
    template = Template(Source(text=source, file="--message"), VARIABLES, 350)
    assert template.parts
    joined = template.render_columns(columns(rows))
    template.parts = ()
    assert joined == template.render_columns(columns(rows))


def test_only_text_and_fields_are_left_to_a_string_format() -> None:
    for source in (
        "{{ code | upper }}",
        "{% if code %}{% endif %}",
        "{{ 'code' }}",
        "{{ x | default(code) }}",
        "{{ code }}" * 17,
        "x" * 8_000,
    ):
        assert not Template(Source(text=source, file="--message"), VARIABLES, 350).parts


def test_a_row_that_fails_takes_no_other_with_it() -> None:
    rows = [("p", "Anna", code, "", "") for code in ("1", "x", "", "2", "9" * 400)]
    batch = plan("{{ first_name }} {{ 7 - (code | int) }}").render_columns(columns(rows))
    assert batch.texts == ["Anna 6", "", "", "Anna 5", ""]
    assert {index: rendered.reason for index, rendered in batch.refused.items()} == {
        1: Invalid.TEMPLATE_FAILED,
        2: Invalid.MISSING_FIELD,
        4: Invalid.TEMPLATE_FAILED,
    }


def test_messages_of_a_column_at_once_are_what_each_is_by_itself() -> None:
    messages = plan_messages(("pass_id", "message"), message=None, template=None, templates=None)
    rows = [("p", text) for text in (" Hi\nthere ", "", "{{ name }}", "x" * 351, "Hi \x07", "👩\u200d👧", "Zoë")]
    batch = messages.render_columns(columns(rows))
    assert batch == by_itself(messages, rows)
    assert batch.texts == ["Hi\nthere", "", "", "", "", "👩\u200d👧", "Zoë"]


def test_messages_of_a_folder_at_once_are_what_each_is_by_itself(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("Hi {{ name }}", encoding="utf-8")
    (tmp_path / "page.html.j2").write_text("<b>{{ name | upper }}</b> & co", encoding="utf-8")
    messages = plan_messages(("name", "template"), message=None, template=None, templates=tmp_path)
    rows = [("Zoë <3", name) for name in ("plain", "page.html", "none", "", "plain.txt", "page.html.j2")] + [("", "plain")]
    batch = messages.render_columns(columns(rows))
    assert batch == by_itself(messages, rows)
    assert batch.texts == ["Hi Zoë <3", "<b>ZOË <3</b> & co", "", "", "Hi Zoë <3", "<b>ZOË <3</b> & co", ""]


@pytest.mark.parametrize("name", ["offer.html", "offer.xml", "offer.json", "offer.txt"])
def test_nothing_is_escaped_whatever_a_template_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("{{ code | upper }} <b> & \"{{ code | default('-') }}\"{% for c in ['<'] %}{{ c }}{% endfor %}", encoding="utf-8")
    messages = plan_messages(("code",), message=None, template=path, templates=None)
    assert messages.render(("a&b<'\"",)).text == 'A&B<\'" <b> & "a&b<\'""<'


def test_too_many_rows_that_exhaust_a_template_stop_the_list_at_a_row_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # What five such rows take.
    monkeypatch.setattr("campaign.loader.messages.template.MAX_WASTED_UNITS", 5 * WORK_UNITS)
    messages = plan("{% for i in range(points | int) %}{% for j in range(points | int) %}{% endfor %}{% endfor %}Hi")
    rows = [("p", "", "", "", "2" if number < 7 else "9999") for number in range(100)]
    with pytest.raises(InputError) as caught:
        messages.render_columns(columns(rows))
    assert caught.value.row == 7 + 6
