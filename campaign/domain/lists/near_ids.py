"""Ids that are one pass to a person and two to PassEntry: what they have in common, and how they differ.

Such ids are never merged; a person sees a warning.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from math import isclose
from typing import Final


class Difference(StrEnum):
    """How two near ids differ, in the words of a sentence."""

    FORM = "how the same characters are written (composed or decomposed, full-width)"
    UNSEEN = "blanks or unseen characters"
    DASHES = "dashes"
    CASE = "upper and lower case"
    ZEROS = "zeros in front"


_PLAIN: Final = re.compile(r"[0-9a-z_-]+")
_DIGITS_AND_DASHES: Final = b"0123456789_-"
SMALL: Final = "small"
"""The style of ids without capitals."""
_SMALL_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
_CAPITALS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LENGTHS_WITHOUT_DASHES: Final = frozenset(range(32, 36))
"""The lengths of a UUID that lacks some or all of its dashes."""

_UUID: Final = re.compile(r"(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.IGNORECASE)
_ZEROS: Final = re.compile(r"0*([0-9]+?)(?:\.0+)?")
_ROUNDED: Final = re.compile(r"([0-9]+(?:[.,][0-9]+)?)(?:E\+[0-9]{2})?", re.IGNORECASE)
_ANY_ZEROS: Final = re.compile(r"\n0[0-9]{1,14}(?!.)")
_NUMBER_DIGITS: Final = 15
"""A spreadsheet turns a longer number into 1.23E+15, and drops no zeros in front."""
_SEEN_AS_NOTHING: Final = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp"})
_VARIATION_SELECTORS: Final = frozenset(map(chr, range(0xFE00, 0xFE10)))
_MINUS: Final = "\N{MINUS SIGN}"


def near_key(pass_key: str) -> str:
    """The normal form of an id: two ids with the same one are one pass to a person. Most ids are their own normal form."""
    return _folded_plain(pass_key) if _PLAIN.fullmatch(pass_key) else _folded(pass_key)


def are_near_keys(characters: bytes, lengths: set[int]) -> bool:
    """Whether each of the ids of these characters and lengths is its own `near_key`, and of the style `SMALL`."""
    small = not characters.translate(None, _DIGITS_AND_DASHES + _SMALL_LETTERS)
    return small and min(lengths) > _NUMBER_DIGITS and lengths.isdisjoint(_LENGTHS_WITHOUT_DASHES)


def near_keys(pass_keys: Sequence[str]) -> tuple[Sequence[str], str]:
    """The `near_key` of each id, as the same object if none differs from its id; and the style that all ids are written in.

    Two different ids of one style are never near. The style is empty if some of these ids may be near each other.
    """
    joined = "\n".join(pass_keys)
    letters = joined.encode("utf-8", "surrogatepass").translate(None, _DIGITS_AND_DASHES + b"\n")
    capitals = len(letters) - len(letters.translate(None, _CAPITALS))
    if letters.translate(None, _CAPITALS + _SMALL_LETTERS) or len(pass_keys) != joined.count("\n") + 1:
        found = list(map(near_key, pass_keys))
        return pass_keys if found == pass_keys else found, ""
    keys: Sequence[str] = joined.lower().split("\n") if capitals else pass_keys
    lengths = set(map(len, keys))
    lacks_dashes = not lengths.isdisjoint(_LENGTHS_WITHOUT_DASHES)
    zeros = {at for at, key in enumerate(keys) if _has_zeros(key)} if _ANY_ZEROS.search(f"\n{joined}") else set()
    if lacks_dashes:
        keys = list(map(_folded_plain, keys))
    elif zeros:
        keys = [_folded_plain(key) if at in zeros else key for at, key in enumerate(keys)]
    case = SMALL if not capitals else "capital" if capitals == len(letters) else ""
    if not (lacks_dashes or zeros):
        return keys, case
    return keys, f"{case} {min(lengths)}" if case and len(lengths) == 1 else ""


def differences(one: str, other: str) -> tuple[Difference, ...]:
    """How two ids with an equal `near_key` differ; empty if they are equal, or not near."""
    if one == other or near_key(one) != near_key(other):
        return ()
    # Where one of two differences explains enough, the one that people know a name for is kept: the later one.
    needed = list(_FOLDS)
    for which in _FOLDS:
        others = [kept for kept in needed if kept is not which]
        if _folded(one, others) == _folded(other, others):
            needed = others
    return tuple(needed)


def is_of_a_spreadsheet(pass_key: str, own: str) -> bool:
    """Whether a spreadsheet that saved a file may have made this key of another one, as of a long number 1.23E+15."""
    if near_key(pass_key) == near_key(own):
        return True
    number = _ROUNDED.fullmatch(pass_key)
    if number is None or not (own.isascii() and own.isdigit() and len(own) > _NUMBER_DIGITS):
        return False
    digits = min(len(re.sub("[.,]", "", number[1]).strip("0")), _NUMBER_DIGITS)
    return isclose(float(pass_key.replace(",", ".")), float(own), rel_tol=min(0.5, 10.0 ** (1 - digits)))


def _folded_plain(text: str) -> str:
    """`_folded` of an id in small letters, digits, dashes and underscores."""
    if _has_zeros(text):
        return text.lstrip("0") or "0"
    return _dashes(text) if len(text) in _LENGTHS_WITHOUT_DASHES else text


def _has_zeros(text: str) -> bool:
    return text[:1] == "0" and 1 < len(text) <= _NUMBER_DIGITS and text.isdigit()


def _form(text: str) -> str:
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(character, character)) for character in text)


def _unseen(text: str) -> str:
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    return "".join(
        character for character in text if unicodedata.category(character) not in _SEEN_AS_NOTHING and character not in _VARIATION_SELECTORS
    )


def _dashes(text: str) -> str:
    if not text.isascii():
        text = "".join("-" if unicodedata.category(character) == "Pd" or character == _MINUS else character for character in text)
    return "-".join(uuid.groups()) if (uuid := _UUID.fullmatch(text)) else text


def _case(text: str) -> str:
    return text.casefold()


def _zeros(text: str) -> str:
    return number[1] if len(text) <= _NUMBER_DIGITS and (number := _ZEROS.fullmatch(text)) else text


_FOLDS: Final[dict[Difference, Callable[[str], str]]] = {
    Difference.FORM: _form,
    Difference.UNSEEN: _unseen,
    Difference.DASHES: _dashes,
    Difference.CASE: _case,
    Difference.ZEROS: _zeros,
}
"""Applied in this order."""


def _folded(text: str, folds: Iterable[Difference] = tuple(Difference)) -> str:
    for which in folds:
        text = _FOLDS[which](text)
    return text
