"""Finds rows of a list that go to the same pass, or to passes that a person takes for the same, in memory that does not grow with it.

Hashes of 64 bits go into a temporary file, and are compared one part at a time. Of two near ids at least one is unusual: its near key
(`near_keys`) differs from its pass key. Without unusual ids, or if all ids have one style, nothing is compared.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from campaign.domain.errors import InputError
from campaign.domain.lists.columns import find_id_column, is_results_file
from campaign.domain.lists.near_ids import SMALL, are_near_keys, near_keys
from campaign.domain.lists.pass_ids import are_keys, ids_of
from campaign.domain.model import StagedBatch, StagedRow
from campaign.domain.status import LEFT_OUT
from campaign.loader.source import temporary_room

Numbers = NDArray[np.int64]
_Part = Callable[[], Iterator[Numbers]]
"""Reads the rows of one part, some at a time."""

SHOWN: Final = 10
COMPARED_AT_ONCE: Final = 1 << 19
SORTED_AT_ONCE: Final = 1 << 20
HELD_BYTES: Final = 1 << 16
BLOCK_BYTES: Final = 4 << 20
HASHED_BYTES: Final = 64
"""Longer texts are hashed one by one, as all texts are filled up to the longest."""
_FACTOR: Final = secrets.randbits(64) | 1
MOST_REPEATED: Final = 250_000
"""How many repeated passes are remembered. If a list has more, the ledger finds the duplicates."""


class Repeats:
    """Collects a list's frames while it is checked, and finds the passes that are in more than one row.

    To find and mark them in the ledger later would take as long as to store the list. `id_column` is the one that a person named.
    """

    def __init__(self, id_column: str | None) -> None:
        self._id_column = id_column
        self._place: int | None = None
        self._hashes = _Hashes(1)
        self.close = self._hashes.close

    def add(self, frame: pd.DataFrame) -> None:
        """Add some rows of the list. Raises DiskFullError if there is no room for temporary files."""
        if not self._hashes.count and not is_results_file(columns := tuple(frame.columns)):
            # Staging looks for the id column again, and reports the error.
            with suppress(InputError):
                self._place = find_id_column(columns, self._id_column)
        if self._place is not None:
            self._hashes.add(_hashes_of(keys_of(pa.array(frame.iloc[:, self._place]))[1]))

    def found(self) -> "Repeated | None":
        """The passes that are in more than one row; None if the id column is not known, or there are too many to remember."""
        if self._place is None:
            return None
        twice = np.empty(0, np.int64)
        for part in self._hashes.parts(self._hashes.count // SORTED_AT_ONCE):
            hashes = np.concatenate(list(part())).ravel()
            hashes.sort()
            twice = np.union1d(twice, hashes[1:][hashes[1:] == hashes[:-1]])
            if len(twice) > MOST_REPEATED:
                return None
        return Repeated(twice, self._hashes)


class Repeated:
    """The passes that are in a list more than once, by hash; remembers which of them already have a row that can be sent."""

    def __init__(self, twice: Sequence[int] | Numbers = (), rows: "_Hashes | None" = None) -> None:
        self._twice = pd.Index(twice)
        self._rows = rows
        # Another hash of the first key for each hash: the keys themselves would be 100 bytes each.
        self._first = np.zeros(len(twice), np.int64)
        self._others: set[str] = set()

    def among(self, first: int, count: int) -> dict[int, int]:
        """Which of these rows may be of a repeated pass, counted from the first, and of which, as two passes can share a hash."""
        if self._twice.empty or self._rows is None:
            return {}
        found = self._twice.get_indexer(self._rows.read(first - 1, count)[:, 0])
        positions = (found >= 0).nonzero()[0]
        return dict(zip(positions.tolist(), found[positions].tolist(), strict=True))

    def is_first(self, which: int, key: str) -> bool:
        """Whether this is the first row of a pass. Call it once for each row that can be sent."""
        known, own = self._first[which], hash(key) or 1
        if known in {0, own}:
            self._first[which] = own
            return not known
        first = key not in self._others
        self._others.add(key)
        return first


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
    """Collects the ids of a list and the excluded ids. Close it, or use it in a `with` block.

    Its methods raise DiskFullError if there is no room for temporary files.
    """

    def __init__(self) -> None:
        # The hash of the near key, that of the pass key, and the row; an excluded pass is in row 0.
        self._rows = _Hashes(3)
        self._unusual = 0
        self._styles: set[str] = set()
        self.close = self._rows.close

    def watching(self, batches: Iterable[Sequence[StagedRow]]) -> Iterator[Sequence[StagedRow]]:
        """Yield the same batches, and add the rows that can be sent, or were."""
        for batch in batches:
            others: Sequence[StagedRow] = batch
            if isinstance(batch, StagedBatch):
                self.add(batch.numbers, batch.pass_keys)
                others = batch.others
            sent = [row for row in others if row.outcome.status not in LEFT_OUT]
            self.add([row.row for row in sent], [row.pass_key for row in sent])
            yield batch

    def add(self, numbers: Sequence[int] | Numbers, pass_keys: Sequence[str] | pa.Array) -> None:
        """Add rows that can be sent, or were."""
        if not len(pass_keys):
            return
        if isinstance(pass_keys, Sequence):
            keys, style = near_keys(pass_keys)
        elif are_near_keys(*_characters(pass_keys)):
            keys, style = pass_keys, SMALL
        else:
            pass_keys = pass_keys.to_pylist()
            keys, style = near_keys(pass_keys)
        self._styles.add(style)
        passes = _hashes_of(pass_keys)
        near = passes if keys is pass_keys else _hashes_of(keys)
        self._unusual += int((near != passes).sum())
        self._rows.add(near, passes, numbers)

    def exclude(self, pass_keys: Sequence[str]) -> None:
        self.add([0] * len(pass_keys), pass_keys)

    def found(self, to_send: bytearray | None = None) -> NearIds:
        """The near ids among all that were added. With `to_send`, indexed by row number, only rows count for which it is true."""
        if not self._unusual or (len(self._styles) == 1 and "" not in self._styles):
            return NearIds()
        parts = [_near_ids(part, to_send) for part in self._rows.parts(self._unusual // COMPARED_AT_ONCE)]
        return NearIds(
            duplicates=sum(part.duplicates for part in parts),
            groups=tuple(nsmallest(SHOWN, (group for part in parts for group in part.groups))),
            excluded=sum(part.excluded for part in parts),
            excluded_rows=tuple(nsmallest(SHOWN, (row for part in parts for row in part.excluded_rows))),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _near_ids(part: _Part, to_send: bytearray | None) -> NearIds:
    unusual = np.concatenate([rows[rows[:, 0] != rows[:, 1], 0] for rows in part()])
    rows = np.concatenate([rows[pd.Series(rows[:, 0]).isin(unusual)] for rows in part()])
    found = pd.DataFrame(rows, columns=["near", "key", "row"])
    found = found[found["near"].duplicated(keep=False)]  # nearly all stand alone
    first = found.sort_values("row").drop_duplicates(["near", "key"])
    excluded, listed = first[first["row"] == 0], first[first["row"] > 0]
    counts = pd.Series(True if to_send is None else np.frombuffer(to_send, bool)[listed["row"]], listed.index)
    beside = listed["row"][counts & listed["near"].isin(excluded["near"])]
    several = listed[listed["near"].duplicated(keep=False) & listed["near"].isin(listed["near"][counts])]
    shown = several["near"].drop_duplicates()[:SHOWN]
    return NearIds(
        duplicates=len(several),
        groups=tuple(tuple(several["row"][several["near"] == near][:SHOWN].tolist()) for near in shown),
        excluded=len(beside),
        excluded_rows=tuple(beside[:SHOWN].tolist()),
    )


def keys_of(cells: pa.Array) -> tuple[Sequence[int], pa.Array]:
    """`ids_of` an array. The keys are the same array if each id is its own key."""
    if are_keys(*_characters(cells)):
        return (), cells
    odd, keys = ids_of(cells.to_pylist())
    return odd, pa.array(keys, pa.large_string())


def _characters(texts: pa.Array) -> tuple[bytes, set[int]]:
    """All bytes of the texts together, and their lengths in bytes."""
    return bytes(texts.buffers()[2] or b""), set(pc.unique(pc.binary_length(texts)).to_pylist())


def _hashes_of(keys: Sequence[str] | pa.Array) -> Numbers:
    """A number for each text; which, nobody knows before, so that nobody can choose ids that share one."""
    keys = keys if isinstance(keys, pa.Array) else pa.array(keys, pa.large_string())
    sizes = pc.binary_length(keys).to_numpy()
    long = np.flatnonzero(sizes > HASHED_BYTES)
    short = pc.if_else(pa.array(sizes > HASHED_BYTES), pa.scalar("", keys.type), keys) if len(long) else keys
    words = min(int(sizes.max()), HASHED_BYTES) // 8 + 1
    texts = np.frombuffer(pc.ascii_rpad(short, words * 8, padding="\0").buffers()[2], np.uint64).reshape(len(keys), words)
    found = sizes.astype(np.uint64)
    for at in range(words):
        mixed = (found ^ texts[:, at]) * np.uint64(_FACTOR)
        found = np.where(sizes > 8 * at, mixed ^ (mixed >> np.uint64(32)), found)
    hashes: Numbers = found.view(np.int64)
    hashes[long] = [hash(keys[at].as_py()) for at in long.tolist()]
    return hashes


class _Hashes:
    """Rows of a hash and other numbers of 64 bits, on disk unless they are few; `count` is the number of rows."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self._width = width
        self._file: Any = tempfile.SpooledTemporaryFile(HELD_BYTES, prefix="campaign-")  # noqa: SIM115 - see `close`

    def add(self, *columns: Numbers | Sequence[int]) -> None:
        with temporary_room():
            self._file.write(np.column_stack([np.asarray(column, np.int64) for column in columns]))
        self.count += len(columns[0])

    def read(self, first: int, count: int) -> Numbers:
        """So many rows from the first on, counted from 0."""
        row_bytes = 8 * self._width
        self._file.seek(first * row_bytes)
        return np.frombuffer(self._file.read(count * row_bytes), np.int64).reshape(-1, self._width)

    def parts(self, least: int) -> Iterator[_Part]:
        """Readers of the rows in more than `least` parts; rows of one hash are in one part."""
        # Their number is a power of two, so that the low bits of a hash give its part.
        parts = 1 << least.bit_length()
        return (partial(self._part, part, parts - 1) for part in range(parts))

    def _part(self, part: int, mask: int) -> Iterator[Numbers]:
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES * self._width):
            rows = np.frombuffer(block, np.int64).reshape(-1, self._width)
            yield rows[rows[:, 0] & mask == part]

    def close(self) -> None:
        # Unwritten data is not needed.
        with suppress(OSError):
            self._file.close()
