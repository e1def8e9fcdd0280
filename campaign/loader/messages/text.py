"""From a text to the message that is sent: line ends made one kind, blanks around it removed, everything else as it was, or refused."""

import re
from typing import Final

from campaign.domain.cells import strip_unseen
from campaign.loader.messages import refusals
from campaign.loader.messages.bounds import MAX_TEXT
from campaign.loader.messages.length import length_as_shown
from campaign.loader.messages.rendered import Rendered

_UNSENDABLE: Final = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_LEFTOVER: Final = re.compile(r"\{[{%].{0,60}")
_WORTH_COUNTING: Final = 20
"""Times the allowed length: a text beyond that is not counted character by character, there being no doubt."""


def one_line_end(text: str) -> str:
    """The text with every line ended by a line feed only."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_ordinary(text: str, *, max_length: int, braces_meant: bool = False) -> bool:
    """Whether a text without blanks around it is plainly a message, as nearly every one is; of another, `finish` says more.

    `isprintable` is also False for joined emoji, among others, of which there is nothing to say.
    """
    printable = text.isprintable() or text.replace("\n", "").isprintable()
    return printable and 0 < len(text) <= max_length and (braces_meant or "{" not in text)


def is_sendable(text: str) -> bool:
    """Whether a text holds no character that no message may have."""
    return not _UNSENDABLE.search(text)


def finish(text: str, *, max_length: int, braces_meant: bool = False) -> Rendered:
    """The message for a text, or why it can't be sent.

    Args:
        text: as it was written or rendered.
        max_length: in characters as a person counts them.
        braces_meant: `{{` is wanted in the message, and not what is left of a merge field that nobody has filled in.
    """
    text = text.strip()
    if is_ordinary(text, max_length=max_length, braces_meant=braces_meant):
        return Rendered(text=text)
    text = one_line_end(text)
    if not strip_unseen(text):
        return refusals.empty()
    if found := _UNSENDABLE.search(text):
        return refusals.unsendable(found[0])
    if not braces_meant and (found := _LEFTOVER.search(text)):
        return refusals.leftover(found[0])
    if len(text) > max_length:
        length = length_as_shown(text) if len(text) <= max_length * _WORTH_COUNTING else len(text)
        if length > max_length:
            return refusals.too_long(length, max_length)
    return Rendered(text=text)


def as_it_was(text: str) -> Rendered:
    """A message that was found good once, of any length, and may have been edited since; its braces were meant."""
    return finish(text, max_length=MAX_TEXT, braces_meant=True)
