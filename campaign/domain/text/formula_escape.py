"""The text of one cell: escaped for spreadsheets and restored exactly; stripped of invisible characters.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`, also after blanks, also in their full-width forms (Excel in Japan). It may
split a value that begins with a tab or a line break, and run the rest (OWASP, "CSV Injection"). One apostrophe in front stops it. A value
that has apostrophes already gets one more, so `unescape_formula(escape_formula(text)) == text` for every text.
"""

import re
from typing import Final

_RUNS: Final = r"\s*[=+\-@＝＋－＠\t\r\n]"  # noqa: RUF001 - the full-width forms are meant
_UNSAFE: Final = re.compile(rf"'*{_RUNS}")
_NEUTRALISED: Final = re.compile(rf"'+{_RUNS}")

_BLANKS: Final = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_UNSEEN: Final = "\xad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"

_ONE_UNIT: Final = 0xFFFF


def escape_formula(text: str) -> str:
    """The cell to write for `text`: with one more apostrophe in front if a spreadsheet could run it, else unchanged."""
    return f"'{text}" if _UNSAFE.match(text) else text


def unescape_formula(text: str) -> str:
    """The text that `escape_formula` was given for this cell."""
    return text[1:] if _NEUTRALISED.match(text) else text


def strip_unseen(text: str) -> str:
    """`text` without the blanks and zero-width characters around it that copying from a web page or a mail leaves."""
    return text.strip(_BLANKS + _UNSEEN)


def lost_characters(before: str, now: str) -> str:
    """The characters that became question marks, if nothing else changed: a program saved them in too small an encoding."""
    if before.isascii() or now == before:
        return ""
    lost = "".join(dict.fromkeys(character for character in before if not character.isascii() and character not in now))
    # Some programs write two marks for a character that takes two units of UTF-16, such as an emoji.
    shapes = ({ord(one): "?" for one in lost}, {ord(one): "??" if ord(one) > _ONE_UNIT else "?" for one in lost})
    return lost if lost and any(before.translate(shape) == now for shape in shapes) else ""
