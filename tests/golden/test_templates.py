"""What is said of each thing that a template can't do, and what to write instead; which place is named is the unit tests' matter."""

from collections.abc import Callable, Iterable
from typing import Final

from campaign.domain.model import Invalid
from tests.golden.files import Golden
from tests.unit.messages_given import ANNA, invalid, refused

REFUSED: Final = (
    "{{ points * 2 }}",
    "{{ points + 2 }}",
    "{% set p = points %}{{ 'x' if p > 2 }}",
    "{{ 'x' if code < shop }}",
    "{{ 'x' if 1 < 2 < 3 }}",
    "{{ first_name.split(' ') }}",
    "{{ code == 'X1' }}",
    "{{ code and 'yes' }}",
    "{{ {'a': 'b'} }}",
    "{{ none }}",
    "{{ [1, 'a'] | join }}",
    "{{ [[1]] | length }}",
    "{{ '%x' | format(1) }}",
    "{{ '%999999999d' | format(1) }}",
    "{{ '%(a)s' | format(a=1) }}",
    "{{ code | format(1) }}",
    "{{ '{}'.format(1) }}",
    "{{ 1.5 | round(points | int) }}",
    "{{ code | truncate(points | int) }}",
    "{{ 1.5 | round(1, 'up') }}",
    "{{ '%999999999d' is odd }}",
    "{% set a, b = [1, 2, 3] %}",
    "{% for a, b in [[1]] %}{% endfor %}",
    "{% for a in [1] if a %}{% endfor %}",
    "{% for a in [1] %}{% else %}x{% endfor %}",
    "{% for a in code %}{% endfor %}",
    "{% with nick = 1 %}{% endwith %}",
    "{% filter upper %}{% endfilter %}",
    "{% set x %}{% endset %}",
    "{% set code = 'x' %}",
    "{% set a = 1 %}{% set a = 'x' %}",
    "{{ 5 | join }}",
    "{{ (5).upper() }}",
    "{{ code.get('a', 'b') }}",
    "{{ (5)[1:] }}",
    "{{ (5)[1] }}",
    "{{ code[::2] }}",
    "{{ (code ~ shop) | default('x') }}",
    "{{ points | int | default(5) }}",
    "{{ code | default(5) }}",
    "{{ 'a' is defined }}",
    "{{ range(3) | join }}",
    "{% set ns = namespace(a=1) %}",
    "{% for i in ['a'] %}" + "x" * 501 + "{% endfor %}",
)
"""Before any row."""

FAILING: Final = (
    "a\n{{ points | int / 0 }}",
    "{{ code | int }}",
    "{{ code | float }}",
    "{{ '1e30' | int }}",
    "{{ 'nan' | float }}",
    "{{ first_name.split(' ')[1] }}",
    "{{ first_name.split(' ')[1] ~ 'x' }}",
    "{{ first_name.split(' ')[1] | length }}",
    "{{ first_name.split(' ')[1][:1] }}",
    "{{ [first_name.split(' ')[1]] | join }}",
    "{{ {'a': 'b'}[code] }}",
    "{{ [] | first }}",
    "{{ '%d' | format(code) }}",
    "{{ '%s%s' | format(code) }}",
    "{{ 'abc' | truncate(1) }}",
    "{% if code == 'X2' %}{% set a = 1 %}{% endif %}{{ a }}",
    "{% if code == 'X2' %}{% set a = 1 %}{% endif %}{{ a ~ 'x' }}",
    "{% if code == 'X2' %}{% set a = 1 %}{% endif %}\n{{ a + 1 }}",
)
"""For Anna's row."""


def said(templates: Iterable[str], of: Callable[[str], str]) -> str:
    return "\n\n".join(f"{template if len(template) < 200 else template[:100] + '...'}\n    {of(template)}" for template in templates)


def test_templates_that_are_refused(golden: Golden) -> None:
    golden(said(REFUSED, lambda template: refused(template).problem))


def test_templates_that_fail_for_a_row(golden: Golden) -> None:
    golden(said(FAILING, lambda template: invalid(template, ANNA, Invalid.TEMPLATE_FAILED)))
