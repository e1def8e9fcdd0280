"""Excel workbooks: cells as text, and the right sheet."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from xlsxwriter.worksheet import Worksheet

from campaign.domain.lists.pass_ids import check_pass_id
from campaign.domain.model import Invalid
from campaign.loader.formats.file_format import EXCEL
from campaign.loader.table import open_table
from tests.unit.loader_given import Row, read, reading_here, refused
from tests.unit.xlsx_given import with_part_changed, write_workbook


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with reading_here():
        yield


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        ("0017", "", "0017"),
        ("  a\nb  ", "", "  a\nb  "),
        ("=1+1", "", "=1+1"),
        (17, "", "17"),
        (-3.0, "", "-3"),
        (2.5, "0.00", "2.5"),
        (0.1 + 0.2, "", "0.3"),
        (0.00001, "", "1E-05"),
        (123456789012345, "", "123456789012345"),
        (1e15, "", "1E+15"),
        (1234567890123456, "", "1.23457E+15"),
        (True, "", "TRUE"),
        (False, "", "FALSE"),
        (dt.date(2027, 3, 31), "dd.mm.yyyy", "2027-03-31"),
        (dt.datetime(2027, 3, 31, 18, 5), "dd/mm/yy hh:mm", "2027-03-31T18:05:00"),  # noqa: DTZ001 - a workbook's times have no zone
        (dt.time(18, 5, 7), "hh:mm:ss", "18:05:07"),
        (1.25, "[h]:mm:ss", "30:00:00"),
        (-0.5, "[h]:mm:ss", "-12:00:00"),
        (0.864 / 86_400, "[h]:mm:ss", "0:00:00.864"),
    ],
)
def test_cells_are_as_excels_own_csv_has_them(tmp_path: Path, value: Any, style: str, text: str) -> None:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "value"])
        sheet.write(1, 0, "1")
        sheet.write(1, 1, value, book.add_format({"num_format": style}) if style else None)
    assert read(path) == (("id", "value"), [("1", text)])


def test_numbers_that_have_lost_digits_are_seen_to_be_mangled(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["pass_id"], [1234567890123456789], [12345]])
    checks = [check_pass_id(text)[1] for (text,) in read(path)[1]]
    assert checks == [Invalid.MANGLED_ID, None]


def test_errors_keep_their_text(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(2, 3, ["id", "name", "n"])
        for number, error in enumerate(("#N/A", "#DIV/0!", "#REF!", "#NAME?")):
            sheet.write_formula(3 + number, 3, "=x", None, error)
            sheet.write_row(3 + number, 4, ["Anna", number])
        sheet.write_formula(8, 5, "=x", None, "#N/A")  # alone in its row
    assert read(path)[1] == [
        ("#N/A", "Anna", "0"),
        ("#DIV/0!", "Anna", "1"),
        ("#REF!", "Anna", "2"),
        ("#NAME?", "Anna", "3"),
        ("", "", "#N/A"),
    ]


def test_results_of_formulas_are_values(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "x"])
        sheet.write_formula(1, 0, '="LOY-"&1', None, "LOY-1")
        sheet.write_formula(1, 1, "=1/2", None, 0.5)
    assert read(path)[1] == [("LOY-1", "0.5")]


def test_empty_rows_and_columns_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        sheet.write_row(3, 2, ["id", "name", "", "x"])
        sheet.write_row(4, 2, ["1", "a", "", ""])
        sheet.write_row(6, 2, ["2", "", "", "b"])
        for row in range(20):
            sheet.write_blank(row, 9, None, bold)
        sheet.write_blank(19, 0, None, bold)
    assert read(path) == (("id", "name", "x"), [("1", "a", ""), ("2", "", "b")])


def build(path: Path, sheets: Sequence[tuple[str, bool, Sequence[Sequence[str]]]]) -> Path:
    """A workbook of sheets: name, whether it is visible, rows."""
    with xlsxwriter.Workbook(str(path)) as book:
        made: list[tuple[Worksheet, bool]] = []
        for name, visible, rows in sheets:
            made.append((book.add_worksheet(name), visible))
            for number, row in enumerate(rows):
                made[-1][0].write_row(number, 0, row)
        next((sheet for sheet, visible in made if visible), made[0][0]).activate()
        for sheet, visible in made:
            if not visible:
                sheet.hide()
    return path


def test_the_first_visible_sheet_that_holds_something_is_read(tmp_path: Path) -> None:
    one, other = [["id"], ["1"]], [["id"], ["2"]]
    path = build(tmp_path / "list.xlsx", [("Old", False, other), ("Empty", True, []), ("März & Co.", True, one), ("Notes", True, other)])
    assert read(path)[1] == [("1",)]
    with open_table(path) as table:
        assert (table.format, table.head.description) == (EXCEL, "Excel workbook, sheet “März & Co.”; “Notes” not read")


def test_a_workbook_with_nothing_to_see_is_refused(tmp_path: Path) -> None:
    empty = build(tmp_path / "empty.xlsx", [("A", True, []), ("B", True, [])])
    assert refused(empty).code == "no_sheet"
    hidden = build(tmp_path / "hidden.xlsx", [("A", True, []), ("B", False, [["id"], ["1"]])])
    assert refused(hidden).code == "no_sheet"


@pytest.mark.parametrize(
    ("rows", "row", "column", "code"),
    [
        ([["id", "name"]], None, None, "no_rows"),
        ([["id", "id"], ["1", "2"]], None, "id", "repeated_column"),
        (
            [["id", "", "x"], ["1", "", "a"], ["2", "b", ""]],
            2,
            None,
            "unnamed_column",
        ),
        ([[" "], ["1"]], None, None, "no_header"),
        ([[f"c{number}" for number in range(1_001)], ["1"]], None, None, "too_many_columns"),
    ],
)
def test_the_place_is_named(tmp_path: Path, rows: list[list[str]], row: int | None, column: str | None, code: str) -> None:
    error = refused(write_workbook(tmp_path / "list.xlsx", rows))
    assert (error.row, error.column) == (row, column)
    assert error.code == code


def test_a_value_longer_than_a_cell_can_be_is_refused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id", "text"], ["1", "LONG"]])
    with_part_changed(path, "xl/sharedStrings.xml", lambda data: data.replace(b"LONG", b"x" * 131_073))
    error = refused(path)
    assert (error.row, error.column) == (1, "text")
    assert error.code == "long_value"


@given(st.lists(st.tuples(*[st.text(alphabet=st.characters(min_codepoint=32, codec="utf-8", exclude_characters="\ufffe\uffff"))] * 2)))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = write_workbook(tmp_path_factory.getbasetemp() / "written.xlsx", [("id", "name"), *rows, ("end", "")])
    assert read(path) == (("id", "name"), [*filter(any, rows), ("end", "")])
