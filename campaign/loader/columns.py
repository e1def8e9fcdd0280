"""Finds out what each column means, and whether a cell of the id column can be a pass id."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final, Self

from campaign.domain.errors import InputError
from campaign.domain.model import RESULT_COLUMNS, Invalid
from campaign.domain.text.formula_escape import strip_unseen, unescape_formula
from campaign.domain.text.lines import sanitize_for_terminal

_LISTED = 20


def same_name(name: str) -> str:
    """The normalised spelling; names that share it count as the same."""
    return unicodedata.normalize("NFKC", name)


def normalize_name(name: str) -> str:
    """A column's name in lower case, without spaces, dashes and underscores."""
    return re.sub(r"[\s_-]+", "", same_name(name).casefold())


def shown(text: str, characters: int = 60) -> str:
    """A name or a value from a file, short enough for a sentence."""
    return sanitize_for_terminal(text, characters)


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
ID_CHARACTERS: Final = 512
"""The longest id that is sent. Servers cut or refuse longer addresses."""

_RESULT_NAMES: Final = frozenset(map(normalize_name, RESULT_COLUMNS))
_PLAIN_ID: Final = re.compile(rf"[0-9A-Za-z_-]{{1,{ID_CHARACTERS}}}")
_PLAIN_BYTES: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
_SCIENTIFIC: Final = re.compile(r"[+-]?(?:\d{1,3}[.,]\d+[Ee][+-]\d+|\d{1,3}[Ee]\+\d+)")
_TOO_NARROW: Final = re.compile(r"#{2,}")
# English, then what Excel writes in German, French, Spanish, Italian, Portuguese and Dutch
_SPREADSHEET_ERROR: Final = re.compile(
    r"#(?:N/A|GETTING_DATA|(?:REF|VALUE|DIV/0|NUM|NULL|SPILL|CALC|FIELD|BLOCKED|CONNECT|UNKNOWN|BUSY|ERROR)!|NAME\?"
    r"|NV|(?:BEZUG|WERT|ZAHL)!|(?:VALEUR|NOMBRE|NUL)!|NOM\?|N/D|¡(?:REF|VALOR|DIV/0|NUM|NULO)!|¿NOMBRE\?"
    r"|(?:RIF|VALORE|NULLO)!|NOME\?|(?:VALOR|NÚM|NULO)!|N/B|(?:VERW|WAARDE|DEEL/0|GETAL|LEEG)!|NAAM\?)",
    re.IGNORECASE,
)
_PASS_UUID: Final = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_CHARACTERS: Final = frozenset({36, 40})
_CONTROL: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


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
    alike = [column for column in columns if normalize_name(column) in _RESULT_NAMES]
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


def is_plain_id(text: str) -> bool:
    """Whether a cell of the id column is an id that `check_pass_id` accepts unchanged."""
    return _PLAIN_ID.fullmatch(text) is not None


def check_pass_id(text: str) -> tuple[str, Invalid | None, str]:
    """Return the id in a cell, why it can't be sent to (None if it can), and the reason as a sentence.

    The id is any text, because an external id has no fixed form. Blanks and invisible characters around it are removed.
    """
    if is_plain_id(text):
        return text, None, ""
    pass_id = strip_unseen(text)
    if not pass_id:
        return pass_id, Invalid.NO_ID, "The row has no pass id."
    if _SCIENTIFIC.fullmatch(pass_id):
        sentence = f"The id {pass_id} has lost its digits in a spreadsheet. Format the column as text there and paste the ids again."
    elif _SPREADSHEET_ERROR.fullmatch(pass_id):
        sentence = f"The id is {pass_id}, an error in a spreadsheet's formula. Correct the formula, or paste the ids as values."
    elif _TOO_NARROW.fullmatch(pass_id):
        sentence = "The id is only # signs: its column was too narrow when the spreadsheet was saved. Widen it and save again."
    else:
        return pass_id, *_check_sendable(pass_id)
    return pass_id, Invalid.MANGLED_ID, sentence


def pass_key(pass_id: str) -> str:
    """The key of a pass; ids with the same key are the same pass. UUIDs of both forms ignore case, external ids don't."""
    return pass_id.lower() if len(pass_id) in _UUID_CHARACTERS and _PASS_UUID.fullmatch(pass_id) else pass_id


def ids_of(texts: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
    """Return the positions of the cells for which `is_plain_id` is false, and the `pass_key` of every cell."""
    joined, lengths = "\n".join(texts), set(map(len, texts))
    others = joined.encode("utf-8", "surrogatepass").translate(None, _PLAIN_BYTES)
    is_plain = others == b"\n" * (len(texts) - 1) and 0 not in lengths and max(lengths, default=0) <= ID_CHARACTERS
    odd = [] if is_plain else [place for place, text in enumerate(texts) if not is_plain_id(text)]
    if not odd and (_UUID_CHARACTERS.isdisjoint(lengths) or joined.islower()):
        return odd, texts
    keys = list(map(pass_key, texts))
    for place in odd:
        keys[place] = pass_key(check_pass_id(texts[place])[0])
    return odd, keys


def _check_sendable(pass_id: str) -> tuple[Invalid | None, str]:
    if len(pass_id) > ID_CHARACTERS:
        return Invalid.BAD_ID, f"The id is {len(pass_id):,} characters long; at most {ID_CHARACTERS} can be sent. Is it the right column?"
    if any(unicodedata.category(character) in _CONTROL for character in pass_id):
        return Invalid.BAD_ID, "The id has a line break or another control character inside. Remove it."
    if pass_id in {".", ".."}:
        # Every URL library and proxy treats "%2E" like "." (RFC 3986, 6.2.2) and drops it as a path segment. The request would
        # reach another address, and its answer would be taken for this pass's answer.
        return Invalid.BAD_ID, f"The id “{pass_id}” can't be part of a web address. Give this pass another external id."
    return None, ""


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
