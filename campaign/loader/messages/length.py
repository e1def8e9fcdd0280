"""How long a text looks: the extended grapheme clusters of Unicode Annex 29, as far as the standard library knows the characters.

Left out, because they need tables of their own: prepended marks and Indic conjuncts, which are counted as two.
"""

import unicodedata
from enum import Enum, auto

_ZWJ = "\u200d"
_JOIN_BEFORE = "\u200c\u0e33\u0eb3\uff9e\uff9f"
"""The zero-width non-joiner, the Thai and Lao vowel AM, and the halfwidth sound marks of Japanese: no marks by their category."""
_PICTURES_AMONG_SIGNS = "↔↕ℹ◻◼◽◾⤴⤵‼⁉〰〽"  # noqa: RUF001 - the information sign, not an i
_HANGUL_LV_STEP = 28


class _Kind(Enum):
    OTHER = auto()
    RETURN = auto()
    CONTROL = auto()
    EXTEND = auto()
    JOINER = auto()
    FLAG = auto()
    PICTURE = auto()
    L = auto()
    V = auto()
    T = auto()
    LV = auto()
    LVT = auto()


_HANGUL_JOINS = {
    _Kind.L: {_Kind.L, _Kind.V, _Kind.LV, _Kind.LVT},
    _Kind.V: {_Kind.V, _Kind.T},
    _Kind.LV: {_Kind.V, _Kind.T},
    _Kind.T: {_Kind.T},
    _Kind.LVT: {_Kind.T},
}


def length_as_shown(text: str) -> int:
    """The characters of a text as a person counts them: a letter with its accents, a flag or a family of emoji is one."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    count = 0
    before: _Kind | None = None
    picture = False
    """Whether the cluster began with a picture, so that a joiner binds the next one to it."""
    flags = 0
    for character in text:
        kind = _kind(character)
        if not _joined(before, kind, character, picture=picture, odd_flags=flags % 2 == 1):
            count += 1
            picture = kind is _Kind.PICTURE
        flags = flags + 1 if kind is _Kind.FLAG else 0
        before = kind
    return count


def _joined(before: _Kind | None, kind: _Kind, character: str, *, picture: bool, odd_flags: bool) -> bool:
    if before is None:
        return False
    if before is _Kind.RETURN:
        return character == "\n"
    if before is _Kind.CONTROL:
        return False
    if kind in {_Kind.EXTEND, _Kind.JOINER}:
        return True
    if kind is _Kind.PICTURE:
        return picture and before is _Kind.JOINER
    if kind is _Kind.FLAG:
        return odd_flags
    return kind in _HANGUL_JOINS.get(before, ())


def _kind(character: str) -> _Kind:
    code = ord(character)
    if 0x1F1E6 <= code <= 0x1F1FF:
        return _Kind.FLAG
    if 0x1F3FB <= code <= 0x1F3FF or 0xE0020 <= code <= 0xE007F or character in _JOIN_BEFORE:
        return _Kind.EXTEND
    if 0x1F000 <= code <= 0x1FAFF:
        return _Kind.PICTURE
    if 0x1100 <= code <= 0x11FF or 0xA960 <= code <= 0xA97C or 0xAC00 <= code <= 0xD7FB:
        return _hangul(code)
    if character == _ZWJ:
        return _Kind.JOINER
    if character == "\r":
        return _Kind.RETURN
    match unicodedata.category(character):
        case "Mn" | "Me" | "Mc":
            return _Kind.EXTEND
        case "Cc" | "Cf" | "Cs" | "Zl" | "Zp":
            return _Kind.CONTROL
        case "So":
            return _Kind.PICTURE
        case _:
            return _Kind.PICTURE if character in _PICTURES_AMONG_SIGNS else _Kind.OTHER


def _hangul(code: int) -> _Kind:
    if 0xAC00 <= code <= 0xD7A3:
        return _Kind.LV if (code - 0xAC00) % _HANGUL_LV_STEP == 0 else _Kind.LVT
    if code <= 0x115F or 0xA960 <= code <= 0xA97C:
        return _Kind.L
    if code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        return _Kind.V
    return _Kind.T
