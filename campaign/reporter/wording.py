"""What a campaign's messages say without whom they are to: the list's values in them give way to the names of their columns.

The ledger keeps messages, not the template they were made of. A text that several rows share once their own values are out of it is the
template's, as far as it can be found; one that stands alone may still hold what only one person should read.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST_TEXTS: Final = 3
LOOKED_AT: Final = 500
"""Messages, from the list's beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text with `«column»` for values; `rows` of those that were looked at have it."""

    text: str
    rows: int


class Wordings:
    """Collects the first messages."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._found: Counter[str] = Counter()
        self.looked_at = 0

    def add(self, message: str, cells: Sequence[str]) -> None:
        """A row's message and its own cells; more than `LOOKED_AT` are left unread."""
        if message and self.looked_at < LOOKED_AT:
            self.looked_at += 1
            self._found[without_values(message, self._columns, cells)] += 1

    def shared(self) -> tuple[Wording, ...]:
        """The texts that at least two rows have, most first."""
        return tuple(Wording(text=text, rows=count) for text, count in self._found.most_common(MOST_TEXTS) if count > 1)


def without_values(message: str, columns: Sequence[str], cells: Sequence[str]) -> str:
    """The message with each cell that stands in it, in whatever case, replaced by `«column»`; longer cells first.

    A cell that is the message whole says nothing of how it was made, and is passed over.
    """
    names: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=True):
        value = cell.strip()
        if value and value != message.strip():
            names.setdefault(value.casefold(), column)
    if not names:
        return message
    longest_first = sorted(names, key=len, reverse=True)
    # Not within a word or a number: a country “DE” is not the end of “made”.
    any_of = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    return any_of.sub(lambda found: f"«{names.get(found[0].casefold(), '…')}»", message)
