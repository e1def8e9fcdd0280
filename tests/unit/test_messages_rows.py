"""Cells that make a good template ask for too much: the row is invalid, the list goes on, and nothing takes long."""

import time

import pytest

from campaign.domain.model import Invalid
from campaign.loader.messages import Rendered
from tests.unit.messages_given import HANG_SECONDS, is_sentence, plan, refused

COLUMNS = ("id", "n", "a", "b")
ORDINARY = ("p1", "3", "x", "-")
NINES = "9" * 18
LONG = "x" * 4_096

BY_CELLS = {
    "a loop": ("{% for i in a.split(',') %}{{ i }}{{ b }}{% endfor %}", ("p", "3", "," * 4_095, "-")),
    "loops within loops": (
        "{% for i in a.split(',') %}{% for j in a.split(',') %}.{% endfor %}{% endfor %}",
        ("p", "3", "," * 400, "-"),
    ),
    "replace": ("{{ a | replace('x', b) }}", ("p", "3", LONG, LONG)),
    "replace as a method": ("{{ a.replace('x', b) }}", ("p", "3", LONG, LONG)),
    "replace nothing": ("{{ a | replace('', b) }}", ("p", "3", LONG, LONG)),
    "join": ("{{ a.split(',') | join(b) }}", ("p", "3", "," * 4_095, LONG)),
    "a text that grows": ("{% set c = a ~ a %}{% set d = c ~ c %}{{ d | length }}", ("p", "40", LONG, "-")),
    "a format": ("{{ '%s%s%s' | format(a, a, a) }}", ("p", "3", LONG, "-")),
}
OTHERWISE = {
    "a number of many digits": ("{{ n | int }}", ("p", "9" * 4_000, "x", "-"), "is not a number"),
    "infinity": ("{{ n | float | int }}", ("p", "inf", "x", "-"), "is not a number"),
    "an exponent": ("{{ n | int }}", ("p", "1e999", "x", "-"), "is not a number"),
    "a huge product": ("{{ (n | int) * (n | int) * (n | int) }}", ("p", NINES, "x", "-"), "unable to calculate"),
}


@pytest.mark.parametrize(("template", "cells"), BY_CELLS.values(), ids=BY_CELLS.keys())
def test_cells_that_ask_for_too_much_make_their_row_invalid_and_no_other(template: str, cells: tuple[str, ...]) -> None:
    messages = plan(template, columns=COLUMNS)
    before = messages.render(ORDINARY)
    began = time.thread_time()
    rendered = messages.render(cells)
    assert time.thread_time() - began < HANG_SECONDS
    assert rendered == Rendered(text="", reason=Invalid.TEMPLATE_FAILED, error=rendered.error)
    assert rendered.error.startswith("--message, line 1: ")
    assert "It is this row's values that ask for so much. Correct the row" in rendered.error
    assert is_sentence(rendered.error)
    assert messages.render(ORDINARY) == before


@pytest.mark.parametrize(("template", "cells", "words"), OTHERWISE.values(), ids=OTHERWISE.keys())
def test_cells_that_can_not_be_computed_with_make_their_row_invalid(template: str, cells: tuple[str, ...], words: str) -> None:
    rendered = plan(template, columns=COLUMNS).render(cells)
    assert rendered.reason is Invalid.TEMPLATE_FAILED
    assert words in rendered.error


def test_a_template_that_is_absurd_by_itself_is_refused_whole_whatever_the_cells() -> None:
    numbers = f"[{', '.join(['1'] * 200)}]"
    loops = f"{{% for i in {numbers} %}}{{% for j in {numbers} %}}.{{% endfor %}}{{% endfor %}}"
    refused(loops)
    # A branch that no ordinary row takes costs only the rows that do.
    messages = plan("{% if code == 'X1' %}" + loops + "{% endif %}Hi {{ first_name }}")
    assert messages.render(("p1", "Anna", "X1", "s", "1")).reason is Invalid.TEMPLATE_FAILED
    assert messages.render(("p1", "Anna", "X2", "s", "1")).text == "Hi Anna"


def test_a_long_cell_that_is_named_hundreds_of_times_is_never_put_together() -> None:
    cells = ("", "x" * 130_000, "", "", "")
    messages = plan("{{ first_name }}" * 200)
    began = time.thread_time()
    found = [messages.render(cells) for _ in range(500)]
    assert time.thread_time() - began < HANG_SECONDS
    assert {rendered.reason for rendered in found} == {Invalid.MESSAGE_TOO_LONG}
    assert found[0].error.startswith("The column “First name” has 130,000 characters")
