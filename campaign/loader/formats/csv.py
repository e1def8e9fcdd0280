"""Reads CSV files with two readers that agree: pyarrow while a file is regular, and the csv module in strict mode otherwise.

pyarrow is several times as fast, but it accepts what must be refused (`"Ann"x`, a NUL, a quotation mark that is never closed) and can't
say where a fault is. So each block is checked before pyarrow gets it. At the first irregular block the csv module takes over. It either
reads the remaining rows, or reports the fault with its row, line and column.
"""

import codecs
import csv
import io
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from campaign.domain.errors import InputError
from campaign.domain.text.formula_escape import strip_unseen
from campaign.loader import limits
from campaign.loader.formats.encoding import UTF_8, find_encoding
from campaign.loader.formats.frames import TEXT, Header, guess_header, too_long
from campaign.loader.table import Head, List

BLOCK_BYTES: Final = 1 << 20
SEPARATORS: Final = ("\t", "|", ";", ",")
"""The rarest inside values comes first and wins a tie: `price,eur;code` has two columns with a comma and with a semicolon."""

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SAMPLE_BYTES: Final = 1 << 16
_SAMPLE_ROWS: Final = 200
_NO_SEPARATOR: Final = "\x1f"
"""pyarrow needs a separator even for one column. A file that contains this one is not regular."""

_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_NO_TEXT: Final = re.compile("\0|[\udc00-\udcff]{1,4}")
_MARKED: Final = "campaign-marked"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Replace bytes that can't be decoded by characters that no text has."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARKED, _mark)


def read_csv(path: Path, name: str, header_row: int | None = None) -> List:
    """Return the list in a CSV file. Its header is the first line that is not blank, or the first such line from `header_row` on.

    Raises:
        InputError: the file has no header. While the rows are read: a row has more or fewer values than the header, or can't be read.
    """
    encoding = find_encoding(path)
    sample = _first_lines(path, encoding.codec)
    said = _said_separator(sample[0]) if sample else ""
    # Excel doesn't show its own `sep=` line, so the line has no number in a sheet.
    sample = sample[1:] if said else sample
    above = (header_row or 1) - 1
    skipped = _lines_of_rows(sample, above)
    separator = said or _find_separator(sample[skipped:])
    guess = None if header_row else _guess(sample)
    file = _File(path=path, name=name, codec=encoding.codec, separator=separator, skipped=skipped + bool(said), above=above)
    strict = _StrictReader(file)
    try:
        line, cells = next(strict.rows())
        header = Header.check(cells, file=name)
    except InputError as error:
        error.header_row = guess
        raise
    how = f"separated by {file.label}s" if separator else "with one column"
    doubt = " (a guess: if letters look wrong, save the list as CSV UTF-8)" if encoding.guessed else ""
    head = Head(columns=header.columns, description=f"CSV in {encoding.label}{doubt}, {how}", guessed=encoding.guessed, header_guess=guess)
    return head, _batches(file, header, header_ends=strict.ends, header_line=line)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """How a file is read. `skipped` counts the file's lines before the header, `above` the sheet's rows before it."""

    path: Path
    name: str
    codec: str
    separator: str
    skipped: int
    above: int

    @property
    def label(self) -> str:
        return _NAMES.get(self.separator, f"“{self.separator}”")


def _batches(file: _File, header: Header, *, header_ends: int, header_line: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows, each as long as the header. Raises InputError at the first that is not."""
    done = 0
    try:
        for batch in _regular(file, len(header.names), header_ends):
            lines = pa.array(np.arange(header_line + done + 1, header_line + done + len(batch) + 1))
            yield header.batch(batch.columns, rows_before=done, lines=lines)
            done += len(batch)
    except (_IrregularError, pa.ArrowInvalid):
        yield from header.batches(islice(_StrictReader(file).rows(), done + 1, None), rows_before=done)


def _regular(file: _File, width: int, header_ends: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows that pyarrow reads, as far as the file is regular.

    Raises:
        _IrregularError, pa.ArrowInvalid: the next part of the file is not regular.
    """
    separator = file.separator or _NO_SEPARATOR
    names = list(map(str, range(width)))
    with file.path.open("rb", buffering=0) as opened:
        reader = pa_csv.open_csv(
            pa.PythonFile(_RegularBlocks(opened, file.codec, separator), "r"),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=2 * BLOCK_BYTES, column_names=names, skip_rows=header_ends),
            parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, TEXT), strings_can_be_null=False, check_utf8=False),
        )
        for batch in reader:
            # In a file of one column a blank line can't be told from an empty value.
            unclear = not file.separator and pc.any(pc.equal(batch[0], "")).as_py()
            if unclear or any(too_long(array) is not None for array in batch.columns):
                raise _IrregularError
            if len(batch):
                yield batch


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
        self._irregular = (b"\n\n", b"\n\r", b"\r\r", b"\0", *([separator.encode()] if separator == _NO_SEPARATOR else []))
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


class _StrictReader:
    """Reads a file once with the csv module in strict mode, and reports every fault with its row, line and column."""

    def __init__(self, file: _File) -> None:
        self._file = file
        self._names: Sequence[str] = ()
        self._row = 0
        """The row that is being read; 0 is the header."""

        self._sheet_line = file.above + 1
        self._row_characters = 0
        self._open = self._lines()
        self._reader = self._parsed(islice(self._open, file.skipped, None))
        self.ends = file.skipped
        """The line of the file on which the last row ended."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the header, then each row, with their lines in the sheet. Raises InputError at a row that is not as long as the header."""
        try:
            for cells in self._reader:
                self._row_characters = 0
                if len(cells) == len(self._names) if self._names else not _is_blank(cells):
                    self._names = self._names or cells
                    self.ends = self._last_line
                    yield self._sheet_line, cells
                    self._row += 1
                elif self._names and not _is_blank(cells):
                    raise self._uneven(len(cells))
                self.ends = self._last_line
                self._sheet_line += 1
        except csv.Error as error:
            raise self._malformed(str(error)) from None
        finally:
            self._open.close()
        if not self._names:
            why = f"There is nothing from line {self._file.above + 1} on." if self._file.above else "There are only blank lines."
            raise InputError(f"The file has no header. {why} Save the list again.", code="no_header", file=self._file.name)

    @property
    def _last_line(self) -> int:
        return int(self._reader.line_num) + self._file.skipped

    def _parsed(self, lines: Iterable[str], *, strict: bool = True) -> Any:
        # The csv module needs a separator even for one column. A list can't contain a NUL.
        return csv.reader(lines, delimiter=self._file.separator or "\0", strict=strict)

    def _lines(self) -> Generator[str, None, None]:
        most = limits.LINE_CHARACTERS
        with self._file.path.open(encoding=self._file.codec, errors=_MARKED, newline="") as file:
            first = True
            while line := file.readline(most + 1):
                if first:
                    line, first = line.removeprefix("\ufeff"), False
                if found := _NO_TEXT.search(line):
                    raise self._no_text(found[0], line[: found.start()])
                if len(line) > most:
                    problem = f"The line has more than {most:,} characters. Is this a list with one row a line?"
                    raise self._error("long_line", problem, line=self._last_line + 1)
                self._row_characters += len(line)
                if self._row_characters > limits.ROW_CHARACTERS:
                    problem = "One row goes on over thousands of lines: a quotation mark that begins in it is never closed."
                    raise self._error("quote_not_closed", problem, line=self._last_line + 1)
                yield line

    def _no_text(self, found: str, before: str) -> InputError:
        if found == "\0":
            code, problem = "nul", "The file has a NUL byte here: it is damaged, or not a text file."
        else:
            codes = " ".join(f"{ord(sign) - 0xDC00:02X}" for sign in found)
            code, problem = "not_decodable", f"The bytes {codes} here are no letters in {self._file.codec.upper()}."
        # If the row spans several lines, the column of the bad one is not known.
        column = self._column_at_end([before]) if self._last_line == self.ends else None
        return self._error(code, f"{problem} Save the list again as CSV UTF-8.", line=self._last_line + 1, column=column)

    def _uneven(self, found: int) -> InputError:
        width = len(self._names)
        has = f"This row has {found} value{'s' * (found != 1)} where the header has {width} column{'s' * (width != 1)}."
        if found > width:
            hint = f" Put a value that has a {self._file.label} in it between quotation marks." if self._file.separator else ""
            return self._error("too_many_values", f"{has}{hint}", line=self.ends + 1)
        problem = f"{has} Add what is missing, if only the {self._file.label}s."
        return self._error("too_few_values", problem, line=self.ends + 1, column=self._name(found))

    def _malformed(self, error: str) -> InputError:
        begin, column = self.ends + 1, None
        if "unexpected end of data" in error:
            code = "quote_not_closed"
            problem = 'A quotation mark that opens here is never closed. Close it, or write "" for one that is part of the value.'
            column = self._column_at_end(islice(self._lines(), self.ends, None))
        elif "expected after" in error:
            code = "text_after_quote"
            where = f"which ends on line {self._last_line} in a text editor, " if self._last_line > begin else ""
            problem = f'In this row, {where}text follows a closing quotation mark. Write "" for one that is part of the value.'
        elif "field larger than" in error:
            code = "long_value"
            problem = f"A value has more than {limits.CELL_CHARACTERS:,} characters. A quotation mark in it may never be closed."
        else:
            code = "unreadable_row"
            problem = f"The row can't be read ({error}). Save the list again as CSV UTF-8."
        return self._error(code, problem, line=begin, column=column)

    def _column_at_end(self, lines: Iterable[str]) -> str | None:
        """The column in which a row that begins with these lines is at their end; None if that is not known."""
        self._row_characters = 0
        try:
            cells: list[str] = next((cells for cells in self._parsed(lines, strict=False) if not _is_blank(cells)), [])
        except (InputError, csv.Error):
            return None
        return self._name(max(len(cells), 1) - 1)

    def _name(self, place: int) -> str | None:
        return strip_unseen(self._names[place]) or None if place < len(self._names) else None

    def _error(self, code: str, problem: str, *, line: int, column: str | None = None) -> InputError:
        in_sheet = self._sheet_line if self._row else None
        # If values hold line breaks, a text editor counts lines differently from a spreadsheet.
        where = f" (In a text editor: line {line}.)" if line != in_sheet else ""
        return InputError(
            f"{problem}{where}", code=code, file=self._file.name, row=self._row or None, line=in_sheet, column=column, text_line=line
        )


def _first_lines(path: Path, codec: str) -> list[str]:
    """Whole lines from the start of a file, from which its format is guessed. Bytes that can't be decoded are replaced."""
    with path.open(encoding=codec, errors="replace", newline="") as file:
        text = file.read(_SAMPLE_BYTES).removeprefix("\ufeff")
        lines = list(io.StringIO(text, newline=""))
        return lines[:-1] if len(lines) > 1 and file.read(1) else lines


def _said_separator(first_line: str) -> str:
    """The separator that the file's first line declares, as in Excel's `sep=;`; empty if it declares none."""
    said = re.fullmatch(r"""sep=([^\w"' \r\n]|_)[\r\n]*""", first_line, re.IGNORECASE)
    return said[1] if said else ""


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
    rows = enumerate(islice(csv.reader(lines, delimiter=separator or "\0"), _SAMPLE_ROWS), 1)
    return {line: cells for line, cells in rows if not _is_blank(cells)}


def _is_blank(cells: Sequence[str]) -> bool:
    """Whether the csv module read these cells from an empty line, or from one of blanks only."""
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _lines_of_rows(lines: Sequence[str], rows: int) -> int:
    """How many lines of the file the first `rows` rows take: a quoted title may span several."""
    reader = csv.reader(lines)
    read = sum(1 for _ in islice(reader, rows))
    return reader.line_num + rows - read
