"""Templates written to take the machine down: refused, in bounded time and memory, for the whole list at once."""

import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from campaign.domain.errors import InputError
from campaign.domain.model import Invalid
from tests.examples import slow_after
from tests.unit.messages_given import ANNA, HANG_SECONDS, plan, refused, refused_at

DOUBLING = "{{% set ns = namespace(a='xx') %}}{{% for i in range(60) %}}{{% set ns.a = {} %}}{{% endfor %}}"
LOOP = "{% for i in range(10000) %}"
END = "{% endfor %}"
BIG = "{% set ns = namespace(a='0123456789abcdef') %}{% for i in range(11) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}"

ENDLESS = {
    "nested loops": (LOOP * 3 + "x" + END * 3),
    "nested loops that write nothing": (LOOP * 4 + END * 4),
    "loops over a loop": LOOP + "{{ loop.length }}{% for j in range(10000) %}{{ loop.last }}{% endfor %}" + END,
    "loops that are filtered": "{% for i in range(10000) if i < 0 %}{% endfor %}" * 100,
    "loops that only make lists": LOOP + "{% set a = range(10000) | list %}" + END,
    "loops that only sort": LOOP + "{% set a = range(10000) | sort | unique | reverse %}" + END,
    "a test in a loop": LOOP + "{% if i in range(10000) | list %}{% endif %}" + END,
    "text in a loop in a set": "{% set x %}" + LOOP + "y" * 20_000 + END + "{% endset %}",
    "text in a loop in a filter": "{% filter upper %}" + LOOP + "y" * 20_000 + END + "{% endfilter %}",
    "fields in a loop": LOOP + "{{ first_name }}" * 9 + END,
    "formats in a loop": LOOP + "{% set x = '%99d' % i %}{% set x = '{:99}'.format(i) %}" + END,
    "many formats": LOOP + "{% set x = i | string | upper | replace('1', '22') | center(99) | title | truncate(9) | urlencode %}" + END,
    "searching a large text": BIG + "{% set part = ns.a[:16000] ~ 'x' %}" + "{% if part in ns.a %}{% endif %}" * 900,
    "searching a large text by a test": BIG + "{% if 'x' is in(ns.a) %}{% endif %}" * 500,
    "counting in a large text": BIG + LOOP + "{% if ns.a.count('f0123') %}{% endif %}" + END,
}
TOO_LARGE = {
    "concatenation": DOUBLING.format("ns.a ~ ns.a"),
    "addition": DOUBLING.format("ns.a + ns.a"),
    "join": DOUBLING.format("[ns.a, ns.a] | join"),
    "join with": DOUBLING.format("['', '', ''] | join(ns.a)"),
    "join as a method": DOUBLING.format("ns.a.join(['', '', ''])"),
    "format": DOUBLING.format("'%s%s' | format(ns.a, ns.a)"),
    "percent": DOUBLING.format("'%s%s' % (ns.a, ns.a)"),
    "braces": DOUBLING.format("'{0}{0}'.format(ns.a)"),
    "named braces": DOUBLING.format("'{x}{x}'.format(x=ns.a)"),
    "replace": DOUBLING.format("ns.a | replace('x', 'xx')"),
    "replace nothing": DOUBLING.format("ns.a | replace('', ns.a)"),
    "replace as a method": DOUBLING.format("ns.a.replace('x', 'xx')"),
    "replace nothing at once": BIG + "{{ ns.a | replace('', ns.a) }}",
    "join at once": BIG + "{{ range(9999) | join(ns.a) }}",
    "lists": DOUBLING.replace("'xx'", "[1]").format("ns.a + ns.a"),
    "center": "{{ 'x' | center(1000000000) }}",
    "methods that pad": "{{ 'x'.ljust(1000000000) }}",
    "zfill": "{{ 'x'.zfill(1000000000) }}",
    "a range": "{% for i in range(1000000000) %}{% endfor %}",
    "a range far away": "{{ range(1000000000, 1000000001) | list | join }}",
    "a list of large texts": BIG + "{{ range(9999) | map('center', 65536) | join }}",
    "a list of large texts by their letters": BIG + "{{ ns.a | map('replace', '', ns.a) | join }}",
}
REFUSED_BEFORE = {
    "power": "{{ 10 ** 10 ** 10 }}",
    "lipsum": "{{ lipsum(100000) }}",
    "indent": "{{ 'x' | indent(1000000000) }}",
    "wordwrap": "{{ 'x' | wordwrap(1, wrapstring='x' ) }}",
    "batch": "{{ [1] | batch(1000000000, 1) | list }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a recursive loop": "{% for x in [[1]] recursive %}{{ loop(x) }}{% endfor %}",
    "attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attributes by filter": "{{ '' | attr('__class__') }}",
    "attributes of functions": "{{ range.__init__ }}",
    "attributes of namespaces": "{% set ns = namespace() %}{{ ns.__class__ }}",
    "attributes of loops": "{% for i in [1] %}{{ loop.__init__ }}{% endfor %}",
    "a recursive call of a loop": "{% for i in [1] %}{{ loop([1]) }}{% endfor %}",
    "the template itself": "{{ self._TemplateReference__context }}",
    "files": "{% include '/etc/passwd' %}",
    "deep brackets": "{{ " + "(" * 10_000 + "1" + ")" * 10_000 + " }}",
    "deep lists": "{{ " + "[" * 10_000 + " }}",
    "many nots": "{{ " + "not " * 6_000 + "1 }}",
    "many signs": "{{ " + "-" * 20_000 + "1 }}",
    "a long sum": "{{ " + "1+" * 10_000 + "1 }}",
    "a long chain of filters": "{{ 1" + "|abs" * 5_000 + " }}",
    "deep ifs": "{% if 1 %}" * 1_500 + "{% endif %}" * 1_500,
    "deep loops": LOOP * 12 + END * 12,
    "a number of many digits": "{{ " + "9" * 20_000 + " }}",
    "a number of some digits": "{{ " + "9" * 4_000 + " }}",
    "an infinite number": "{{ 1e999 }}",
    "open braces": "{{" * 15_000,
    "open tags": "{%" * 15_000,
    "open comments": "{#" * 15_000,
    "blanks in a print": "{{" + " " * 30_000,
    "blanks in prints": "{{ " * 10_000 + "}",
    "a long alternative": "{{ 1" + " or 1" * 6_000 + " }}",
    "a long condition": "{{ 1" + " if 1 else 1" * 2_500 + " }}",
    "a long chain of methods": "{{ 'a'" + ".upper()" * 4_000 + " }}",
    "a long chain of parts": "{{ 'a'" + "[0]" * 10_000 + " }}",
    "a long chain of tests": "{{ 1" + " is odd" * 4_000 + " }}",
    "many branches": "{% if 0 %}" + "{% elif 0 %}x" * 2_400 + "{% endif %}",
    "a namespace in itself": "{% set ns = namespace() %}{% set ns.a = ns %}",
    "an open quote": '{{ "' + '\\"' * 15_000,
}
CONTAINED = [
    *ENDLESS.values(),
    *TOO_LARGE.values(),
    # Structures that share their parts, and would take for ever to compare.
    "".join(f"{{% set {name} = [1] %}}" + f"{{% set {name} = [{name}, {name}] %}}" * 40 for name in "ab") + "{% if a == b %}{% endif %}",
    "".join(f"{{% set {name} = {{1: 1}} %}}" + f"{{% set {name} = {{1: {name}, 2: {name}}} %}}" * 40 for name in "ab") + "{{ a == b }}",
    "{{ 1.5 | round(1000000000) }}{{ 15 | round(-1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%.1000000000f' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '{:{}}'.format(1, 1000000000) }}",
    "{{ '{:>9{0}9}'.format('999') }}",
    "{{ '%s%s' % (('%99d' * 2), 1) }}",
    "{{ '%999999999d' is even }}",
    "{{ '%999999999d' is divisibleby(2) }}",
    "{{ 1000000000 * 'x' }}",
    "{{ 'x' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ ['%999999999d'] | sum }}",
    "{% set ns = namespace(n=2) %}" + LOOP + "{% set ns.n = ns.n * ns.n %}" + END,
]


@pytest.mark.parametrize("template", [*ENDLESS.values(), *TOO_LARGE.values()], ids=[*ENDLESS, *TOO_LARGE])
def test_what_asks_for_too_much_is_refused_before_any_row_and_before_it_is_made(template: str) -> None:
    before = time.thread_time()
    assert refused_at(template) == (1, None)
    assert time.thread_time() - before < HANG_SECONDS


@pytest.mark.parametrize("template", REFUSED_BEFORE.values(), ids=REFUSED_BEFORE.keys())
def test_what_a_template_may_not_say_is_refused_before_any_row(template: str) -> None:
    before = time.thread_time()
    refused(template)
    assert time.thread_time() - before < HANG_SECONDS


def test_the_line_of_the_runaway_loop_is_named() -> None:
    assert refused_at("a\n{{ code }}\n" + LOOP + LOOP + "x" + END + END) == (3, None)


@pytest.mark.parametrize("template", [*ENDLESS.values(), *TOO_LARGE.values()], ids=[*ENDLESS, *TOO_LARGE])
def test_a_row_that_runs_away_takes_little_time(template: str) -> None:
    """In a branch that only this row takes, so that it has the whole budget."""
    messages = plan("{% if code == 'X1' %}" + template + "{% endif %}Hi")
    before = time.thread_time()
    assert messages.render(ANNA).reason is Invalid.TEMPLATE_FAILED
    assert time.thread_time() - before < HANG_SECONDS
    assert messages.render(("p2", "", "X2", "", "")).text == "Hi"


def test_the_budget_is_the_same_in_every_thread_and_for_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{% for i in range(count | int) %}{{ i }}{% endfor %}"
    columns = ("count",)
    assert len(plan(template, columns=columns, max_length=10**6).render(["5000"]).text) == 18_890
    monkeypatch.setattr("campaign.loader.messages.template.WORK_UNITS", 20_000)

    def last_that_works(_: int) -> int:
        low, high = 0, 10_000
        while high - low > 1:
            middle = (low + high) // 2
            if plan(template, columns=columns, max_length=10**6).render([str(middle)]).reason is not None:
                high = middle
            else:
                low = middle
        return low

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(last_that_works, range(8)))
    assert len(found) == 1
    assert 100 < found.pop() < 10_000


def test_ordinary_work_is_far_from_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.loader.messages.template.WORK_UNITS", 10_000)
    template = "{% for word in shop.split(' ') %}{{ word | capitalize }}{{ ' ' if not loop.last }}{% endfor %}"
    words = ["word"] * 60
    text = plan(template).render(("", "", "", " ".join(words), "")).text
    assert text == " ".join(["Word"] * 60)


PROGRAM = """
import json, resource, sys, threading
from campaign.domain.errors import InputError
from tests.unit.messages_given import ANNA, plan

def most_kilobytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def run():
    for template in json.load(sys.stdin):
        try:
            ended.append(plan(template).render(ANNA).reason or "sent")
        except InputError:
            ended.append("refused")

ended = []
before = most_kilobytes()
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
# As other systems give a thread. From 3.12 on CPython itself needs more to free what a parser made of a long sum.
threading.stack_size((512 if sys.version_info < (3, 12) else 4096) * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
print(json.dumps([ended, most_kilobytes() - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory is read from Linux's /proc")
def test_no_attack_takes_much_memory_or_stack() -> None:
    in_a_branch = [f"{{% if code == 'X1' %}}{template}{{% endif %}}" for template in (*ENDLESS.values(), *TOO_LARGE.values())]
    given = [*CONTAINED, *REFUSED_BEFORE.values(), *in_a_branch]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    ended, more_kilobytes = json.loads(run.stdout)
    assert len(ended) == len(given)
    assert set(ended[: len(ENDLESS) + len(TOO_LARGE)]) == {"refused"}
    assert "sent" not in ended
    assert more_kilobytes < 40_000


@pytest.mark.parametrize("template", CONTAINED[len(ENDLESS) + len(TOO_LARGE) :])
def test_clever_structures_take_no_time(template: str) -> None:
    before = time.thread_time()
    with contextlib.suppress(InputError):
        assert plan(template).render(ANNA).reason is not None
    assert time.thread_time() - before < HANG_SECONDS


@pytest.mark.parametrize(
    ("opens", "closes"),
    slow_after(4, [("(", ")"), ("[", "]"), ("-", ""), ("f(", ")"), ("{1: ", "}"), ("not ", ""), ("1 + ", ""), ("1 ~ ", "")], unpack=True),
)
def test_a_source_nested_too_deeply_for_any_parser_is_refused(opens: str, closes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its length is no bound: minijinja itself would overflow the stack."""
    monkeypatch.setattr("campaign.loader.messages.resolve.MAX_SOURCE", 10**7)
    refused("{{ " + opens * 100_000 + "1" + closes * 100_000 + " }}")


def test_attributes_of_python_objects_are_out_of_reach() -> None:
    for value in (
        "code",
        "code.split(' ')",
        "[code]",
        "(1, 2)",
        "{'a': 1}",
        "range(3)",
        "code | default('x')",
        "none",
        "1.5",
        "first_name",
    ):
        for attribute in ("__class__", "append", "keys", "items", "value", "field", "real", "start"):
            refused(f"{{{{ ({value}).{attribute} }}}}")
            refused(f"{{{{ ({value}).{attribute}() }}}}")
            assert plan(f"{{{{ ({value})['{attribute}'] }}}}").render(("", "", "", "", "")).reason is not None
        for written in (
            f"{{% set ns = namespace(a={value}) %}}{{{{ ns.a.append }}}}",
            f"{{% for i in [{value}] %}}{{{{ i.value }}}}{{% endfor %}}",
        ):
            refused(written)
