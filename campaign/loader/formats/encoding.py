"""Finds the encoding of a text file: from its byte order mark; else UTF-8 if the whole file is valid; else a guess from its letters."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from charset_normalizer import from_bytes

UTF_8: Final = "utf-8"
_WINDOWS_1252: Final = "cp1252"
_MARKS: Final = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, because it begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
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
    """`codec` is the name for Python. `guessed`: the file doesn't declare it, and others may fit too."""

    codec: str
    guessed: bool = False

    @property
    def label(self) -> str:
        """The name for people."""
        return _CANDIDATES.get(self.codec) or self.codec.upper()[: len("UTF-16")]


def find_encoding(path: Path) -> Encoding:
    """The encoding of a text file. The reader reports bytes that can't be decoded, because it knows their row."""
    with path.open("rb") as file:
        head = file.read(4_096)
    if codec := next((codec for mark, codec in _MARKS if head.startswith(mark)), None):
        return Encoding(codec)
    # No text has a NUL: in UTF-16 nearly every other byte of Western letters is one, and none of the others.
    even, odd = head[::2].count(0), head[1::2].count(0)
    unmarked = "utf-16-le" if odd > len(head) // 4 and not even else "utf-16-be" if even > len(head) // 4 and not odd else ""
    if unmarked and decodes(path, unmarked):
        return Encoding(unmarked, guessed=True)
    if decodes(path, UTF_8):
        return Encoding(UTF_8)
    sample = _sample(path)
    text = sample.decode(UTF_8, "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    if sum(not character.isascii() for character in text) > 2 * broken:
        # Most letters are valid UTF-8. Read in another encoding, a list with one broken byte would have only wrong letters.
        return Encoding(UTF_8)
    likely = _likely(sample)
    return Encoding(next((codec for codec in likely if decodes(path, codec)), likely[0]), guessed=True)


def decodes(path: Path, codec: str) -> bool:
    """Whether a whole file is valid in an encoding."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _sample(path: Path) -> bytes:
    """The first lines that are not plain ASCII, because only these tell encodings apart."""
    sample = b""
    for block in _blocks(path):
        if not block.isascii():
            sample += b"\n".join(line[:_SAMPLE_BYTES] for line in block.split(b"\n") if not line.isascii()) + b"\n"
        if len(sample) > _SAMPLE_BYTES:
            break
    return sample[: sample.find(b"\n", _SAMPLE_BYTES)]


def _likely(sample: bytes) -> list[str]:
    """The candidates, the likeliest first. Windows-1252 precedes one that fits hardly better, because most lists use it."""
    matches = [match for match in from_bytes(sample, cp_isolation=list(_CANDIDATES)) if match.encoding in _CANDIDATES]
    best = matches[0] if matches else None
    # Without a letter of any language, nothing speaks for another one.
    is_other = (
        best is not None
        and (best.coherence > 0 or best.multi_byte_usage > 0)
        and not any(
            _WINDOWS_1252 in match.could_be_from_charset
            and match.chaos <= best.chaos
            and match.coherence >= best.coherence - _SAME_COHERENCE
            for match in matches
        )
    )
    return list(dict.fromkeys([*([] if is_other else [_WINDOWS_1252]), *(match.encoding for match in matches), *_CANDIDATES]))
