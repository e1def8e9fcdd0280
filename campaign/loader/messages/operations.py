"""The operations of a template that minijinja has not, or without a bound on what they make.

Each takes the line of the template after its value, for what it raises.
"""

from collections.abc import Callable
from typing import Final

from campaign.loader.columns import shown

MAX_TEXT: Final = 8_192
"""Characters of any text while a message is made."""
MAX_NUMBER: Final = 10**18
NOT_SET: Final = "A variable is used that is not set for this row, or a part that a text lacks"
_ABSENT: Final = object()


class MissingFieldError(Exception):
    """An empty value is used; `field` is its place among the template's fields."""

    def __init__(self, field: int) -> None:
        super().__init__(field)
        self.field = field


class FailedError(Exception):
    """A row's values don't suit an operation of its template."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


class TooMuchError(FailedError):
    """A row asks for more than any message needs."""


def _need(value: str, field: int) -> str:
    if not value:
        raise MissingFieldError(field)
    return value


def _bounded(text: str, line: int) -> str:
    if len(text) > MAX_TEXT:
        raise TooMuchError(line, f"It makes a text of {len(text):,} characters")
    return text


def _concat(value: object, line: int, *others: object) -> str:
    return _bounded("".join(map(str, (value, *others))), line)


def _join(items: list[object], line: int, separator: str = "") -> str:
    texts = list(map(str, items))
    if (length := sum(map(len, texts)) + len(separator) * len(texts)) > MAX_TEXT:
        raise TooMuchError(line, f"It makes a text of {length:,} characters")
    return separator.join(texts)


def _replace(text: str, line: int, old: str, new: str) -> str:
    if (length := len(text) + text.count(old) * len(new)) > MAX_TEXT:
        raise TooMuchError(line, f"It makes a text of up to {length:,} characters")
    return text.replace(old, new)


def _format(template: str, line: int, *values: object) -> str:
    try:
        return _bounded(template % values, line)
    except (TypeError, ValueError) as error:
        raise FailedError(line, f"“{shown(template)}” can't be filled in: {error}") from None


def _number_by(convert: Callable[[str], float]) -> Callable[..., object]:
    def to_number(value: object, line: int, default: object = _ABSENT) -> object:
        text = str(value).strip()
        if not text:
            # In a condition; where it is printed an empty field has no number.
            return 0 if default is _ABSENT else default
        try:
            number = convert(text)
        except (ValueError, OverflowError):
            number = MAX_NUMBER + 1
        if -MAX_NUMBER <= number <= MAX_NUMBER:
            return number
        if default is not _ABSENT:
            return default
        raise FailedError(line, f"“{shown(text)}” is not a number; write | int(0) to take it for 0")

    return to_number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _set(function: Callable[..., object]) -> Callable[..., object]:
    """The function, for values of which none is a part that a text lacks, or a variable that is not set for a row."""

    def call(value: object, line: int, *args: object) -> object:
        if value is None or None in args or (isinstance(value, list) and None in value):
            raise FailedError(line, NOT_SET)
        return function(value, line, *args)

    return call


_BOUNDED: Final[dict[str, Callable[..., object]]] = {
    "concat": _concat,
    "float": _number_by(float),
    "format": _format,
    "int": _number_by(_whole),
    "join": _join,
    "length": lambda value, _: len(value),
    "replace": _replace,
    "slice": lambda value, _, start, stop: value[int(start) : int(stop)],
}
OPERATIONS: Final = {"need": _need, **{name: _set(function) for name, function in _BOUNDED.items()}}
