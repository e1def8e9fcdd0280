"""Finds a statement in a `.sql` file by the name in the comment above it."""

import re
from functools import cache
from importlib import resources
from typing import Final

from campaign.domain import status
from campaign.domain.status import Status

_FOLDER: Final = resources.files("campaign.ledger").joinpath("sql")
_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_SET: Final = re.compile(r"\{([A-Z_]+)\}")


@cache
def script(file: str) -> str:
    """The text of a file in `campaign/ledger/sql`."""
    return _FOLDER.joinpath(file).read_text(encoding="utf-8")


def schema_version(migrations: str) -> int:
    """The number of the last migration; `migrations` is what the names of their files begin with."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return max(int(name.removeprefix(migrations).removesuffix(".sql")) for name in names if name.startswith(migrations))


@cache
def statements(file: str) -> dict[str, str]:
    """The statements of a file by name. `{OPEN}` and the like become the statuses of that set of `domain.status`.

    They are no parameters: with values that it can't see, a database would not use all its indexes.

    Raises:
        ValueError: the file uses a name twice.
    """
    text = _SET.sub(lambda found: ", ".join(f"'{one}'" for one in Status if one in getattr(status, found[1])), script(file))
    parts = _NAME.split(text)[1:]
    names = parts[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file} names a statement twice")
    return {name: text.strip().rstrip(";") for name, text in zip(names, parts[1::2], strict=True)}
