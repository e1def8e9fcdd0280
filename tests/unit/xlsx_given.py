"""Workbooks of every kind for the loader's tests."""

import datetime as dt
import io
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
import xlwt
from odf.opendocument import OpenDocumentSpreadsheet
from odf.style import Style, TableProperties
from odf.table import Table, TableCell, TableRow
from odf.text import P

SHEET = "xl/worksheets/sheet1.xml"


def write_workbook(path: Path, rows: Sequence[Sequence[Any]], *, at: tuple[int, int] = (0, 0)) -> Path:
    with xlsxwriter.Workbook(str(path), {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("List")
        for number, row in enumerate(rows):
            sheet.write_row(at[0] + number, at[1], row)
    return path


def with_part_changed(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The workbook with one of its parts changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == part else data)
    path.write_bytes(buffer.getvalue())
    return path


def write_xls(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    """A workbook of the old kind."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("List")
    for number, row in enumerate(rows):
        for place, value in enumerate(row):
            sheet.write(
                number, place, value, xlwt.easyxf(num_format_str="D/M/YY") if isinstance(value, dt.date) else xlwt.Style.default_style
            )
    book.save(str(path))
    return path


def write_ods(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    """A spreadsheet as LibreOffice has it, with a hidden sheet before the one that is meant."""
    book = OpenDocumentSpreadsheet()
    hidden = Style(name="hidden", family="table")
    hidden.addElement(TableProperties(display="false"))
    book.automaticstyles.addElement(hidden)
    other = Table(name="Old", stylename=hidden)
    other.addElement(_ods_row(["id"]))
    other.addElement(_ods_row(["old"]))
    sheet = Table(name="List")
    for row in rows:
        sheet.addElement(_ods_row(row))
    book.spreadsheet.addElement(other)
    book.spreadsheet.addElement(sheet)
    book.save(str(path))
    return path


def _ods_row(row: Sequence[Any]) -> TableRow:
    found = TableRow()
    for value in row:
        match value:
            case bool():
                cell = TableCell(valuetype="boolean", booleanvalue=str(value).lower())
            case int() | float():
                cell = TableCell(valuetype="float", value=str(value))
            case dt.date():
                cell = TableCell(valuetype="date", datevalue=value.isoformat())
            case "":
                cell = TableCell()
            case _:
                cell = TableCell(valuetype="string")
        if value != "":
            cell.addElement(P(text=str(value)))
        found.addElement(cell)
    return found


def write_xlsb(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    """A workbook of the binary kind, put together by hand as [MS-XLSB] tells: nothing else here writes one."""
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    cells = bytearray()
    for number, row in enumerate(rows):
        cells += _record(0, struct.pack("<IIH", number, 0, 300) + bytes(11))
        for place, value in enumerate(row):
            start = struct.pack("<II", place, 0)
            match value:
                case bool():
                    cells += _record(4, start + bytes([value]))
                case int() | float():
                    cells += _record(5, start + struct.pack("<d", value))
                case _:
                    cells += _record(6, start + _wide(value))
    size = struct.pack("<IIII", 0, len(rows) - 1, 0, max(map(len, rows)) - 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types">'
            '<Default Extension="bin" ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        )
        archive.writestr("_rels/.rels", _relations(package, f"{relation}/officeDocument", "xl/workbook.bin"))
        archive.writestr("xl/_rels/workbook.bin.rels", _relations(package, f"{relation}/worksheet", "worksheets/sheet1.bin"))
        sheet = _record(156, struct.pack("<II", 0, 1) + _wide("r1") + _wide("List"))
        archive.writestr("xl/workbook.bin", _record(131, b"") + _record(143, b"") + sheet + _record(144, b"") + _record(132, b""))
        archive.writestr(
            "xl/worksheets/sheet1.bin",
            _record(129, b"") + _record(148, size) + _record(145, b"") + bytes(cells) + _record(146, b"") + _record(130, b""),
        )
    return path


def _relations(package: str, kind: str, target: str) -> str:
    return f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{kind}" Target="{target}"/></Relationships>'


def _record(kind: int, data: bytes) -> bytes:
    kind_bytes = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, length = bytearray(), len(data)
    while True:
        size.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return kind_bytes + bytes(size) + data


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")
