"""How large anything in a template may get. Sizes are checked before a value is made wherever making it could be the harm."""

from typing import Final

from jinja2 import Undefined

from campaign.loader.names import shown

MAX_TEXT: Final = 65_536
"""Characters of any text, or items of any list, on the way to a message."""

MAX_CELL: Final = 4_096
"""Characters of a cell that a template works on. Far below `MAX_TEXT`, so that data alone never makes a template run away."""

MAX_NUMBER: Final = 10**18
MAX_RANGE: Final = 10_000
MAX_WIDTH: Final = 99
"""Of a number or a padding in a format."""

_MAX_DEPTH = 2


class TooMuchError(Exception):
    """A template that asks for more than any message needs; every row would suffer from it."""


def check_size(characters: int) -> None:
    """Raises TooMuchError for a text that is about to be made."""
    if characters > MAX_TEXT:
        raise TooMuchError(f"It makes a text of {characters:,} characters.")


def measure(value: object, depth: int = 0) -> int:
    """What a value weighs in characters and items.

    Raises:
        TooMuchError: it is larger than any message needs.
        OverflowError: a number of more than 18 digits.
        TypeError: it is nothing that a template may work on, or nested so deeply that comparing it could take for ever.
    """
    match value:
        case str() | range():
            weight = len(value)
        case int() if not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise OverflowError("A number has more than 18 digits")
        case None | int() | float() | Undefined():
            weight = 1
        case list() | tuple() | dict():
            weight = _measure_items(value, depth)
        case _:
            raise TypeError(f"A {type(value).__name__} can't be used in an expression")
    if weight > MAX_TEXT:
        raise TooMuchError(f"It makes a text or a list of more than {MAX_TEXT:,} characters.")
    return weight


def _measure_items(value: list[object] | tuple[object, ...] | dict[object, object], depth: int) -> int:
    if depth == _MAX_DEPTH:
        raise TypeError("Lists may not be nested more than two deep")
    weight = 0
    for item in [*value, *value.values()] if isinstance(value, dict) else value:
        weight += 1 + measure(item, depth + 1)
        if weight > MAX_TEXT:
            break
    return weight


def as_text(value: object) -> str:
    """A single value as the message would show it."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | Undefined):
        return str(value)
    raise TypeError(f"{_named(value)} is not a text")


def as_number(value: object) -> int | float:
    if isinstance(value, int | float):
        return value
    raise TypeError(f"{_named(value)} is not a number; every column is text, so write | int or | float after it")


def as_items(value: object) -> list[object]:
    if isinstance(value, str | list | tuple | dict | range | Undefined):
        return list(value)
    raise TypeError(f"{_named(value)} is not a list")


def _named(value: object) -> str:
    if isinstance(value, str):
        return f"“{shown(value)}”"
    return {"NoneType": "“none”", "dict": "a dictionary", "tuple": "a list"}.get(type(value).__name__, f"a {type(value).__name__}")
