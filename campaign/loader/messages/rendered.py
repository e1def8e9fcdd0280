"""The values at the edge of this package: what comes out for a row, and what it may cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from campaign.domain.model import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The message of one row, or why there is none: `text` is empty exactly when there is a `reason`.

    `error` is a sentence for the row's `delivery_error`. `wasted_units` is the work that was done before the row's cells were found to ask
    for too much; one such row does no harm, thousands of them would.
    """

    text: str
    reason: Invalid | None = None
    error: str = ""
    wasted_units: int = 0


MAX_WASTED_UNITS: Final = 50_000_000
"""Of all rows of a list together: some seconds. Beyond it the template is at fault, or a column that it takes for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """What a message and a template may take.

    Attributes:
        max_length: characters of a message, as a person counts them.
        max_source: characters of a template.
        work_units: about one for each step and each character made, per row; the same on every machine.
        seconds_per_row: of processor time of the rendering thread, so that a busy or sleeping machine refuses no good template.
    """

    max_length: int = 350
    max_source: int = 32_768
    work_units: int = 500_000
    seconds_per_row: float = 1.0


class Messages(Protocol):
    """One message per row; safe to share between threads."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over everything that decides the text besides the cells."""

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of a row whose cells are in the order of the list's columns.

        Raises:
            InputError: the template takes more work than any message needs, whatever the cells, so no row can be rendered with it.
        """

    def texts(self, rows: Sequence[Sequence[str]]) -> Sequence[str]:
        """The messages of many rows at once, as `render` gives them; empty for each row of which only `render` can tell."""
