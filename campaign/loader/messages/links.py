"""The links in a message, and what is wrong with them. PassEntry turns `[text](https://...)` into a link that shows only its text."""

import re
from dataclasses import dataclass
from typing import Final, Self

_MARKDOWN: Final = re.compile(r"\[([^\[\]\n]{1,300})\]\((https?://[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)\)", re.IGNORECASE)
_BARE: Final = re.compile(r"\bhttps?:\S*", re.IGNORECASE)
_HALF: Final = re.compile(r"\]\s?\(\s*(?:https?\b\S*|www\.\S*|\)|$)|\bhttps?//\S*", re.IGNORECASE)
"""The beginning of one that has a blank in it, or no end, or no address, or that lacks its colon."""
_WHOLE: Final = re.compile(r"https?://[^\s/?#.]+(?:\.[^\s/?#.]+)+\.?(?:[/?#]\S*)?|https?://\[[\da-f:.]+\]\S*", re.IGNORECASE)
_UNFILLED: Final = re.compile(r"[=&]$|[=&][&#]|https?://[^/?#]*/(?:[^/?#]*/)*/", re.IGNORECASE)
"""A value that came out empty: `?code=`, `?code=&x=1`, `/shop//offer`."""
_ADDRESS: Final = "https://…"
_BEHIND: Final = ".,;:!?)]>'\"»”’“…"  # noqa: RUF001 - the quotes are meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """`addresses` are those of whole links, `broken` is the first that is none. `shown` is the text with each link as a reader sees it;
    `words` is the same without addresses, each being one word.
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
        bare = [_without_what_follows(found[0]) for found in _BARE.finditer(shown)]
        half = _HALF.search(shown)
        broken = half[0] if half else next((address for address in named + bare if not _is_whole(address)), "")
        return cls(
            addresses=tuple(address for address in named + bare if _is_whole(address)),
            broken=broken,
            shown=shown,
            words=_BARE.sub(lambda found: _ADDRESS + found[0][len(_without_what_follows(found[0])) :], _HALF.sub(_ADDRESS, shown)),
        )

    @property
    def insecure(self) -> str:
        """The first that others can read along, or change, on its way; empty if there is none."""
        return next((address for address in self.addresses if address[:5].lower() == "http:"), "")


def _is_whole(address: str) -> bool:
    return _WHOLE.fullmatch(address) is not None and _UNFILLED.search(address) is None


def _without_what_follows(found: str) -> str:
    """An address without the punctuation of the sentence it stands in."""
    return found.rstrip(_BEHIND)
