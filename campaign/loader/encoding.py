"""Finds the encoding of a text file: from its byte order mark; else UTF-8 if the whole file is valid; else a guess from its letters."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from charset_normalizer import CharsetMatch, from_bytes

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

_LABELS: Final = {UTF_8: "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32-le": "UTF-32", "utf-32-be": "UTF-32", **_CANDIDATES}
_BLOCK_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 4_096
_SAMPLE_BYTES: Final = 1 << 16
_SAME_COHERENCE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """`codec` is the name for Python, `label` for people. `guessed`: the file doesn't declare it, and others may fit too."""

    codec: str
    label: str
    guessed: bool = False


def find_encoding(path: Path) -> Encoding:
    """The encoding of a text file. The reader reports bytes that can't be decoded, because it knows their row."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return Encoding(codec=codec, label=_LABELS[codec])
    if (codec := _unmarked_utf_16(head)) and decodes(path, codec):
        return Encoding(codec=codec, label=_LABELS[codec], guessed=True)
    if decodes(path, UTF_8):
        return Encoding(codec=UTF_8, label=_LABELS[UTF_8])
    sample = _sample(path)
    if _is_damaged_utf_8(sample):
        return Encoding(codec=UTF_8, label=_LABELS[UTF_8])
    likely = _likely(sample)
    codec = next((codec for codec in likely if decodes(path, codec)), likely[0])
    return Encoding(codec=codec, label=_LABELS[codec], guessed=True)


def _unmarked_utf_16(head: bytes) -> str:
    """The UTF-16 codec if mostly every other byte is 0, as for Western letters in UTF-16; empty otherwise."""
    pairs = len(head) // 2
    first, second = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    # No text has a NUL. If other bytes are 0, the reader reports them.
    if pairs and second > pairs // 2 and not first:
        return "utf-16-le"
    return "utf-16-be" if pairs and first > pairs // 2 and not second else ""


def decodes(path: Path, codec: str) -> bool:
    """Whether a whole file is valid in an encoding."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for block in _blocks(path):
            if not (block.isascii() and codec == UTF_8 and not decoder.getstate()[0]):
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
    lines: list[bytes] = []
    size = 0
    for block in _blocks(path):
        if block.isascii():
            continue
        for line in block.split(b"\n"):
            if not line.isascii():
                lines.append(line[:_SAMPLE_BYTES])
                size += len(line)
                if size >= _SAMPLE_BYTES:
                    return b"\n".join(lines)
    return b"\n".join(lines)


def _is_damaged_utf_8(sample: bytes) -> bool:
    """Whether most letters are valid UTF-8. Read in another encoding, a list with one broken byte would have only wrong letters."""
    text = sample.decode(UTF_8, "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    good = sum(not character.isascii() for character in text) - broken
    return good > broken


def _likely(sample: bytes) -> list[str]:
    """The candidates, the likeliest first. Windows-1252 precedes one that fits hardly better, because most lists use it."""
    matches = [match for match in from_bytes(sample, cp_isolation=list(_CANDIDATES)) if match.encoding in _CANDIDATES]
    found = [match.encoding for match in matches]
    best = matches[0] if matches else None
    if best is None or not (best.coherence or best.multi_byte_usage) or any(_is_windows_1252(match, best) for match in matches):
        found.insert(0, _WINDOWS_1252)
    return list(dict.fromkeys([*found, *_CANDIDATES]))


def _is_windows_1252(match: CharsetMatch, best: CharsetMatch) -> bool:
    """Whether a match decodes to the same text as Windows-1252, and is as good as the best match."""
    as_good = match.chaos <= best.chaos and match.coherence >= best.coherence - _SAME_COHERENCE
    return as_good and _WINDOWS_1252 in match.could_be_from_charset
