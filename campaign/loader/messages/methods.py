"""The methods of a text, `{{ name.split(" ")[0] }}`, and `get` of a dictionary. Attributes are how
sandboxes leak, so a template has no others.
"""

from collections.abc import Callable
from typing import Final

from campaign.loader.messages.bounds import as_text, measure
from campaign.loader.messages.filters import join, padded, replace
from campaign.loader.messages.formats import braces

# None of these makes a text longer than a few times what it is given.
_LINEAR: Final = (
    "capitalize casefold count endswith find isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper lower "
    "lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines startswith strip swapcase title upper"
)


def _method(name: str) -> Callable[..., object]:
    def call(value: object, *args: object) -> object:
        result: object = getattr(_receiver(value, name), name)(*args)
        return result

    return call


def _receiver(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"Only a text has .{name}()")
    return value


def _get(value: object, key: object, default: object = None) -> object:
    if not isinstance(value, dict):
        raise TypeError("Only a dictionary has .get()")
    measure(key)
    return value.get(key, default)


def _format(value: object, *args: object, **named: object) -> str:
    return braces(_receiver(value, "format"), args, named)


METHODS: Final[dict[str, Callable[..., object]]] = {
    **{name: _method(name) for name in _LINEAR.split()},
    **{name: padded(name) for name in ("center", "ljust", "rjust", "zfill")},
    "format": _format,
    "get": _get,
    "join": lambda value, items: join(items, _receiver(value, "join")),
    "replace": lambda value, old, new, count=-1: replace(_receiver(value, "replace"), as_text(old), as_text(new), count),
}
