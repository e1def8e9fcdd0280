"""The filters, tests, methods and operators of a template, as functions on texts, numbers and flat lists.

They are Jinja2's, with three differences: `default` also replaces an empty field; `int` and `float` refuse a text that is no number instead
of returning 0; and what a short plain text doesn't need is missing. minijinja only decides which of them run, because it compares texts
with numbers and doesn't limit the size of a text.
"""

import operator
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final, NoReturn
from urllib.parse import quote

from jinja2.filters import do_title, do_wordcount

from campaign.loader.columns import shown
from campaign.loader.messages.result import MAX_TEXT, is_empty

MAX_NUMBER: Final = 10**18
_MAX_DEPTH: Final = 2
_PLAIN: Final = frozenset({str, int, bool})


class TooMuchError(Exception):
    """A template needs more work or memory than any message should. `line` is set once it is known."""

    line = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where an empty value comes from: a column, a variable without a column (`column` is None), or a missing part (`lacks` says which)."""

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
    """Wraps a value that minijinja would change: it would turn an empty value into a text, and 1.0 into 1."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        """The text that minijinja prints. It ignores errors here, so an empty field is only recorded."""
        if isinstance(self.value, Empty):
            BUDGET.printed = BUDGET.printed or self.value.field
        return str(self.value)


def marked(value: object, field: Field | None) -> object:
    """The value, marked with the empty field that it was computed from. Booleans stay unmarked, because they only test a value."""
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
    """The empty field of the first marked value; None if no value is marked."""
    return next((value.field for value in values if isinstance(value, Empty)), None)


def boxed(value: object) -> object:
    """A value as minijinja gets it: empty values and floats in a `Boxed`."""
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
    """A value from minijinja, without any `Boxed`."""
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
    """Whether `default` replaces a value. A variable that was never set is None."""
    return value is None or isinstance(value, Empty) or (isinstance(value, str) and is_empty(value))


class Budget(threading.local):
    """The remaining work units for the row that this thread renders, and the first empty field that was printed."""

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
    """A text or number as the message shows it. Raises TypeError for any other value."""
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


Function = Callable[..., object]

MAX_RANGE: Final = 10_000
_STEP: Final = 5
"""The fixed cost of an operation, besides the size of its arguments and its result: about the time of five characters."""
_MAX_PRECISION: Final = 10
_ABSENT: Final = object()


class FailedError(Exception):
    """An operation of the template can't use a row's values."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


class MissingFieldError(Exception):
    """The template prints an empty value."""

    def __init__(self, field: Field) -> None:
        super().__init__(field.name)
        self.field = field
        self.line = 0


def default(value: object, default_value: object = "", boolean: object = False) -> object:  # noqa: FBT002 - Jinja2's signature
    return default_value if is_blank(value) or (boolean and not value) else value


def to_int(value: object, default: object = _ABSENT) -> object:
    return _to_number(value, default, _whole)


def to_float(value: object, default: object = _ABSENT) -> object:
    return _to_number(value, default, float)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _to_number(value: object, default: object, convert: Callable[[str], int | float]) -> object:
    if is_blank(value) and default is not _ABSENT:
        return default
    if isinstance(value, Empty):
        return marked(convert("0"), value.field)
    text = as_text(value).strip()
    try:
        number = convert(text)
    except (ValueError, OverflowError):
        number = None
    if number is not None and -MAX_NUMBER <= number <= MAX_NUMBER:
        return number
    if default is not _ABSENT:
        return default
    raise ValueError(f"“{shown(text)}” is not a number; write | int(0) to take it for 0")


def join(value: object, d: object = "") -> object:
    items = as_items(value)
    texts = [as_text(item) for item in items]
    separator = as_text(d)
    check_size(sum(map(len, texts)) + len(separator) * len(texts))
    return marked(separator.join(texts), field_of(*items))


def total(value: object) -> object:
    items = as_items(value)
    return marked(sum(as_number(item) for item in items), field_of(*items))


def concat(*values: object) -> str:
    texts = [as_text(value) for value in values]
    check_size(sum(map(len, texts)))
    return "".join(texts)


def replace(value: object, old: object, new: object, count: int | None = None) -> str:
    text, old, new = as_text(value), as_text(old), as_text(new)
    found = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    check_size(len(text) + found * max(0, len(new) - len(old)))
    return text.replace(old, new, -1 if count is None else count)


def center(value: object, width: int = 80) -> str:
    check_size(width)
    return as_text(value).center(width)


def rounded(value: object, precision: int = 0, method: str = "common") -> float:
    number = as_number(value)
    if not 0 <= precision <= _MAX_PRECISION:
        raise ValueError(f"A number can be rounded to 0 to {_MAX_PRECISION} digits")
    scale = float(10**precision)
    match method:
        case "common":
            return float(round(number, precision))
        case "ceil":
            return ceil(number * scale) / scale
        case "floor":
            return floor(number * scale) / scale
        case _:
            raise ValueError("The method of round is “common”, “ceil” or “floor”")


def truncate(value: object, length: int = 255, killwords: object = False, end: str = "...", leeway: int = 5) -> str:  # noqa: FBT002 - (same)
    text = as_text(value)
    if length < len(end) or leeway < 0:
        raise ValueError(f"A text can't be cut to {length} characters with “{shown(end)}” at its end")
    if len(text) <= length + leeway:
        return text
    kept = text[: length - len(end)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + end


def _without_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def in_order(value: object, reverse: object = False, case_sensitive: object = False) -> list[object]:  # noqa: FBT002 - (same)
    by = (lambda item: item) if case_sensitive else _without_case
    # Items that can't be compared raise TypeError, which makes the row invalid.
    return sorted(as_items(value), key=by, reverse=bool(reverse))  # type: ignore[arg-type]  # (same)


def unique(value: object, case_sensitive: object = False) -> list[object]:  # noqa: FBT002 - (same)
    by = (lambda item: item) if case_sensitive else _without_case
    kept: dict[object, object] = {}
    for item in as_items(value):
        kept.setdefault(by(item), item)
    return list(kept.values())


def end_of(which: int) -> Function:
    def pick(value: object) -> object:
        items = as_items(value)
        if not items:
            raise ValueError("The list is empty, so it has no first or last item")
        return items[which]

    return pick


def size(value: object) -> int:
    return len(value) if isinstance(value, str) else len(as_items(value))


def backwards(value: object) -> object:
    return value[::-1] if isinstance(value, str) else as_items(value)[::-1]


def mapped(value: object, name: str, *args: object) -> list[object]:
    function = FILTERS[name]
    absorbs = f"f_{name}" in _ABSORBING
    results = []
    for item in as_items(value):
        result = function(item, *args)
        # The budget pays for each result before the next, because many results together could be large.
        BUDGET.spend(_STEP + measure(result))
        results.append(result if absorbs else marked(result, field_of(item, *args)))
    return results


_CONVERSION: Final = re.compile(r"%(?:%|[-+ #0]*\d{0,2}(?:\.\d{1,2})?[sdifeg])")
# No "c", which can turn a number into half a character.
_REPLACEMENT: Final = re.compile(r"\{\{|\}\}|\{\w*(?::(?:[^{}\dc]|(?<!\d)\d{1,2}(?!\d))*)?\}")


def percent(value: object, *values: object) -> str:
    """`template % values`, with only such conversions as make a text little longer than the values."""
    template = as_text(value)
    if "%" in _CONVERSION.sub("", template):
        raise ValueError("A format may have only %s, %d, %i, %f, %e, %g and %%, without names, and with a width of at most 99")
    check_size(len(template) + sum(len(as_text(item)) for item in values))
    return template % values


def braces(value: object, /, *values: object, **named: object) -> str:
    """`template.format(*values, **named)`, without fields that access attributes or items of a value."""
    template = _receiver(value, "format")
    if set("{}") & set(_REPLACEMENT.sub("", template)):
        raise ValueError("A format may have only {}, {0} and {name}, each with what follows a colon, and with a width of at most 99")
    longest = max((len(as_text(item)) for item in (*values, *named.values())), default=0)
    check_size(len(template) + len(_REPLACEMENT.findall(template)) * longest)
    try:
        return template.format(*values, **named)
    except LookupError:
        raise ValueError("A format has more fields than it is given values") from None


FILTERS: Final[dict[str, Function]] = {
    "abs": lambda value: abs(as_number(value)),
    "capitalize": lambda value: as_text(value).capitalize(),
    "center": center,
    "count": size,
    "d": default,
    "default": default,
    "first": end_of(0),
    "float": to_float,
    "format": percent,
    "int": to_int,
    "join": join,
    "last": end_of(-1),
    "length": size,
    "list": as_items,
    "lower": lambda value: as_text(value).lower(),
    "map": mapped,
    "max": lambda value: in_order(value)[-1],
    "min": lambda value: in_order(value)[0],
    "replace": replace,
    "reverse": backwards,
    "round": rounded,
    "sort": in_order,
    "string": as_text,
    "sum": total,
    "title": lambda value: do_title(as_text(value)),
    "trim": lambda value, chars=None: as_text(value).strip(chars),
    "truncate": truncate,
    "unique": unique,
    "upper": lambda value: as_text(value).upper(),
    "urlencode": lambda value: quote(as_text(value), safe="/"),
    "wordcount": lambda value: do_wordcount(as_text(value)),
}

TESTS: Final[dict[str, Callable[..., bool]]] = {
    "defined": lambda value: value is not None and not isinstance(value, Empty),
    "undefined": lambda value: value is None or isinstance(value, Empty),
    "none": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float),
    "string": lambda value: isinstance(value, str),
    "even": lambda value: as_number(value) % 2 == 0,
    "odd": lambda value: as_number(value) % 2 == 1,
    "divisibleby": lambda value, by: as_number(value) % as_number(by) == 0,
    "lower": lambda value: as_text(value).islower(),
    "upper": lambda value: as_text(value).isupper(),
    "in": lambda value, within: _contains(within, value),
    "eq": operator.eq,
    "equalto": operator.eq,
    "ne": operator.ne,
    "gt": lambda value, other: as_number(value) > as_number(other),
    "ge": lambda value, other: as_number(value) >= as_number(other),
    "lt": lambda value, other: as_number(value) < as_number(other),
    "le": lambda value, other: as_number(value) <= as_number(other),
}


def _receiver(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"Only a text has .{name}()")
    return value


def _method(name: str) -> Function:
    def call(value: object, *args: object) -> object:
        return getattr(_receiver(value, name), name)(*args)

    return call


def _padding(name: str) -> Function:
    def pad(value: object, width: int, *fill: str) -> object:
        if width > MAX_TEXT:
            raise TooMuchError(f"It makes a text of {width:,} characters.")
        return getattr(as_text(value), name)(width, *fill)

    return pad


def _get(value: object, key: object, default: object = None) -> object:
    if not isinstance(value, dict):
        raise TypeError("Only a dictionary has .get()")
    return value.get(key, default)


# The result of each of these is at most a few times as long as its arguments.
_LINEAR: Final = (
    "capitalize casefold count endswith find isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper lower "
    "lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines startswith strip swapcase title upper"
)

METHODS: Final[dict[str, Function]] = {
    **{name: _method(name) for name in _LINEAR.split()},
    **{name: _padding(name) for name in ("center", "ljust", "rjust", "zfill")},
    "format": braces,
    "get": _get,
    "join": lambda value, items: join(items, _receiver(value, "join")),
    "replace": lambda value, old, new, count=-1: replace(_receiver(value, "replace"), as_text(old), as_text(new), count),
}


def _add(left: object, right: object) -> object:
    if isinstance(left, list) and isinstance(right, list):
        check_size(len(left) + len(right))
        return left + right
    return concat(left, right) if isinstance(left, str) and isinstance(right, str) else as_number(left) + as_number(right)


def _modulo(left: object, right: object) -> object:
    if isinstance(left, str):
        values = right if isinstance(right, tuple) else (right,)
        return marked(percent(left, *values), field_of(*values))
    return as_number(left) % as_number(right)


def _contains(container: object, value: object) -> bool:
    return value in (container if isinstance(container, str) else as_items(container))


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: _contains(right, left),
    "not in": lambda left, right: not _contains(right, left),
}


def _compare(left: object, *rest: object) -> bool:
    """The value of `a < b <= c`, whose arguments are a, "<", b, "<=", c."""
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


def _slice(value: object, start: int | None, stop: int | None, step: int | None) -> object:
    if not isinstance(value, str | list | tuple | range):
        raise TypeError(f"Only a text or a list can be cut with [:], not {type(value).__name__}")
    return value[start:stop:step]


def _range(_: object, *bounds: int) -> range:
    numbers = range(*bounds)
    if not -MAX_RANGE <= numbers.start <= MAX_RANGE or not -MAX_RANGE <= numbers.stop <= MAX_RANGE:
        raise TooMuchError(f"range() goes beyond {MAX_RANGE:,}.")
    return numbers


def _print(value: object) -> str:
    if isinstance(value, Empty):
        raise MissingFieldError(value.field)
    if isinstance(value, str | int | float):
        return str(value)
    what = "nothing" if value is None else f"a {type(value).__name__}"
    raise TypeError(f"{{{{ }}}} gives {what}, not a text; a list is written with | join(', ')")


_OPERATIONS: Final[dict[str, Function]] = {
    "op_add": _add,
    "op_sub": lambda left, right: as_number(left) - as_number(right),
    "op_mul": lambda left, right: as_number(left) * as_number(right),
    "op_div": lambda left, right: as_number(left) / as_number(right),
    "op_floordiv": lambda left, right: as_number(left) // as_number(right),
    "op_mod": _modulo,
    "op_neg": lambda value: -as_number(value),
    "op_pos": lambda value: +as_number(value),
    "op_float": lambda value: float(as_text(value)),
    "op_concat": concat,
    "op_compare": _compare,
    "op_item": _item,
    "op_slice": _slice,
    # The first argument of these is a placeholder, because a filter needs one.
    "op_list": lambda _, *items: list(items),
    "op_tuple": lambda _, *items: items,
    "op_dict": lambda _, *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
    "op_range": _range,
    "op_items": as_items,
    "op_print": _print,
}
_ABSORBING: Final = frozenset(
    ["f_default", "f_d", "f_int", "f_float", "f_map", "m_get", "op_item", "op_list", "op_tuple", "op_dict", "op_print"]
)
"""Functions that handle empty fields themselves; the results of the others are marked with the empty field."""
_FREE: Final = frozenset({"t_defined", "t_undefined", "t_none"})
"""Tests of any value, at the same cost whatever its size."""


def _guarded(name: str, function: Function) -> Function:
    """The function as minijinja calls it: the template's line follows the value, and the row's budget pays for the call."""
    absorbs = name in _ABSORBING or name.startswith("t_")
    weigh = (lambda _: 1) if name in _FREE else measure

    def apply(value: object, args: tuple[object, ...], named: dict[str, object]) -> object:
        given = [unboxed(value), *map(unboxed, args)]
        keywords = {key: unboxed(item) for key, item in named.items()}
        BUDGET.spend(_STEP + sum(map(weigh, given)) + sum(map(weigh, keywords.values())))
        field = None if absorbs else field_of(*given, *keywords.values())
        if field is not None and field.lacks:
            raise LookupError(field.lacks)
        return marked(function(*given, **keywords), field)

    def call(value: object, line: int, /, *args: object, **named: object) -> object:
        try:
            if type(value) is str and not args and not named:
                # The usual case, a text that is not empty, takes a fast path.
                BUDGET.spend(_STEP + len(value))
                result = function(value)
            else:
                result = apply(value, args, named)
            BUDGET.spend(measure(result))
        except (TooMuchError, MissingFieldError) as error:
            error.line = line
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise FailedError(line, _in_words(error)) from None
        return boxed(result)

    return call


def _in_words(error: Exception) -> str:
    problem = shown(str(error), 300)
    if isinstance(error, TypeError) and "not supported between" in problem:
        return f"{problem}. Every column is text; to compare with a number, write | int or | float after it"
    return problem


_FILTERS_TO_TEXT: Final = "capitalize center format lower replace string title trim truncate upper urlencode"
_METHODS_TO_TEXT: Final = "capitalize casefold format lower lstrip removeprefix removesuffix replace rstrip strip title upper"
GIVE_TEXTS: Final = frozenset(
    ["op_concat", *(f"f_{name}" for name in _FILTERS_TO_TEXT.split()), *(f"m_{name}" for name in _METHODS_TO_TEXT.split())]
)
"""Functions that return only texts, which minijinja can print as they are."""

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
