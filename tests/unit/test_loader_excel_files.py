"""Workbooks of every kind, as other programs write them, as accidents leave them, and other archives."""

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from campaign.domain.errors import InputError
from campaign.loader.formats.file_format import EXCEL
from campaign.loader.table import open_table
from tests.differential.corpus import Unseekable, repacked, without_sizes
from tests.unit.loader_given import lines, read, reading_here, refused
from tests.unit.xlsx_given import SHEET, with_part_changed, write_ods, write_workbook, write_xls, write_xlsb


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with reading_here():
        yield


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"ROWS": 2}, "too_many_rows"),
        ({"COLUMNS": 1}, "too_many_columns"),
        ({"WORKBOOK_BYTES": 1_000}, "too_much_to_unpack"),
        ({"UNPACKED_BYTES": 5}, "too_much_to_unpack"),
    ],
)
def test_a_list_may_not_be_larger_than_the_limits(tmp_path: Path, limits: dict[str, int], code: str) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id", "x"], ["1", "a"], ["1", "a"], ["1", "a"]])
    assert refused(path, limits=limits).code == code


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
    assert read(path) == (("id", "name", "y"), rows)


@pytest.mark.parametrize(("write", "suffix"), [(write_workbook, ".xlsm"), (write_xlsb, ".xlsb"), (write_xls, ".xls"), (write_ods, ".ods")])
def test_every_kind_of_workbook_is_read(tmp_path: Path, write: Callable[[Path, Sequence[Sequence[Any]]], Path], suffix: str) -> None:
    rows: list[list[Any]] = [
        ["id", "näme", "n", "yes"],
        ["0017", "Zoë", 2.5, True],
        ["0018", "", 17, False],
        ["", "", "", ""],
        ["0019", "x\ny", 1e15, True],
    ]
    path = write(tmp_path / f"list{suffix}", rows)
    found = [("0017", "Zoë", "2.5", "TRUE"), ("0018", "", "17", "FALSE"), ("0019", "x\ny", "1E+15", "TRUE")]
    assert read(path) == (("id", "näme", "n", "yes"), found)
    assert lines(path) == [2, 3, 5]
    with open_table(path) as table:
        assert table.format is EXCEL
        assert "“List”" in table.head.description


@pytest.mark.parametrize(("write", "suffix"), [(write_xls, ".xls"), (write_ods, ".ods")])
def test_dates_of_every_kind_of_workbook(tmp_path: Path, write: Callable[[Path, Sequence[Sequence[Any]]], Path], suffix: str) -> None:
    path = write(tmp_path / f"list{suffix}", [["id", "day"], ["1", dt.date(2027, 3, 31)]])
    assert read(path)[1] == [("1", "2027-03-31")]


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("sizes", [True, False])
def test_parts_whose_sizes_follow_them(tmp_path: Path, packing: int, sizes: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """As programs write them that write a workbook into a pipe; some leave the directory without sizes, too."""
    data = write_workbook(tmp_path / "whole.xlsx", [["id", "name"], ["0017", "Anna"]]).read_bytes()
    data = repacked(data, target=Unseekable, packing=packing)
    path = tmp_path / "list.xlsx"
    path.write_bytes(data if sizes else without_sizes(data))
    assert read(path) == (("id", "name"), [("0017", "Anna")])


def test_a_title_above_the_header(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["Spring promo"], [], ["pass_id", "name"], ["p1", "Anna"]])
    assert refused(path).header_row == 3
    assert read(path, header_row=3) == (("pass_id", "name"), [("p1", "Anna")])
    assert lines(path, header_row=3) == [4]
    assert refused(path, header_row=5).code == "no_header"


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
    assert refused(path).code == "damaged_file"


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("content.xml", "a LibreOffice document"),
        ("Index/Document.iwa", "an Apple Numbers document"),
        ("word/document.xml", "a Word document"),
        ("list.csv", "a zip archive"),
    ],
)
def test_another_kind_of_archive_is_named(tmp_path: Path, part: str, kind: str) -> None:
    path = tmp_path / "list.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(part, "x")
    error = refused(path)
    assert (error.code, error.content) == ("wrong_kind_of_file", kind)


def test_a_workbook_is_known_by_its_content_if_its_name_says_nothing(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id"], ["1"]])
    assert read(path.rename(tmp_path / "list"))[1] == [("1",)]
    other = path.with_name("list").rename(tmp_path / "list.csv")
    assert refused(other).content == "an Excel workbook"


def test_a_workbook_that_is_changed_between_the_passes_is_not_used(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["id"], ["1"]])
    with open_table(path) as table:
        write_workbook(path, [["id"], ["1"], ["2"]])
        with pytest.raises(InputError) as caught:
            list(table.frames())
        assert caught.value.code == "changed_file"
