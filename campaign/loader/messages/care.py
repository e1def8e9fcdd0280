"""What a person should look at before messages go out, text by text. Each finding is a guess; none makes a message invalid."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from campaign.domain.care import Care, Found
from campaign.loader.messages.length import length_as_shown
from campaign.loader.messages.links import Links
from campaign.loader.messages.mojibake import find_mojibake

SHOWN_ON_A_LOCK_SCREEN: Final = 140
"""Characters, unofficially, of an iPhone."""

_NAME: Final = r"[^\W\d][\w .-]{1,40}"
_PLACEHOLDER: Final = re.compile(
    "|".join(
        (
            r"\{\{|\}\}|\{%|%\}|[$%#]\{|\{[^\W\d][\w .-]{0,40}\}|\{\}",
            # In front of a message brackets hold the sender's name, or “[NEW]”, unless it goes on like a sentence; before a parenthesis
            # they are half a link.
            rf"(?<=[\s\S])\[{_NAME}\](?!\s?\()|^\[(?:[a-z][a-z ]*|\w+_\w+)\](?!\s?\()|^\[{_NAME}\](?=[,.!?:])|\[\]",
            rf"<{_NAME}>|\*\|[^|\n]{{1,40}}\|\*|%[^\W\d]\w{{2,40}}%",
        )
    )
)
_IN_AN_ADDRESS: Final = re.compile(r"[{}<>|]|\[[^\]]*[^\W\d_a-f][^\]]*\]")

_GREETING: Final = r"\b(?i:hi|hello|hey|dear|hallo|hej|hola|ciao|liebe[rs]?|good (?:morning|evening)|guten (?:morgen|tag|abend))"
_EMPTY_MERGE: Final = re.compile(
    "|".join(
        (
            # Two blanks, except between sentences, where some people write them.
            r"(?<=[^\s.!?:])[ \u00a0]{2,}(?=\S)",
            r"(?<=\S)[ \u00a0]+[,.](?=\s|$)",
            r"^[,;:.!?](?=\s)|[,;:]$|[,;:]\s*[,;](?=\s|$)|,\s?[.!?:](?=\s|$)|:\s?\.(?=\s|$)",
            r"\(\s*\)|\"\s?\"|“\s?”|„\s?“|«\s*»",
            # In French a blank stands before these anyway, so only behind the greetings of other languages.
            rf"{_GREETING}[ \u00a0][!?:;]|{_GREETING}[ ](?i:nan|none|null)\b",
            r"\bNaN\b|\bundefined\b|#N/A\b|\[object Object\]",
            # A percentage or a price without its number.
            r"(?:^|[^\d\s][ \u00a0])%(?=\s)|(?<=[^\d\s][ \u00a0])[€£$](?=[ \u00a0]+[^\d\s]|[.,!]|$)",
        )
    )
)
# The search above takes long, so it is left to texts that have one of these.
_BLANK_AND_SIGN: Final = re.compile(r"[ \u00a0](?:[ \u00a0,.!?:;]|(?<!\d[ \u00a0])[%€£$])")
_TWO_SIGNS: Final = re.compile(r"[,;:](?:\s*[,;]|\s?[.!?:]|$)")
_NOTHING_INSIDE: Final = re.compile(r"[(\"“„«]\s*[)\"”“»]")
_SIGNS: Final = ",;:.!?%"
_NOTHING: Final = ("NaN", "nan", "none", "null", "None", "NULL", "undefined", "#N/A", "[object")
_MARKS: Final = re.compile(r"[{}\[<|]|%[^\W\d]")

_AROUND: Final = 24


@lru_cache(maxsize=256)
def look_at(text: str, *, lock_screen: int) -> tuple[Found, ...]:
    """What there is to look at in a message, each kind once. Cached, as many lists have one text for all.

    Args:
        text: as it is sent.
        lock_screen: how many characters, as a person counts them, a phone shows before it is unlocked.
    """
    return tuple(_look_at(text, lock_screen))


def shortened(text: str, start: int = 0, end: int | None = None) -> str:
    """A part of a text and a little of what is around it."""
    end = start if end is None else end
    first, last = max(0, start - _AROUND), end + _AROUND * (1 if start else 3)
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"


def _look_at(text: str, lock_screen: int) -> Iterator[Found]:
    links = Links.of(text)
    if _MARKS.search(links.words) and (placeholder := _PLACEHOLDER.search(links.words)):
        yield Found(kind=Care.PLACEHOLDER, excerpt=_excerpt(links.words, placeholder))
    elif address := next((address for address in links.addresses if _IN_AN_ADDRESS.search(address)), ""):
        yield Found(kind=Care.PLACEHOLDER, excerpt=address)
    if _may_lack_a_value(links.words) and (merge := _EMPTY_MERGE.search(links.words)):
        yield Found(kind=Care.EMPTY_MERGE, excerpt=_excerpt(links.words, merge))
    if mojibake := find_mojibake(text):
        yield Found(kind=Care.MOJIBAKE, excerpt=_excerpt(text, mojibake))
    if links.broken:
        yield Found(kind=Care.BROKEN_LINK, excerpt=links.broken)
    if links.insecure:
        yield Found(kind=Care.INSECURE_LINK, excerpt=links.insecure)
    # Counting what a person sees is slow; fewer code points than the limit can't be more characters.
    if len(links.shown) > lock_screen and (length := length_as_shown(links.shown)) > lock_screen:
        yield Found(kind=Care.CUT_ON_LOCK_SCREEN, excerpt=f"{length:,} characters: {shortened(links.shown)}")
    if links.addresses:
        yield Found(kind=Care.LINK, excerpt=links.addresses[0])


def _may_lack_a_value(text: str) -> bool:
    return bool(
        text[:1] in _SIGNS
        or _BLANK_AND_SIGN.search(text)
        or _TWO_SIGNS.search(text)
        or _NOTHING_INSIDE.search(text)
        or any(nothing in text for nothing in _NOTHING)
    )


def _excerpt(text: str, found: re.Match[str]) -> str:
    return shortened(text, found.start(), found.end())
