"""Reads the lists of passes that must not be sent to."""

from collections.abc import Iterator
from dataclasses import dataclass

from campaign.app.lists.list_source import header_offered
from campaign.domain.errors import InputError
from campaign.domain.lists.columns import find_id_column
from campaign.domain.lists.locations import Location
from campaign.domain.lists.pass_ids import check_pass_id, pass_key
from campaign.domain.text.formula_escape import unescape_formula
from campaign.loader.table import open_table


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Lists of passes that must not be sent to. The constructor validates all of them.

    Raises:
        InputError: one of them can't be read, or has an unusable id: its pass would be sent to by mistake.
    """

    files: tuple[Location, ...]
    id_column: str
    """The name of the pass column in the list that is sent to; used for a file that has none of the usual names."""

    def __post_init__(self) -> None:
        for _ in self.keys():
            pass

    def keys(self) -> Iterator[list[str]]:
        """The keys of the passes, some at a time."""
        for file in self.files:
            with header_offered("delete what is above it"):
                table = open_table(file)
            with table:
                place = find_id_column(table.columns, None, file=table.name, how="by naming it pass_id", otherwise=self.id_column)
                row = 0
                for frame in table.frames():
                    keys = []
                    for cell in frame.iloc[:, place]:
                        row += 1
                        if not cell.strip():
                            continue
                        # A column may or may not be copied from a results file: an id with the mark of one is read both ways.
                        for text in {cell, unescape_formula(cell)}:
                            pass_id, problem, sentence = check_pass_id(text)
                            if problem is not None:
                                why = f"{sentence} The pass that it means would be sent to."
                                raise InputError(why, file=table.name, row=row, line=table.lines.of(row), code="id_not_usable")
                            keys.append(pass_key(pass_id))
                    yield keys
