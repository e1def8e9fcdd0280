"""Finds the encoding of a text file: from its byte order mark; else UTF-8 if the whole file is valid; else a guess from its letters."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WINDOWS_1252: Final = "cp1252"
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, because it begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CANDIDATES: Final = {
    _WINDOWS_1252: "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1257": "Windows-1257",
    "cp932": "Shift-JIS",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "Korean (949)",
}
"""The encodings that spreadsheets write besides UTF-8, the most usual first."""

_BLOCK_BYTES: Final = 1 << 20
_SAMPLE_BYTES: Final = 1 << 16
_SAME_COHERENCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Encoding:
    """`codec` is the name for Python, which skips the mark. `guessed`: the file doesn't declare it, and others may fit too."""

    codec: str
    guessed: bool = False

    @property
    def label(self) -> str:
        """The name for people."""
        return _CANDIDATES.get(self.codec) or self.codec.upper()[: len("UTF-16")].rstrip("-")


def find_encoding(path: Path) -> Encoding:
    """The encoding of a text file. The reader reports bytes that can't be decoded, because it knows their row."""
    with path.open("rb") as file:
        head = file.read(4_096)
    if codec := next((codec for mark, codec in _MARKS.items() if head.startswith(mark)), None):
        return Encoding(codec)
    # No text has a NUL: in UTF-16 nearly every other byte of Western letters is one, and none of the others.
    even, odd = head[::2].count(0), head[1::2].count(0)
    unmarked = "utf-16-le" if odd > len(head) // 4 and not even else "utf-16-be" if even > len(head) // 4 and not odd else ""
    if unmarked and decodes(path, unmarked):
        return Encoding(unmarked, guessed=True)
    if decodes(path, "utf-8"):
        return Encoding("utf-8")
    sample = _sample(path)
    text = sample.decode(errors="replace")
    if sum(not character.isascii() for character in text) > 2 * text.count("\N{REPLACEMENT CHARACTER}"):
        # Most letters are valid UTF-8. Read in another encoding, a list with one broken byte would have only wrong letters.
        return Encoding("utf-8")
    likely = _likely(sample)
    return Encoding(next((codec for codec in likely if decodes(path, codec)), likely[0]), guessed=True)


def decodes(path: Path, codec: str) -> bool:
    """Whether a whole file is valid in an encoding."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _sample(path: Path) -> bytes:
    """The first lines that are not plain ASCII, because only these tell encodings apart."""
    sample = b""
    with path.open("rb") as file:
        while len(sample) <= _SAMPLE_BYTES and (block := file.read(_BLOCK_BYTES)):
            if not block.isascii():
                sample += b"\n".join(line[:_SAMPLE_BYTES] for line in block.split(b"\n") if not line.isascii()) + b"\n"
    return sample[: sample.find(b"\n", _SAMPLE_BYTES)]


def _likely(sample: bytes) -> list[str]:
    """The candidates, the likeliest first. Windows-1252 precedes one that fits hardly better, because most lists use it."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - it takes a while to import, and most lists are UTF-8

    matches = [match for match in from_bytes(sample, cp_isolation=list(_CANDIDATES)) if match.encoding in _CANDIDATES]
    first = [_WINDOWS_1252]
    # Without a letter of any language, nothing speaks for another one.
    if matches and ((best := matches[0]).coherence or best.multi_byte_usage):
        first = [
            _WINDOWS_1252
            for match in matches
            if _WINDOWS_1252 in match.could_be_from_charset
            and match.chaos <= best.chaos
            and match.coherence >= best.coherence - _SAME_COHERENCE
        ]
    return list(dict.fromkeys([*first, *(match.encoding for match in matches), *_CANDIDATES]))
