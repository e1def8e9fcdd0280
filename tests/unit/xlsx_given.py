"""Workbooks for the tables' tests."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

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
