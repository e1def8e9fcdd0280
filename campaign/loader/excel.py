"""Reads workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) in a child process: the first visible sheet that is not empty, as text."""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Final

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from campaign.domain.errors import InputError
from campaign.loader.child import Batches, Order, read_apart
from campaign.loader.frames import CELL_CHARACTERS, Header, guess_header, without_empty_rows
from campaign.loader.source import Source
from campaign.loader.table import Head, Limits, List
from campaign.loader.text_cells import cell_text

Row = tuple[int, list[str]]
"""A row of a sheet: its number, from 1, and its cells."""

_FIRST_ROWS: Final = 50
_BLOCK_BYTES: Final = 1 << 18
_SIZES_FOLLOW: Final = 0x8
_ZIP: Final = b"PK"
_SHEET: Final = re.compile(r"(.*[/\\])?sheet[^/\\]*\.xml", re.IGNORECASE)
_ERROR_CELL: Final = re.compile(rb"""(<(?:\w+:)?c\s[^<>]*?\bt\s*=\s*["'])e(?=["'])""")
_DAMAGED: Final = (CalamineError, zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError)


def read_excel(source: Source, limits: Limits, header_row: int | None = None) -> List:
    """Return the list in a workbook. Its header is the sheet's first row that is not empty, or the first from `header_row` on.

    Raises:
        InputError: the workbook is damaged, or exceeds the limits. While the rows are read: a value is too long for a cell.
    """
    return read_apart("xlsx", source, limits, header_row)


def batches(order: Order) -> Batches:
    """Return a workbook's head and rows; called in the child process."""
    found = _sheet(order)
    sheet = next(found)
    first = list(islice(sheet.rows, _FIRST_ROWS))
    guess = None if order.header_row else guess_header({line: cells for line, cells in first if any(cells)})
    rows = chain(first, sheet.rows)
    names = next((cells for line, cells in rows if line >= (order.header_row or 1) and any(cells)), None)
    if names is None:
        raise InputError(
            f"The sheet “{sheet.name}” has nothing from row {order.header_row} on. Change --header-row.", code="no_header", file=order.name
        )
    try:
        header = Header.check(names, file=order.name, limits=order.limits)
    except InputError as error:
        error.header_row = guess
        raise
    unread = f"; {', '.join(f'“{name}”' for name in sheet.others)} not read" if sheet.others else ""
    kind = "LibreOffice spreadsheet" if order.name.lower().endswith(".ods") else "Excel workbook"
    head = Head(columns=header.columns, description=f"{kind}, sheet “{sheet.name}”{unread}", sheet=sheet.name, header_guess=guess)

    def below() -> Iterator[pa.RecordBatch]:
        yield from without_empty_rows(header.batches(_checked(rows, header)))
        found.close()  # closes the workbook

    return head, below()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """The sheet that is read. `others` are the names of the visible sheets after it."""

    name: str
    others: tuple[str, ...]
    rows: Iterator[Row]


def _sheet(order: Order) -> Generator[_Sheet, None, None]:
    """Yield the first visible sheet that is not empty. The workbook stays open until the generator is closed."""
    with _calamine(order) as workbook:
        sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
        visible = [sheet.name for sheet in sheets if sheet.visible is SheetVisibleEnum.Visible]
        for place, name in enumerate(visible):
            rows = _rows(workbook, name)
            begun = next((row for row in rows if any(row[1])), None)
            if begun is not None:
                yield _Sheet(name=name, others=tuple(visible[place + 1 :]), rows=chain([begun], rows))
                return
        hidden = " that is visible" if len(visible) < len(sheets) else ""
        raise InputError(f"The workbook has no sheet{hidden} with anything in it. Save the list again.", code="no_sheet", file=order.name)


def _rows(workbook: CalamineWorkbook, name: str) -> Iterator[Row]:
    for number, values in enumerate(workbook.get_sheet_by_name(name).iter_rows(), 1):
        yield number, [value if type(value) is str else cell_text(value) for value in values]


def _checked(rows: Iterator[Row], header: Header) -> Iterator[Row]:
    for done, (line, cells) in enumerate(rows):
        if len(longest := max(cells, key=len)) > CELL_CHARACTERS:
            problem = f"The value has more than {CELL_CHARACTERS:,} characters. Shorten it."
            column = header.names[cells.index(longest)] or None
            raise InputError(problem, code="long_value", file=header.file, row=done + 1, line=line, column=column)
        yield line, cells


@contextmanager
def _calamine(order: Order) -> Iterator[CalamineWorkbook]:
    """Open the workbook. Raises InputError if it is damaged, protected or too large."""
    with open(order.path, "rb") as file, tempfile.TemporaryFile() as copy:  # noqa: PTH123 - a text in an order
        is_zip = file.read(len(_ZIP)) == _ZIP
        file.seek(0)
        try:
            if is_zip:
                _copy_parts(file, copy, order)
            with CalamineWorkbook.from_filelike(copy if is_zip else file) as workbook:
                yield workbook
        except _DAMAGED as error:
            # A protected workbook is no zip archive, and a damaged one may be none.
            what = "damaged or cut off" if is_zip else "damaged, or protected by a password"
            problem = (
                f"The workbook is {what} ({str(error) or type(error).__name__}). Open it in Excel and save it again without a password."
            )
            raise InputError(problem, code="damaged_file", file=order.name) from None


def _copy_parts(file: IO[bytes], copy: IO[bytes], order: Order) -> None:
    """Copy an archive so that its declared sizes are true and its error cells (#N/A), which calamine leaves out, are texts.

    The size of a part in the archive's directory may be untrue, or missing if the size follows the part.

    Raises:
        InputError: the archive unpacks to more than `workbook_bytes`.
        BadZipFile and others: it is damaged.
    """
    most = order.limits.workbook_bytes
    too_much = f"The workbook unpacks to more than {most:,} bytes. Save the list as CSV UTF-8 instead."
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as new:
        parts = old.infolist()
        if sum(part.file_size for part in parts) > most:
            raise InputError(too_much, code="too_much_to_unpack", file=order.name)
        left = most
        for part in {part.filename: part for part in parts}.values():
            part.file_size = 2 * most  # so that the part is read to its end, or beyond the limit
            if part.flag_bits & _SIZES_FOLLOW and not part.CRC:
                del part.CRC
            with old.open(part) as packed, new.open(part.filename, "w", force_zip64=True) as unpacked:
                for block in _blocks(packed):
                    left -= len(block)
                    if left < 0:
                        raise InputError(too_much, code="too_much_to_unpack", file=order.name)
                    unpacked.write(_ERROR_CELL.sub(rb"\1str", block) if _SHEET.fullmatch(part.filename) else block)
    copy.seek(0)


def _blocks(part: IO[bytes]) -> Iterator[bytes]:
    """Yield a part's content in blocks that end before a tag."""
    rest = b""
    while block := part.read(_BLOCK_BYTES):
        block = rest + block
        cut = max(block.rfind(b"<"), len(block) - _BLOCK_BYTES)
        yield block[:cut]
        rest = block[cut:]
    yield rest
