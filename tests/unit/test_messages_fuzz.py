"""Whatever the template: an InputError before any row or at the first one, or a message or a reason for each; and where Jinja2 alone would
send something too, the same.
"""

import time
from collections.abc import Iterator
from typing import Any

import jinja2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from campaign.domain.errors import InputError
from campaign.loader.messages.functions import FILTERS, METHODS, TESTS
from campaign.loader.messages.resolve import plan_messages
from campaign.loader.messages.result import Rendered
from campaign.loader.messages.variables import Variables
from tests.examples import examples
from tests.unit.messages_given import ANNA, COLUMNS, HANG_SECONDS, NOBODY, is_sentence

pytestmark = pytest.mark.fuzz

MAX_LENGTH = 5_000
JINJA = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
JINJA.filters |= {"default": FILTERS["default"]}  # which is meant to differ, for blank texts
NAMES = list(Variables(COLUMNS).places)


@pytest.fixture(autouse=True, scope="module")
def _little_work() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("campaign.loader.messages.template.WORK_UNITS", 20_000)
        yield


def outcomes(source: str, *rows: tuple[str, ...]) -> list[Rendered]:
    """What becomes of each row; nothing if the template is refused, in a sentence that names the place."""
    before = time.thread_time()
    try:
        messages = plan_messages(COLUMNS, message=source, template=None, templates=None, max_length=MAX_LENGTH)
        found, problem = [messages.render(row) for row in rows], "None."
    except InputError as refused:
        found, problem = [], refused.problem
    assert is_sentence(problem)
    assert "Line None" not in problem
    assert time.thread_time() - before < HANG_SECONDS
    for rendered in found:
        assert (rendered.reason is None) == bool(rendered.text)
        assert rendered.reason is None or is_sentence(rendered.error)
        assert len(rendered.text) <= MAX_LENGTH
    return found


PIECES = st.sampled_from(
    [
        *"{}%#-+*/~|.,:()[]\"'\\ \n\t_=<>!",
        *("{{ ", " }}", "{% ", " %}", "{%- ", " -%}", "{# ", " #}", "**", "//", "==", "1", "0", "9" * 30, "1.5", "1e400", "'a'", '"b"'),
        *("if ", "elif ", "else ", "endif ", "for ", "in ", "endfor ", "set ", "endset ", "with ", "endwith ", "filter ", "endfilter "),
        *(
            "raw ",
            "endraw ",
            "macro ",
            "block ",
            "include ",
            "import ",
            "extends ",
            "call ",
            "autoescape ",
            "recursive ",
            "is ",
            "not ",
            "and ",
            "or ",
        ),
        *(
            "loop",
            "range(9)",
            "namespace(a=1)",
            "self",
            "caller",
            "ns",
            "nick",
            "true",
            "none",
            "defined ",
            "x",
            "y",
            "__class__",
            "_loop_vars",
        ),
        *NAMES,
        *FILTERS,
        *TESTS,
        *METHODS,
    ]
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60))
@example("{% for i in [1] %}{% set n = namespace(_loop_vars=1) %}{% endfor %}")
@example("{{ namespace(__debug__=1) }}")
@example("{{ '\\d' }}")
@example("{{ '\\ud800' }}")
@example("{{ '\\x00' }}")
@example("{{ '\\N{DIGIT ONE}' }}")
@example("{% set self = 1 %}{{ self }}")
@example("{% if self is defined %}{{ self }}{% endif %}")
@example("{% set loop = code %}{{ loop.upper() }}")
@example("{% set ns = namespace() %}{% set ns = code %}{{ ns.upper }}")
@example("{% set a, b = code %}{{ a }}")
@example("{% set a, b = 1, 2, 3 %}{{ a }}")
@example("{% for a.b in code %}{% endfor %}")
@example("{% set range = code %}{{ range(3) }}")
@example("{% set namespace = code %}{{ namespace(a=3) }}")
@example("{{ {[1]: 1} }}")
@example("{{ {}[[1]] }}{{ {}.get([1]) }}")
@example("{{ [[1]] | unique | join }}")
@example("{{ 'a' in 1 }}")
@example("{{ 1 in 'a' }}")
@example("{{ ''.join(1) }}{{ ''.split('') }}{{ 'a'.split('a', 'b') }}")
@example("{{ 'a' | truncate('x') }}{{ 'a'.zfill('a') }}{{ 'a' | center(none) }}{{ 'a' | replace('a', 'b', 'c') }}")
@example("{{ '{' | format }}{{ '%' | format }}")
@example("{{ '{'.format(1) }}")
@example("{{ '{99999999999999999999999}'.format(1) }}")
@example("{{ '{\u0661}'.format(1, 2) }}")
@example("{{ '%' % 1 }}")
@example("{{ range('a') }}{{ range() }}{{ range(1, 2, 0) | list }}")
@example("{{ code['a':] }}{{ code[::0] }}{{ code['a'] }}{{ code[none] }}{{ 1[0] }}")
@example("{{ 'a'.startswith(1) }}")
@example("{{ -code }}{{ not code }}{{ +none }}")
@example("{{ 1 | round(none) }}{{ 1 | round(1.5) }}{{ 'a' | round }}")
@example("{% for i in 1 %}{% endfor %}")
@example("{% for i in namespace() %}{% endfor %}")
@example("{{ (code | int(0)) > (code or 1) }}")
def test_any_source_ends_as_it_should(source: str) -> None:
    outcomes(source, ANNA, NOBODY)


TEXTS = st.sampled_from(["''", "'a b'", "'Größe'", "' x '", "'12'", "'%s'", *NAMES])
NUMBERS = st.sampled_from(["0", "1", "2", "3", "7", "1.5", "points | int", "points | float", "-1"])
UNARY = [
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "length",
    "wordcount",
    "urlencode",
    "reverse",
    "string",
    "list | join('-')",
    "first",
    "last",
]
CALLS = [
    "split(' ')[0]",
    "upper()",
    "strip()",
    "replace('a', 'bb')",
    "startswith('A')",
    "zfill(4)",
    "center(9)",
    "find('n')",
    "swapcase()",
    "count('a')",
]


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from(UNARY)).map(lambda pair: f"({pair[0]}) | {pair[1]}"),
        st.tuples(inner, st.sampled_from(CALLS)).map(lambda pair: f"({pair[0]}).{pair[1]}"),
        st.tuples(inner, st.sampled_from(["~", "+", "and", "or", "==", "in", "<"]), inner).map(
            lambda three: f"({three[0]}) {three[1]} ({three[2]})"
        ),
        pairs.map(lambda pair: f"[{pair[0]}, {pair[1]}] | join('/')"),
        pairs.map(lambda pair: f"'%s:%s' | format({pair[0]}, {pair[1]})"),
        pairs.map(lambda pair: f"'{{}}{{:>5}}'.format({pair[0]}, {pair[1]})"),
        pairs.map(lambda pair: f"({pair[0]}) if ({pair[1]}) else 'no'"),
        pairs.map(lambda pair: f"({pair[0]}) | default({pair[1]})"),
        st.tuples(inner, NUMBERS, NUMBERS).map(lambda three: f"({three[0]})[{three[1]}:{three[2]}]"),
        st.tuples(inner, NUMBERS).map(lambda pair: f"({pair[0]})[{pair[1]}]"),
        st.tuples(inner, NUMBERS).map(lambda pair: f"({pair[0]}) | truncate({pair[1]} + 5, true)"),
        st.tuples(NUMBERS, st.sampled_from("+-/%"), NUMBERS).map(lambda three: f"({three[0]}) {three[1]} ({three[2]})"),
        st.tuples(NUMBERS, st.sampled_from(["//", "*", "<", ">="]), NUMBERS).map(lambda three: f"({three[0]}) {three[1]} ({three[2]})"),
    )


EXPRESSIONS = st.recursive(TEXTS | NUMBERS, grow, max_leaves=6)


def wrap(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    expression = EXPRESSIONS
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(expression, inner, inner).map(lambda three: f"{{% if {three[0]} %}}{three[1]}{{% else %}}{three[2]}{{% endif %}}"),
        st.tuples(expression, inner).map(lambda pair: f"{{% set x = {pair[0]} %}}{pair[1]}{{{{ x }}}}"),
        st.tuples(expression, inner).map(lambda pair: f"{{% with code = {pair[0]} %}}{pair[1]}{{% endwith %}}"),
        st.tuples(expression, inner).map(
            lambda pair: f"{{% for x in [{pair[0]}, 1] %}}{pair[1]}{{{{ loop.index }}}}{{{{ x }}}}{{% endfor %}}"
        ),
        inner.map(lambda text: f"{{% set y %}}{text}{{% endset %}}{{{{ y | upper }}}}"),
        inner.map(lambda text: f"{{% filter lower %}}{text}{{% endfilter %}}"),
        inner.map(
            lambda text: (
                f"{{% set ns = namespace(n=1) %}}{{% for i in range(3) %}}{{% set ns.n = ns.n + i %}}{text}{{% endfor %}}{{{{ ns.n }}}}"
            )
        ),
    )


TEMPLATES = st.recursive(st.sampled_from(["Hi ", "\n", "%", " € "]) | EXPRESSIONS.map(lambda text: f"{{{{ {text} }}}}"), wrap, max_leaves=4)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(TEMPLATES)
def test_what_jinja_would_send_is_sent(source: str) -> None:
    values: dict[str, Any] = {name: ANNA[place] for name, place in Variables(COLUMNS).places.items()}
    found = outcomes(source, ANNA)
    try:
        expected = JINJA.from_string(source).render(values).strip()
    except (jinja2.TemplateError, SyntaxError, TypeError, ValueError, ArithmeticError, LookupError):
        return  # Where Jinja2 gives up, `truncate` of a number for one, a message may well be more forgiving.
    if found and found[0].reason is None:
        assert found[0].text == expected


def test_most_of_these_templates_are_sent() -> None:
    """Else the test above would show nothing."""
    sent: list[bool] = []

    @settings(max_examples=100, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(TEMPLATES)
    def look(source: str) -> None:
        found = outcomes(source, ANNA)
        sent.append(bool(found) and found[0].reason is None)

    look()
    assert sum(sent) > len(sent) / 4


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(TEMPLATES, st.lists(st.sampled_from(["", "Anna", "12", " ", "ß", "%s", "{}", "-1.5"]), min_size=5, max_size=5))
def test_an_empty_field_is_never_shown(source: str, cells: list[str]) -> None:
    """However the rest of the template fares, one that prints an empty field is not sent."""
    empty = [name for name in NAMES if not cells[Variables(COLUMNS).places[name]].strip()]
    for name in empty:
        for rendered in outcomes(f"{source}{{{{ {name} }}}}", tuple(cells)):
            assert rendered.reason is not None
