"""What a template does with a row: fields that are empty, filters, errors and their sentences."""

import threading

import pytest

from campaign.domain.model import Invalid
from tests.unit.messages_given import ANNA, NOBODY, invalid, plan, refused, render


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
        "{{ first_name[0] }}",
        "{{ first_name.split(' ')[0] }}",
        "{{ first_name.upper() }}",
        "{{ ['a', first_name] | join(' ') }}",
        "{{ ' '.join([first_name]) }}",
        "{{ '%s' | format(first_name) }}",
        "{{ '%s %s' % ('a', first_name) }}",
        "{{ '{}'.format(first_name) }}",
        "{{ first_name and 'yes' }}",
        "{{ first_name or first_name }}",
        "{{ first_name | default(first_name) }}",
        "{{ first_name | int }}",
        "{{ first_name | float * 2 }}",
        "{{ -(first_name | int) }}",
        "{{ [first_name | int, 2] | sum }}",
        "{{ 'a' | replace('a', first_name) }}",
        "{{ {'a': 1}[first_name] }}",
        "{% set n = first_name | title %}{{ n }}",
        "{% set ns = namespace(n=first_name) %}{{ ns.n }}",
        "{% with n = first_name %}{{ n }}{% endwith %}",
        "{% for n in [first_name] %}{{ n }}{% endfor %}",
        "{% for n in first_name.split(',') %}{{ n }}{% endfor %}",
        "{% filter upper %}{{ first_name }}{% endfilter %}",
        "{% if not code %}{{ first_name }}{% endif %}",
        "{{ first_name if true else code }}",
        "{{ first_name | length }}",
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
        ("{{ nick | default('you') }}", "you"),
        ("{{ nick | upper | default('you') }}", "you"),
        ("{{ (nick ~ code) | default('you') }}", "you"),
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
        ("{{ [1, 'a'] | sort | join }}", "not supported between"),
    ],
)
def test_a_row_that_a_template_fails_on_is_told_why(template: str, words: str) -> None:
    assert words in invalid(template, ANNA, Invalid.TEMPLATE_FAILED)


def test_a_cell_too_long_for_any_message_is_the_rows_own_fault() -> None:
    cells = ("", "x" * 5_000, "", "", "")
    for template in ("{{ first_name }}", "{{ first_name | truncate(20) }}"):
        assert invalid(template, cells, Invalid.MESSAGE_TOO_LONG).startswith("The column “First name” has 5,000 characters")
    assert plan("{{ shop | default('-') }}").render(cells).text == "-"


def test_merge_fields_in_the_lists_data_are_never_run_nor_sent() -> None:
    cells = ("", "{{ code }}", "{% if", "", "")
    for template in ("{{ first_name }}", "{{ first_name | string }}", "Hi {{ code }}"):
        assert "is never taken for a template" in invalid(template, cells, Invalid.TEMPLATE_FAILED)


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


def test_every_column_is_a_variable() -> None:
    assert render("{{ pass_id }} {{ first_name }} {{ code }} {{ shop }} {{ points }}") == "p1 Anna X1 Köln 120"
