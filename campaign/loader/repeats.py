"""Finds the passes that are in a list more than once while the list is checked, so that duplicates are staged as duplicates.

Finding and marking them in the ledger later would take as long as storing the list.
"""

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from campaign.domain.errors import InputError
from campaign.loader.columns import find_id_column, ids_of, is_results_file

if TYPE_CHECKING:
    import pandas as pd

Hashes = np.ndarray[tuple[int], np.dtype[np.int64]]

HELD_BYTES: Final = 16 << 20
SORTED_AT_ONCE: Final = 2_000_000
MOST_REPEATED: Final = 250_000
"""How many repeated passes are remembered. If a list has more, the ledger finds the duplicates."""


class Repeats:
    """Collects a list's frames, and finds the passes that are in more than one row.

    Args:
        id_column: the column that holds the pass ids, if a person named it.
    """

    def __init__(self, id_column: str | None) -> None:
        self._id_column = id_column
        self._place: int | None = None
        self._rows = 0
        # Eight bytes a row, on disk if there are many.
        self._hashes: IO[bytes] = tempfile.SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115 - closed by `close`

    def add(self, frame: "pd.DataFrame") -> None:
        """Add some rows of the list."""
        if not self._rows:
            self._place = _id_place(tuple(frame.columns), self._id_column)
        self._rows += len(frame)
        if self._place is not None:
            self._hashes.write(_hashes(ids_of(frame.iloc[:, self._place].array.tolist())[1]).tobytes())

    def found(self) -> "Repeated | None":
        """The passes that are in more than one row; None if the id column is not known, or there are too many to remember."""
        if self._place is None:
            return None
        parts = self._rows // SORTED_AT_ONCE + 1
        twice = [_twice(self._part(part, parts)) for part in range(parts)]
        hashes = np.concatenate(twice)
        return Repeated(np.sort(hashes)) if len(hashes) <= MOST_REPEATED else None

    def close(self) -> None:
        self._hashes.close()

    def _part(self, part: int, parts: int) -> Hashes:
        """The hashes of one part of the passes."""
        self._hashes.seek(0)
        return np.concatenate([some[some % parts == part] for some in self._all()])

    def _all(self) -> Iterator[Hashes]:
        while block := self._hashes.read(HELD_BYTES):
            yield np.frombuffer(block, np.int64)


class Repeated:
    """The passes that are in a list more than once, by hash; remembers which of them already have a row that can be sent."""

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._seen: set[str] = set()

    @classmethod
    def nothing(cls) -> "Repeated":
        """No repeated passes."""
        return cls(np.empty(0, np.int64))

    def among(self, keys: Sequence[str]) -> list[int]:
        """The positions of the keys that may be of a repeated pass, as two passes can share a hash."""
        if not len(self._hashes):
            return []
        hashes = _hashes(keys)
        nearest = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        return np.flatnonzero(self._hashes[nearest] == hashes).tolist()

    def is_first(self, key: str) -> bool:
        """Whether this is the first row of a pass. Call it once for each row that can be sent."""
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _id_place(columns: Sequence[str], id_column: str | None) -> int | None:
    if is_results_file(columns):
        return None
    try:
        return find_id_column(columns, id_column)
    except InputError:
        # Staging looks for the id column again, and reports the error.
        return None


def _hashes(keys: Sequence[str]) -> Hashes:
    return np.fromiter(map(hash, keys), np.int64, len(keys))


def _twice(hashes: Hashes) -> Hashes:
    """The hashes that occur more than once."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
