"""Reads CSV files with the csv module in strict mode, and reports every fault with its row, line and column."""

import codecs
import csv
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from campaign.domain.errors import InputError
from campaign.loader.frames import CELL_CHARACTERS, Header
from campaign.loader.source import Source
from campaign.loader.table import Limits

if TYPE_CHECKING:
    from _csv import Reader

ROW_CHARACTERS: Final = 8 << 20
"""A quoted value may hold line breaks, so one row can span many lines. A row longer than this has a stray quotation mark."""

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_NO_TEXT: Final = re.compile("\0|[\udc00-\udcff]{1,4}")
_MARKED: Final = "campaign-marked"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Replace bytes that can't be decoded by characters that no text has."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARKED, _mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """How a file is read. `skipped` counts the file's lines before the header, `above` the sheet's rows before it."""

    source: Source
    limits: Limits
    codec: str
    separator: str
    skipped: int
    above: int

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> "Reader":
        # The csv module needs a separator even for one column. A list can't contain a NUL.
        return csv.reader(lines, delimiter=self.separator or "\0", strict=strict)


class _BadLineError(Exception):
    """The line after the last good one is wrong. `before` is its text up to the fault, if the fault is in one place."""

    def __init__(self, code: str, problem: str, before: str | None = None) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
        self.before = before


class StrictPass:
    """One pass over a file: the header first, then the rows. Close it, or read it to its end."""

    def __init__(self, file: CsvFile) -> None:
        self._file = file
        self._row_characters = 0
        self._open = self._lines()
        self._reader = file.reader(islice(self._open, file.skipped, None))
        self._header: Header | None = None
        self._rows = 0
        self._above = file.above
        """How many lines of the sheet so far are not rows of the list."""

        self.line = file.skipped
        """The line of the file on which the last row ended."""

    def close(self) -> None:
        self._open.close()

    def header(self) -> tuple[Header, int]:
        """The header, and its line in the sheet."""
        with self._faults():
            for cells in self._reader:
                self._above += 1
                if not is_blank(cells):
                    self._header = Header.check(cells, file=self._file.source.name, limits=self._file.limits)
                    self.line = self._last_line
                    return self._header, self._above
        why = f"There is nothing from line {self._file.above + 1} on." if self._file.above else "There are only blank lines."
        raise self._error("no_header", f"The file has no header. {why} Save the list again.")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row with its line in the sheet. Raises InputError at a row that is not as long as the header, or can't be read."""
        header, _ = self.header()
        width = len(header.names)
        with closing(self), self._faults():
            for cells in self._reader:
                self._row_characters = 0
                if len(cells) == width:
                    self._rows += 1
                    yield self._above + self._rows, cells
                elif cells and not (width > 1 and is_blank(cells)):
                    raise self._uneven(len(cells), header)
                else:
                    self._above += 1
                self.line = self._last_line

    @property
    def _last_line(self) -> int:
        return self._reader.line_num + self._file.skipped

    def _lines(self) -> Generator[str, None, None]:
        most = self._file.limits.line_characters
        with self._file.source.path.open(encoding=self._file.codec, errors=_MARKED, newline="") as file:
            for number, text in enumerate(iter(partial(file.readline, most + 1), "")):
                line = text if number else text.removeprefix("\ufeff")
                if found := _NO_TEXT.search(line):
                    raise _BadLineError("nul" if found[0] == "\0" else "not_decodable", self._no_text(found[0]), line[: found.start()])
                if len(line) > most:
                    raise _BadLineError("long_line", f"The line has more than {most:,} characters. Is this a list with one row a line?")
                self._row_characters += len(line)
                if self._row_characters > ROW_CHARACTERS:
                    raise _BadLineError(
                        "quote_not_closed", "One row goes on over thousands of lines: a quotation mark that begins in it is never closed."
                    )
                yield line

    def _no_text(self, found: str) -> str:
        if found == "\0":
            return "The file has a NUL byte here: it is damaged, or not a text file. Save the list again as CSV UTF-8."
        codes = " ".join(f"{ord(sign) - 0xDC00:02X}" for sign in found)
        return f"The bytes {codes} here are no letters in {self._file.codec.upper()}. Save the list again as CSV UTF-8."

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except _BadLineError as error:
            # If the row spans several lines, the column of the bad one is not known.
            column = None if error.before is None or self._last_line != self.line else self._column_at_end([error.before])
            raise self._error(error.code, error.problem, column=column, line=self._last_line + 1) from None
        except csv.Error as error:
            raise self._malformed(str(error)) from None

    def _uneven(self, found: int, header: Header) -> InputError:
        width = len(header.names)
        label = label_of(self._file.separator)
        has = f"This row has {found} value{'s' * (found != 1)} where the header has {width} column{'s' * (width != 1)}."
        if found > width:
            hint = f" Put a value that has a {label} in it between quotation marks." if self._file.separator else ""
            return self._error("too_many_values", f"{has}{hint}", line=self.line + 1)
        return self._error(
            "too_few_values", f"{has} Add what is missing, if only the {label}s.", line=self.line + 1, column=header.names[found]
        )

    def _malformed(self, error: str) -> InputError:
        begin = self.line + 1
        if "unexpected end of data" in error:
            problem = 'A quotation mark that opens here is never closed. Close it, or write "" for one that is part of the value.'
            with closing(self._lines()) as lines:
                return self._error("quote_not_closed", problem, line=begin, column=self._column_at_end(islice(lines, self.line, None)))
        if "expected after" in error:
            where = f"which ends on line {self._last_line} in a text editor, " if self._last_line > begin else ""
            problem = f'In this row, {where}text follows a closing quotation mark. Write "" for one that is part of the value.'
            return self._error("text_after_quote", problem, line=begin)
        if "field larger than" in error:
            problem = f"A value has more than {CELL_CHARACTERS:,} characters. A quotation mark in it may never be closed."
            return self._error("long_value", problem, line=begin)
        return self._error("unreadable_row", f"The row can't be read ({error}). Save the list again as CSV UTF-8.", line=begin)

    def _column_at_end(self, lines: Iterable[str]) -> str | None:
        """The column in which a row that begins with these lines is at their end; None if that is not known."""
        self._row_characters = 0
        try:
            cells = next((cells for cells in self._file.reader(lines, strict=False) if not is_blank(cells)), [])
        except (_BadLineError, csv.Error):
            return None
        count = len(cells) or 1
        return (self._header.names[count - 1] or None) if self._header and count <= len(self._header.names) else None

    def _error(self, code: str, problem: str, *, line: int = 0, column: str | None = None) -> InputError:
        row = self._rows + 1 if self._header else None
        in_sheet = self._above + row if row else None
        # If values hold line breaks, a text editor counts lines differently from a spreadsheet.
        where = f" (In a text editor: line {line}.)" if line and line != in_sheet else ""
        return InputError(
            f"{problem}{where}", code=code, file=self._file.source.name, row=row, line=in_sheet, column=column, text_line=line
        )


def is_blank(cells: Sequence[str]) -> bool:
    """Whether the csv module read these cells from an empty line, or from one of blanks only."""
    return not cells or (len(cells) == 1 and not cells[0].strip())


def label_of(separator: str) -> str:
    return _NAMES.get(separator, f"“{separator}”")
