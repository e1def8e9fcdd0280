"""The filters, tests, methods and operators of a template, as functions on texts, numbers and flat lists.

They are Jinja2's, with three differences: `default` also replaces an empty field; `int` and `float` refuse a text that is no number instead
of returning 0; and what a short plain text doesn't need is missing. minijinja only decides which of them run, because it compares texts
with numbers and doesn't limit the size of a text.
"""

import operator
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import jinja2
from jinja2.filters import do_round, do_sort, do_title, do_truncate, do_unique, do_urlencode, do_wordcount

from campaign.domain.text.lines import shown
from campaign.loader.messages.values import (
    BUDGET,
    MAX_NUMBER,
    Empty,
    FailedError,
    Field,
    TooMuchError,
    as_items,
    as_number,
    as_text,
    boxed,
    check_size,
    field_of,
    is_blank,
    marked,
    measure,
    unboxed,
)

_MAX_RANGE: Final = 10_000
_MAX_PRECISION: Final = 10
_STEP: Final = 5
"""The fixed cost of an operation, besides the size of its arguments and its result: about the time of five characters."""

_JINJA: Final = jinja2.Environment(autoescape=False)  # noqa: S701 - it renders nothing
Function = Callable[..., Any]


def _of(convert: Callable[[Any], Any], functions: dict[str, Callable[[Any], object]]) -> dict[str, Function]:
    """Functions of one value, for values of any kind that can be converted."""

    def of(function: Callable[[Any], object]) -> Function:
        return lambda value: function(convert(value))

    return {name: of(function) for name, function in functions.items()}


# Filters


def _default(value: object, default_value: object = "", boolean: object = False) -> object:  # noqa: FBT002 - Jinja2's signature
    return default_value if is_blank(value) or (boolean and not value) else value


_ABSENT: Final = object()


def _converted(convert: Callable[[str], int | float]) -> Function:
    def converted(value: object, default: object = _ABSENT) -> object:
        if default is not _ABSENT and is_blank(value):
            return default
        if isinstance(value, Empty):
            return marked(convert("0"), value.field)
        text = as_text(value).strip()
        with suppress(ValueError, OverflowError):
            if -MAX_NUMBER <= (number := convert(text)) <= MAX_NUMBER:
                return number
        if default is not _ABSENT:
            return default
        raise ValueError(f"“{shown(text)}” is not a number; write | int(0) to take it for 0")

    return converted


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _join(value: object, d: object = "") -> str:
    texts, separator = [as_text(item) for item in as_items(value)], as_text(d)
    check_size(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(value: object, old: object, new: object, count: int | None = None) -> str:
    text, old, new = as_text(value), as_text(old), as_text(new)
    most = -1 if count is None else count
    found = text.count(old) if most < 0 else min(text.count(old), most)
    check_size(len(text) + found * max(0, len(new) - len(old)))
    return text.replace(old, new, most)


def _padding(name: str) -> Function:
    def pad(value: object, width: int = 80, *fill: str) -> object:
        check_size(width)
        return getattr(as_text(value), name)(width, *fill)

    return pad


def _round(value: object, precision: int = 0, method: str = "common") -> float:
    if not 0 <= precision <= _MAX_PRECISION:
        raise ValueError(f"A number can be rounded to 0 to {_MAX_PRECISION} digits")
    return float(do_round(float(as_number(value)), precision, method))  # type: ignore[arg-type]  # a literal


def _truncate(value: object, length: int = 255, killwords: object = False, end: str = "...", leeway: int = 5) -> str:  # noqa: FBT002 - (same)
    if length < len(end) or leeway < 0:
        raise ValueError(f"A text can't be cut to {length} characters with “{shown(end)}” at its end")
    return do_truncate(_JINJA, as_text(value), length, bool(killwords), end, leeway)


def _sort(value: object, reverse: object = False, case_sensitive: object = False) -> list[object]:  # noqa: FBT002 - (same)
    return do_sort(_JINJA, as_items(value), bool(reverse), bool(case_sensitive))


def _map(value: object, name: str, *args: object) -> list[object]:
    # Guarded, so that the budget pays for each result before the next: many results together could be large.
    return [unboxed(FUNCTIONS[f"f_{name}"](0, item, *args)) for item in as_items(value)]


_CONVERSION: Final = re.compile(r"%(?:%|[-+ #0]*\d{0,2}(?:\.\d{1,2})?[sdifeg])")
# No "c", which can turn a number into half a character.
_REPLACEMENT: Final = re.compile(r"\{\{|\}\}|\{\w*(?::(?:[^{}\dc]|(?<!\d)\d{1,2}(?!\d))*)?\}")


def _percent(value: object, *values: object) -> str:
    """`template % values`, with only such conversions as make a text little longer than the values."""
    template = as_text(value)
    if "%" in _CONVERSION.sub("", template):
        raise ValueError("A format may have only %s, %d, %i, %f, %e, %g and %%, without names, and with a width of at most 99")
    for item in values:
        as_text(item)
    return template % values


def _braces(value: object, /, *values: object, **named: object) -> str:
    """`template.format(*values, **named)`, without fields that access attributes or items of a value."""
    template = as_text(value)
    if set("{}") & set(_REPLACEMENT.sub("", template)):
        raise ValueError("A format may have only {}, {0} and {name}, each with what follows a colon, and with a width of at most 99")
    longest = max((len(as_text(item)) for item in (*values, *named.values())), default=0)
    check_size(len(template) + len(_REPLACEMENT.findall(template)) * longest)
    try:
        return template.format(*values, **named)
    except LookupError:
        raise ValueError("A format has more fields than it is given values") from None


def _in(value: object, within: object) -> bool:
    return value in (within if isinstance(within, str) else as_items(within))


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    **{name: getattr(operator, name) for name in ("eq", "ne", "gt", "ge", "lt", "le")},
    "in": _in,
    "notin": lambda value, within: not _in(value, within),
}

FILTERS: Final[dict[str, Function]] = {
    **_of(as_number, {"abs": abs}),
    **_of(as_text, {name: getattr(str, name) for name in ("capitalize", "lower", "upper")}),
    **_of(as_text, {"string": as_text, "title": do_title, "urlencode": do_urlencode, "wordcount": do_wordcount}),
    **_of(as_items, {"count": len, "first": operator.itemgetter(0), "last": operator.itemgetter(-1), "length": len, "list": list}),
    **_of(
        as_items,
        {"max": lambda items: _sort(items)[-1], "min": lambda items: _sort(items)[0], "sum": lambda items: sum(map(as_number, items))},
    ),
    "center": _padding("center"),
    "d": _default,
    "default": _default,
    "float": _converted(float),
    "format": _percent,
    "int": _converted(_whole),
    "join": _join,
    "map": _map,
    "replace": _replace,
    "reverse": lambda value: value[::-1] if isinstance(value, str) else as_items(value)[::-1],
    "round": _round,
    "sort": _sort,
    "trim": lambda value, chars=None: as_text(value).strip(chars),
    "truncate": _truncate,
    "unique": lambda value, case_sensitive=False: list(do_unique(_JINJA, as_items(value), bool(case_sensitive))),
}

TESTS: Final[dict[str, Function]] = {
    "defined": lambda value: value is not None and not isinstance(value, Empty),
    "undefined": lambda value: value is None or isinstance(value, Empty),
    "none": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float),
    "string": lambda value: isinstance(value, str),
    **_of(as_number, {"even": lambda number: number % 2 == 0, "odd": lambda number: number % 2 == 1}),
    "divisibleby": lambda value, by: as_number(value) % as_number(by) == 0,
    **_of(as_text, {"lower": str.islower, "upper": str.isupper}),
    **{name: function for name, function in _COMPARISONS.items() if name != "notin"},
    "equalto": operator.eq,
}


# Methods


def _get(value: object, key: object, default: object = None) -> object:
    if not isinstance(value, dict):
        raise TypeError("Only a dictionary has .get()")
    return value.get(key, default)


def _method(function: Function) -> Function:
    return lambda value, *args: function(value, *args)  # noqa: PLW0108 - before 3.13 some of Python's own have no signature


# The result of each of these is at most a few times as long as its arguments.
_LINEAR: Final = (
    "capitalize casefold count endswith find isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper lower "
    "lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines startswith strip swapcase title upper"
)

_PADDING: Final = ("center", "ljust", "rjust", "zfill")

METHODS: Final[dict[str, Function]] = {
    **{name: _method(getattr(str, name)) for name in _LINEAR.split()},
    **{name: _padding(name) for name in _PADDING},
    "format": _braces,
    "get": _get,
    "join": lambda value, items: _join(items, value),
    "replace": _replace,
}


# Operators


def _arithmetic(function: Callable[..., int | float]) -> Function:
    return lambda *values: function(*map(as_number, values))


def _add(left: object, right: object) -> object:
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    return left + right if isinstance(left, str) and isinstance(right, str) else as_number(left) + as_number(right)


def _modulo(left: object, right: object) -> str | int | float:
    if isinstance(left, str):
        return _percent(left, *(right if isinstance(right, tuple) else (right,)))
    return as_number(left) % as_number(right)


def _compare(left: object, *rest: object) -> bool:
    """The value of `a < b <= c`, whose arguments are a, "lt", b, "le", c."""
    for sign, right in zip(rest[::2], rest[1::2], strict=True):
        if not _COMPARISONS[str(sign)](left, right):
            return False
        left = right
    return True


def _item(value: Any, key: object) -> object:
    if isinstance(value, Empty):
        return value
    if not isinstance(value, str | list | tuple | dict | range):
        raise TypeError("Only a text, a list or a dictionary has [ ]")
    try:
        return operator.getitem(value, key)  # type: ignore[misc]  # TypeError is the row's
    except LookupError:
        return key if isinstance(key, Empty) else marked("", Field(name="", lacks=f"It has no part [{shown(str(key))}]"))


def _cut(value: object, start: int | None, stop: int | None, step: int | None) -> object:
    if not isinstance(value, str | list | tuple | range):
        raise TypeError(f"Only a text or a list can be cut with [:], not {type(value).__name__}")
    return value[start:stop:step]


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if not -_MAX_RANGE <= numbers.start <= _MAX_RANGE or not -_MAX_RANGE <= numbers.stop <= _MAX_RANGE:
        raise TooMuchError(f"range() goes beyond {_MAX_RANGE:,}.")
    return numbers


def _print(value: object) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    what = "nothing" if value is None else f"a {type(value).__name__}"
    raise TypeError(f"{{{{ }}}} gives {what}, not a text; a list is written with | join(', ')")


_OPERATIONS: Final[dict[str, Function]] = {
    "op_add": _add,
    **{f"op_{name}": _arithmetic(getattr(operator, name)) for name in ("sub", "mul", "floordiv", "neg", "pos")},
    "op_div": _arithmetic(operator.truediv),
    "op_mod": _modulo,
    "op_float": float,
    "op_concat": lambda *values: "".join(map(as_text, values)),
    "op_compare": _compare,
    "op_getitem": _item,
    "op_cut": _cut,
    "op_list": lambda *items: list(items),
    "op_tuple": lambda *items: items,
    "op_dict": lambda *pairs: dict(pairs),
    "op_pair": lambda key, value: (key, value),
    "op_range": _range,
    "op_items": lambda value: list(map(boxed, as_items(value))),  # minijinja takes the items of these apart
    "op_pairs": lambda value: [list(map(boxed, as_items(item))) for item in as_items(value)],
    "op_print": _print,
}
_ABSORBING: Final = "f_default f_d f_int f_float f_map m_get op_getitem op_list op_tuple op_dict op_pair op_items op_pairs"
"""Functions that handle empty fields themselves; the results of the others are marked with the empty field."""
_OF_ITEMS: Final = frozenset({"f_join", "f_sum", "m_join", "op_mod"})
"""Functions whose results come from the items of a list, too."""


def _guarded(name: str, function: Function) -> Function:
    """The function as minijinja calls it: the template's line comes first, and the row's budget pays for the call."""
    absorbs = name in _ABSORBING.split() or name.startswith("t_")
    for_texts = name.startswith("m_") and name[2:] not in {"get", *_PADDING}

    def apply(args: Sequence[object], named: dict[str, object]) -> object:
        given = [unboxed(value) for value in args]
        keywords = {key: unboxed(value) for key, value in named.items()}
        values = [*given, *keywords.values()]
        BUDGET.spend(_STEP + sum(map(measure, values)))
        field = None if absorbs else field_of(values)
        if field is not None and (field.lacks or name == "op_print"):
            raise FailedError(field.lacks, field=field)
        if for_texts and not isinstance(given[0], str):
            raise TypeError(f"Only a text has .{name[2:]}()")
        if name in _OF_ITEMS:
            field = field or field_of([item for value in values if isinstance(value, list | tuple) for item in value])
        return marked(function(*given, **keywords), field)

    def call(line: int, /, *args: object, **named: object) -> object:
        try:
            result: Any
            if len(args) == 1 and not named and type(args[0]) is str:
                # The usual case, a text that is not empty, takes a fast path.
                BUDGET.spend(_STEP + len(args[0]))
                result = function(args[0])
            else:
                result = apply(args, named)
            BUDGET.spend(measure(result))
        except FailedError as error:
            error.line = line
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError, jinja2.TemplateError) as error:
            raise FailedError(_in_words(error), line) from None
        return boxed(result)

    return call


def _in_words(error: Exception) -> str:
    problem = shown(str(error), 300)
    if isinstance(error, IndexError):
        return "The list is empty, so it has no first or last item"
    if isinstance(error, TypeError) and "not supported between" in problem:
        return f"{problem}. Every column is text; to compare with a number, write | int or | float after it"
    return problem


FUNCTIONS: Final = {
    name: _guarded(name, function)
    for name, function in {
        **{f"f_{name}": function for name, function in FILTERS.items()},
        **{f"m_{name}": function for name, function in METHODS.items()},
        **{f"t_{name}": function for name, function in TESTS.items()},
        **_OPERATIONS,
    }.items()
}
"""The functions in the code that minijinja runs: `f_` for filters, `m_` for methods, `t_` for tests, `op_` for the rest."""
