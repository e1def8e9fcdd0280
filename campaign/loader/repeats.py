"""Which passes are in a list more than once, found out while it is checked, so that duplicates are staged as such.

To find them in the ledger afterwards, and mark them there, takes as long as to store the list.
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
"""Passes whose keys are remembered; where more are in a list twice, the ledger finds the duplicates."""


class Repeats:
    """Takes a list's frames, and tells the passes that were in more than one row.

    Args:
        id_column: as asked for, if it was.
    """

    def __init__(self, id_column: str | None) -> None:
        self._id_column = id_column
        self._place: int | None = None
        self._rows = 0
        # Eight bytes a row, on the disk where they are many.
        self._hashes: IO[bytes] = tempfile.SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115 - closed by `close`

    def add(self, frame: "pd.DataFrame") -> None:
        """Take some rows of the list."""
        if not self._rows:
            self._place = _id_place(tuple(frame.columns), self._id_column)
        self._rows += len(frame)
        if self._place is not None:
            self._hashes.write(_hashes(ids_of(frame.iloc[:, self._place].array.tolist())[1]).tobytes())

    def found(self) -> "Repeated | None":
        """The passes that are in more than one row; None if that is not known, or they are too many to remember."""
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
    """The passes that are in a list more than once, by their hashes; which of them have had a row that can be sent."""

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._seen: set[str] = set()

    @classmethod
    def nothing(cls) -> "Repeated":
        """No pass is known to be."""
        return cls(np.empty(0, np.int64))

    def among(self, keys: Sequence[str]) -> list[int]:
        """The positions of keys that may be of such a pass."""
        if not len(self._hashes):
            return []
        hashes = _hashes(keys)
        nearest = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        return np.flatnonzero(self._hashes[nearest] == hashes).tolist()

    def is_first(self, key: str) -> bool:
        """Whether this is the first row of a pass; asked once for each row that can be sent."""
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
        # Said where it is asked which column it is.
        return None


def _hashes(keys: Sequence[str]) -> Hashes:
    return np.fromiter(map(hash, keys), np.int64, len(keys))


def _twice(hashes: Hashes) -> Hashes:
    """The hashes that are there more than once."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
