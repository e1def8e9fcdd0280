"""The variables of a template for the columns of a list.

A column's variable is its exact name, if that is an identifier, and its cleaned name (`First name` → `first_name`). Exact names take
precedence over cleaned ones, and columns on the left over those on the right. A column without a name after that gets the next free
number: `first_name_2`.
"""

import re
from collections import ChainMap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from enum import Enum, auto
from itertools import count
from typing import Final

from campaign.domain.lists.columns import normalize_name, same_name
from campaign.domain.text.lines import shown

_NOT_WORD: Final = re.compile(r"\W+")
_SHOWN_COLUMNS: Final = 40

_RESERVED: Final = (
    "and or not in is if else elif for set true false none True False None loop range namespace self super caller varargs kwargs"
)
RESERVED: Final = frozenset(_RESERVED.split())
"""Names with a meaning in every template. The variable of such a column is `column_...`."""


def variables(columns: Sequence[str]) -> dict[str, int]:
    """The variables of a template, each with the position of its column, counted from 0. Exact names come before cleaned ones."""
    names: dict[str, int] = {}
    for index, column in enumerate(columns):
        name = same_name(column)
        if name.isidentifier() and name not in RESERVED:
            names.setdefault(name, index)
    for index, column in enumerate(columns):
        names.setdefault(_cleaned(column, index), index)
    for index in sorted(set(range(len(columns))) - set(names.values())):
        base = _cleaned(columns[index], index)
        names[next(name for number in count(2) if (name := f"{base}_{number}") not in names)] = index
    return names


def _cleaned(column: str, index: int) -> str:
    # A normalised text in lower case may no longer be normalised ("İ"), and only normalised names are found.
    name = same_name(_NOT_WORD.sub("_", same_name(column).lower()))
    name = _NOT_WORD.sub("_", name)
    # Some numbers, such as ¹ or Roman numerals, are valid in a word but not in an identifier.
    name = "".join(character if f"_{character}".isidentifier() else "_" for character in name).strip("_")
    if not name:
        return f"column_{index + 1}"
    return name if name.isidentifier() and name not in RESERVED else f"column_{name}"


class Variables:
    """The columns of a list and their variables. `places` maps variables to columns, `_alike` loose names to all columns they fit."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.places = variables(columns)
        self._alike: dict[str, list[int]] = {}
        for index, column in enumerate(columns):
            self._alike.setdefault(normalize_name(_cleaned(column, index)), []).append(index)

    def ambiguous(self, name: str) -> str | None:
        """The error for a variable that could mean more than one column; None if it means one at most."""
        alike = self._alike.get(normalize_name(name), ())
        if len(alike) < 2:
            return None
        these = " and ".join(f"“{shown(self.columns[place])}” (column {place + 1})" for place in alike[:_SHOWN_COLUMNS])
        return f"“{shown(name)}” could mean {these}. Rename all but one of them in the list."

    def unknown(self, name: str, *, part: str = "") -> str:
        """The error for a variable without a column; `part` is what follows its dot, if anything."""
        found = ""
        if nearest := self._nearest(name, part):
            found = f" Did you mean {{{{ {nearest} }}}} (column “{shown(self.columns[self.places[nearest]])}”)?"
        return (
            f"“{shown(name)}” is not a column of the list.{found} The list offers: {self.offered()}."
            f' If it may be absent, write {{{{ {shown(name)} | default("...") }}}}.'
        )

    def meant(self, text: str) -> str | None:
        """The variable of the column that a text seems to mean, ignoring case and separators; None if there is none."""
        wanted = normalize_name(text)
        return next((name for name, index in self.places.items() if wanted and normalize_name(self.columns[index]) == wanted), None)

    def offered(self) -> str:
        """The columns for a sentence, at most 40: each by its first variable, with the column's name if it differs."""
        names = {place: name for name, place in reversed(self.places.items())}
        named = [(names[place], column) for place, column in enumerate(self.columns)]
        parts = [name if name == column else f"{name} (“{shown(column)}”)" for name, column in named]
        more = len(parts) - _SHOWN_COLUMNS
        return ", ".join(parts[:_SHOWN_COLUMNS]) + (f" and {more} more" if more > 0 else "")

    def _nearest(self, name: str, part: str) -> str | None:
        for text in (f"{name}{part}", part, name):
            if found := self.meant(text):
                return found
        close = get_close_matches(name.casefold(), {known.casefold() for known in self.places}, n=1)
        return next((known for known in self.places if known.casefold() in close), None)


class Meaning(Enum):
    """What a name means that the template has set."""

    VALUE = auto()
    LOOP = auto()
    NAMESPACE = auto()


class Names:
    """The names of a template, and what they mean at the place that is being read.

    Attributes:
        used: the columns' variables that are used as values, with their positions; None for one without a column.
        tested: the names that the template tests for being defined, so that they need no column.
        excused: above 0 where a `default` replaces what is missing.
    """

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.used: dict[str, int | None] = {}
        self.tested: set[str] = set()
        self.excused = 0
        self._scopes: ChainMap[str, Meaning] = ChainMap()

    @contextmanager
    def scope(self, names: Sequence[str] = (), **others: Meaning) -> Iterator[None]:
        """A scope in which `names` are values."""
        self._scopes = self._scopes.new_child(dict.fromkeys(names, Meaning.VALUE) | others)
        yield
        self._scopes = self._scopes.parents

    def define(self, *names: str, meaning: Meaning = Meaning.VALUE) -> None:
        self._scopes.update(dict.fromkeys(names, meaning))

    def is_set(self, name: str) -> bool:
        return same_name(name) in self._scopes

    def is_namespace(self, name: str) -> bool:
        return self._scopes.get(same_name(name)) is Meaning.NAMESPACE

    def is_column(self, name: str) -> bool:
        return not self.is_set(name) and same_name(name) in self.variables.places

    def use(self, name: str) -> str | None:
        """Use a name as a value. Returns why it can't be; None if it can."""
        if name in self._scopes:
            return None if self._scopes[name] is Meaning.VALUE else f"“{shown(name)}” is not a value. Write one of its parts."
        place = self.variables.places.get(name)
        if place is not None and (problem := self.variables.ambiguous(name)):
            return problem
        if place is None and name not in self.tested and not self.excused:
            return self.variables.unknown(name)
        self.used[name] = place
        return None
