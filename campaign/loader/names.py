"""Column names: when two count as one, which column is meant by a name, and how they are shown to people."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from campaign.domain.errors import InputError

MESSAGE: Final = "message"
TEMPLATE: Final = "template"
ZONE: Final = "timezone"

_LISTED = 20


def same_name(name: str) -> str:
    """The spelling under which two names count as one."""
    return unicodedata.normalize("NFKC", name)


def loosely(name: str) -> str:
    """A column's name without case, spaces, dashes and underscores."""
    return re.sub(r"[\s_-]+", "", same_name(name).casefold())


def shown(text: str, characters: int = 60) -> str:
    """A name or a value from a file, fit for a sentence: short and without anything a terminal would obey."""
    cut = text if len(text) <= characters else text[: characters - 1] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cut)


def listed(columns: Sequence[str]) -> str:
    """Column names for a sentence, not more of them than people read."""
    names = [f"“{shown(column)}”" for column in columns[:_LISTED]]
    if len(columns) > len(names):
        return f"{', '.join(names)} and {len(columns) - len(names)} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def find_message_column(columns: Sequence[str], *, file: str | None = None) -> int | None:
    """The position of the column that holds each row's message, if there is one; InputError if there are two."""
    return _find_one(columns, MESSAGE, file)


def find_template_column(columns: Sequence[str], *, file: str | None = None) -> int | None:
    """The position of the column that names each row's template, if there is one; InputError if there are two."""
    return _find_one(columns, TEMPLATE, file)


def find_zone_column(columns: Sequence[str], *, file: str | None = None) -> int | None:
    """The position of the column that names each row's time zone, if there is one; InputError if there are two."""
    return _find_one(columns, ZONE, file, spoken="time zone")


def _find_one(columns: Sequence[str], name: str, file: str | None, *, spoken: str = "") -> int | None:
    found = [position for position, column in enumerate(columns) if loosely(column) == name]
    if len(found) > 1:
        these = listed([columns[position] for position in found])
        raise InputError(
            f"{these} could each be the {spoken or name} column. Rename all but one of them in the list.", code="several_columns", file=file
        )
    return found[0] if found else None
