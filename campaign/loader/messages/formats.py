"""`"%.2f" % x` and `"{:,.0f}".format(x)`, where neither can reach into a value nor make a text much longer than what goes in."""

import re
from string import Formatter
from typing import Final

from campaign.loader.messages.bounds import MAX_WIDTH, TooMuchError, as_text, check_size

_CONVERSION: Final = re.compile(r"%(?P<how>[^a-zA-Z%]*)(?P<kind>.?)", re.DOTALL)
_KINDS: Final = frozenset("sdifeg%")
_NUMBER: Final = re.compile(r"\d+")
_LONGEST_FLOAT: Final = 310
"""Digits before the point of the largest float."""


def percent(template: str, values: tuple[object, ...]) -> str:
    """`template % values`.

    Raises:
        TooMuchError: a width or precision is given by a value or has more than two digits.
        ValueError: a conversion other than `%s %d %i %f %e %g %%`, or one that names a key.
    """
    size = len(template)
    for found in _CONVERSION.finditer(template):
        if found["kind"] not in _KINDS or "(" in found["how"]:
            raise ValueError("A format may have only %s, %d, %i, %f, %e, %g and %%, without names")
        size += _room(found["how"])
    check_size(size + sum(len(as_text(value)) for value in values))
    return template % values


def braces(template: str, values: tuple[object, ...], named: dict[str, object]) -> str:
    """`template.format(*values, **named)`.

    Raises:
        TooMuchError: a width or precision is given by a value or has more than two digits.
        ValueError: a field that looks inside a value.
    """
    size = len(template)
    numbered = 0
    for _, name, spec, conversion in Formatter().parse(template):
        if name is None:
            continue
        if conversion or not (name.isidentifier() or name.isdecimal() or not name):
            raise ValueError("A format may have only {}, {0} and {name}, each with what follows a colon")
        size += _room(spec or "")
        try:
            size += len(as_text(named[name] if name.isidentifier() else values[int(name or numbered)]))
        except LookupError:
            raise ValueError("A format has more fields than it is given values") from None
        numbered += not name
    check_size(size)
    return template.format(*values, **named)


def _room(spec: str) -> int:
    if "*" in spec or "{" in spec or any(len(number) > len(str(MAX_WIDTH)) for number in _NUMBER.findall(spec)):
        raise TooMuchError(f"A format asks for a width of more than {MAX_WIDTH}.")
    return _LONGEST_FLOAT + 2 * MAX_WIDTH
