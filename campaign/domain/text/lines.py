"""Text for people: counts, times, wrapped lines, commands or paths to copy, and text from outside, made safe to show."""

import math
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from campaign.domain.text.durations import words as duration

WIDTH: Final = 100
"""The most columns of a line. Only a command or a path may take a longer line, so that it can be copied whole."""


def rows(count: int) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def percent(part: int, whole: int) -> str:
    """`88.2 %`; 100 % only if `part` is the whole, and 0 % only if it is 0."""
    tenths = math.floor(1000 * part / whole + 0.5) if whole else 0
    if tenths == 1000 and part < whole:
        return "over 99.9 %"
    if part and not tenths:
        return "under 0.1 %"
    return f"{tenths / 10:g} %" if tenths in {0, 1000} else f"{tenths / 10:.1f} %"


def either(names: Sequence[str]) -> str:
    """`failed, unknown or invalid`."""
    return " or ".join([", ".join(names[:-1]), names[-1]])


def capitalized(text: str) -> str:
    """`text` with a capital first letter, otherwise unchanged."""
    return text[:1].upper() + text[1:]


def as_sentence(text: str) -> str:
    """`text` with a full stop, unless it ends as a sentence does."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def day(seconds: float) -> str:
    """The date of a Unix time, in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()


def utc_minute(seconds: float) -> str:
    """A Unix time to the minute: `2026-12-01 09:00 UTC`."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def local_time(seconds: float) -> str:
    """A Unix time in the machine's zone: `2026-12-01 09:00`; empty for 0."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M") if seconds else ""


def brief(seconds: float) -> str:
    """`1.2 s`, `12 s`, `3 min 5 s`: tenths only below ten seconds."""
    return duration(seconds) if seconds >= 9.95 else f"{seconds:.1f} s"


def to_copy(lead: str, text: str) -> Iterator[str]:
    """Yield the lead, then the command or path on a separate line."""
    yield from wrapped(f"{lead}:")
    yield f"    {sanitize_for_terminal(text)}"


def wrapped(text: str, *, first: str = "", rest: str = "", width: int = WIDTH) -> list[str]:
    """A text in lines of at most `width` columns."""
    # A Chinese, Japanese or Korean character, or an emoji, takes two columns.
    wide = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    columns = len(first) + (width - len(first)) // (2 if wide else 1)
    return textwrap.wrap(text, width=columns, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def sanitize_for_terminal(text: str, longest: int | None = None) -> str:
    """`text` on one line, without control sequences: white space becomes blanks, other unprintable characters become U+FFFD."""
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def shown(text: str, characters: int = 60) -> str:
    """A name or a value from a file, short enough for a sentence."""
    return sanitize_for_terminal(text, characters)


def length_as_shown(text: str) -> int:
    """The number of characters as a person counts them: a letter with its accents, a flag or a family of emoji is one."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    import regex  # noqa: PLC0415 - it takes a tenth of a second to import, and few texts need it

    return sum(1 for _ in regex.finditer(r"\X", text))


def one_line_end(text: str) -> str:
    """The text with a line feed as the only line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
