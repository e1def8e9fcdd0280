"""Values of a template: their limits, the mark of those that come from an empty field, and the work that a row may cost."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn

from campaign.domain.text.lines import shown
from campaign.loader.messages.result import MAX_TEXT, is_empty

MAX_NUMBER: Final = 10**18
_MAX_DEPTH: Final = 2


class FailedError(Exception):
    """An operation of the template can't use a row's values, or would print the value of `field`, which is empty."""

    def __init__(self, problem: str, line: int = 0, field: "Field | None" = None) -> None:
        super().__init__(problem)
        self.line = line
        self.field = field


class TooMuchError(FailedError):
    """A template needs more work or memory than any message should."""


class Field(NamedTuple):
    """Where an empty value comes from: a column, a variable without a column (`column` is None), or a missing part (`lacks` says which)."""

    name: str
    column: str | None = None
    lacks: str = ""


class Empty:
    """The base of values that come from an empty field."""

    field: Field


EMPTY: Final[dict[type, Any]] = {kind: type(f"Empty{kind.__name__}", (Empty, kind), {}) for kind in (str, int, float)}


def marked(value: object, field: Field | None) -> object:
    """The value, marked with the empty field that it was computed from. Booleans stay unmarked, because they only test a value."""
    if field is None:
        return value
    if isinstance(value, list | tuple):
        return [marked(item, field) for item in value]
    if type(value) not in EMPTY:
        return value
    made = EMPTY[type(value)](value)
    made.field = field
    return made


def field_of(values: Sequence[object]) -> Field | None:
    """The empty field of the first marked value; None if no value is marked."""
    return next((value.field for value in values if isinstance(value, Empty)), None)


@dataclass(slots=True, eq=False)
class Boxed:
    """Wraps a value that minijinja would change: an empty value into a text or a number, 1.0 into 1, the items of a tuple likewise."""

    value: object

    def __bool__(self) -> bool:
        return bool(self.value)


_UNCHANGED: Final = frozenset({str, int, bool, type(None), list, dict, range})


def boxed(value: object) -> object:
    return value if type(value) in _UNCHANGED else Boxed(value)


def unboxed(value: object) -> object:
    return value.value if type(value) is Boxed else value


def is_blank(value: object) -> bool:
    """Whether `default` replaces a value. A variable that was never set is None."""
    return value is None or isinstance(value, Empty) or (isinstance(value, str) and is_empty(value))


class Budget(threading.local):
    """The remaining work units for the row that this thread renders."""

    units = 0
    left = 0

    def begin(self, units: int) -> None:
        self.units = self.left = units

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            self.exhaust()

    def exhaust(self, line: int = 0) -> NoReturn:
        self.left = 0
        raise TooMuchError(f"It takes more than {self.units:,} steps for one row.", line)


BUDGET: Final = Budget()


def check_size(characters: int) -> None:
    """Raises TooMuchError if a text or list of this size, which is about to be made, exceeds `MAX_TEXT`."""
    if characters > MAX_TEXT:
        raise TooMuchError(f"It makes a text or a list of {characters:,} characters.")


def measure(value: object, depth: int = 0) -> int:
    """The size of a value in characters and items.

    Raises:
        TooMuchError: the value is larger than any message needs.
        OverflowError: a number has more than 18 digits.
        TypeError: a template may not use a value of this type, or the value is nested so deeply that comparing it could take for ever.
    """
    if type(value) is str and len(value) <= MAX_TEXT:
        return len(value)  # nearly all are
    weight = 1
    match value:
        case str() | range():
            weight = len(value)
        case int() if not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise OverflowError("A number has more than 18 digits")
        case None | int() | float():
            return 1
        case Boxed(value=inner):
            return measure(inner, depth)
        case list() | tuple() | dict() if depth < _MAX_DEPTH:
            check_size(len(value))
            for item in [*value, *value.values()] if isinstance(value, dict) else value:
                weight += 1 + measure(item, depth + 1)
                check_size(weight)
        case list() | tuple() | dict():
            raise TypeError("Lists may not be nested more than two deep")
        case _:
            raise TypeError(f"A {type(value).__name__} can't be used in an expression")
    check_size(weight)
    return weight


def as_text(value: object) -> str:
    """A text or number as the message shows it. Raises TypeError for any other value."""
    return value if isinstance(value, str) else str(_only(value, (int, float), "a text"))


def as_number(value: object) -> int | float:
    number: int | float = _only(value, (int, float), "a number; every column is text, so write | int or | float after it")
    return number


def as_items(value: object) -> list[object]:
    return list(_only(value, (str, list, tuple, dict, range), "a list"))


def _only(value: object, kinds: tuple[type, ...], what: str) -> Any:
    if isinstance(value, kinds):
        return value
    named = "A value that is not set" if value is None else f"“{shown(value)}”" if isinstance(value, str) else f"a {type(value).__name__}"
    raise TypeError(f"{named} is not {what}")
