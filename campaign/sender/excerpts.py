"""What of a foreign text may be recorded: short, on one line, printable, without the token."""

import html
import re
from typing import Final

LONGEST_EXCERPT: Final = 300
"""Characters of a foreign text that are kept."""

_HEAD: Final = 4096
"""Characters that are looked at for them: enough to get past the markup of an error page, and cheap whatever they are."""

_MASK: Final = "***"
# Every repetition is bounded or stops at the next tag, so that no text makes them slow.
_TITLE: Final = re.compile(r"<title\b[^<>]{0,200}>([^<]{1,600})", re.IGNORECASE)
_HIDDEN: Final = re.compile(r"<(style|script|head)\b[^<>]{0,200}>[^<]*", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>?")


def visible(text: str, *, secret: str) -> str:
    """The text as it came, but for what can't be printed (each becomes U+FFFD), the secret, and what is too long."""
    text = text.replace(secret, _MASK)
    if len(text) > LONGEST_EXCERPT:
        text = text[: LONGEST_EXCERPT - 1] + "…"
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def excerpt(text: str, *, secret: str) -> str:
    """The beginning of a text in one line; of a page of HTML its title or else its first words."""
    if len(text) <= LONGEST_EXCERPT and text.isprintable() and not text.startswith(("<", " ")) and "  " not in text and secret not in text:
        # What the API usually says: a short line of plain words, which the rest would not change.
        return text.rstrip()
    # The secret goes first: cut in two it would no longer be found.
    text = text.replace(secret, _MASK)[:_HEAD]
    if text.lstrip().startswith("<"):
        text = _words_of_page(text)
    return visible(" ".join(text.split()), secret=secret)


def _words_of_page(page: str) -> str:
    title = _TITLE.search(page)
    words = title[1] if title else _TAG.sub(" ", _HIDDEN.sub(" ", page))
    return html.unescape(words)
