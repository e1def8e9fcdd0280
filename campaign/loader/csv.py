"""Reads CSV files with two readers that agree: pyarrow while a file is regular, and the csv module in strict mode otherwise.

pyarrow is several times as fast, but it accepts what must be refused (`"Ann"x`, a NUL, a quotation mark that is never closed) and can't
say where a fault is. So each block is checked before pyarrow gets it. At the first irregular block the csv module takes over. It either
reads the remaining rows, or reports the fault with its row, line and column.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from campaign.domain.errors import InputError
from campaign.loader.csv_strict import CsvFile, StrictPass, is_blank, label_of
from campaign.loader.encoding import UTF_8, find_encoding
from campaign.loader.frames import CELL_CHARACTERS, TEXT, Header, guess_header, without_empty_rows
from campaign.loader.source import Source
from campaign.loader.table import Head, Limits, List

BLOCK_BYTES: Final = 1 << 20

_SAMPLE_BYTES: Final = 1 << 16
_SAMPLE_ROWS: Final = 200
SEPARATORS: Final = ("\t", "|", ";", ",")
"""The rarest inside values comes first and wins a tie: `price,eur;code` has two columns with a comma and with a semicolon."""

_NO_SEPARATOR: Final = "\x1f"
"""pyarrow needs a separator even for one column. A file that contains this one is not regular."""

_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_BLANK_LINES: Final = (b"\n\n", b"\n\r", b"\r\r")


def read_csv(source: Source, limits: Limits, header_row: int | None = None) -> List:
    """Return the list in a CSV file. Its header is the first line that is not blank, or the first such line from `header_row` on.

    Raises:
        InputError: the file has no header. While the rows are read: a row has more or fewer values than the header, or can't be read.
    """
    encoding = find_encoding(source.path)
    sample = _first_lines(source.path, encoding.codec)
    said = _said_separator(sample[0]) if sample else ""
    # Excel doesn't show its own `sep=` line, so the line has no number in a sheet.
    sample = sample[1:] if said else sample
    above = (header_row or 1) - 1
    skipped = _lines_of_rows(sample, above)
    separator = said or _find_separator(sample[skipped:])
    guess = None if header_row else _guess(sample)
    file = CsvFile(
        source=source, limits=limits, codec=encoding.codec, separator=separator, skipped=skipped + (1 if said else 0), above=above
    )
    try:
        with closing(StrictPass(file)) as first:
            header, line = first.header()
            ends = first.line
    except InputError as error:
        error.header_row = guess
        raise
    how = f"separated by {label_of(separator)}s" if separator else "with one column"
    doubt = " (a guess: if letters look wrong, save the list as CSV UTF-8)" if encoding.guessed else ""
    head = Head(
        columns=header.columns,
        description=f"CSV in {encoding.label}{doubt}, {how}",
        encoding=encoding.label,
        guessed=encoding.guessed,
        separator=separator,
        header_guess=guess,
    )
    return head, without_empty_rows(_batches(file, header, header_ends=ends, header_line=line))


def _batches(file: CsvFile, header: Header, *, header_ends: int, header_line: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows, each as long as the header. Raises InputError at the first that is not."""
    done = 0
    try:
        for batch in _regular(file, len(header.names), header_ends):
            lines = pa.array(np.arange(header_line + done + 1, header_line + done + len(batch) + 1))
            yield header.batch(batch.columns, lines, rows_before=done)
            done += len(batch)
    except (_IrregularError, pa.ArrowInvalid):
        yield from header.batches(islice(StrictPass(file).rows(), done, None), rows_before=done)


def _regular(file: CsvFile, width: int, header_ends: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows that pyarrow reads, as far as the file is regular.

    Raises:
        _IrregularError, pa.ArrowInvalid: the next part of the file is not regular.
    """
    separator = file.separator or _NO_SEPARATOR
    names = list(map(str, range(width)))
    with file.source.path.open("rb", buffering=0) as opened:
        reader = pa_csv.open_csv(
            pa.PythonFile(_RegularBlocks(opened, file.codec, separator), "r"),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=2 * BLOCK_BYTES, column_names=names, skip_rows=header_ends),
            parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, TEXT), strings_can_be_null=False, check_utf8=False),
        )
        for batch in reader:
            # In a file of one column a blank line can't be told from an empty value.
            if any(map(_is_too_long, batch.columns)) or (not file.separator and pc.any(pc.equal(batch[0], "")).as_py()):
                raise _IrregularError
            if len(batch):
                yield batch


def _is_too_long(array: pa.Array) -> bool:
    return (pc.max(pc.binary_length(array)).as_py() or 0) > CELL_CHARACTERS and pc.max(pc.utf8_length(array)).as_py() > CELL_CHARACTERS


class _IrregularError(Exception):
    """The file is not plainly regular; it may still be correct."""


class _RegularBlocks(io.RawIOBase):
    """A file's text in UTF-8, block by block, for pyarrow.

    In a regular file the first, third, fifth ... quotation mark opens a value: a separator, a line end or another mark comes before it.
    The others close a value: a separator, a line end or another mark follows them. Then no mark is anywhere else, and every reader finds
    the same values.

    Raises:
        _IrregularError: while the file is read, before a block is returned that breaks this rule or is irregular in another way.
    """

    def __init__(self, file: io.FileIO, codec: str, separator: str) -> None:
        if not separator.isascii():
            raise _IrregularError
        self._file = file
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._is_utf_8 = codec == UTF_8
        self._beside_quotes = (ord(separator), _LINE_FEED, _RETURN, _QUOTE)
        self._irregular = (*_BLANK_LINES, b"\0", *([separator.encode()] if separator == _NO_SEPARATOR else []))
        self._rest = b""
        self._before = _LINE_FEED
        self._quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        del size  # twice a block, so that a block and the rest of the one before fit
        while block := self._file.read(BLOCK_BYTES):
            text = self._rest + self._in_utf_8(block)
            # The character after a quotation mark or a line end may be in the next block.
            body = text.rstrip(b'\r\n"')
            self._rest = text[len(body) :]
            if len(self._rest) > BLOCK_BYTES // 2:
                raise _IrregularError
            if body:
                return self._checked(body, after=0)
        self._in_utf_8(b"")
        body, self._rest = self._checked(self._rest.rstrip(b"\r\n"), after=_LINE_FEED), b""
        if self._quotes % 2:
            raise _IrregularError
        return body

    def _in_utf_8(self, block: bytes) -> bytes:
        if self._is_utf_8 and block.isascii() and not self._decoder.getstate()[0]:
            return block
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            raise _IrregularError from None
        return block if self._is_utf_8 else text.encode()

    def _checked(self, body: bytes, *, after: int) -> bytes:
        if any(found in body for found in self._irregular):
            raise _IrregularError
        if b'"' in body:
            around = np.frombuffer(bytes((self._before,)) + body + bytes((after,)), np.uint8)
            places = np.flatnonzero(around[1:-1] == _QUOTE)
            opening, closing = places[self._quotes % 2 :: 2], places[1 - self._quotes % 2 :: 2]
            if not np.isin(np.concatenate((around[opening], around[closing + 2])), self._beside_quotes).all():
                raise _IrregularError
            self._quotes += len(places)
        self._before = body[-1] if body else self._before
        return body


def _first_lines(path: Path, codec: str) -> list[str]:
    """Whole lines from the start of a file, from which its format is guessed. Bytes that can't be decoded are replaced."""
    with path.open(encoding=codec, errors="replace", newline="") as file:
        text = file.read(_SAMPLE_BYTES).removeprefix("\ufeff")
        lines = list(io.StringIO(text, newline=""))
        return lines[:-1] if len(lines) > 1 and file.read(1) else lines


def _said_separator(first_line: str) -> str:
    """The separator that the file's first line declares, as in Excel's `sep=;`; empty if it declares none."""
    said = first_line.rstrip("\r\n")
    stated = len(said) == len("sep=;") and said[:4].lower() == "sep=" and not said[4].isalnum() and said[4] not in "\"' "
    return said[4] if stated else ""


def _find_separator(lines: Sequence[str]) -> str:
    """The separator that gives the header several columns and the most rows the same number; empty for a file of one column."""
    best, best_score = "", (0.0, 0)
    widths = {character: [len(row) for row in _rows(lines, character).values()] for character in SEPARATORS}
    for character, (header, *rows) in ((character, found or [0]) for character, found in widths.items()):
        score = (sum(width == header for width in rows) / len(rows) if rows else 1.0, header)
        if header > 1 and score > best_score:
            best, best_score = character, score
    # All rows have the same number of values, but the header has one: refuse the list as uneven, rather than take each row for a long id.
    return best or next((character for character, found in widths.items() if len(set(found[1:])) == 1 and found[1] > 1), "")


def _guess(lines: Sequence[str]) -> int | None:
    """The line that the header seems to be in; None if that is the first, or not known."""
    below = _find_separator(lines[len(lines) // 2 :])
    return next((found for separator in (below, *SEPARATORS, "") if (found := guess_header(_rows(lines, separator))) is not None), None)


def _rows(lines: Sequence[str], separator: str) -> dict[int, list[str]]:
    """The first rows by their lines in a sheet, without blank ones."""
    rows = csv.reader(lines, delimiter=separator or "\0")
    return {line: cells for line, cells in enumerate(islice(rows, _SAMPLE_ROWS), 1) if not is_blank(cells)}


def _lines_of_rows(lines: Sequence[str], rows: int) -> int:
    """How many lines of the file the first `rows` rows take: a quoted title may span several."""
    reader = csv.reader(lines)
    read = sum(1 for _ in islice(reader, rows))
    return reader.line_num + rows - read
