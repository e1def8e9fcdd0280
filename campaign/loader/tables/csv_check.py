"""The first pass over a CSV file: its header, how many rows it has, or what is wrong with it and where."""

import csv
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from campaign.domain.errors import InputError
from campaign.domain.sheet import MOST_GAPS, SheetLines
from campaign.loader.tables.csv_lines import BadLineError, CsvFile
from campaign.loader.tables.csv_separator import is_blank
from campaign.loader.tables.header import Header
from campaign.loader.tables.table import CELL_CHARACTERS, Limits

if TYPE_CHECKING:
    from _csv import Reader


def check(file: CsvFile, limits: Limits) -> tuple[Header, int, SheetLines]:
    """The header, the number of data rows, and their lines; raises InputError unless every row has as many values as the header.

    Rows of nothing but separators at the end, which Excel saves for cells that were emptied, are no data.
    """
    return _Check(file, limits).run()


def next_row(reader: "Reader") -> list[str]:
    """The next row that is not a blank line; empty at the end."""
    return next((cells for cells in reader if not is_blank(cells)), [])


class _Check:
    """Where the pass is.

    `rows` are the data rows found good, `filled` the last of them that holds something, `line` its last line in the file. `above` counts
    the header and the blank lines so far, as a spreadsheet does; `gaps` are the rows with a blank line before them.
    """

    def __init__(self, file: CsvFile, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self.lines, self.reader = file.start()
        self.skipped = file.separator.skipped_lines
        self.header: Header | None = None
        self.rows = 0
        self.filled = 0
        self.line = 0
        self.above = 0
        self.gaps: list[int] = []

    def run(self) -> tuple[Header, int, SheetLines]:
        try:
            names = self._names()
            if not names:
                raise self._error("The file holds nothing but blank lines. Save the list again.")
            self.header = Header.check(names, file=self.file.source.name, limits=self.limits)
            self.line, header_line = self.reader.line_num, self.above
            self._check_rows(self.header)
        except BadLineError as error:
            raise self._error(error.problem, column=self._column_of(error.before), line=self.reader.line_num + 1) from None
        except csv.Error as error:
            raise self._malformed(str(error)) from None
        if not self.filled:
            raise self._error("The file has a header but no rows. Add the passes below it, or save the list again.", inside=False)
        if self.filled > self.limits.rows:
            raise self._error(f"The list has {self.filled:,} rows; at most {self.limits.rows:,} are read. Split it.", inside=False)
        gaps = [row for row in self.gaps if row <= self.filled]
        return self.header, self.filled, SheetLines.counted(header_line + 1, gaps)

    def _names(self) -> list[str]:
        for cells in self.reader:
            self.above += 1
            if not is_blank(cells):
                return cells
        return []

    def _check_rows(self, header: Header) -> None:
        width = len(header.names)
        unnamed = bool(header.unnamed)
        lines, reader = self.lines, self.reader
        for cells in reader:
            lines.row_began = lines.blocks
            if len(cells) != width:
                if cells and not (width > 1 and is_blank(cells)):
                    raise self._uneven(len(cells), header)
                self.above += 1
                if len(self.gaps) <= MOST_GAPS:
                    self.gaps.append(self.rows + 1)
            else:
                self.rows += 1
                if any(cells):
                    self.filled = self.rows
                if unnamed:
                    header.check_unnamed(cells, row=self.rows, line=self.above + self.rows)
            self.line = reader.line_num

    def _uneven(self, found: int, header: Header) -> InputError:
        width = len(header.names)
        label = self.file.separator.label
        has = f"This row has {found} value{'s' * (found != 1)} where the header has {width} column{'s' * (width != 1)}."
        if found > width:
            hint = f"Put a value that has a {label} in it between quotation marks." if self.file.separator.character else ""
            return self._error(f"{has} {hint}".rstrip(), line=self.line + 1)
        column = header.names[found]
        return self._error(f"{has} Add what is missing, if only the {label}s.", line=self.line + 1, column=column)

    def _malformed(self, error: str) -> InputError:
        begin = self.line + 1
        if "unexpected end of data" in error:
            problem = 'A quotation mark that opens here is never closed. Close it, or write "" for one that is part of the value.'
            return self._error(problem, line=begin, column=self._last_column())
        if "expected after" in error:
            last = self.reader.line_num
            where = f"which ends on line {last + self.skipped} in a text editor, " if last > begin else ""
            problem = f'In this row, {where}text follows a closing quotation mark. Write "" for one that is part of the value.'
            return self._error(problem, line=begin)
        if "field larger than" in error:
            problem = f"A value has more than {CELL_CHARACTERS:,} characters. A quotation mark in it may never be closed."
            return self._error(problem, line=begin)
        return self._error(f"The row can't be read ({error}). Save the list again as CSV UTF-8.", line=begin)

    def _last_column(self) -> str | None:
        """The column that the end of the file is in, if a quotation mark opened there."""
        lines, _ = self.file.start()
        return self._column_at_end(islice(lines, self.line + self.skipped, None))

    def _column_of(self, before: str | None) -> str | None:
        """The column that a line is in after `before`, if the line is the first of its row."""
        return None if before is None or self.reader.line_num != self.line else self._column_at_end([before])

    def _column_at_end(self, lines: Iterable[str]) -> str | None:
        """The column that a row which begins with these lines has come to at their end."""
        try:
            return self._name_at(len(next_row(csv.reader(lines, delimiter=self.file.separator.delimiter))) or 1)
        except (BadLineError, csv.Error):
            return None

    def _name_at(self, count: int) -> str | None:
        """The name of the column that is the `count`-th."""
        return (self.header.names[count - 1] or None) if self.header and 0 < count <= len(self.header.names) else None

    def _error(self, problem: str, *, line: int = 0, column: str | None = None, inside: bool = True) -> InputError:
        row = self.rows + 1 if inside and self.header else None
        in_sheet = self.above + row if row else None
        # A text editor counts other lines than a spreadsheet where values hold line breaks.
        where = f" (In a text editor: line {line + self.skipped}.)" if line and line + self.skipped != in_sheet else ""
        return InputError(f"{problem}{where}", file=self.file.source.name, row=row, line=in_sheet, column=column)
