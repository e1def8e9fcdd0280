"""What a template does with a row: fields that are empty, filters, and rows that are independent of each other."""

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from campaign.domain.model import Invalid
from campaign.loader.messages.functions import FILTERS, METHODS, TESTS
from tests.unit.messages_given import ANNA, NOBODY, invalid, plan, render


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hi {{ first_name }}, {{ code }}!", "Hi Anna, X1!"),
        ("  {{ code }}\n\n", "X1"),
        ("a\r\nb\r{{ code }}", "a\nb\nX1"),
        ("{{ first_name | upper }} {{ shop | lower }}", "ANNA köln"),
        ("{{ first_name ~ '/' ~ code ~ 1 }}", "Anna/X11"),
        ("{{ first_name + '!' }}", "Anna!"),
        ("{{ points | int * 2 + 1 }}", "241"),
        ("{{ points | int // 7 }} {{ points | int % 7 }} {{ points | float / 8 }} {{ -(points | int) }} {{ +1 }}", "17 1 15.0 -120 1"),
        ("{{ '%.2f' | format(points | float) }}", "120.00"),
        ("{{ '%s %d%%' % (code, points | int) }}", "X1 120%"),
        ("{{ '{:,.2f} {n}'.format(points | int * 100, n=code) }}", "12,000.00 X1"),
        ("{{ '{0}{1}{0}'.format('a', 'b') }}", "aba"),
        ("{{ '{}, {{x}}'.format(code) }}", "X1, {x}"),
        ("{{ first_name[:1] }}{{ first_name[0] }}{{ first_name[-1] }}{{ first_name[::-1] }}", "AAaannA"),
        ("{{ 'Anna Maria'.split(' ')[0] }}", "Anna"),
        ("{{ 'b, a,b'.split(',') | map('trim') | unique | sort | join(' ') }}", "a b"),
        ("{{ ', '.join(['a', code]) }}", "a, X1"),
        ("{{ code.replace('X', 'YY') | replace('Y', 'Z', 1) }}", "ZY1"),
        ("{{ {'X1': 'hello', 'X2': 'goodbye'}[code] }}", "hello"),
        ("{{ {'a': 1}.get(code, 'none') }}", "none"),
        ("{{ 'VIP' if points | int > 100 }}{{ 'no' if code == 'X2' }}!", "VIP!"),
        ("{% if code in ['X1', 'X2'] and not shop == 'Bonn' %}yes{% elif 1 %}no{% endif %}", "yes"),
        ("{% for part in ['a', code] %}{{ loop.index }}{{ part }}{{ ', ' if not loop.last }}{% endfor %}", "1a, 2X1"),
        ("{% for i in range(5) if i is odd %}{{ i }}{{ loop.cycle('a', 'b') }}{% else %}none{% endfor %}", "1a3b"),
        ("{% for i in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for a, b in [('x', 1), ('y', 2)] %}{{ a }}{{ b }}{{ loop.length }}{% endfor %}", "x12y22"),
        ("{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "6"),
        ("{% set greeting %}Hi {{ first_name }}{% endset %}{{ greeting | upper }}", "HI ANNA"),
        ("{% filter upper %}x{{ first_name }}{% endfilter %}{% with a = 1, b = code %}{{ a }}{{ b }}{% endwith %}", "XANNA1X1"),
        ("{% with a, b = code, ns = namespace(n=2) %}{{ a }}{{ b }}{{ ns.n }}{% endwith %}", "X12"),
        ("{% with ns = namespace() %}{% endwith %}{% set ns = code %}{% with ns = namespace() %}{% endwith %}{{ ns }}", "X1"),
        ("{% raw %}{{ code }}{% endraw %} {# a note #}", "{{ code }}"),
        ("{{ 'long words in here' | truncate(12, leeway=0) }}|{{ 'abcdef' | truncate(4, true, '…', 0) }}", "long...|abc…"),
        ("{{ 'a b' | urlencode }} {{ 'o\\'neil smith' | title }} {{ ' x ' | trim }} {{ 'abc' | capitalize }}", "a%20b O'neil Smith x Abc"),
        ("{{ 2.345 | round(1) }} {{ 2.1 | round(0, 'ceil') | int }} {{ 2.9 | round(method='floor') | int }} {{ -3 | abs }}", "2.3 3 2 3"),
        ("{{ [3, 1, 2] | sum }} {{ [3, 1, 2] | max }} {{ 'bca' | min }} {{ [1, 2] | first }} {{ [1, 2] | last }}", "6 3 a 1 2"),
        (
            "{{ 'abc' | length }} {{ [1] | count }} {{ 'a b' | wordcount }} {{ 'abc' | reverse }} {{ 'abc' | list | join('-') }}",
            "3 1 2 cba a-b-c",
        ),
        ("{{ code.zfill(5) }} [{{ code.center(4) }}] {{ '7'.rjust(3, '0') }} [{{ 'a' | center(3) }}]", "000X1 [ X1 ] 007 [ a ]"),
        ("{{ 'x' if 3 is divisibleby 3 and 2 is even and 'a' is string and 1 is number and none is none }}", "x"),
        ("{% for i in [] %}{% else %}{% set code = [1] %}{% endfor %}{{ code }}", "X1"),
        ("{% set y %}{% set code = [1] %}{% endset %}{{ code }}", "X1"),
        ("{% filter upper %}{% set code = [1] %}{% endfilter %}{{ code }}", "X1"),
        ("{% with %}{% set code = [1] %}{% endwith %}{% for i in [1] %}{% set code = [1] %}{% endfor %}{{ code }}", "X1"),
        ("{{ '12.0' | int }} {{ 'x' | int(7) }} {{ '1e3' | float }}", "12 7 1000.0"),
    ],
)
def test_what_a_template_may_say(template: str, expected: str) -> None:
    assert render(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ first_name }}",
        "Hi {{ first_name | title }}",
        "{{ 'Hi ' ~ first_name }}",
        "{{ 'Hi ' + first_name }}",
        "{{ first_name[:1] }}",
        "{{ first_name.partition('-')[0] }}",
        "{{ first_name | int + 0.5 }}",
        "{{ ['a', first_name] | join(' ') }}",
        "{{ ' '.join([first_name]) }}",
        "{{ '%s' | format(first_name) }}",
        "{{ '%s %s' % ('a', first_name) }}",
        "{{ '{}'.format(first_name) }}",
        "{{ first_name and 'yes' }}",
        "{{ first_name or first_name }}",
        "{{ first_name | default(first_name) }}",
        "{{ first_name | float * 2 }}",
        "{{ -(first_name | int) }}",
        "{{ [first_name | int, 2] | sum }}",
        "{{ 'a' | replace('a', first_name) }}",
        "{{ {'a': 1}[first_name] }}",
        "{% set n = first_name | title %}{{ n }}",
        "{% set ns = namespace(n=first_name) %}{{ ns.n }}",
        "{% for n in [first_name] %}{{ n }}{% endfor %}",
        "{% for n in first_name.split(',') %}{{ n }}{% endfor %}",
        "{% filter upper %}{{ first_name }}{% endfilter %}",
        "{% if not code %}{{ first_name }}{% endif %}",
        "{{ first_name if true else code }}",
    ],
)
def test_an_empty_field_that_reaches_the_message_makes_the_row_invalid(template: str) -> None:
    error = invalid(template, NOBODY, Invalid.MISSING_FIELD)
    assert error.startswith("The column “First name” is empty, and the message needs it. ")
    assert '{{ first_name | default("...") }}' in error


@pytest.mark.parametrize("blank", ["", " ", "\t", "\u00a0", "\u200b", " \ufeff\n"])
def test_a_cell_in_which_there_is_nothing_to_see_is_empty(blank: str) -> None:
    for template in ("{{ code }}", "{{ code | string }}"):
        assert plan(template).render(("", "", blank, "", "")).reason is Invalid.MISSING_FIELD
    assert plan("{{ code | default('x') }}").render(("", "", blank, "", "")).text == "x"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ first_name | default('there') }}", "there"),
        ("{{ first_name | d('there') | upper }}", "THERE"),
        ("{{ first_name | title | default('there') }}", "there"),
        ("{{ (first_name ~ ' ' ~ code) | default('there') }}", "there"),
        ("{{ points | int | default(5) }}", "5"),
        ("{{ points | int(5) + 1 }} {{ points | float(0.5) }}", "6 0.5"),
        ("{{ first_name | default(code) | default(shop) | default('x') }}", "x"),
        ("a{{ first_name | default }}", "a"),
        ("{{ first_name or 'there' }}", "there"),
        ("{{ {'DE': 'Hallo'}.get(code, 'Hello') }}", "Hello"),
        ("{% if first_name %}{{ first_name }}{% else %}there{% endif %}", "there"),
        ("{{ first_name if first_name else 'there' }}", "there"),
        ("{{ 'no' if first_name is defined else 'there' }}", "there"),
        ("{{ 'there' if first_name is undefined }}", "there"),
        ("{% if first_name == '' and shop == '' and not code | trim | length %}there{% endif %}", "there"),
        ("{% if points | int > 100 %}many{% else %}few{% endif %}", "few"),
        ("{% if first_name | lower in ['anna'] %}a{% else %}there{% endif %}", "there"),
        ("{% set name = 'there' %}{% if first_name %}{% set name = first_name %}{% endif %}{{ name }}", "there"),
        ("{% if not first_name %}{% set first_name = 'there' %}{% endif %}{{ first_name }}", "there"),
        ("{% set name = first_name | default('there') %}{{ name }}", "there"),
        ("there{% for part in first_name %}{{ part }}{% endfor %}", "there"),
    ],
)
def test_an_empty_field_may_be_tested_or_have_a_default(template: str, expected: str) -> None:
    assert render(template, NOBODY) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ nick if nick is defined else 'you' }}", "you"),
        ("{% if nick is not defined %}you{% else %}{{ nick }}{% endif %}", "you"),
        ("{{ nick | default(first_name) }}", "Anna"),
        ("{% if nick | default(false) %}{% else %}you{% endif %}", "you"),
    ],
)
def test_an_absent_column_may_be_excused(template: str, expected: str) -> None:
    assert render(template) == expected


def test_an_excused_column_that_is_used_all_the_same_makes_the_row_invalid() -> None:
    assert invalid("{% if nick is defined %}{% endif %}{{ nick }}", ANNA, Invalid.MISSING_FIELD).startswith("The list has no column “nick”")


def test_a_cell_too_long_for_any_message_is_the_rows_own_fault() -> None:
    cells = ("", "x" * 5_000, "", "", "")
    for template in ("{{ first_name }}", "{{ first_name | truncate(20) }}"):
        assert invalid(template, cells, Invalid.MESSAGE_TOO_LONG).startswith("The column “First name” has 5,000 characters")
    assert plan("{{ shop | default('-') }}").render(cells).text == "-"


def test_merge_fields_in_the_lists_data_are_never_run_nor_sent() -> None:
    cells = ("", "{{ code }}", "{% if", "", "")
    for template in ("{{ first_name }}", "{{ first_name | string }}", "Hi {{ code }}"):
        assert "is never taken for a template" in invalid(template, cells, Invalid.BAD_MESSAGE)


def test_rows_are_independent() -> None:
    messages = plan("{% if code == 'X1' %}{% set seen = 'yes' %}{% endif %}{{ seen | default('no') }}{{ first_name }}")
    assert [messages.render(("", "A", code, "", "")).text for code in ("X1", "X2", "X1", "X2")] == ["yesA", "noA", "yesA", "noA"]


def test_one_template_serves_many_threads() -> None:
    messages = plan("{% set n = first_name | upper %}{% for i in range(20) %}{{ n }}{% endfor %}")
    wrong: list[str] = []

    def work(name: str) -> None:
        wrong.extend(text for _ in range(200) if (text := messages.render(("", name, "", "", "")).text) != name.upper() * 20)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "bob", "cyd", "dee")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(("row", "names"), [("filters", FILTERS), ("tests", TESTS), ("methods", METHODS)])
def test_the_documentation_lists_what_there_is(row: str, names: Mapping[str, object]) -> None:
    text = Path(__file__).parents[2].joinpath("docs/marketing/messages.md").read_text(encoding="utf-8")
    listed = " ".join(re.findall(r"`([^`]*)`", next(line for line in text.splitlines() if line.startswith(f"| {row} |"))))
    assert sorted(listed.split()) == sorted(names)
