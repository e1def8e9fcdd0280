"""Excel workbooks as other programs write them, as accidents leave them, and other archives; how far a sheet reaches."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from campaign.domain.errors import InputError
from campaign.loader.tables import Limits, open_table
from campaign.loader.tables.xlsx_scan import SheetScan, column_number
from tests.unit.tables_given import read, refused
from tests.unit.xlsx_given import SHEET, with_part_changed, write_workbook


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(rows=2), "The list has 3 rows; at most 2 are read."),
        (Limits(columns=1), "The list has 2 columns; at most 1 are read."),
        (Limits(workbook_bytes=1_000), "The workbook unpacks to more than 1,000 bytes."),
        (Limits(workbook_cells=7), "reaches over 4 rows and 2 columns, more than a list can have."),
    ],
)
def test_a_list_may_not_be_larger_than_the_limits(tmp_path: Path, limits: Limits, said: str) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id", "x"], ["1", "a"], ["1", "a"], ["1", "a"]])
    assert said in refused(path, limits=limits).problem


@pytest.mark.parametrize(
    "change",
    [
        lambda data: re.sub(rb' r="\w+"', b"", data),  # cells and rows that don't say where they are
        lambda data: re.sub(rb"<(/?)(\w)", rb"<\1x:\2", data).replace(b"xmlns=", b"xmlns:x="),  # a namespace's prefix
        lambda data: re.sub(rb' r="(\w+)"', rb"\n\tr = '\1'", data),
    ],
    ids=["without references", "with a prefix", "other blanks and quotation marks"],
)
def test_sheets_that_other_programs_write(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    rows = [(str(number), f"Anna {number}", "x") for number in range(3_000)]
    path = with_part_changed(write_workbook(tmp_path / "list.xlsx", [("id", "name", "y"), *rows]), SHEET, change)
    assert read(path, limits=Limits(workbook_cells=30_000)) == (("id", "name", "y"), rows)


def test_what_comes_before_and_after_the_cells_does_not_make_a_sheet_wider(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for row in range(100):
            sheet.write_row(row, 0, ["id", "x"] if not row else [str(row), "a"])
        sheet.set_column(0, 30, 12)
        sheet.conditional_format(0, 0, 99, 1, {"type": "3_color_scale"})
        sheet.set_h_pagebreaks([20, 40])
    assert len(read(path, limits=Limits(workbook_cells=204))[1]) == 99


@pytest.mark.parametrize("block_bytes", [1, 7, 100, 10_000])
def test_a_scan_finds_the_same_wherever_a_block_ends(block_bytes: int) -> None:
    data = (
        b'<worksheet><cols><col min="1"/></cols><sheetData><row r="2" spans="1:3"><c r="B2" t="s"><v>0</v></c><c r="AA2"/></row>'
        b'<row r="9"><c r="C9" s="1" t="e"><f>NA()</f><v>#N/A</v></c></row></sheetData></worksheet>'
    )
    scan = SheetScan()
    for start in range(0, len(data), block_bytes):
        scan.feed(data[start : start + block_bytes])
    scan.finish()
    assert (scan.rows, scan.columns, scan.cells, scan.errors) == (9, 27, 3, {(8, 2): "#N/A"})


@pytest.mark.parametrize(("letters", "number"), [(b"", 0), (b"A", 1), (b"z", 26), (b"AA", 27), (b"XFD", 16_384)])
def test_column_letters_are_numbers(letters: bytes, number: int) -> None:
    assert column_number(letters) == number


def test_a_workbook_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = write_workbook(tmp_path / "whole.xlsx", [["id"], ["1"]]).read_bytes()
    path = tmp_path / "list.xlsx"
    for length in range(1, len(data), 13):
        path.write_bytes(data[:length])
        refused(path)


def test_a_damaged_part_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id"], ["aaaa"]])
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    data = bytearray(buffer.getvalue())
    data[data.index(b"aaaa")] ^= 1
    path.write_bytes(data)
    assert "damaged or cut off" in refused(path).problem


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("content.xml", "a LibreOffice document"),
        ("Index/Document.iwa", "an Apple Numbers document"),
        ("xl/workbook.bin", "an Excel workbook of the binary kind (.xlsb)"),
        ("word/document.xml", "a Word document"),
        ("list.csv", "a zip archive"),
    ],
)
def test_another_kind_of_archive_is_named(tmp_path: Path, part: str, kind: str) -> None:
    path = tmp_path / "list.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(part, "x")
    assert f"The file is named .xlsx but is {kind}." in refused(path).problem


def test_a_workbook_is_known_by_its_content_if_its_name_says_nothing(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id"], ["1"]])
    assert read(path.rename(tmp_path / "list"))[1] == [("1",)]
    other = path.with_name("list").rename(tmp_path / "list.csv")
    assert "The file is named .csv but is an Excel workbook. Rename it to end in .xlsx." in refused(other).problem


def test_a_workbook_that_is_changed_between_the_passes_is_not_used(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id"], ["1"]])
    with open_table(path) as table:
        write_workbook(path, [["id"], ["1"], ["2"]])
        with pytest.raises(InputError, match="was changed while it was being read"):
            list(table.batches())
