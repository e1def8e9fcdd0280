"""Reads workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods): the first visible sheet that is not empty, as text."""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from campaign.domain.errors import InputError
from campaign.loader import limits
from campaign.loader.formats.cells import workbook_text
from campaign.loader.formats.file_format import Head, List
from campaign.loader.formats.frames import Header, guess_header

_FIRST_ROWS: Final = 50
_BLOCK_BYTES: Final = 1 << 18
_SIZES_FOLLOW: Final = 0x8
_ZIP: Final = b"PK"
_SHEET: Final = re.compile(r"(.*[/\\])?sheet[^/\\]*\.xml", re.IGNORECASE)
_ERROR_CELL: Final = re.compile(rb"""(<(?:\w+:)?c\s[^<>]*?\bt\s*=\s*["'])e(?=["'])""")
_DAMAGED: Final = (CalamineError, zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError)


def read_excel(path: Path, header_row: int | None = None) -> List:
    """Return the list in a workbook. Its header is the sheet's first row that is not empty, or the first from `header_row` on.

    Raises:
        InputError: the workbook is damaged, protected or too large. While the rows are read: a value is too long for a cell.
    """
    with _opened(path) as workbook:
        sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
        visible = [sheet.name for sheet in sheets if sheet.visible is SheetVisibleEnum.Visible]
        for title in visible:
            sheet = workbook.get_sheet_by_name(title)
            rows = _rows(sheet)
            if begun := next((row for row in rows if any(row[1])), None):
                break
        else:
            hidden = " that is visible" if len(visible) < len(sheets) else ""
            raise InputError(f"The workbook has no sheet{hidden} with anything in it. Save the list again.", code="no_sheet")
    first = [begun, *islice(rows, _FIRST_ROWS)]
    guess = None if header_row else guess_header({line: cells for line, cells in first if any(cells)})
    rows = chain(first, rows)
    names = next((cells for line, cells in rows if line >= (header_row or 1) and any(cells)), None)
    if names is None:
        raise InputError(f"The sheet “{title}” has nothing from row {header_row} on. Change --header-row.", code="no_header")
    try:
        header = Header.check(names)
    except InputError as error:
        error.header_row = guess
        raise
    others = visible[visible.index(title) + 1 :]
    unread = f"; {', '.join(f'“{other}”' for other in others)} not read" if others else ""
    with path.open("rb") as file:
        # Such an archive begins with its type, unpacked.
        kind = "LibreOffice spreadsheet" if b"opendocument" in file.read(100) else "Excel workbook"
    head = Head(columns=header.columns, description=f"{kind}, sheet “{title}”{unread}", header_guess=guess)
    return head, header.batches(rows)


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    """Yield each row's number, from 1, and its cells."""
    for number, values in enumerate(sheet.iter_rows(), 1):
        yield number, [value if type(value) is str else workbook_text(value) for value in values]


@contextmanager
def _opened(path: Path) -> Iterator[CalamineWorkbook]:
    with path.open("rb") as file, tempfile.TemporaryFile() as copy:
        is_zip = file.read(len(_ZIP)) == _ZIP
        file.seek(0)
        try:
            if is_zip:
                _copy_parts(file, copy)
            with CalamineWorkbook.from_filelike(copy if is_zip else file) as workbook:
                yield workbook
        except _DAMAGED as error:
            # A protected workbook is no zip archive, and a damaged one may be none.
            what = "damaged or cut off" if is_zip else "damaged, or protected by a password"
            problem = (
                f"The workbook is {what} ({str(error) or type(error).__name__}). Open it in Excel and save it again without a password."
            )
            raise InputError(problem, code="damaged_file") from None


def _copy_parts(file: IO[bytes], copy: IO[bytes]) -> None:
    """Copy an archive so that its declared sizes are true and its error cells (#N/A), which calamine leaves out, are texts.

    The size of a part in the archive's directory may be untrue, or missing if the size follows the part.

    Raises:
        InputError: the archive unpacks to more than `limits.WORKBOOK_BYTES`.
        BadZipFile and others: it is damaged.
    """
    left = limits.WORKBOOK_BYTES
    problem = f"The workbook unpacks to more than {left:,} bytes. Save the list as CSV UTF-8 instead."
    too_much = InputError(problem, code="too_much_to_unpack")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as new:
        parts = old.infolist()
        if sum(part.file_size for part in parts) > left:
            raise too_much
        for part in {part.filename: part for part in parts}.values():
            part.file_size = 2 * limits.WORKBOOK_BYTES  # so that the part is read to its end, or beyond the limit
            if part.flag_bits & _SIZES_FOLLOW and not part.CRC:
                del part.CRC
            with old.open(part) as packed, new.open(part.filename, "w", force_zip64=True) as unpacked:
                for block in _blocks(packed):
                    left -= len(block)
                    if left < 0:
                        raise too_much
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
