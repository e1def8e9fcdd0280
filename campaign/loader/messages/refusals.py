"""Why a row has no message, in sentences. What comes from a file is shortened, and cleaned of what a terminal would obey."""

import unicodedata

from campaign.domain.model import Invalid
from campaign.loader.messages.lacking import Field
from campaign.loader.messages.rendered import Rendered
from campaign.loader.names import shown


def refused(reason: Invalid, error: str) -> Rendered:
    return Rendered(text="", reason=reason, error=error)


def empty() -> Rendered:
    return refused(Invalid.EMPTY_MESSAGE, "The message is empty. Fill in what it is made of.")


def too_long(length: int, max_length: int) -> Rendered:
    return refused(
        Invalid.MESSAGE_TOO_LONG,
        f"The message has {length:,} characters; at most {max_length:,} are allowed. Shorten it or what is put into it.",
    )


def long_cell(column: str, length: int, max_length: int) -> Rendered:
    return refused(
        Invalid.MESSAGE_TOO_LONG,
        f"The column “{shown(column)}” has {length:,} characters; a message works on at most {max_length:,}. Shorten it in the list.",
    )


def missing(field: Field) -> Rendered:
    what = f"The column “{shown(field.column)}” is empty" if field.column is not None else f"The list has no column “{shown(field.name)}”"
    return refused(
        Invalid.MISSING_FIELD,
        f'{what}, and the message needs it. Fill it in, or write {{{{ {shown(field.name)} | default("...") }}}} in the template.',
    )


def failed(file: str, line: int, problem: str) -> Rendered:
    return refused(Invalid.TEMPLATE_FAILED, f"{file}, line {line}: {problem.rstrip('.')}. Mend the row, or the template.")


def asks_too_much(file: str, line: int, problem: str, wasted_units: int) -> Rendered:
    error = f"{file}, line {line}: {problem} It is this row's values that ask for so much. Mend the row, or the template."
    return Rendered(text="", reason=Invalid.TEMPLATE_FAILED, error=error, wasted_units=wasted_units)


def unsendable(character: str) -> Rendered:
    if character == "\t":
        what = "a tab"
    else:
        kind = "half of a character" if unicodedata.category(character) == "Cs" else "a control character"
        what = f"{kind} (U+{ord(character):04X})"
    return refused(Invalid.BAD_MESSAGE, f"The message has {what} in it. Remove it from the list or the template.")


def leftover(found: str) -> Rendered:
    return refused(
        Invalid.BAD_MESSAGE,
        f"The message would be sent with “{shown(found)}” in it, because what is in the list is never taken for a template. "
        "Fill it in there, or move the text into a --template.",
    )


def no_template(problem: str) -> Rendered:
    return refused(Invalid.NO_TEMPLATE, problem)
