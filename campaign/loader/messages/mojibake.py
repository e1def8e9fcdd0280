"""Text in UTF-8 that something has read as Windows-1252: `Ã©` for é, `Â£` for the pound, `ðŸŽ‰` for an emoji.

Not every such sequence is damage: „Spaß“, “café…” and « Nescafé® » hold some by chance. So only those first bytes count that begin the
letters and signs of messages, and signs that stand behind a word by themselves count only where no word ends.
"""

import re
from typing import Final

_NO_CHARACTERS: Final = "\x81\x8d\x8f\x90\x9d"
"""Bytes that Windows-1252 gives no character; some readers leave them as they are."""


def _as_windows(byte: int) -> str:
    return chr(byte) if chr(byte) in _NO_CHARACTERS else bytes([byte]).decode("cp1252")


_FOLLOWS: Final = "".join(map(_as_windows, range(0x80, 0xC0)))
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
            # Romanian, whose first byte ends words in Italian.
            "È(?:[˜š]|[™›](?=[^\\W\\d_]))",  # noqa: RUF001 - the signs are meant
            # Letters with an accent, and the signs of Latin-1, even at the end of a word.
            "Ã[©®]|[ÃÐ]\u00a0|Â[©®«»\u00a0]|Â(?=[ ])(?<![^\\W\\d_].)",
            # Quotes, dashes, the euro, hearts and arrows; Indian scripts and Thai; Japanese.
            f"â[€‚„…†‡ˆ‹Œ‘˜™š›œžŸ]{_ANY}|à(?!{_SIGN})[¤-¹]{_ANY}|ã[\x81€‚ƒ]{_ANY}",  # noqa: RUF001 - the quotes are meant
            # Chinese and Korean. What begins a question in Spanish stands behind any sign.
            f"[äåæçèéêëìí](?![¡¿])(?:{_SURE}(?:{_SURE}|{_SIGN})|{_SIGN}(?![¡¿]){_SURE})",
            # Emoji, and the mark at the start of a file.
            f"ðŸ{_ANY}{_ANY}|ï»¿",
            "\ufffd",
        )
    )
)


def find_mojibake(text: str) -> re.Match[str] | None:
    """Where the first damage of this kind is, if any."""
    return None if text.isascii() else _MOJIBAKE.search(text)
