"""Rows of a ledger by column: what results files are made of, without an object for each of a million rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ROWS_AT_ONCE: Final = 512
"""Few enough that rows of huge cells stay small in memory, enough that the work for each part is not felt.

More are slower: beyond 700 objects that come at once Python looks for garbage among them, and finds none.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumns:
    """At most ROWS_AT_ONCE rows, at least one, in the list's order; each column has one value for each of them.

    They are the fields of `ResultRow` and of its `Outcome`; `cells` are columns themselves, the list's own, and `status` has the texts.
    Times are Unix seconds, 0 where there is none.
    """

    row: Sequence[int]
    message: Sequence[str]
    cells: Sequence[Sequence[str]]
    status: Sequence[str]
    reason: Sequence[str]
    notification_status: Sequence[str]
    notification_message: Sequence[str]
    http_status: Sequence[int | None]
    error: Sequence[str]
    attempts: Sequence[int]
    sent_at: Sequence[float]
    settled_at: Sequence[float]
    latency_seconds: Sequence[float | None]
    pass_status: Sequence[str]
    device_type: Sequence[str]

    def __len__(self) -> int:
        return len(self.row)
