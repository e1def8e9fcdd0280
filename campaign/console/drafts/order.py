"""What the process that reads lists is told to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do: `look` at the list, `check` it with its message, or look through a `file` of passes to leave out.

    `flags` are settings above the environment's; `names` what people call the files, by their paths.
    """

    task: str
    folder: str
    source: str
    key: str
    flags: Mapping[str, Any]
    names: Mapping[str, str]
