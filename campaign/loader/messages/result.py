"""A row's message, or why it has none; and the rules that every message must meet."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from campaign.domain.model import Invalid
from campaign.domain.text.formula_escape import strip_unseen
from campaign.domain.text.lines import length_as_shown, one_line_end, shown

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT: Final = 65_536
"""The most characters of any text, or items of any list, while a message is rendered."""
MAX_CELL: Final = 4_096
"""The most characters of a cell that a template uses. It is far below `MAX_TEXT`, so that data alone never exhausts a template."""

HALF: Final = re.compile("[\\ud800-\\udfff]")
_UNSENDABLE: Final = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_LEFTOVER: Final = re.compile(r"\{[{%].{0,60}")
_WORTH_COUNTING: Final = 20
"""A multiple of the allowed length. A text of more code points is too long, however they combine."""


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


def together(array: "pa.Array") -> str:
    """The texts of an array, joined without a separator."""
    return str(array.buffers()[2] or b"", "utf-8")


def is_empty(cell: str) -> bool:
    """Whether a cell has no visible character."""
    return not (cell.strip() and (cell.isprintable() or strip_unseen(cell)))


def finish(text: str, *, max_length: int, braces_meant: bool = False) -> Rendered:
    """The message for a text, or why it can't be sent. Line ends become line feeds, and blanks around the text are removed.

    `max_length` is in characters as a person counts them. With `braces_meant`, `{{` belongs to the message, and is not an unfilled merge
    field.
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
    """`finish` for many texts; `printable` says that all are known to be printable, except for line feeds."""
    import pyarrow.compute as pc  # noqa: PLC0415 - it takes a while to import

    trimmed = pc.utf8_trim_whitespace(texts)
    batch = RenderedBatch(texts=trimmed.to_pylist())
    shortest, longest = pc.min_max(pc.utf8_length(trimmed)).as_py().values()
    ordinary = shortest and longest <= max_length and (braces_meant or "{" not in together(trimmed))
    if not (ordinary and (printable or together(trimmed).replace("\n", "").isprintable())):
        for index, text in enumerate(batch.texts):
            if not _is_ordinary(text.strip(), max_length=max_length, braces_meant=braces_meant):
                batch.put(index, finish(text, max_length=max_length, braces_meant=braces_meant))
    return batch


def as_it_was(text: str) -> Rendered:
    """A message of a results file, checked again because a person may have edited it; any braces are meant, up to `MAX_TEXT` characters."""
    return finish(text, max_length=MAX_TEXT, braces_meant=True)


def refused(reason: Invalid, error: str) -> Rendered:
    return Rendered(text="", reason=reason, error=error)


def unsendable(character: str) -> Rendered:
    kind = "half of a character" if unicodedata.category(character) == "Cs" else "a control character"
    named = "a tab" if character == "\t" else f"{kind} (U+{ord(character):04X})"
    return refused(Invalid.BAD_MESSAGE, f"The message has {named} in it. Remove it from the list or the template.")


def long_cell(column: str, length: int) -> Rendered:
    return refused(
        Invalid.MESSAGE_TOO_LONG,
        f"The column “{shown(column)}” has {length:,} characters; a message works on at most {MAX_CELL:,}. Shorten it in the list.",
    )


def missing(name: str, column: str | None) -> Rendered:
    """The refusal of a row without a value for a variable; `column` is None if the list has no column for it."""
    what = f"The list has no column “{shown(name)}”" if column is None else f"The column “{shown(column)}” is empty"
    return refused(
        Invalid.MISSING_FIELD,
        f'{what}, and the message needs it. Fill it in, or write {{{{ {shown(name)} | default("...") }}}} in the template.',
    )


def _is_ordinary(text: str, *, max_length: int, braces_meant: bool) -> bool:
    """Whether a text without blanks around it is clearly a valid message, as nearly all are; `finish` decides about the others.

    `isprintable` is false for joined emoji, for example, which `finish` accepts.
    """
    printable = text.isprintable() or text.replace("\n", "").isprintable()
    return printable and 0 < len(text) <= max_length and (braces_meant or "{" not in text)
