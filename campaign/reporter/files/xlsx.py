"""Writes results as an Excel workbook. Every text is a text, never a formula or a link, so ids keep their digits; numbers are numbers.

Texts that look like formulas are neutralised, as in CSV. People save workbooks as CSV and CSV files as workbooks, and the loader has to
find the same marks in both.

A sheet of Excel holds 1,048,576 rows, one of them the header. A cell holds 32,767 characters, which Excel counts in UTF-16 units. Longer
text is cut and ends in `CUT_MARK`; the other formats hold it whole.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError, FileSizeError

from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import Location
from campaign.domain.text.formula_escape import escape_formula
from campaign.reporter.files.formats import rows_of
from campaign.reporter.files.target import CELL_UNITS, INSTEAD, MOST_COLUMNS, MOST_ROWS, fits, too_many_columns, too_many_rows

CUT_MARK: Final = " … (cut)"
_WIDTHS_OF: Final = 200


def write_xlsx(sink: BinaryIO, schema: pa.Schema, tables: Iterable[pa.Table], *, path: Location, scratch: Path) -> None:
    """Write every table to a workbook.

    `path` is for error messages. `scratch` is a folder for temporary files; it must not exist yet, and the caller removes it.

    Raises:
        UsageError: the results exceed a limit of Excel.
        OSError: a file can't be written.
    """
    if len(schema.names) > MOST_COLUMNS:
        raise too_many_columns(path, len(schema.names))
    with _sheet(sink, scratch) as (workbook, sheet):
        bold = workbook.add_format({"bold": True})
        for position, name in enumerate(schema.names):
            sheet.write_string(0, position, escape_formula(name), bold)
        written = 0
        for table in tables:
            if written + len(table) > MOST_ROWS:
                raise too_many_rows(path)
            if not written:
                _set_widths(sheet, schema.names, rows_of(table.slice(0, _WIDTHS_OF), for_spreadsheets=True))
            for number, row in enumerate(rows_of(table, for_spreadsheets=True), start=written + 1):
                _write_row(sheet, number, row)
            written += len(table)
        if not written:
            _set_widths(sheet, schema.names, ())
        sheet.autofilter(0, 0, written, len(schema.names) - 1)
        _close(workbook, path)


class _Gate:
    """Passes everything to the sink until an error occurs, then nothing.

    After an error, `ZipFile` still writes its last part when it is garbage-collected. The sink is closed by then, and Python would print
    the failure to stderr.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.is_open = True

    def write(self, data: bytes) -> int:
        return self._sink.write(data) if self.is_open else len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._sink.seek(offset, whence) if self.is_open else 0

    def tell(self) -> int:
        return self._sink.tell() if self.is_open else 0

    def flush(self) -> None:
        if self.is_open:
            self._sink.flush()


@contextmanager
def _sheet(sink: BinaryIO, scratch: Path) -> Iterator[tuple[Any, Any]]:
    """A workbook with one empty sheet; after an error, its files are closed."""
    scratch.mkdir(mode=0o700)
    gate = _Gate(sink)
    workbook = Workbook(gate, {"constant_memory": True, "tmpdir": str(scratch)})
    sheet = workbook.add_worksheet("Results")
    sheet.freeze_panes(1, 0)
    # Ids are digits kept as text on purpose, so Excel must not mark every id with a green corner.
    sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MOST_ROWS + 1}"})
    try:
        yield workbook, sheet
    except BaseException:
        gate.is_open = False
        for handle in (sheet.row_data_fh, sheet.fh):
            with suppress(OSError):
                handle.close()
        raise


def _write_row(sheet: Any, number: int, row: tuple[Any, ...]) -> None:
    for position, value in enumerate(row):
        if isinstance(value, str):
            if value:
                sheet.write_string(number, position, _cut(value))
        elif value is not None:
            sheet.write_number(number, position, value)


def _close(workbook: Any, path: Location) -> None:
    try:
        workbook.close()
    except FileCreateError as error:
        raise error.args[0] from None
    except FileSizeError:
        raise UsageError(
            f"{path}: these results are larger than an Excel file may be. {INSTEAD}", code="file_too_large", file=path
        ) from None


def _set_widths(sheet: Any, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Set the widths of the columns by the first rows, between 10 and 50 characters."""
    for position, column in enumerate(zip(names, *rows, strict=True)):
        sheet.set_column(position, position, min(max(max(len(str(value)) for value in column) + 2, 10), 50))


def _cut(text: str) -> str:
    if fits(text):
        return text
    units = text.encode("utf-16-le")
    # If the cut splits a pair of units, the whole pair is dropped.
    return units[: 2 * (CELL_UNITS - len(CUT_MARK))].decode("utf-16-le", errors="ignore") + CUT_MARK
