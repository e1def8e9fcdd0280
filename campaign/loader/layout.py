"""Which columns of a list mean what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from campaign.domain.cells import restore
from campaign.loader.columns import find_id_column, is_results_file, own_columns
from campaign.loader.names import find_zone_column


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which columns of a table mean what. `neutralised` says that its cells carry the marks of a spreadsheet's export."""

    columns: tuple[str, ...]
    own: tuple[int, ...]
    id_place: int
    results: bool
    neutralised: bool
    zone_place: int | None = None

    @classmethod
    def of(cls, columns: Sequence[str], *, id_column: str | None, file: str, spreadsheet: bool) -> Self:
        """Which column is which.

        Args:
            columns: the table's, results' ones included.
            id_column: as asked for, if it was.
            file: the list, for messages.
            spreadsheet: the list is in a format that spreadsheets open, so that a results file's cells are neutralised.

        Raises:
            InputError: the columns don't tell which is the pass's, or are neither a list's nor a results file's.
        """
        results = is_results_file(columns)
        own = own_columns(columns, file=file)
        neutralised = results and spreadsheet
        names = tuple(restore(columns[place]) if neutralised else columns[place] for place in own)
        return cls(
            columns=names,
            own=own,
            id_place=find_id_column(names, id_column, file=file),
            results=results,
            neutralised=neutralised,
            zone_place=find_zone_column(names, file=file),
        )

    def cells(self, row: Sequence[str]) -> tuple[str, ...]:
        """The list's own values of a row."""
        own = tuple(row) if len(self.own) == len(row) else tuple(row[place] for place in self.own)
        return tuple(map(restore, own)) if self.neutralised else own
