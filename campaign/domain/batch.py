"""Rows on their way from the loader to the ledger, some thousand at a time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from campaign.domain.model import StagedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedBatch(Sequence[StagedRow]):
    """Rows of a list, in its order. Nearly all are plain: pending, never sent, with nothing to say of them.

    Those stand here column by column, all columns equally long, and become a `StagedRow` only for who asks: of a million, making one for
    each takes longer than to store them. `cells` are JSON arrays, as ledgers store them. The `others` are as they are.
    """

    numbers: Sequence[int]
    pass_ids: Sequence[str]
    pass_keys: Sequence[str]
    messages: Sequence[str]
    cells: Sequence[str]
    zones: Sequence[str]
    others: Sequence[StagedRow] = ()

    def __len__(self) -> int:
        return len(self.numbers) + len(self.others)

    def __iter__(self) -> Iterator[StagedRow]:
        return iter(self._rows())

    @overload
    def __getitem__(self, place: int) -> StagedRow: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[StagedRow]: ...
    def __getitem__(self, place: int | slice) -> StagedRow | Sequence[StagedRow]:
        return self._rows()[place]

    def _rows(self) -> list[StagedRow]:
        columns = zip(self.numbers, self.pass_ids, self.pass_keys, self.messages, self.cells, self.zones, strict=True)
        plain = (
            StagedRow(row=number, pass_id=pass_id, pass_key=pass_key, message=message, cells=tuple(json.loads(cells)), zone=zone)
            for number, pass_id, pass_key, message, cells, zone in columns
        )
        return sorted([*plain, *self.others], key=lambda row: row.row)
