"""What a person reads whose template fails on a row."""

from typing import Final

from campaign.domain.model import Invalid
from tests.golden.files import Golden
from tests.unit.messages_given import ANNA, invalid

FAILING: Final = (
    "a\n{{ points | int / 0 }}",
    "{{ code | int }}",
    "{{ code | float }}",
    "{{ '1e30' | int }}",
    "{{ 'nan' | float }}",
    "{{ 10000000000 * 10000000000 }}",
    "{{ points * 2 }}",
    "{{ points + 2 }}",
    "{% set p = points %}{{ 'x' if p > 2 }}",
    "{{ first_name.split(' ')[1] }}",
    "{{ {'a': 1}[code] }}",
    "{{ first_name.split(' ') }}",
    "{{ none }}",
    "{{ [[[1]]] | list | length }}",
    "{{ '%x' % 1 }}",
    "{{ '%(a)s' % {'a': 1} }}",
    "{{ '{0.a}'.format(1) }}",
    "{{ '{a[0]}'.format(a='x') }}",
    "{{ '{!r}'.format(1) }}",
    "{{ '{:c}'.format(55296) }}",
    "{{ '{}{}'.format(1) }}",
    "{{ [] | first }}",
    "{{ 1.5 | round(300000000) }}",
    "{{ 'abc' | truncate(1) }}",
    "{{ '%999999999d' is odd }}",
    "{% if code == 'X2' %}{% set a = 1 %}{% endif %}{{ a }}",
    "{% if code == 'X2' %}{% set a = 1 %}{% endif %}{{ a ~ 'x' }}",
    "{% if code == 'X2' %}{% set a = 1 %}{% endif %}\n{% if a %}x{% endif %}",
    "{% set a, b = [1, 2, 3] %}",
    "x\n\n{% for a, b in [[1]] %}{% endfor %}",
    "{{ 5 | join }}",
    "{{ (5).upper() }}",
    "{{ code.get('a') }}",
    "{{ 1.5 | round(1, 'up') }}",
    "{{ (5)[1:] }}",
    "{{ (5)[1] }}",
    "{{ [1, 'a'] | sort | join }}",
)


def test_failing_rows(golden: Golden) -> None:
    golden("\n".join(f"{template!r}\n    {invalid(template, ANNA, Invalid.TEMPLATE_FAILED)}" for template in FAILING))
