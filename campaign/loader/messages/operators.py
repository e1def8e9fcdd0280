"""The arithmetic of a template. Texts are joined by + and formatted by %; everything else is for numbers, so that "5" * 2 is not "55"."""

from collections.abc import Callable
from typing import Final

from campaign.loader.messages.bounds import as_number, check_size
from campaign.loader.messages.formats import percent
from campaign.loader.messages.lacking import field_of, lacking


def add(left: object, right: object) -> object:
    if isinstance(left, str) and isinstance(right, str):
        check_size(len(left) + len(right))
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        check_size(len(left) + len(right))
        return left + right
    return as_number(left) + as_number(right)


def modulo(left: object, right: object) -> object:
    if isinstance(left, str):
        values = right if isinstance(right, tuple) else (right,)
        return lacking(percent(left, values), field_of(*values))
    return as_number(left) % as_number(right)


def positive(value: object) -> object:
    return +as_number(value)


def negative(value: object) -> object:
    return -as_number(value)


OPERATORS: Final[dict[str, Callable[[object, object], object]]] = {
    "+": add,
    "-": lambda left, right: as_number(left) - as_number(right),
    "*": lambda left, right: as_number(left) * as_number(right),
    "/": lambda left, right: as_number(left) / as_number(right),
    "//": lambda left, right: as_number(left) // as_number(right),
    "%": modulo,
}
