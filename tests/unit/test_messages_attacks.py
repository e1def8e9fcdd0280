"""Templates written to take the machine down: refused, in bounded time and memory, for the whole list at once."""

import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, SupportsIndex

import pytest

from campaign.domain.errors import InputError
from campaign.loader.messages import MessageLimits
from tests.unit.messages_given import ANNA, plan, refused, runs_away

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
    "a width": "{{ '%1000000000d' % 1 }}",
    "a precision": "{{ '%.1000000000f' % 1 }}",
    "a width from a value": "{{ '%*d' % (1000000000, 1) }}",
    "a width in braces": "{{ '{:1000000000}'.format(1) }}",
    "a width from a value in braces": "{{ '{:{}}'.format(1, 1000000000) }}",
    "a range": "{% for i in range(1000000000) %}{% endfor %}",
    "a range far away": "{{ range(1000000000, 1000000001) | list | join }}",
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
    "an open quote": '{{ "' + '\\"' * 15_000,
}
CONTAINED = [
    *ENDLESS.values(),
    *TOO_LARGE.values(),
    # Structures that share their parts, and would take for ever to compare.
    "".join(f"{{% set {name} = [1] %}}" + f"{{% set {name} = [{name}, {name}] %}}" * 40 for name in "ab") + "{% if a == b %}{% endif %}",
    "".join(f"{{% set {name} = {{1: 1}} %}}" + f"{{% set {name} = {{1: {name}, 2: {name}}} %}}" * 40 for name in "ab") + "{{ a == b }}",
    "{% set ns = namespace() %}{% set ns.a = ns %}{{ [ns.a] }}",
    LOOP + "{% if 1 in loop %}{% endif %}" + END,
    "{{ 1.5 | round(1000000000) }}{{ 15 | round(-1000000000) }}",
    "{{ '%999999999d' is even }}",
    "{{ '%999999999d' is divisibleby(2) }}",
    "{{ 1000000000 * 'x' }}",
    "{{ 'x' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ ['%999999999d'] | sum }}",
    "{% set ns = namespace(n=2) %}" + LOOP + "{% set ns.n = ns.n * ns.n %}" + END,
]


@pytest.mark.parametrize("template", ENDLESS.values(), ids=ENDLESS.keys())
def test_endless_work_is_refused_at_the_first_row(template: str) -> None:
    before = time.thread_time()
    assert "steps for one row" in runs_away(template)
    assert time.thread_time() - before < 1


@pytest.mark.parametrize("template", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_large_results_are_refused_at_the_first_row_before_they_are_made(template: str) -> None:
    before = time.thread_time()
    problem = runs_away(template)
    assert "steps for one row" not in problem
    assert problem.startswith("Line 1: ")
    assert time.thread_time() - before < 0.5


@pytest.mark.parametrize("template", REFUSED_BEFORE.values(), ids=REFUSED_BEFORE.keys())
def test_what_a_template_may_not_say_is_refused_before_any_row(template: str) -> None:
    before = time.thread_time()
    refused(template)
    assert time.thread_time() - before < 1


def test_the_line_of_the_runaway_loop_is_named() -> None:
    assert runs_away("a\n{{ code }}\n" + LOOP + LOOP + "x" + END + END).startswith("Line 3: It takes more than 500,000 steps")


@pytest.mark.parametrize("name", ["nested loops", "loops that only make lists", "counting in a large text"])
def test_the_clock_stops_what_the_budget_of_work_would_let_go_on(name: str) -> None:
    limits = MessageLimits(work_units=10**12, seconds_per_row=0.1)
    before = time.thread_time()
    assert "It takes more than 0.1 s for one row" in runs_away(ENDLESS[name], limits=limits)
    assert 0.1 <= time.thread_time() - before < 0.6


class SlowCells(tuple[str, ...]):
    """Cells that take their time, but not the processor's."""

    __slots__ = ()
    waited = 0.0

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        began = time.monotonic()
        time.sleep(0.02)
        SlowCells.waited += time.monotonic() - began
        return super().__getitem__(place)


def test_a_sleeping_machine_refuses_no_good_template() -> None:
    limits = MessageLimits(seconds_per_row=0.1)
    template = "{% for i in range(10) %}{% for j in range(1000) %}{% endfor %}{{ first_name }}{% endfor %}"
    assert plan(template, limits=limits).render(SlowCells(ANNA)).text == "Anna" * 10
    assert SlowCells.waited > 0.1


def test_the_budget_is_the_same_in_every_thread_and_for_every_row() -> None:
    template = "{% for i in range(count | int) %}{{ i }}{% endfor %}"
    columns = ("count",)
    limits = MessageLimits(max_length=10**6)

    def last_that_works(_: int) -> int:
        low, high = 0, 10_000
        while high - low > 1:
            middle = (low + high) // 2
            limits = MessageLimits(max_length=10**6, work_units=20_000)
            if plan(template, columns=columns, limits=limits).render([str(middle)]).reason is not None:
                high = middle
            else:
                low = middle
        return low

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(last_that_works, range(8)))
    assert len(found) == 1
    assert 100 < found.pop() < 10_000
    assert len(plan(template, columns=columns, limits=limits).render(["5000"]).text) == 18_890


def test_ordinary_work_is_far_from_the_limits() -> None:
    template = "{% for word in shop.split(' ') %}{{ word | capitalize }}{{ ' ' if not loop.last }}{% endfor %}"
    words = ["word"] * 60
    text = plan(template, limits=MessageLimits(work_units=10_000)).render(("", "", "", " ".join(words), "")).text
    assert text == " ".join(["Word"] * 60)


PROGRAM = """
import json, resource, sys
from campaign.domain.errors import InputError
from tests.unit.messages_given import ANNA, plan

def most_kilobytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

before = most_kilobytes()
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
ended = []
for template in json.load(sys.stdin):
    try:
        ended.append(plan(template).render(ANNA).reason or "sent")
    except InputError:
        ended.append("refused")
print(json.dumps([ended, most_kilobytes() - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory is read from Linux's /proc")
def test_no_attack_takes_much_memory() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        input=json.dumps([*CONTAINED, *REFUSED_BEFORE.values()]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    ended, more_kilobytes = json.loads(run.stdout)
    assert len(ended) == len(CONTAINED) + len(REFUSED_BEFORE)
    assert set(ended[: len(ENDLESS) + len(TOO_LARGE)]) == {"refused"}
    assert "sent" not in ended
    assert more_kilobytes < 40_000


@pytest.mark.parametrize("template", CONTAINED[len(ENDLESS) + len(TOO_LARGE) :])
def test_clever_structures_take_no_time(template: str) -> None:
    before = time.thread_time()
    with contextlib.suppress(InputError):
        assert plan(template).render(ANNA).reason is not None
    assert time.thread_time() - before < 0.5
