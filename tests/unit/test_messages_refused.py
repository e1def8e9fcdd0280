"""Templates that are refused before any row, rows that a template fails on, and the sentences for both."""

import pytest

from campaign.domain.model import Invalid
from tests.unit.messages_given import ANNA, invalid, refused


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
        "{% for n in code %}{% endfor %}{{ n }}",
        "{% for n in code %}{% set nick = 1 %}{% endfor %}{{ nick }}",
        "{% with nick = 1 %}{% endwith %}{{ nick }}",
        "{% set x %}{% set nick = 1 %}{% endset %}{{ nick }}",
        "{{ loop.index }}",
        "{% for n in code if loop.first %}{% endfor %}",
        "{% filter upper %}{{ nick }}{% endfilter %}",
        "{% set x %}{{ nick }}{% endset %}",
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
    assert "is not a column of the list" in refused(template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a\n{{ code", "Line 2: The template can't be understood"),
        ("{{ code }", "unexpected '}'"),
        ("{% if code %}", "Unexpected end of template"),
        ("a\n\n{% endif %}", "Line 3"),
        ("{% foo %}", "unknown tag 'foo'"),
        ("{{ 'a }}", "Line 1"),
        ("{{ namespace(a=1, a=2) }}", "a value is named twice"),
        ("{% for loop in code %}{% endfor %}", "loop"),
        ("{{ code | pprint }}", "“pprint” is not a filter, but abs, "),
        ("{{ code is filter }}", "“filter” is not a test, but "),
        ("{{ code.encode() }}", "“encode” is not a method, but capitalize, "),
        ("{{ code | replace('a') }}", "missing a required argument: 'new'"),
        ("{{ code | upper(1) }}", "too many positional arguments"),
        ("{{ code | default(x=1) }}", "unexpected keyword argument 'x'"),
        ("{{ [code] | map('nope') | join }}", "“nope” is not a filter"),
        ("{{ [code] | map(attribute='x') }}", "map() needs the name of a filter"),
        ("{{ code | upper(*[1]) }}", "* and ** can't be used"),
        ("{% include 'x' %}", "{% include %} can't be used in a message"),
        ("{% import 'x' as y %}", "{% import %}"),
        ("{% from 'x' import y %}", "{% from %}"),
        ("{% extends 'x' %}", "{% extends %}"),
        ("{% block x %}{% endblock %}", "{% block %}"),
        ("{% macro x() %}{% endmacro %}", "{% macro %}"),
        ("{% call x() %}{% endcall %}", "{% call %}"),
        ("{% autoescape true %}{% endautoescape %}", "{% autoescape %}"),
        ("{% for a in code recursive %}{% endfor %}", "recursive"),
        ("{{ lipsum(5) }}", "Only range(), namespace() and the methods of a text"),
        ("{{ cycler('a') }}", "Only range()"),
        ("{{ dict(a=1) }}", "Only range()"),
        ("{{ first_name.foo }}", "“.foo” can't be used here"),
        ("{{ ''.__class__ }}", "“.__class__” can't be used here"),
        ("{{ points > 100 }}", "“points” is text, as every column is, so it can't be compared with 100. Write points | int"),
        ("{{ 100 == points }}", "can't be compared with 100"),
        ("{{ code == true }}", "can't be compared with True. Compare it with a text"),
        ("{{ 2 ** 3 }}", "** can't be used"),
        ("", "The template is empty"),
        (" \n", "The template is empty"),
        ("a\x07b", "U+0007"),
        ("a\n\ud800", "Line 2: There is a character that no text has (U+D800)"),
        ("x" * 40_000, "more than 32,768 characters"),
    ],
)
def test_templates_that_are_refused_before_any_row(template: str, words: str) -> None:
    assert words in refused(template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a\n{{ points | int / 0 }}", "--message, line 2: division by zero."),
        ("{{ code | int }}", "“X1” is not a number; write | int(0) to take it for 0"),
        ("{{ code | float }}", "“X1” is not a number"),
        ("{{ '1e30' | int }}", "is not a number"),
        ("{{ 'nan' | float }}", "is not a number"),
        ("{{ 10000000000 * 10000000000 }}", "more than 18 digits"),
        ("{{ points * 2 }}", "“120” is not a number; every column is text, so write | int or | float after it"),
        ("{{ points + 2 }}", "“120” is not a number"),
        ("{% set p = points %}{{ 'x' if p > 2 }}", "to compare with a number, write | int or | float after it"),
        ("{{ first_name.split(' ')[1] }}", "It has no part [1]"),
        ("{{ {'a': 1}[code] }}", "It has no part [X1]"),
        ("{{ first_name.split(' ') }}", "gives a list, not a text"),
        ("{{ none }}", "gives a NoneType, not a text"),
        ("{{ [[[1]]] | list | length }}", "nested more than two deep"),
        ("{{ '%x' % 1 }}", "A format may have only"),
        ("{{ '%(a)s' % {'a': 1} }}", "A format may have only"),
        ("{{ '{0.a}'.format(1) }}", "A format may have only"),
        ("{{ '{a[0]}'.format(a='x') }}", "A format may have only"),
        ("{{ '{!r}'.format(1) }}", "A format may have only"),
        ("{{ '{}{}'.format(1) }}", "more fields than it is given values"),
        ("{{ [] | first }}", "The list is empty"),
        ("{{ 1.5 | round(300000000) }}", "can be rounded to 0 to 10 digits"),
        ("{{ 'abc' | truncate(1) }}", "can't be cut to 1 characters"),
        ("{{ '%999999999d' is odd }}", "is not a number"),
        ("{% set ns = 1 %}{% set ns = namespace() if false else 1 %}{% set ns.a = 1 %}", "cannot assign attribute"),
        ("{% if code == 'X2' %}{% set a = 1 %}{% endif %}{{ a }}", "'a' is undefined"),
        ("{{ 5 | join }}", "a int is not a list"),
        ("{{ (5).upper() }}", "Only a text has .upper()"),
        ("{{ code.get('a') }}", "Only a dictionary has .get()"),
        ("{{ 1.5 | round(1, 'up') }}", "The method of round is"),
        ("{{ (5)[1:] }}", "Only a text or a list can be cut"),
        ("{{ (5)[1] }}", "Only a text, a list or a dictionary has [ ]"),
        ("{{ [1, 'a'] | sort | join }}", "not supported between"),
    ],
)
def test_a_row_that_a_template_fails_on_is_told_why(template: str, words: str) -> None:
    assert words in invalid(template, ANNA, Invalid.TEMPLATE_FAILED)
