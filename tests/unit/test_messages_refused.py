"""Templates that are refused before any row, beside those that were recorded (`test_messages_before`), and the place that is named."""

import pytest

from campaign.domain.errors import TemplateError
from tests.unit.messages_given import refused, refused_at


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
        ("{% set range = code %}", 1),
        ("{{ code | replace('a') }}", 1),
        ("{{ code | upper(1) }}", 1),
        ("{{ code | default(x=1) }}", 1),
        ("{{ [code] | map('nope') | join }}", 1),
        ("{{ [code] | map(attribute='x') }}", 1),
        ("{{ [code] | map(code) | join }}", 1),
        ("{{ code | upper(*[1]) }}", 1),
        ("{{ code | replace('a', **{'b': 1}) }}", 1),
        ("{% from 'x' import y %}", 1),
        ("{% block x %}{% endblock %}", 1),
        ("{% do code.upper() %}", 1),
        ("{% for a in code %}{% break %}{% endfor %}", 1),
        ("{% for a in code recursive %}{% endfor %}", 1),
        ("{{ lipsum(5) }}", 1),
        ("{{ first_name.foo }}", 1),
        ("{{ code.upper()() }}", 1),
        ("{{ points > 100 }}", 1),
        ("{{ 1 if 100 == points }}", 1),
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
