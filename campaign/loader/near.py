"""Finds ids of a list that are near to each other, or to an excluded id, in memory that does not grow with the list.

Each id puts two hashes of 64 bits into a temporary file: one of its pass key, and one of the key that near ids share (`near_keys`). Of two
near ids at least one is unusual: its near key differs from its pass key. Without unusual ids, or if all ids have one style, nothing is
compared.
"""

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from campaign.domain.lists.near_ids import near_keys
from campaign.domain.model import StagedBatch, StagedRow, Status
from campaign.loader.source import no_room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.int64]
    Mask = NDArray[np.bool_]

SHOWN: Final = 10
COMPARED_AT_ONCE: Final = 1 << 19
READ_AT_ONCE: Final = 1 << 16
_IN_MEMORY_BYTES: Final = 1 << 16
_NUMBER_BYTES: Final = 8
_NOT_SENT: Final = frozenset({Status.INVALID, Status.SKIPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NearIds:
    """How many rows have near ids, and the first of them. Only the first row of a pass counts.

    `duplicates` counts rows near to each other, `groups` are the first groups of these. `excluded` counts rows near to an excluded pass,
    `excluded_rows` are the first of these.
    """

    duplicates: int = 0
    groups: tuple[tuple[int, ...], ...] = ()
    excluded: int = 0
    excluded_rows: tuple[int, ...] = ()


class NearIdFinder:
    """Collects the ids of a list and the excluded ids. Close it, or use it in a `with` block."""

    def __init__(self) -> None:
        self._listed = _Columns(3)
        self._excluded = _Columns(2)
        self._unusual = _Columns(1)
        self._styles: set[str] = set()

    def watching(self, batches: Iterable[Sequence[StagedRow]]) -> Iterator[Sequence[StagedRow]]:
        """Yield the same batches, and add the rows that can be sent, or were.

        Raises:
            DiskFullError: there is no room for temporary files.
        """
        for batch in batches:
            others: Sequence[StagedRow] = batch
            if isinstance(batch, StagedBatch):
                self.add(batch.numbers, batch.pass_keys)
                others = batch.others
            sent = [row for row in others if row.outcome.status not in _NOT_SENT]
            self.add([row.row for row in sent], [row.pass_key for row in sent])
            yield batch

    def add(self, numbers: Sequence[int], pass_keys: Sequence[str]) -> None:
        """Add rows that can be sent, or were. Raises as `watching` does."""
        if pass_keys:
            self._listed.add(array("q", numbers), *self._hashes(pass_keys))

    def exclude(self, pass_keys: Sequence[str]) -> None:
        """Add excluded passes. Raises as `watching` does."""
        if pass_keys:
            self._excluded.add(*self._hashes(pass_keys))

    def found(self, to_send: bytearray | None = None) -> NearIds:
        """The near ids among all that were added. With `to_send`, indexed by row number, only rows count for which it is true."""
        of_one_style = len(self._styles) == 1 and "" not in self._styles
        parts = list(self._compared(to_send)) if self._unusual.count and not of_one_style else []
        return NearIds(
            duplicates=sum(part.duplicates for part in parts),
            groups=tuple(nsmallest(SHOWN, (group for part in parts for group in part.groups))),
            excluded=sum(part.excluded for part in parts),
            excluded_rows=tuple(nsmallest(SHOWN, (row for part in parts for row in part.excluded_rows))),
        )

    def close(self) -> None:
        for columns in (self._listed, self._excluded, self._unusual):
            columns.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _hashes(self, pass_keys: Sequence[str]) -> tuple["array[int]", "array[int]"]:
        """The hashes of the near keys, and of the pass keys."""
        keys, style = near_keys(pass_keys)
        self._styles.add(style)
        passes = array("q", map(hash, pass_keys))
        if keys is pass_keys:
            return passes, passes
        near = array("q", map(hash, keys))
        self._unusual.add(array("q", [one for one, other in zip(near, passes, strict=True) if one != other]))
        return near, passes

    def _compared(self, to_send: bytearray | None) -> Iterator[NearIds]:
        """Yield the near ids of the unusual ids, one part of the hashes at a time."""
        import numpy as np  # noqa: PLC0415 - few lists need it

        # The number of parts is a power of two, so that the low bits of a hash give its part.
        parts = 1 << max(0, (self._unusual.count - 1) // COMPARED_AT_ONCE).bit_length()
        for part in range(parts):
            (unusual,) = self._unusual.chosen(0, partial(_is_in, part, parts))
            among = partial(_is_among, part, parts, np.unique(unusual))
            numbers, near, passes = self._listed.chosen(1, among)
            excluded_near, excluded_passes = self._excluded.chosen(0, among)
            yield _near_ids(numbers, near, passes, excluded_near, excluded_passes, to_send=to_send)


def _is_in(part: int, parts: int, hashes: "Hashes") -> "Mask":
    """Which hashes belong to this one of `parts` parts."""
    found: Mask = hashes & (parts - 1) == part
    return found


def _is_among(part: int, parts: int, wanted: "Hashes", hashes: "Hashes") -> "Mask":
    """Which hashes are among `wanted`, the sorted hashes of one part."""
    import numpy as np  # noqa: PLC0415 - (same)

    found = _is_in(part, parts, hashes)
    at = np.searchsorted(wanted, hashes[found])
    at[at == len(wanted)] = 0
    found[found] = np.equal(wanted[at], hashes[found]) if len(wanted) else False
    return found


def _near_ids(
    numbers: "Hashes", near: "Hashes", passes: "Hashes", excluded_near: "Hashes", excluded_passes: "Hashes", *, to_send: bytearray | None
) -> NearIds:
    import numpy as np  # noqa: PLC0415 - (same)

    # Nearly all hashes occur once; only the others need more work.
    kept = ~_stands_alone(near)
    if len(excluded_near):
        kept = (kept | np.isin(near, excluded_near)) & ~np.isin(passes, excluded_passes)
    numbers, near, passes = numbers[kept], near[kept], passes[kept]
    order = np.lexsort((numbers, passes, near))
    numbers, near, passes = numbers[order], near[order], passes[order]
    first_of_pass = np.ones(len(near), dtype=bool)
    first_of_pass[1:] = (near[1:] != near[:-1]) | (passes[1:] != passes[:-1])
    numbers, near = numbers[first_of_pass], near[first_of_pass]
    counts_here = np.ones(len(numbers), dtype=bool) if to_send is None else np.frombuffer(to_send, dtype=bool)[numbers]
    beside_excluded = np.sort(numbers[counts_here & np.isin(near, excluded_near)])
    _, starts, counts = np.unique(near, return_index=True, return_counts=True)
    first_of_group = np.minimum.reduceat(numbers, starts) if len(starts) else numbers
    of_any = np.logical_or.reduceat(counts_here, starts) if len(starts) else counts_here
    several = np.flatnonzero((counts > 1) & of_any)
    shown = several[np.argsort(first_of_group[several])][:SHOWN]
    return NearIds(
        duplicates=int(counts[several].sum()),
        groups=tuple(tuple(sorted(numbers[starts[at] : starts[at] + counts[at]].tolist())[:SHOWN]) for at in shown),
        excluded=len(beside_excluded),
        excluded_rows=tuple(beside_excluded[:SHOWN].tolist()),
    )


def _stands_alone(near: "Hashes") -> "Mask":
    """Which of the hashes occur once."""
    import numpy as np  # noqa: PLC0415 - (same)

    order = np.argsort(near)
    differs = np.ones(len(near) + 1, dtype=bool)
    differs[1:-1] = near[order][1:] != near[order][:-1]
    alone = np.empty(len(near), dtype=bool)
    alone[order] = differs[:-1] & differs[1:]
    return alone


class _Columns:
    """Columns of 64-bit numbers, on disk unless they are few; `count` is the number of lines."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self._files = [tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, prefix="campaign-") for _ in range(width)]  # noqa: SIM115 - see `close`

    def add(self, *columns: "array[int]") -> None:
        try:
            for file, numbers in zip(self._files, columns, strict=True):
                file.write(numbers.tobytes())
        except OSError as error:
            raise no_room(error) from error
        self.count += len(columns[0])

    def chosen(self, place: int, is_chosen: Callable[["Hashes"], "Mask"]) -> list["Hashes"]:
        """All columns, but only the lines that `is_chosen` selects by the column at `place`."""
        import numpy as np  # noqa: PLC0415 - (same)

        for file in self._files:
            file.seek(0)
        found: list[list[Hashes]] = []
        for _ in range(-(-self.count // READ_AT_ONCE)):
            columns = [np.frombuffer(file.read(READ_AT_ONCE * _NUMBER_BYTES), dtype=np.int64) for file in self._files]
            fits = is_chosen(columns[place])
            found.append([column[fits] for column in columns])
        nothing = [np.empty(0, dtype=np.int64)]
        return [np.concatenate([*(columns[at] for columns in found), *nothing]) for at in range(len(self._files))]

    def close(self) -> None:
        for file in self._files:
            # Unwritten data is not needed.
            with suppress(OSError):
                file.close()
