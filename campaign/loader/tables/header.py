"""The column names of a list, checked in the same way whatever the file's format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from campaign.domain.cells import strip_unseen
from campaign.domain.errors import InputError
from campaign.loader.tables.table import Limits, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`names` are the file's, cleaned, empty where a column has none; `kept` are the positions of those that have one."""

    file: str
    names: tuple[str, ...]
    kept: tuple[int, ...]

    @classmethod
    def check(cls, names: Sequence[str], *, file: str, limits: Limits) -> "Header":
        """Raises InputError if there are no names, too many, or the same one twice."""
        if len(names) > limits.columns:
            problem = f"The list has {len(names):,} columns; at most {limits.columns:,} are read. Remove those that aren't needed."
            raise InputError(problem, file=file)
        clean = tuple(strip_unseen(name) for name in names)
        kept = tuple(position for position, name in enumerate(clean) if name)
        if not kept:
            raise InputError("The first row has no column names. Put a header above the data, such as pass_id.", file=file)
        first: dict[str, int] = {}
        for position in kept:
            before = first.setdefault(clean[position], position)
            if before != position:
                problem = f"Columns {before + 1} and {position + 1} have the same name. Rename or remove one of them."
                raise InputError(problem, file=file, column=clean[position])
        return cls(file=file, names=clean, kept=kept)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.names[position] for position in self.kept)

    @property
    def unnamed(self) -> tuple[int, ...]:
        """The positions of columns without a name, which must not hold anything."""
        return tuple(position for position, name in enumerate(self.names) if not name)

    def check_unnamed(self, cells: Sequence[str], *, row: int, line: int | None) -> None:
        """Raises InputError if a row has something in a column without a name."""
        for position in self.unnamed:
            if strip_unseen(cells[position]):
                advice = "Name the column or empty it."
                if row == 1:
                    advice += " If this row is the header, delete what stands above it."
                problem = f"Column {position + 1} has no name, but this row has a value in it. {advice}"
                raise InputError(problem, file=self.file, row=row, line=line)

    def pick(self) -> Callable[[Sequence[str]], Row]:
        """What makes a row of the named columns from a row of the file."""
        if not self.unnamed:
            return tuple
        if len(self.kept) == 1:
            only = self.kept[0]
            return lambda cells: (cells[only],)
        return itemgetter(*self.kept)
