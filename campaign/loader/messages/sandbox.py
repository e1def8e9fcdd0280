"""The Jinja2 environment of message templates: what runs when one is rendered, each step paid from the row's budget of work.

No watchdog interrupts a template from outside: a thread can't be stopped inside a C call, and an exception thrown into it from another
thread may arrive after the render is over. Instead nothing unbounded can begin. The grammar has no recursion, so only loops repeat: each
turn is paid for by the size of its body. Every operator, filter and method is a function of this package that refuses a large result
before it is made. Between two payments lies a bounded amount of code, so the budget stops a template in any thread, at the same step on
every machine; the clock is a second line behind it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, SupportsIndex

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing

from campaign.loader.messages.bounds import MAX_CELL, MAX_RANGE, TooMuchError, as_items, measure
from campaign.loader.messages.fields import Fields
from campaign.loader.messages.filters import ABSORBING, FILTERS, TESTS, concat, part
from campaign.loader.messages.lacking import Field, Lacking, LackingText, MissingFieldError, field_of, is_empty, lacking
from campaign.loader.messages.methods import METHODS
from campaign.loader.messages.operators import OPERATORS, negative, positive
from campaign.loader.messages.rendered import MessageLimits

_STEP: Final = 5
"""What an operation costs besides the size of what it works on and makes: about as long as five characters take."""
_BETWEEN_LOOKS: Final = 2_000
"""Units of work, well under a millisecond each thousand, between two looks at the clock."""


_ASKING: Final = frozenset({"defined", "undefined", "none"})
"""Tests that may be asked of anything, and cost nothing."""


class LongCellError(Exception):
    """A cell that is longer than a template works on."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the names in one template stand for.

    Attributes:
        places: the column of each variable, counted from 0.
        empty: for each column, what stands for its empty cell.
        others: the functions, and what stands for each variable that no column goes by but that the template excuses.
    """

    places: Mapping[str, int]
    empty: Sequence[LackingText]
    others: Mapping[str, object]

    @classmethod
    def of(cls, fields: Fields, excused: Iterable[str]) -> "Names":
        own = {place: name for name, place in reversed(list(fields.places.items()))}
        return cls(
            places=fields.places,
            empty=[LackingText("", Field(name=own[place], column=column)) for place, column in enumerate(fields.columns)],
            others={**_FUNCTIONS, **{name: LackingText("", Field(name=name, column=None)) for name in excused}},
        )


class RowContext(Context):
    """One row to a template: its variables and its budget, without what Jinja2's own sets up for inheritance, which costs more."""

    def __init__(self, cells: Sequence[str], names: Names, limits: MessageLimits) -> None:
        self.vars: dict[str, Any] = {}
        self.exported_vars: set[str] = set()
        self.parent = {}
        self.environment = ENVIRONMENT
        self.eval_ctx = _EVAL_CONTEXT
        self.name = None
        self.blocks = {}
        self.cells = cells
        self.names = names
        self.limits = limits
        self.left = limits.work_units
        self.look_at = self.left - _BETWEEN_LOOKS
        self.began = -1.0

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        place = self.names.places.get(key)
        if place is None:
            return self.names.others.get(key, missing)
        cell = self.cells[place]
        if len(cell) > MAX_CELL:
            raise LongCellError(place)
        return self.names.empty[place] if is_empty(cell) else cell

    def spend(self, units: int) -> None:
        """Raises TooMuchError when the row has used up its work or its time."""
        self.left -= units
        if self.left < self.look_at:
            self._look()

    def _look(self) -> None:
        if self.left < 0:
            raise TooMuchError(f"It takes more than {self.limits.work_units:,} steps for one row.")
        now = time.thread_time()
        if self.began < 0:
            self.began = now
        elif now - self.began > self.limits.seconds_per_row:
            raise TooMuchError(f"It takes more than {self.limits.seconds_per_row:g} s for one row.")
        self.look_at = self.left - _BETWEEN_LOOKS


@pass_context
def finalize(context: RowContext, value: object) -> object:
    """What `{{ }}` writes for a value."""
    if type(value) is str:
        context.spend(len(value))
        return value
    if isinstance(value, Lacking):
        raise MissingFieldError(value.field)
    context.spend(_STEP + measure(value))
    if isinstance(value, int | float | Undefined):
        return str(value)
    raise TypeError(f"{{{{ }}}} gives a {type(value).__name__}, not a text; a list is written with | join(', ')")


def _guarded(function: Callable[..., object], *, absorbs: bool) -> Callable[..., object]:
    @pass_context
    def guarded(context: RowContext, *args: object, **named: object) -> object:
        context.spend(_STEP + sum(map(measure, args)) + sum(map(measure, named.values())))
        result = function(*args, **named)
        context.spend(measure(result))
        return result if absorbs else lacking(result, field_of(*args, *named.values()))

    return guarded


@pass_context
def _turns(context: RowContext, value: object, cost: int) -> Iterator[object]:
    """The items a loop goes through, each paid for by the size of the loop's body."""
    context.spend(_STEP + measure(value))
    for item in as_items(value):
        context.spend(cost)
        yield item


@pass_context
def _mapped(context: RowContext, value: object, name: str, *args: object) -> object:
    result = [ENVIRONMENT.filters[name](context, item, *args) for item in as_items(value)]
    context.spend(_STEP + measure(result))
    return result


@pass_context
def _paid(context: RowContext, value: object) -> object:
    """A list that a template has just built, or a text that it is about to search."""
    context.spend(_STEP + measure(value))
    return value


def _range(*args: SupportsIndex) -> range:
    numbers = range(*args)
    if not -MAX_RANGE <= numbers.start <= MAX_RANGE or not -MAX_RANGE <= numbers.stop <= MAX_RANGE:
        raise TooMuchError(f"range() goes beyond {MAX_RANGE:,}.")
    return numbers


_OPERATORS: Final = {sign: _guarded(function, absorbs=False) for sign, function in OPERATORS.items()}
_SIGNS: Final = {"+": _guarded(positive, absorbs=False), "-": _guarded(negative, absorbs=False)}


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 with only the filters, tests and operators of this package, and no attributes but those of `loop` and `namespace()`."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self) -> None:
        # Folding constants would compute them while compiling, outside any budget. A message is plain text, so nothing is escaped.
        super().__init__(undefined=StrictUndefined, finalize=finalize, optimized=False, autoescape=False, cache_size=0)
        self.globals = {}
        functions: dict[str, Callable[..., object]] = {
            **FILTERS,
            **{f".{name}": method for name, method in METHODS.items()},
            "~": concat,
            "[:]": part,
        }
        self.filters = {name: _guarded(function, absorbs=name in ABSORBING) for name, function in functions.items()}
        self.filters |= {"map": _mapped, "for": _turns, "[]": _paid, "in": _paid}
        self.tests = {name: function if name in _ASKING else _guarded(function, absorbs=True) for name, function in TESTS.items()}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return _OPERATORS[operator](context, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        return _SIGNS[operator](context, arg)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if not isinstance(obj, LoopContext | Namespace):
            raise TypeError(f"There is no .{attribute} here")
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Lacking):
            return obj
        if isinstance(obj, Undefined) or not isinstance(obj, str | list | tuple | dict | range):
            raise TypeError("Only a text, a list or a dictionary has [ ]")
        try:
            return obj[argument]
        except LookupError:
            return argument if isinstance(argument, Lacking) else self.undefined(f"It has no part [{argument}]")


ENVIRONMENT: Final = MessageEnvironment()
_EVAL_CONTEXT: Final = EvalContext(ENVIRONMENT)
_FUNCTIONS: Final = {"range": _range, "namespace": Namespace}
