"""Lint findings: what a person should check before messages are sent. Each finding is a guess; none makes a message invalid."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from campaign.domain.lists.lint_findings import LintKind, LintMatch
from campaign.domain.text.lines import length_as_shown

_NAME: Final = r"[^\W\d][\w .-]{1,40}"
_PLACEHOLDER: Final = re.compile(
    "|".join(
        (
            r"\{\{|\}\}|\{%|%\}|[$%#]\{|\{[^\W\d][\w .-]{0,40}\}|\{\}",
            # At the start of a message, brackets hold the sender's name, or “[NEW]”, unless a sentence goes on after them. Brackets
            # before a parenthesis are half a link.
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
            # Two blanks, except between sentences, where some people write two.
            r"(?<=[^\s.!?:])[ \u00a0]{2,}(?=\S)",
            r"(?<=\S)[ \u00a0]+[,.](?=\s|$)",
            r"^[,;:.!?](?=\s)|[,;:]$|[,;:]\s*[,;](?=\s|$)|,\s?[.!?:](?=\s|$)|:\s?\.(?=\s|$)",
            r"\(\s*\)|\"\s?\"|“\s?”|„\s?“|«\s*»",
            # French has a blank before these signs, so only greetings of other languages count.
            rf"{_GREETING}[ \u00a0][!?:;]|{_GREETING}[ ](?i:nan|none|null)\b",
            r"\bNaN\b|\bundefined\b|#N/A\b|\[object Object\]",
            # A percentage or a price without its number.
            r"(?:^|[^\d\s][ \u00a0])%(?=\s)|(?<=[^\d\s][ \u00a0])[€£$](?=[ \u00a0]+[^\d\s]|[.,!]|$)",
        )
    )
)
_AROUND: Final = 24


# UTF-8 text that a program read as Windows-1252: `Ã©` for é, `Â£` for the pound, `ðŸŽ‰` for an emoji. Not every such sequence is damage:
# „Spaß“, “café…” and « Nescafé® » contain some by chance. So a sequence counts only if its first byte begins a letter or sign that is
# usual in messages. A sign that can follow a word counts only if no word ends there.
# Five bytes have no character in Windows-1252, and some programs keep them as they are.
_FOLLOWS: Final = bytes(range(0x80, 0xC0)).decode("cp1252", "ignore") + "\x81\x8d\x8f\x90\x9d"
_BEHIND_WORDS: Final = "‘’‚“”„‹›«»…•–—™®©"  # noqa: RUF001 - the quotes and the dash are meant
_TELLING: Final = "".join(character for character in _FOLLOWS if character not in _BEHIND_WORDS + "\u00a0")
_ANY: Final = f"[{re.escape(_FOLLOWS)}]"
_SURE: Final = f"[{re.escape(_TELLING)}]"
_SIGN: Final = f"[{re.escape(_BEHIND_WORDS)}]"
_MOJIBAKE: Final = re.compile(
    "|".join(
        (
            # Latin, Greek, Cyrillic, Hebrew and Arabic: two bytes.
            f"[ÂÃÄÅÎÏÐÑ×ØÙ](?:{_SURE}|{_SIGN}(?=[^\\W\\d_]))",  # noqa: RUF001 - the sign is meant
            # Romanian. Its first byte, read as È, ends words in Italian.
            "È(?:[˜š]|[™›](?=[^\\W\\d_]))",  # noqa: RUF001 - the signs are meant
            # Letters with an accent, and signs of Latin-1, also at the end of a word.
            "Ã[©®]|[ÃÐ]\u00a0|Â[©®«»\u00a0]|Â(?=[ ])(?<![^\\W\\d_].)",
            # Quotes, dashes, the euro, hearts and arrows; Indian scripts and Thai; Japanese.
            f"â[€‚„…†‡ˆ‹Œ‘˜™š›œžŸ]{_ANY}|à(?!{_SIGN})[¤-¹]{_ANY}|ã[\x81€‚ƒ]{_ANY}",  # noqa: RUF001 - the quotes are meant
            # Chinese and Korean. The Spanish ¿ and ¡ can follow any sign.
            f"[äåæçèéêëìí](?![¡¿])(?:{_SURE}(?:{_SURE}|{_SIGN})|{_SIGN}(?![¡¿]){_SURE})",
            # Emoji, and the mark at the start of a file.
            f"ðŸ{_ANY}{_ANY}|ï»¿",
            "\ufffd",
        )
    )
)

# Every text with a finding matches one of these. They use the syntax of RE2, which has no lookaround but is many times as fast.
_BLANK: Final = r"\s\x{0b}\x{1c}-\x{1f}\x{85}\p{Z}"
_MARKS: Final = r"[{}\[<|]|%[\pL_]"
_GAPS: Final = (
    rf"^[{_BLANK}]*[,;:.!?%]|[{_BLANK}][{_BLANK},.!?:;]|(?:^|[^0-9])[{_BLANK}][%€£$]|[,;:][{_BLANK}]*(?:[,;.!?:]|$)"
    rf"|[(\"“„«][{_BLANK}]*[)\"”“»]|NaN|nan|[Nn]one|null|NULL|undefined|#N"
)
_MISREAD: Final = f"\ufffd|[ÂÃÄÅÎÏÐÑ×ØÙÈâàãäåæçèéêëìíðï]{_ANY}|Â "  # noqa: RUF001 - the sign is meant
_SUSPICIOUS: Final = rf"[/\]]|{_MARKS}|{_GAPS}|{_MISREAD}"


def lint(texts: Sequence[str], *, lock_screen: int) -> Iterator[tuple[int, LintMatch]]:
    """Yield the findings in messages as they are sent, each kind once a message, with the message's index.

    `lock_screen` is how many characters, as a person counts them, a phone shows there.
    """
    different = list(dict.fromkeys(texts))
    found = dict(_lint_all([different[index] for index in _suspects(different, _SUSPICIOUS, longer_than=lock_screen)], lock_screen))
    yield from ((index, match) for index, text in enumerate(texts) for match in found.get(text, ()))


def _lint_all(texts: Sequence[str], lock_screen: int) -> Iterator[tuple[str, list[LintMatch]]]:
    links = [Links.of(text) for text in texts]
    words = [link.words for link in links]
    marked, gaps = set(_suspects(words, _MARKS)), set(_suspects(words, _GAPS))
    for index, (text, link) in enumerate(zip(texts, links, strict=True)):
        yield text, list(_lint(text, link, lock_screen, marks=index in marked, gaps=index in gaps))


def _suspects(texts: Sequence[str], pattern: str, *, longer_than: int = 1 << 30) -> list[int]:
    """The indexes of the texts that match, or have more than `longer_than` code points."""
    import pyarrow as pa  # noqa: PLC0415 - only a check looks, and other commands start sooner
    import pyarrow.compute as pc  # noqa: PLC0415 - (same)

    # Arrow refuses half a character. A ledger may have such a message, staged before the loader refused these.
    array = pa.array([text if text.isprintable() else text.encode("utf-8", "replace").decode() for text in texts], pa.string())
    found = pc.or_(pc.match_substring_regex(array, pattern), pc.greater(pc.utf8_length(array), longer_than))
    indexes: list[int] = pc.indices_nonzero(found).to_pylist()
    return indexes


def shortened(text: str, start: int = 0, end: int | None = None) -> str:
    """A part of a text with a few characters around it."""
    end = start if end is None else end
    first, last = max(0, start - _AROUND), end + _AROUND * (1 if start else 3)
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"


def _lint(text: str, links: "Links", lock_screen: int, *, marks: bool, gaps: bool) -> Iterator[LintMatch]:
    if marks and (placeholder := _PLACEHOLDER.search(links.words)):
        yield LintMatch(kind=LintKind.PLACEHOLDER, excerpt=_excerpt(links.words, placeholder))
    elif address := next((address for address in links.addresses if _IN_AN_ADDRESS.search(address)), ""):
        yield LintMatch(kind=LintKind.PLACEHOLDER, excerpt=address)
    if gaps and (merge := _EMPTY_MERGE.search(links.words)):
        yield LintMatch(kind=LintKind.EMPTY_MERGE, excerpt=_excerpt(links.words, merge))
    if mojibake := find_mojibake(text):
        yield LintMatch(kind=LintKind.MOJIBAKE, excerpt=_excerpt(text, mojibake))
    if links.broken:
        yield LintMatch(kind=LintKind.BROKEN_LINK, excerpt=links.broken)
    if links.insecure:
        yield LintMatch(kind=LintKind.INSECURE_LINK, excerpt=links.insecure)
    # Counting characters as a person does is slow. A text has at least as many code points as such characters.
    if len(links.shown) > lock_screen and (length := length_as_shown(links.shown)) > lock_screen:
        yield LintMatch(kind=LintKind.CUT_ON_LOCK_SCREEN, excerpt=f"{length:,} characters: {shortened(links.shown)}")
    if links.addresses:
        yield LintMatch(kind=LintKind.LINK, excerpt=links.addresses[0])


def _excerpt(text: str, found: re.Match[str]) -> str:
    return shortened(text, found.start(), found.end())


def find_mojibake(text: str) -> re.Match[str] | None:
    """The first sequence of UTF-8 text read as Windows-1252; None if there is none."""
    return None if text.isascii() else _MOJIBAKE.search(text)


# PassEntry turns `[text](https://...)` into a link that shows only its text.
_MARKDOWN: Final = re.compile(r"\[([^\[\]\n]{1,300})\]\((https?://[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)\)", re.IGNORECASE)
_BARE: Final = re.compile(r"\bhttps?:\S*", re.IGNORECASE)
_HALF: Final = re.compile(r"\]\s?\(\s*(?:https?\b\S*|www\.\S*|\)|$)|\bhttps?//\S*", re.IGNORECASE)
"""The beginning of a link with a blank in it, without an end, without an address, or without its colon."""
_WHOLE: Final = re.compile(r"https?://[^\s/?#.]+(?:\.[^\s/?#.]+)+\.?(?:[/?#]\S*)?|https?://\[[\da-f:.]+\]\S*", re.IGNORECASE)
_UNFILLED: Final = re.compile(r"[=&]$|[=&][&#]|https?://[^/?#]*/(?:[^/?#]*/)*/", re.IGNORECASE)
"""An empty value in an address: `?code=`, `?code=&x=1`, `/shop//offer`."""
_ADDRESS: Final = "https://…"
# The punctuation of the sentence around an address
_BEHIND: Final = ".,;:!?)]>'\"»”’“…"  # noqa: RUF001 - the quotes are meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The links of a text.

    Attributes:
        addresses: the addresses of whole links.
        broken: the first broken link; empty if there is none.
        shown: the text with each link as a reader sees it.
        words: the same, with one word in place of each address.
    """

    addresses: tuple[str, ...]
    broken: str
    shown: str
    words: str

    @classmethod
    def of(cls, text: str) -> Self:
        if "/" not in text and "](" not in text:
            return cls(addresses=(), broken="", shown=text, words=text)
        named = [found[2] for found in _MARKDOWN.finditer(text)]
        shown = _MARKDOWN.sub(r"\1", text)
        bare = [found[0].rstrip(_BEHIND) for found in _BARE.finditer(shown)]
        half = _HALF.search(shown)
        broken = half[0] if half else next((address for address in named + bare if not _is_whole(address)), "")
        return cls(
            addresses=tuple(address for address in named + bare if _is_whole(address)),
            broken=broken,
            shown=shown,
            words=_BARE.sub(lambda found: _ADDRESS + found[0][len(found[0].rstrip(_BEHIND)) :], _HALF.sub(_ADDRESS, shown)),
        )

    @property
    def insecure(self) -> str:
        """The first address without encryption (`http:`); empty if there is none."""
        return next((address for address in self.addresses if address[:5].lower() == "http:"), "")


def _is_whole(address: str) -> bool:
    return _WHOLE.fullmatch(address) is not None and _UNFILLED.search(address) is None
