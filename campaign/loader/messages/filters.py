"""The filters, tests and methods a template may use. Each works on texts, numbers and flat lists only, and none can make much of little.

They are Jinja2's, except that `default` also stands in for an empty field, that `int` and `float` refuse what is no number instead of
making it 0 (unless told what to make of it), and that what has no place in a short plain text is left out.
"""

from collections.abc import Callable
from math import ceil, floor
from typing import Final
from urllib.parse import quote

from jinja2 import Undefined
from jinja2.filters import do_title, do_wordcount

from campaign.loader.messages.bounds import MAX_NUMBER, MAX_TEXT, TooMuchError, as_items, as_number, as_text, check_size
from campaign.loader.messages.formats import percent
from campaign.loader.messages.lacking import Lacking, field_of, is_empty, lacking
from campaign.loader.names import shown

_ABSENT: Final = object()
_MAX_PRECISION: Final = 10


def is_blank(value: object) -> bool:
    return isinstance(value, Undefined | Lacking) or (isinstance(value, str) and is_empty(value))


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
    if isinstance(value, Lacking):
        return lacking(convert("0"), value.field)
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
    return lacking(separator.join(texts), field_of(*items))


def total(value: object) -> object:
    items = as_items(value)
    return lacking(sum(as_number(item) for item in items), field_of(*items))


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
    # Items that can't be compared raise TypeError, which is what the row is then told.
    return sorted(as_items(value), key=by, reverse=bool(reverse))  # type: ignore[arg-type]  # (same)


def unique(value: object, case_sensitive: object = False) -> list[object]:  # noqa: FBT002 - (same)
    by = (lambda item: item) if case_sensitive else _without_case
    kept: dict[object, object] = {}
    for item in as_items(value):
        kept.setdefault(by(item), item)
    return list(kept.values())


def end_of(which: int) -> Callable[[object], object]:
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


def part(value: object, start: int | None, stop: int | None, step: int | None) -> object:
    if not isinstance(value, str | list | tuple | range):
        raise TypeError(f"Only a text or a list can be cut with [:], not {type(value).__name__}")
    return value[start:stop:step]


def padded(how: str) -> Callable[..., str]:
    def pad(value: object, width: int, fill: str = " ") -> str:
        if width > MAX_TEXT:
            raise TooMuchError(f"It makes a text of {width:,} characters.")
        text = as_text(value)
        made = text.zfill(width) if how == "zfill" else getattr(text, how)(width, fill)
        return as_text(made)

    return pad


FILTERS: Final[dict[str, Callable[..., object]]] = {
    "abs": lambda value: abs(as_number(value)),
    "capitalize": lambda value: as_text(value).capitalize(),
    "center": center,
    "count": size,
    "d": default,
    "default": default,
    "first": end_of(0),
    "float": to_float,
    "format": lambda value, *values: percent(as_text(value), values),
    "int": to_int,
    "join": join,
    "last": end_of(-1),
    "length": size,
    "list": as_items,
    "lower": lambda value: as_text(value).lower(),
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

ABSORBING: Final = frozenset({"default", "d", "int", "float", ".get"})
"""Those that decide themselves what an empty field makes of their result."""

TESTS: Final[dict[str, Callable[..., bool]]] = {
    "defined": lambda value: not isinstance(value, Undefined | Lacking),
    "undefined": lambda value: isinstance(value, Undefined | Lacking),
    "none": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float),
    "string": lambda value: isinstance(value, str),
    "even": lambda value: as_number(value) % 2 == 0,
    "odd": lambda value: as_number(value) % 2 == 1,
    "divisibleby": lambda value, by: as_number(value) % as_number(by) == 0,
    "lower": lambda value: as_text(value).islower(),
    "upper": lambda value: as_text(value).isupper(),
    "in": lambda value, within: value in (within if isinstance(within, str) else as_items(within)),
    "eq": lambda value, other: bool(value == other),
    "equalto": lambda value, other: bool(value == other),
    "ne": lambda value, other: bool(value != other),
    "gt": lambda value, other: as_number(value) > as_number(other),
    "ge": lambda value, other: as_number(value) >= as_number(other),
    "lt": lambda value, other: as_number(value) < as_number(other),
    "le": lambda value, other: as_number(value) <= as_number(other),
}
