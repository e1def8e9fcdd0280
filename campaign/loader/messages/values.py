"""What a template computes with: texts, numbers and flat lists, how large they may get, and values that come from an empty field.

An empty field behaves as the empty text does, in tests too, but must not reach a message. What is computed from one is empty again, so
that `{{ first_name | title }}` and `{{ points | int * 2 }}` are as invalid for an empty field as the field itself. `default` ends it.
"""

import threading
from dataclasses import dataclass
from typing import Final, NoReturn

from campaign.loader.messages.result import MAX_TEXT, is_empty
from campaign.loader.names import shown

MAX_NUMBER: Final = 10**18
_MAX_DEPTH: Final = 2
_PLAIN: Final = frozenset({str, int, bool})


class TooMuchError(Exception):
    """A template that asks for more than any message needs. `line` is added where it is known."""

    line = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where an empty value comes from: a column; a variable that no column goes by (`column` is None); or a part that something lacks."""

    name: str
    column: str | None = None
    lacks: str = ""


class Empty:
    """The base of values that come from an empty field."""

    field: Field


class _EmptyText(Empty, str):  # noqa: SLOT000 - its base has none
    pass


class _EmptyInt(Empty, int):
    pass


class _EmptyFloat(Empty, float):
    pass


class Boxed:
    """A value inside a template that minijinja would turn into another: an empty one into a text, 1.0 into 1."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        """What minijinja prints. It ignores errors here, so an empty field is only taken note of."""
        if isinstance(self.value, Empty):
            BUDGET.printed = BUDGET.printed or self.value.field
        return str(self.value)


def marked(value: object, field: Field | None) -> object:
    """The value with the empty field it was computed from; truth values stay as they are: they were only tested."""
    made: _EmptyText | _EmptyInt | _EmptyFloat
    if field is None or isinstance(value, bool):
        return value
    match value:
        case str():
            made = _EmptyText(value)
        case int():
            made = _EmptyInt(value)
        case float():
            made = _EmptyFloat(value)
        case list() | tuple():
            return [marked(item, field) for item in value]
        case _:
            return value
    made.field = field
    return made


def field_of(*values: object) -> Field | None:
    """The empty field that the first of the marked values comes from."""
    return next((value.field for value in values if isinstance(value, Empty)), None)


def boxed(value: object) -> object:
    """A value for minijinja."""
    if type(value) in _PLAIN:
        return value
    match value:
        case Empty() | float():
            return Boxed(value)
        case list() | tuple():
            return type(value)(map(boxed, value))
        case dict():
            return {key: boxed(item) for key, item in value.items()}
        case _:
            return value


def unboxed(value: object) -> object:
    """A value from minijinja."""
    if type(value) in _PLAIN:
        return value
    match value:
        case Boxed():
            return value.value
        case list() | tuple():
            return type(value)(map(unboxed, value))
        case dict():
            return {unboxed(key): unboxed(item) for key, item in value.items()}
        case _:
            return value


def is_blank(value: object) -> bool:
    """Whether `default` takes the place of a value. None is also what a variable is that was never set."""
    return value is None or isinstance(value, Empty) or (isinstance(value, str) and is_empty(value))


class Budget(threading.local):
    """The work that is left for the row that this thread renders, and the empty field that was printed, if one was."""

    units = 0
    left = 0
    printed: Field | None = None

    def begin(self, units: int) -> None:
        self.units = self.left = units
        self.printed = None

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            self.exhaust()

    def exhaust(self, line: int = 0) -> NoReturn:
        self.left = 0
        error = TooMuchError(f"It takes more than {self.units:,} steps for one row.")
        error.line = line
        raise error


BUDGET: Final = Budget()


def check_size(characters: int) -> None:
    """Raises TooMuchError for a text that is about to be made."""
    if characters > MAX_TEXT:
        raise TooMuchError(f"It makes a text or a list of {characters:,} characters.")


def measure(value: object, depth: int = 0) -> int:
    """What a value weighs in characters and items.

    Raises:
        TooMuchError: it is larger than any message needs.
        OverflowError: a number of more than 18 digits.
        TypeError: it is nothing that a template may work on, or nested so deeply that comparing it could take for ever.
    """
    weight = 1
    match value:
        case str() | range():
            weight = len(value)
        case int() if not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise OverflowError("A number has more than 18 digits")
        case None | int() | float():
            pass
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
    """A single value as the message would show it."""
    if isinstance(value, str | int | float):
        return value if isinstance(value, str) else str(value)
    raise TypeError(f"{_named(value)} is not a text")


def as_number(value: object) -> int | float:
    if isinstance(value, int | float):
        return value
    raise TypeError(f"{_named(value)} is not a number; every column is text, so write | int or | float after it")


def as_items(value: object) -> list[object]:
    if isinstance(value, str | list | tuple | dict | range):
        return list(value)
    raise TypeError(f"{_named(value)} is not a list")


def _named(value: object) -> str:
    if value is None:
        return "A value that is not set"
    return f"“{shown(value)}”" if isinstance(value, str) else f"a {type(value).__name__}"
