"""The lines of a text file, decoded a block at a time and bounded, for the csv module."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from campaign.loader.tables.csv_separator import Separator
from campaign.loader.tables.source import Source

if TYPE_CHECKING:
    from _csv import Reader

BLOCK_BYTES: Final = 1 << 18
_SAMPLE_BYTES: Final = 1 << 16
_ROW_BLOCKS: Final = 32
"""A quoted value may hold line breaks, so that one row spans many lines; one that spans this many blocks has a quote too many."""


class BadLineError(Exception):
    """What is wrong with the line after the last good one; `before` is the line up to there, if it is one place that is wrong."""

    def __init__(self, problem: str, *, before: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.before = before


class Lines:
    """Iterates over the lines, their ends left as they are.

    `blocks` counts what has been read so far; whoever reads sets `row_began` to it when a row begins, so that an endless one is noticed.

    Raises:
        BadLineError: while iterating, after all lines before the bad one.
    """

    def __init__(self, path: Path, codec: str, *, line_characters: int) -> None:
        self._path = path
        self._codec = codec
        self._line_characters = line_characters
        self.blocks = 0
        self.row_began = 0

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._whole_lines())

    def _whole_lines(self) -> Iterator[Iterable[str]]:
        rest = ""
        for decoded, bad in self._decoded():
            self.blocks += 1
            if self.blocks - self.row_began > _ROW_BLOCKS:
                raise BadLineError("One row goes on over thousands of lines: a quotation mark that begins in it is never closed.")
            text, nul, _ = (rest + decoded).partition("\0")
            problem = "The file has a NUL byte here: it is damaged, or not a text file. Save the list again as CSV UTF-8." if nul else bad
            cut = _last_line_end(text, more=not problem)
            yield io.StringIO(text[:cut], newline="")
            rest = text[cut:]
            if problem:
                raise BadLineError(problem, before=rest)
            if len(rest) > self._line_characters:
                raise BadLineError(f"The line has more than {self._line_characters:,} characters. Is this a list with one row a line?")
        yield io.StringIO(rest, newline="")

    def _decoded(self) -> Iterator[tuple[str, str]]:
        """Blocks of text; the one before undecodable bytes comes with what to say of them."""
        decoder = codecs.getincrementaldecoder(self._codec)()
        first = True
        with self._path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                text, problem = self._decode(decoder, block)
                yield (text.removeprefix("\ufeff") if first else text), problem
                first = False
        yield self._decode(decoder, b"")

    def _decode(self, decoder: codecs.IncrementalDecoder, block: bytes) -> tuple[str, str]:
        try:
            return decoder.decode(block, final=not block), ""
        except UnicodeDecodeError as error:
            found = " ".join(f"{byte:02X}" for byte in error.object[error.start : error.end][:4])
            good = error.object[: error.start].decode(self._codec)
            return good, f"The bytes {found} here are no letters in {self._codec.upper()}. Save the list again as CSV UTF-8."


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """How a file is to be read, the same way each time."""

    source: Source
    codec: str
    separator: Separator
    line_characters: int

    def start(self) -> "tuple[Lines, Reader]":
        """The lines from the first on, and the rows that the csv module makes of them."""
        lines = Lines(self.source.path, self.codec, line_characters=self.line_characters)
        return lines, csv.reader(islice(lines, self.separator.skipped_lines, None), delimiter=self.separator.delimiter, strict=True)


def first_lines(path: Path, codec: str) -> str:
    """Whole lines from the start of a file, to find out from how it is written; what can't be decoded is replaced."""
    decoder = codecs.getincrementaldecoder(codec)("replace")
    with path.open("rb") as file:
        text = decoder.decode(file.read(_SAMPLE_BYTES)).removeprefix("\ufeff")
        return text[: _last_line_end(text) or None] if file.read(1) else text


def _last_line_end(text: str, *, more: bool = True) -> int:
    """The position after the last whole line. If more text follows, a carriage return at the very end may be half of a line end."""
    if not more:
        return max(text.rfind("\n"), text.rfind("\r")) + 1
    return (text.rfind("\n") if "\n" in text else text.rfind("\r", 0, -1)) + 1
