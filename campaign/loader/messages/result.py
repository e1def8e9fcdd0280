"""A row's message, or why it has none; and the rules that every message keeps."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from campaign.domain.formula_escape import strip_unseen
from campaign.domain.model import Invalid
from campaign.loader.columns import shown

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT: Final = 65_536
"""Characters of any text, or items of any list, while a message is made."""
MAX_CELL: Final = 4_096
"""Characters of a cell that a template works on. Far below `MAX_TEXT`, so that data alone never exhausts a template."""

HALF: Final = re.compile("[\\ud800-\\udfff]")
_UNSENDABLE: Final = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_LEFTOVER: Final = re.compile(r"\{[{%].{0,60}")
_WORTH_COUNTING: Final = 20
"""Times the allowed length: a text beyond that is too long however its characters combine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """What a message and a template may take.

    Attributes:
        max_length: characters of a message, as a person counts them.
        max_source: characters of a template.
        work_units: for one row, the instructions of a template; and, counted apart, the characters and items its functions work on.
    """

    max_length: int = 350
    max_source: int = 32_768
    work_units: int = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The message of one row: `text` is empty exactly when there is a `reason`. `error` is a sentence for `delivery_error`."""

    text: str
    reason: Invalid | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedBatch:
    """The messages of many rows, in order. A text is empty exactly when `refused` has its index."""

    texts: list[str]
    refused: dict[int, Rendered] = field(default_factory=dict)

    def put(self, index: int, rendered: Rendered) -> None:
        self.texts[index] = rendered.text
        if rendered.reason is not None:
            self.refused[index] = rendered


class Messages(Protocol):
    """One message per row; safe to share between threads."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over everything that decides the text besides the cells."""

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of a row whose cells are in the order of the list's columns.

        Raises:
            InputError: too many rows exhaust the template.
        """

    def render_columns(self, columns: "Columns") -> RenderedBatch:
        """The messages of many rows, as `render` gives them.

        Raises:
            InputError: as `render`; `row` counts from 1 in these columns.
        """


class Columns:
    """Some rows of a list: the columns of a DataFrame of texts, each made a list when it is first used."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self._lists: dict[int, list[str]] = {}

    @property
    def rows(self) -> int:
        return len(self.frame)

    def __getitem__(self, place: int) -> list[str]:
        if place not in self._lists:
            self._lists[place] = self.frame.iloc[:, place].array.tolist()
        return self._lists[place]

    def arrow(self, place: int) -> "pa.Array":
        """A column as Arrow has it."""
        import pyarrow as pa  # noqa: PLC0415 - it takes a while to import

        return pa.array(self.frame.iloc[:, place])

    def chosen(self, indexes: Sequence[int]) -> "Columns":
        """Some of the rows."""
        return Columns(self.frame.iloc[indexes])


def together(array: "pa.Array") -> str:
    """The texts of an array, as they lie there one behind the other."""
    return str(array.buffers()[2] or b"", "utf-8")


def is_empty(cell: str) -> bool:
    """Whether a cell has nothing that a person would see."""
    return not (cell.strip() and (cell.isprintable() or strip_unseen(cell)))


def length_as_shown(text: str) -> int:
    """The characters of a text as a person counts them: a letter with its accents, a flag or a family of emoji is one."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    import regex  # noqa: PLC0415 - it takes a tenth of a second to import, and few texts need it

    return sum(1 for _ in regex.finditer(r"\X", text))


def one_line_end(text: str) -> str:
    """The text with every line ended by a line feed only."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def finish(text: str, *, max_length: int, braces_meant: bool = False) -> Rendered:
    """The message for a text, or why it can't be sent: one kind of line ends, no blanks around it, everything else as it was.

    Args:
        text: as it was written or rendered.
        max_length: in characters as a person counts them.
        braces_meant: `{{` is wanted in the message, and not what is left of a merge field that nobody has filled in.
    """
    text = text.strip()
    if _is_ordinary(text, max_length=max_length, braces_meant=braces_meant):
        return Rendered(text=text)
    text = one_line_end(text)
    if not strip_unseen(text):
        return refused(Invalid.EMPTY_MESSAGE, "The message is empty. Fill in what it is made of.")
    if found := _UNSENDABLE.search(text):
        return unsendable(found[0])
    if not braces_meant and (found := _LEFTOVER.search(text)):
        return refused(
            Invalid.BAD_MESSAGE,
            f"The message would be sent with “{shown(found[0])}” in it, because what is in the list is never taken for a template. "
            "Fill it in there, or move the text into a --template.",
        )
    if len(text) > max_length:
        length = length_as_shown(text) if len(text) <= max_length * _WORTH_COUNTING else len(text)
        if length > max_length:
            error = f"The message has {length:,} characters; at most {max_length:,} are allowed. Shorten it or what is put into it."
            return refused(Invalid.MESSAGE_TOO_LONG, error)
    return Rendered(text=text)


def finish_all(texts: "pa.Array", *, max_length: int, braces_meant: bool = False, printable: bool = False) -> RenderedBatch:
    """`finish` of many texts; `printable` says that they are known to be, but for line feeds."""
    import pyarrow.compute as pc  # noqa: PLC0415 - it takes a while to import

    trimmed = pc.utf8_trim_whitespace(texts)
    batch = RenderedBatch(texts=trimmed.to_pylist())
    shortest, longest = pc.min_max(pc.utf8_length(trimmed)).as_py().values()
    ordinary = shortest and longest <= max_length and (braces_meant or not pc.any(pc.match_substring(trimmed, "{")).as_py())
    if not (ordinary and (printable or together(trimmed).replace("\n", "").isprintable())):
        for index, text in enumerate(batch.texts):
            if not _is_ordinary(text.strip(), max_length=max_length, braces_meant=braces_meant):
                batch.put(index, finish(text, max_length=max_length, braces_meant=braces_meant))
    return batch


def as_it_was(text: str) -> Rendered:
    """A message that was found good once, of any length, and may have been edited since; its braces were meant."""
    return finish(text, max_length=MAX_TEXT, braces_meant=True)


def refused(reason: Invalid, error: str) -> Rendered:
    return Rendered(text="", reason=reason, error=error)


def unsendable(character: str) -> Rendered:
    return refused(Invalid.BAD_MESSAGE, f"The message has {_named(character)} in it. Remove it from the list or the template.")


def long_cell(column: str, length: int) -> Rendered:
    return refused(
        Invalid.MESSAGE_TOO_LONG,
        f"The column “{shown(column)}” has {length:,} characters; a message works on at most {MAX_CELL:,}. Shorten it in the list.",
    )


def missing(name: str, column: str | None) -> Rendered:
    """The row has no value for a variable; `column` is None for one that the list has no column for."""
    what = f"The list has no column “{shown(name)}”" if column is None else f"The column “{shown(column)}” is empty"
    return refused(
        Invalid.MISSING_FIELD,
        f'{what}, and the message needs it. Fill it in, or write {{{{ {shown(name)} | default("...") }}}} in the template.',
    )


def _is_ordinary(text: str, *, max_length: int, braces_meant: bool) -> bool:
    """Whether a text without blanks around it is plainly a message, as nearly every one is; `finish` decides on the others.

    `isprintable` is also False for joined emoji, which `finish` accepts.
    """
    printable = text.isprintable() or text.replace("\n", "").isprintable()
    return printable and 0 < len(text) <= max_length and (braces_meant or "{" not in text)


def _named(character: str) -> str:
    if character == "\t":
        return "a tab"
    kind = "half of a character" if unicodedata.category(character) == "Cs" else "a control character"
    return f"{kind} (U+{ord(character):04X})"
