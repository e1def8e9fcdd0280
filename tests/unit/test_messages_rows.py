"""Cells that make a good template ask for too much: the row is invalid, the list goes on, and nothing takes long."""

import time

import pytest

from campaign.domain.model import Invalid
from campaign.loader.messages.result import Rendered
from tests.unit.messages_given import HANG_SECONDS, is_sentence, plan

COLUMNS = ("id", "n", "a", "b")
ORDINARY = ("p1", "3", "x", "-")
NINES = "9" * 18
LONG = "x" * 4_096

BY_CELLS = {
    "a range": ("{% for i in range(n | int) %}{{ i }}{% endfor %}", ("p", NINES, "x", "-")),
    "a range far below zero": ("{% for i in range(n | int) %}{{ i }}{% endfor %}ok", ("p", f"-{NINES}", "x", "-")),
    "ranges within ranges": (
        "{% for i in range(n | int) %}{% for j in range(n | int) %}{% for k in range(n | int) %}.{% endfor %}{% endfor %}{% endfor %}",
        ("p", "10000", "x", "-"),
    ),
    "loops over letters": ("{% for c in a %}{% for d in a %}{{ d }}{% endfor %}{% endfor %}", ("p", "3", LONG, "-")),
    "center": ("{{ a | center(n | int) }}", ("p", NINES, "x", "-")),
    "center as a method": ("{{ a.center(n | int) }}", ("p", NINES, "x", "-")),
    "ljust": ("{{ a.ljust(n | int, '.') }}", ("p", NINES, "x", "-")),
    "rjust": ("{{ a.rjust(n | int) }}", ("p", NINES, "x", "-")),
    "zfill": ("{{ a.zfill(n | int) }}", ("p", NINES, "x", "-")),
    "replace": ("{{ a | replace('x', b) }}", ("p", "3", LONG, LONG)),
    "replace as a method": ("{{ a.replace('x', b) }}", ("p", "3", LONG, LONG)),
    "replace nothing": ("{{ a | replace('', b) }}", ("p", "3", LONG, LONG)),
    "join": ("{{ a | list | join(b) }}", ("p", "3", LONG, LONG)),
    "join as a method": ("{{ b.join(a) }}", ("p", "3", LONG, LONG)),
    "a text that grows": (
        "{% set ns = namespace(t=a) %}{% for i in range(n | int) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t | length }}",
        ("p", "40", "x", "-"),
    ),
    "a list that grows": (
        "{% set ns = namespace(t=[1]) %}{% for i in range(n | int) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t | length }}",
        ("p", "40", "x", "-"),
    ),
}
ASKS_FOR_TOO_MUCH = "It is this row's values that ask for so much."
OTHERWISE = {
    "a format's width": ("{{ a | format(n) }}", ("p", "3", "%999999999s", "-")),
    "a format's width from another value": ("{{ a | format(n | int, b) }}", ("p", "3", "%*s", "-")),
    "a width in braces": ("{{ a.format(n) }}", ("p", "3", "{:>999999999}", "-")),
    "a width in braces in braces": ("{{ a.format(n, b) }}", ("p", "3", "{:>{}}", "-")),
    "repetition": ("{{ a * (n | int) }}", ("p", NINES, "x", "-")),
    "repetition the other way": ("{{ (n | int) * a }}", ("p", NINES, "x", "-")),
    "a large product": ("{{ (n | int) * (n | int) }}", ("p", NINES, "x", "-")),
    "rounding": ("{{ 1.5 | round(n | int) }}", ("p", NINES, "x", "-")),
    "a number of many digits": ("{{ n | int }}", ("p", "9" * 4_000, "x", "-")),
    "infinity": ("{{ n | float | int }}", ("p", "inf", "x", "-")),
    "an exponent": ("{% for i in range(n | int) %}.{% endfor %}", ("p", "1e999", "x", "-")),
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
    assert ASKS_FOR_TOO_MUCH in rendered.error
    assert is_sentence(rendered.error)
    assert messages.render(ORDINARY) == before


@pytest.mark.parametrize(("template", "cells"), OTHERWISE.values(), ids=OTHERWISE.keys())
def test_cells_that_can_not_be_computed_with_make_their_row_invalid(template: str, cells: tuple[str, ...]) -> None:
    rendered = plan(template, columns=COLUMNS).render(cells)
    assert rendered.reason is Invalid.TEMPLATE_FAILED
    assert is_sentence(rendered.error)
    assert ASKS_FOR_TOO_MUCH not in rendered.error


def test_a_long_cell_that_is_named_thousands_of_times_is_never_put_together() -> None:
    cells = ("", "x" * 130_000, "", "", "")
    messages = plan("{{ first_name }}" * 2_000)
    began = time.thread_time()
    found = [messages.render(cells) for _ in range(500)]
    assert time.thread_time() - began < HANG_SECONDS
    assert {rendered.reason for rendered in found} == {Invalid.MESSAGE_TOO_LONG}
    assert found[0].error.startswith("The column “First name” has 130,000 characters")
