"""The ids of passes: whether the text in a cell can be one, and which ids are the same pass."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from campaign.domain.model import Invalid
from campaign.domain.text.formula_escape import strip_unseen

ID_CHARACTERS: Final = 512
"""The longest id that is sent. Servers cut or refuse longer addresses."""

_PLAIN_ID: Final = re.compile(rf"[0-9A-Za-z_-]{{1,{ID_CHARACTERS}}}")
_PLAIN_BYTES: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
_SCIENTIFIC: Final = re.compile(r"[+-]?(?:\d{1,3}[.,]\d+[Ee][+-]\d+|\d{1,3}[Ee]\+\d+)")
_TOO_NARROW: Final = re.compile(r"#{2,}")
# English, then what Excel writes in German, French, Spanish, Italian, Portuguese and Dutch
_SPREADSHEET_ERROR: Final = re.compile(
    r"#(?:N/A|GETTING_DATA|(?:REF|VALUE|DIV/0|NUM|NULL|SPILL|CALC|FIELD|BLOCKED|CONNECT|UNKNOWN|BUSY|ERROR)!|NAME\?"
    r"|NV|(?:BEZUG|WERT|ZAHL)!|(?:VALEUR|NOMBRE|NUL)!|NOM\?|N/D|¡(?:REF|VALOR|DIV/0|NUM|NULO)!|¿NOMBRE\?"
    r"|(?:RIF|VALORE|NULLO)!|NOME\?|(?:VALOR|NÚM|NULO)!|N/B|(?:VERW|WAARDE|DEEL/0|GETAL|LEEG)!|NAAM\?)",
    re.IGNORECASE,
)
_PASS_UUID: Final = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_CHARACTERS: Final = frozenset({36, 40})
_CONTROL: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_plain_id(text: str) -> bool:
    """Whether a cell of the id column is an id that `check_pass_id` accepts unchanged."""
    return _PLAIN_ID.fullmatch(text) is not None


def check_pass_id(text: str) -> tuple[str, Invalid | None, str]:
    """Return the id in a cell, why it can't be sent to (None if it can), and the reason as a sentence.

    The id is any text, because an external id has no fixed form. Blanks and invisible characters around it are removed.
    """
    if is_plain_id(text):
        return text, None, ""
    pass_id = strip_unseen(text)
    if not pass_id:
        return pass_id, Invalid.NO_ID, "The row has no pass id."
    if _SCIENTIFIC.fullmatch(pass_id):
        sentence = f"The id {pass_id} has lost its digits in a spreadsheet. Format the column as text there and paste the ids again."
    elif _SPREADSHEET_ERROR.fullmatch(pass_id):
        sentence = f"The id is {pass_id}, an error in a spreadsheet's formula. Correct the formula, or paste the ids as values."
    elif _TOO_NARROW.fullmatch(pass_id):
        sentence = "The id is only # signs: its column was too narrow when the spreadsheet was saved. Widen it and save again."
    else:
        return pass_id, *_check_sendable(pass_id)
    return pass_id, Invalid.MANGLED_ID, sentence


def pass_key(pass_id: str) -> str:
    """The key of a pass; ids with the same key are the same pass. UUIDs of both forms ignore case, external ids don't."""
    return pass_id.lower() if len(pass_id) in _UUID_CHARACTERS and _PASS_UUID.fullmatch(pass_id) else pass_id


def ids_of(texts: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
    """Return the positions of the cells for which `is_plain_id` is false, and the `pass_key` of every cell."""
    if are_keys("".join(texts).encode("utf-8", "surrogatepass"), set(map(len, texts))):
        return (), texts
    odd = [place for place, text in enumerate(texts) if not is_plain_id(text)]
    keys = list(map(pass_key, texts))
    for place in odd:
        keys[place] = pass_key(check_pass_id(texts[place])[0])
    return odd, keys


def are_keys(characters: bytes, lengths: set[int]) -> bool:
    """Whether ids of these characters and lengths are plain, and each its own `pass_key`."""
    plain = not characters.translate(None, _PLAIN_BYTES) and 0 not in lengths and max(lengths, default=0) <= ID_CHARACTERS
    return plain and (_UUID_CHARACTERS.isdisjoint(lengths) or characters.islower())


def _check_sendable(pass_id: str) -> tuple[Invalid | None, str]:
    if len(pass_id) > ID_CHARACTERS:
        return Invalid.BAD_ID, f"The id is {len(pass_id):,} characters long; at most {ID_CHARACTERS} can be sent. Is it the right column?"
    if any(unicodedata.category(character) in _CONTROL for character in pass_id):
        return Invalid.BAD_ID, "The id has a line break or another control character inside. Remove it."
    if pass_id in {".", ".."}:
        # Every URL library and proxy treats "%2E" like "." (RFC 3986, 6.2.2) and drops it as a path segment. The request would
        # reach another address, and its answer would be taken for this pass's answer.
        return Invalid.BAD_ID, f"The id “{pass_id}” can't be part of a web address. Give this pass another external id."
    return None, ""
