"""Finds a statement in a `.sql` file by the name in the comment above it."""

import re
from functools import cache
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def script(file: str) -> str:
    """The text of a file in `campaign/ledger/sql`."""
    return resources.files("campaign.ledger").joinpath("sql", file).read_text(encoding="utf-8")


@cache
def statements(file: str) -> dict[str, str]:
    """The statements of a file by name.

    Raises:
        ValueError: the file uses a name twice.
    """
    parts = _NAME.split(script(file))[1:]
    names = parts[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file} names a statement twice")
    return {name: text.strip().rstrip(";") for name, text in zip(names, parts[1::2], strict=True)}
