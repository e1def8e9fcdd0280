"""Reads CSV files with two readers that agree: pyarrow while a file is regular, and from there on the csv module in strict mode.

pyarrow is several times as fast, but it accepts what must be refused (`"Ann"x`, a NUL, a quotation mark that is never closed) and can't
say where a fault is. So each block of rows is checked before pyarrow gets it. The csv module reads what is left from the first irregular
block on, or reports the fault with its row, line and column.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from campaign.domain.errors import InputError
from campaign.domain.text.formula_escape import strip_unseen
from campaign.loader import limits
from campaign.loader.formats.encoding import Encoding, find_encoding
from campaign.loader.formats.file_format import Head, List
from campaign.loader.formats.frames import TEXT, Header, guess_header, too_long

BLOCK_CHARACTERS: Final = 1 << 20
SEPARATORS: Final = ("\t", "|", ";", ",")
"""The rarest inside values comes first and wins a tie: `price,eur;code` has two columns with a comma and with a semicolon."""

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SAMPLE_CHARACTERS: Final = 1 << 16
_SAMPLE_ROWS: Final = 200
_NO_SEPARATOR: Final = "\x1f"
"""pyarrow needs a separator even for one column. A file that contains this one is not regular."""

_NO_TEXT: Final = re.compile("\0|[\udc00-\udcff]{1,4}")
_MARKED: Final = "campaign-marked"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Replace bytes that can't be decoded by characters that no text has."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARKED, _mark)


def read_csv(path: Path, header_row: int | None = None) -> List:
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
    parts = _CsvFile(encoding, separator, above).parts(path, skipped + bool(said))
    try:
        header: Header = next(parts)
    except InputError as error:
        error.header_row = guess
        raise
    how = f"separated by {_label(separator)}s" if separator else "with one column"
    note = " (a guess: if letters look wrong, save the list as CSV UTF-8)" if encoding.guessed else ""
    head = Head(columns=header.columns, description=f"CSV in {encoding.label}{note}, {how}", guessed=encoding.guessed, header_guess=guess)
    return head, parts


def _label(separator: str) -> str:
    return _NAMES.get(separator, f"“{separator}”")


class _CsvFile:
    """A CSV file that is being read, row by row. `above` counts the sheet's rows before the header."""

    def __init__(self, encoding: Encoding, separator: str, above: int) -> None:
        self._encoding = encoding
        self._separator = separator
        self._above = above
        self._columns: Sequence[str] = ()
        self._row = 0
        """The row that is being read; 0 is the header."""

        self._line = above + 1
        """Its line in the sheet."""

        self._text_line = 0
        """The line of the file that was read last."""

        self._held: list[str] = []
        """The lines of the row that is being read."""

    def parts(self, path: Path, skipped: int) -> Iterator[Any]:
        """Yield the header, below this many lines of the file; then the rows, each as long as the header. Raises InputError."""
        with path.open(encoding=self._encoding.codec, errors=_MARKED, newline="") as file:
            lines = self._lines(file)
            deque(islice(lines, skipped), 0)
            self._held.clear()
            _, self._columns = next(self._strictly(lines))
            header = Header.check(self._columns)
            self._row, self._line = 1, self._line + 1
            yield header
            rest = ""
            while block := file.read(BLOCK_CHARACTERS):
                rest += block
                cut = _end_of_rows(rest)
                if (found := _regular(rest[:cut], self._separator, len(self._columns))) is None:
                    break
                yield header.batch(found.columns, rows_before=self._row - 1, lines=pa.array(np.arange(len(found)) + self._line))
                self._row += len(found)
                self._line += len(found)
                self._text_line += len(found) if '"' not in rest else len(rest[:cut].encode().splitlines())
                rest = rest[cut:]
            rest += file.readline(limits.LINE_CHARACTERS + 1)
            lines = chain(self._lines(io.StringIO(rest, newline="")), self._lines(file))
            yield from header.batches(self._strictly(lines), rows_before=self._row - 1)

    def _strictly(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the header, or the rows below it, each with its line in the sheet. Raises InputError at the first fault."""
        try:
            for cells in self._parsed(lines):
                blank = _is_blank(cells)
                if len(cells) == len(self._columns) if self._columns else not blank:
                    self._held.clear()
                    yield self._line, cells
                    self._row += 1
                elif self._columns and not blank:
                    raise self._uneven(cells)
                self._held.clear()
                self._line += 1
        except csv.Error as error:
            raise self._malformed(str(error)) from None
        if not self._columns:
            why = f"There is nothing from line {self._above + 1} on." if self._above else "There are only blank lines."
            raise InputError(f"The file has no header. {why} Save the list again.", code="no_header")

    def _parsed(self, lines: Iterable[str], *, strict: bool = True) -> Iterator[list[str]]:
        # The csv module needs a separator even for one column. A list can't contain a NUL.
        return csv.reader(lines, delimiter=self._separator or "\0", strict=strict)

    def _lines(self, file: io.TextIOBase) -> Iterator[str]:
        most = limits.LINE_CHARACTERS
        left = limits.ROW_CHARACTERS
        while line := file.readline(most + 1):
            self._text_line += 1
            left = (left if self._held else limits.ROW_CHARACTERS) - len(line)
            if found := _NO_TEXT.search(line):
                raise self._no_text(found[0], line[: found.start()])
            if len(line) > most:
                raise self._error("long_line", f"The line has more than {most:,} characters. Is this a list with one row a line?")
            if left < 0:
                raise self._error(
                    "quote_not_closed", "One row goes on over thousands of lines: a quotation mark that begins in it is never closed."
                )
            self._held.append(line)
            yield line

    def _no_text(self, found: str, before: str) -> InputError:
        if found == "\0":
            code, problem = "nul", "The file has a NUL byte here: it is damaged, or not a text file."
        else:
            codes = " ".join(f"{ord(sign) - 0xDC00:02X}" for sign in found)
            code, problem = "not_decodable", f"The bytes {codes} here are no letters in {self._encoding.label}."
        # If the row spans several lines, the column of the bad one is not known.
        column = None if self._held else self._column_at_end([before])
        return self._error(code, f"{problem} Save the list again as CSV UTF-8.", column=column)

    def _uneven(self, cells: list[str]) -> InputError:
        found, width = len(cells), len(self._columns)
        has = f"This row has {found} value{'s' * (found != 1)} where the header has {width} column{'s' * (width != 1)}."
        label, begins = _label(self._separator), self._text_line - len(self._held) + 1
        if found > width:
            hint = f" Put a value that has a {label} in it between quotation marks." if self._separator else ""
            return self._error("too_many_values", f"{has}{hint}", text_line=begins)
        # A single value with one separator in it may be a name: “Berg, Bo”.
        if found == 1 and width > 2 and [len(inner) for inner in self._parsed(cells, strict=False)] == [width]:
            problem = (
                "All values of this row are in one cell: a spreadsheet has opened the file as one column. "
                "Import it there instead (in Excel: Data, From Text/CSV), and save it again; or use an .xlsx file."
            )
            return self._error("one_column", problem, text_line=begins)
        problem = f"{has} Add what is missing, if only the {label}s."
        return self._error("too_few_values", problem, text_line=begins, column=self._column(found))

    def _malformed(self, error: str) -> InputError:
        begins, column = self._text_line - len(self._held) + 1, None
        if "unexpected end of data" in error:
            code = "quote_not_closed"
            problem = 'A quotation mark that opens here is never closed. Close it, or write "" for one that is part of the value.'
            column = self._column_at_end(self._held)
        elif "expected after" in error:
            code = "text_after_quote"
            where = f"which ends on line {self._text_line} in a text editor, " if self._text_line > begins else ""
            problem = f'In this row, {where}text follows a closing quotation mark. Write "" for one that is part of the value.'
        elif "field larger than" in error:
            code = "long_value"
            problem = f"A value has more than {limits.CELL_CHARACTERS:,} characters. A quotation mark in it may never be closed."
        else:
            code, problem = "unreadable_row", f"The row can't be read ({error}). Save the list again as CSV UTF-8."
        return self._error(code, problem, text_line=begins, column=column)

    def _column_at_end(self, lines: Iterable[str]) -> str | None:
        """The column in which a row that begins with these lines is at their end; None if that is not known."""
        try:
            cells = next((cells for cells in self._parsed(lines, strict=False) if not _is_blank(cells)), [])
        except csv.Error:
            return None
        return self._column(max(len(cells), 1) - 1)

    def _column(self, place: int) -> str | None:
        return strip_unseen(self._columns[place]) or None if place < len(self._columns) else None

    def _error(self, code: str, problem: str, *, text_line: int | None = None, column: str | None = None) -> InputError:
        """The error at the row that is being read; without `text_line`, at the line that was read last."""
        text_line = text_line or self._text_line
        in_sheet = self._line if self._row else None
        # If values hold line breaks, a text editor counts lines differently from a spreadsheet.
        where = f" (In a text editor: line {text_line}.)" if text_line != in_sheet else ""
        return InputError(f"{problem}{where}", code=code, row=self._row or None, line=in_sheet, column=column, text_line=text_line)


def _end_of_rows(text: str) -> int:
    """Where the last row ends that is whole, if the text is regular."""
    end = text.rfind("\n") + 1
    in_quotes = text.count('"', 0, end) % 2
    while in_quotes:
        before = text.rfind("\n", 0, end - 1) + 1
        in_quotes ^= text.count('"', before, end) % 2
        end = before
    return end


def _regular(text: str, separator: str, width: int) -> pa.RecordBatch | None:
    """Whole rows of a file as pyarrow reads them; None if the csv module, in strict mode, might find other ones.

    In a regular text the first, third, fifth ... quotation mark opens a value: a separator, a line end or another mark comes before it.
    The others close a value: a separator, a line end or another mark follows them. Then no mark is anywhere else, and every reader finds
    the same values.
    """
    separator = separator or _NO_SEPARATOR
    try:
        data = b"\n" + text.encode()  # fails at bytes that could not be decoded
    except UnicodeEncodeError:
        return None
    if len(data) == 1 or not separator.isascii() or b"\0" in data or (separator == _NO_SEPARATOR and _NO_SEPARATOR in text):
        return None
    if b'"' in data:
        around = np.frombuffer(data, np.uint8)
        places = np.flatnonzero(around == ord('"'))
        beside = np.concatenate((around[places[::2] - 1], around[places[1::2] + 1]))
        if not np.isin(beside, tuple(f'{separator}\n\r"'.encode())).all():
            return None
    names = list(map(str, range(width)))
    try:
        (found,) = pa_csv.read_csv(
            pa.BufferReader(memoryview(data)[1:]),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(data), column_names=names),
            parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, TEXT), strings_can_be_null=False, check_utf8=False),
        ).to_batches()
    except pa.ArrowInvalid:
        return None
    blank = pc.min(pc.binary_length(found[0])).as_py() == 0 and any(ends in data for ends in (b"\n\n", b"\n\r", b"\r\r"))
    return None if blank or any(too_long(array) is not None for array in found.columns) else found


def _first_lines(path: Path, codec: str) -> list[str]:
    """Whole lines from the start of a file, from which its format is guessed. Bytes that can't be decoded are replaced."""
    with path.open(encoding=codec, errors="replace", newline="") as file:
        lines = list(io.StringIO(file.read(_SAMPLE_CHARACTERS), newline=""))
        return lines[:-1] if len(lines) > 1 and file.read(1) else lines


def _said_separator(first_line: str) -> str:
    """The separator that the file's first line declares, as in Excel's `sep=;`; empty if it declares none."""
    said = re.fullmatch(r"""sep=([^\w"' \r\n]|_)[\r\n]*""", first_line, re.IGNORECASE)
    return said[1] if said else ""


def _find_separator(lines: Sequence[str]) -> str:
    """The separator that gives the header several columns and the most rows the same number; empty for a file of one column."""
    widths = {separator: list(map(len, _rows(lines, separator).values())) or [0] for separator in SEPARATORS}

    def fit(separator: str) -> tuple[float, int]:
        header, *rows = widths[separator]
        return rows.count(header) / len(rows) if rows else 1.0, header

    several = [separator for separator in SEPARATORS if widths[separator][0] > 1]
    # If all rows have the same number of values, but the header has one: refuse the list, rather than take each row for a long id.
    even = (separator for separator, (_, *rows) in widths.items() if len(set(rows)) == 1 and rows[0] > 1)
    return max(several, key=fit) if several else next(even, "")


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
