"""Templates that are refused before any row, rows that a template fails on, and the sentences for both."""

import pytest

from campaign.domain.errors import TemplateError
from campaign.domain.model import Invalid
from tests.unit.messages_given import ANNA, invalid, refused, refused_at


@pytest.mark.parametrize(
    "template",
    [
        "{{ nick }}",
        "{{ code }}{% if code == 'never' %}{{ nick }}{% endif %}",
        "{% if nick %}{% endif %}",
        "{{ code | default(nick) }}",
        "{{ nick | default('') ~ nick }}",
        "{{ code.split(nick) }}",
        "{{ code[nick:] }}",
        "{% for n in [code] %}{% endfor %}{{ n }}",
        "{% for n in [code] %}{% set nick = 1 %}{% endfor %}{{ nick }}",
        "{{ loop.index }}",
        "{{ nick.upper() }}",
        "{{ nick.name }}",
        "{% set a = nick %}{% set nick = 1 %}",
        "{% if true %}{% elif nick %}{% endif %}",
        "{{ {'a': nick} }}",
        "{{ self }}",
        "{{ range }}",
    ],
)
def test_an_unknown_variable_anywhere_is_refused_before_any_row(template: str) -> None:
    assert "is not a column of the list" in refused(template).problem


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("a\n{{ code", 2),
        ("{{ code }", 1),
        ("{{ code)) }}", 1),
        ("{% if code %}", 1),
        ("{% if code %}{% endfor %}", 1),
        ("{% else %}", 1),
        ("{% if code %}{% else %}{% else %}", 1),
        ("{% if code %}{% else %}{% elif code %}{% endif %}", 1),
        ("a\n\n{% endif %}", 3),
        ("{% foo %}", 1),
        ("{% %}", 1),
        ("{{ }}", 1),
        ("{{ 'a }}", 1),
        ("{# a", 1),
        ("x {% raw %} {{ code }}", 1),
        ("{{ code code }}", 1),
        ("{{ code | }}", 1),
        ("{{ code is }}", 1),
        ("{{ 1 + }}", 1),
        ("{{ 1 + not 2 }}", 1),
        ("{{ [1, 2 }}", 1),
        ("{{ code $ }}", 1),
        ("{{ 007 }}", 1),
        ("{{ '\\ud800' }}", 1),
        ("{{ '\\N{NO SUCH CHARACTER}' }}", 1),
        ("{% set ns = namespace(a=1, a=2) %}", 1),
        ("{% set ns = namespace(1) %}", 1),
        ("{{ namespace(a=1) }}", 1),
        ("{% set ns = namespace() %}{{ ns }}", 1),
        ("{% set ns = namespace() %}{{ ns.__class__ }}", 1),
        ("{% set code.a = 1 %}", 1),
        ("{% for i in code %}{{ loop }}{% endfor %}", 1),
        ("{% for i in code %}{{ loop.__init__ }}{% endfor %}", 1),
        ("{% for loop in code %}{% endfor %}", 1),
        ("{{ code | pprint }}", 1),
        ("{{ code is filter }}", 1),
        ("{{ code.encode() }}", 1),
        ("{{ code | replace('a') }}", 1),
        ("{{ code | upper(1) }}", 1),
        ("{{ code | default(x=1) }}", 1),
        ("{{ [code] | map('nope') | join }}", 1),
        ("{{ [code] | map(attribute='x') }}", 1),
        ("{{ [code] | map(code) | join }}", 1),
        ("{{ code | upper(*[1]) }}", 1),
        ("{{ code | replace('a', **{'b': 1}) }}", 1),
        ("{% include 'x' %}", 1),
        ("{% import 'x' as y %}", 1),
        ("{% from 'x' import y %}", 1),
        ("{% extends 'x' %}", 1),
        ("{% block x %}{% endblock %}", 1),
        ("{% macro x() %}{% endmacro %}", 1),
        ("{% call x() %}{% endcall %}", 1),
        ("{% autoescape true %}{% endautoescape %}", 1),
        ("{% do code.upper() %}", 1),
        ("{% for a in code %}{% break %}{% endfor %}", 1),
        ("{% for a in code recursive %}{% endfor %}", 1),
        ("{{ lipsum(5) }}", 1),
        ("{{ cycler('a') }}", 1),
        ("{{ dict(a=1) }}", 1),
        ("{{ debug() }}", 1),
        ("{{ first_name.foo }}", 1),
        ("{{ ''.__class__ }}", 1),
        ("{{ code.upper }}", 1),
        ("{{ code.upper()() }}", 1),
        ("{{ points > 100 }}", 1),
        ("{{ 1 if 100 == points }}", 1),
        ("{{ code == true }}", 1),
        ("{{ 2 ** 3 }}", 1),
        ("a\x07b", 1),
        ("a\n\ud800", 2),
    ],
)
def test_templates_that_are_refused_before_any_row(template: str, line: int) -> None:
    assert refused_at(template)[0] == line


@pytest.mark.parametrize(
    ("template", "position"),
    [
        ("nick: {{ code }}\nnick: {{ nick }}, nick", (2, 10)),
        ("{{ code }} {{ code | upper ~ nick }}", (1, 30)),
        ("{{ code }} {{ points > 100 }}", (1, 15)),
        ("{{ code | pprint }}", (1, 11)),
        ("{{ code.encode() }}", (1, 9)),
        ("{{ code is filter }}", (1, 12)),
        ("a\x07b", (1, 2)),
        ("a\n\ud800", (2, 1)),
    ],
)
def test_the_place_of_what_is_wrong_is_named(template: str, position: tuple[int, int]) -> None:
    assert refused_at(template) == position


@pytest.mark.parametrize("template", ["", " \n", "x" * 40_000])
def test_templates_that_are_refused_whole(template: str) -> None:
    assert not isinstance(refused(template), TemplateError)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a\n{{ points | int / 0 }}", "--message, line 2: unable to calculate 120 / 0."),
        ("{{ code | int }}", "“X1” is not a number; write | int(0) to take it for 0"),
        ("{{ code | float }}", "“X1” is not a number"),
        ("{{ '1e30' | int }}", "is not a number"),
        ("{{ 'nan' | float }}", "is not a number"),
        ("{{ first_name.split(' ')[1] }}", "or a part that a text lacks"),
        ("{{ first_name.split(' ')[1] ~ 'x' }}", "or a part that a text lacks"),
        ("{{ first_name.split(' ')[1] | length }}", "or a part that a text lacks"),
        ("{{ first_name.split(' ')[1][:1] }}", "or a part that a text lacks"),
        ("{{ [first_name.split(' ')[1]] | join }}", "or a part that a text lacks"),
        ("{{ {'a': 'b'}[code] }}", "or a part that a text lacks"),
        ("{{ [] | first }}", "or a part that a text lacks"),
        ("{{ '%d' | format(code) }}", "“%d” can't be filled in"),
        ("{{ '%s%s' | format(code) }}", "“%s%s” can't be filled in"),
        ("{{ 'abc' | truncate(1) }}", "expected length >= 3, got 1"),
        ("{% if code == 'X2' %}{% set a = 1 %}{% endif %}{{ a }}", "A variable is used that is not set"),
        ("{% if code == 'X2' %}{% set a = 1 %}{% endif %}{{ a ~ 'x' }}", "A variable is used that is not set"),
        ("{% if code == 'X2' %}{% set a = 1 %}{% endif %}\n{{ a + 1 }}", "line 2: "),
    ],
)
def test_a_row_that_a_template_fails_on_is_told_why(template: str, words: str) -> None:
    assert words in invalid(template, ANNA, Invalid.TEMPLATE_FAILED)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ points * 2 }}", "“points” is a text, where a number is needed. Every column is text; to compute with it, write | int"),
        ("{{ points + 2 }}", "Write | string after it"),
        ("{% set p = points %}{{ 'x' if p > 2 }}", "Write p | int or | float"),
        ("{{ 'x' if code < shop }}", "A text can't be compared with a text by “<”"),
        ("{{ 'x' if 1 < 2 < 3 }}", "Join them with “and”"),
        ("{{ first_name.split(' ') }}", "gives a list of texts, not a text. Write it with | join(', ')"),
        ("{{ code == 'X1' }}", 'gives a condition, not a text. Write {{ "this" if it else "that" }}'),
        ("{{ code and 'yes' }}", "gives a condition"),
        ("{{ {'a': 'b'} }}", "gives a dictionary"),
        ("{{ none }}", "There is no none"),
        ("{{ [1, 'a'] | join }}", "A list has texts or numbers, not both"),
        ("{{ [[1]] | length }}", "where a text or a number is needed"),
        ("{{ '%x' | format(1) }}", "A format is a text with"),
        ("{{ '%999999999d' | format(1) }}", "A format is a text with"),
        ("{{ '%(a)s' | format(a=1) }}", "A format is a text with"),
        ("{{ code | format(1) }}", "A format is a text with"),
        ("{{ '{}'.format(1) }}", "“format” is not a method that messages have"),
        ("{{ 1.5 | round(points | int) }}", "has to be written out"),
        ("{{ code | truncate(points | int) }}", "has to be written out"),
        ("{{ 1.5 | round(1, 'up') }}", "it takes precision"),
        ("{{ '%999999999d' is odd }}", "This is a text, where a number is needed"),
        ("{% set a, b = [1, 2, 3] %}", "This assign tag can't be used"),
        ("{% for a, b in [[1]] %}{% endfor %}", "This for tag can't be used"),
        ("{% for a in [1] if a %}{% endfor %}", "This for tag can't be used"),
        ("{% for a in [1] %}{% else %}x{% endfor %}", "This for tag can't be used"),
        ("{% for a in code %}{% endfor %}", "Write | split or .split(',') after it"),
        ("{% with nick = 1 %}{% endwith %}", "This with tag can't be used in a message. Use {% if %}"),
        ("{% filter upper %}{% endfilter %}", "This filterblock tag can't be used"),
        ("{% set x %}{% endset %}", "This assignblock tag can't be used"),
        ("{% set code = 'x' %}", "“code” means something else already"),
        ("{% set a = 1 %}{% set a = 'x' %}", "“a” was a number, and is a text here"),
        ("{{ 5 | join }}", "where a list of texts or a list of numbers is needed"),
        ("{{ (5).upper() }}", "where a text is needed"),
        ("{{ code.get('a', 'b') }}", "where a dictionary is needed"),
        ("{{ (5)[1:] }}", "where a text is needed"),
        ("{{ (5)[1] }}", "This is a number"),
        ("{{ code[::2] }}", "Leave the step out"),
        ("{{ (code ~ shop) | default('x') }}", 'Write it so: {{ first_name | default("there") }}'),
        ("{{ points | int | default(5) }}", "where a text is needed"),
        ("{{ code | default(5) }}", "where a text is needed"),
        ("{{ 'a' is defined }}", "Only a column can be defined"),
        ("{{ range(3) | join }}", "can't be used in a message"),
        ("{% set ns = namespace(a=1) %}", "can't be used in a message"),
        ("{% for i in ['a'] %}" + "x" * 501 + "{% endfor %}", "more than 500 characters within a loop"),
    ],
)
def test_what_to_write_instead_is_said(template: str, words: str) -> None:
    assert words in refused(template).problem
