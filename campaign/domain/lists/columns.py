"""What each column of a list means."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final, Self

from campaign.domain.errors import InputError
from campaign.domain.model import RESULT_COLUMNS
from campaign.domain.text.formula_escape import unescape_formula
from campaign.domain.text.lines import shown

_LISTED = 20


def same_name(name: str) -> str:
    """The normalised spelling; names that share it count as the same."""
    return unicodedata.normalize("NFKC", name)


def normalize_name(name: str) -> str:
    """A column's name in lower case, without spaces, dashes and underscores."""
    return re.sub(r"[\s_-]+", "", same_name(name).casefold())


def listed(columns: Sequence[str]) -> str:
    """Column names for a sentence: at most 20, then how many more there are."""
    names = [f"“{shown(column)}”" for column in columns[:_LISTED]]
    if len(columns) > len(names):
        return f"{', '.join(names)} and {len(columns) - len(names)} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _find_one(name: str, columns: Sequence[str], *, file: str | None = None, spoken: str = "") -> int | None:
    """The position of the column that is named so, or None. Raises InputError if there are two."""
    found = _like(columns, name)
    if len(found) > 1:
        these = listed([columns[position] for position in found])
        problem = f"{these} could each be the {spoken or name} column. Rename all but one of them in the list."
        raise InputError(problem, code="several_columns", file=file)
    return found[0] if found else None


def _like(columns: Sequence[str], *names: str) -> list[int]:
    known = {normalize_name(name) for name in names}
    return [position for position, column in enumerate(columns) if normalize_name(column) in known]


find_message_column = partial(_find_one, "message")
find_template_column = partial(_find_one, "template")
find_zone_column = partial(_find_one, "timezone", spoken="time zone")

ID_NAMES: Final = ("pass_id", "id", "uuid", "pass_uuid", "ext_id", "external_id")
RESULT_NAMES: Final = frozenset(map(normalize_name, RESULT_COLUMNS))


def find_id_column(
    columns: Sequence[str], asked: str | None, *, file: str | None = None, how: str = "with --id-column", otherwise: str = ""
) -> int:
    """The position of the column that holds the pass ids.

    `asked` is the value of `--id-column`, matched exactly first, then ignoring case, spaces, dashes and underscores; `how` says in errors
    how a person names the column; `otherwise` is the name to look for if `asked` is None and the list has none of the usual names.

    Raises:
        InputError: no column matches, or more than one does.
    """
    if asked is None:
        found = _like(columns, *ID_NAMES) or (_like(columns, otherwise) if otherwise else [])
    else:
        found = [position for position, column in enumerate(columns) if column == asked] or _like(columns, asked)
    if len(found) == 1:
        return found[0]
    if found:
        these = listed([columns[position] for position in found])
        raise InputError(f"{these} could each hold the pass ids. Say which one {how}.", code="several_id_columns", file=file)
    if asked is None:
        problem = f"No column is named {', '.join(ID_NAMES[:-1])} or {ID_NAMES[-1]}. The list has {listed(columns)}."
        raise InputError(f"{problem} Say which one holds the pass ids {how}.", code="missing_id_column", file=file)
    near = get_close_matches(asked, columns, n=1)
    hint = f" Did you mean “{shown(near[0])}”?" if near else ""
    raise InputError(
        f"There is no column “{shown(asked)}”; the list has {listed(columns)}.{hint} Change --id-column.",
        code="unknown_column",
        file=file,
        asked=asked,
    )


def has_to_be_named(id_column: str, columns: Sequence[str]) -> bool:
    """Whether a list with these columns is read only if `--id-column` names the one that holds the pass ids."""
    return [columns[position] for position in _like(columns, *ID_NAMES)] != [id_column]


def is_results_file(columns: Sequence[str]) -> bool:
    """Whether these are the columns of a results file, from which a run can be resumed or retried."""
    return set(RESULT_COLUMNS) <= set(columns)


def own_columns(columns: Sequence[str], *, file: str | None = None) -> tuple[int, ...]:
    """The positions of all columns but the results columns, in the list's order.

    Raises:
        InputError: the list has only some of the results columns, or has them in another spelling. It is neither a list nor a results
            file; as a new list it would be sent to everyone again.
    """
    taken = [column for column in columns if column in RESULT_COLUMNS]
    alike = [column for column in columns if normalize_name(column) in RESULT_NAMES]
    if not is_results_file(columns) and (taken or len(alike) > 1):
        missing = [name for name in RESULT_COLUMNS if name not in columns]
        raise InputError(
            f"The list has {listed(alike)}, as a results file has, but not {listed(missing)}. "
            "To go on from a results file, keep all its delivery_ columns as they are; to use it as a new list, remove or rename them.",
            code="part_of_results",
            file=file,
            column=alike[0],
        )
    return tuple(position for position, column in enumerate(columns) if column not in RESULT_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What each column of a table means. `neutralised` says that its cells carry the marks that escape formulas."""

    columns: tuple[str, ...]
    own: tuple[int, ...]
    id_place: int
    results: bool
    neutralised: bool
    zone_place: int | None = None

    @classmethod
    def of(cls, columns: Sequence[str], *, id_column: str | None, file: str, spreadsheet: bool) -> Self:
        """Find out what each column means.

        `columns` include the results columns; `id_column` is the one that a person named; `spreadsheet` says that spreadsheets open the
        list's format, so the cells of a results file are neutralised.

        Raises:
            InputError: no column, or more than one, can hold the pass ids; or the columns are neither a list's nor a results file's.
        """
        results = is_results_file(columns)
        own = own_columns(columns, file=file)
        neutralised = results and spreadsheet
        names = tuple(unescape_formula(columns[place]) if neutralised else columns[place] for place in own)
        return cls(
            columns=names,
            own=own,
            id_place=find_id_column(names, id_column, file=file),
            results=results,
            neutralised=neutralised,
            zone_place=find_zone_column(names, file=file),
        )

    def cells(self, row: Sequence[str]) -> tuple[str, ...]:
        """A row's cells without those of the results columns, and without the marks that escape formulas."""
        own = tuple(row) if len(self.own) == len(row) else tuple(row[place] for place in self.own)
        return tuple(map(unescape_formula, own)) if self.neutralised else own
