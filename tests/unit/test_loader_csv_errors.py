"""CSV files that are not as they should be: refused as a whole, with the row, the line of the file and the column."""

import codecs
from pathlib import Path

import pytest

from campaign.domain.errors import InputError
from campaign.loader.formats import csv as csv_lists
from campaign.loader.table import open_table
from tests.unit.loader_given import lines, read, refused

LONG = "x" * 131_073


@pytest.mark.parametrize(
    ("text", "row", "column", "code"),
    [
        (
            "id,name\n1,a\n2\n",
            2,
            "name",
            "too_few_values",
        ),
        (
            "id;name;x\n\n1;a\n",
            1,
            "x",
            "too_few_values",
        ),
        (
            "id,name\n1,a\n2,b,c\n",
            2,
            None,
            "too_many_values",
        ),
        ("sep=;\nid;name\n1;a;b\n", 1, None, "too_many_values"),
        ("id\nMüller, Anna\nBerg, Bo\n", 1, None, "too_many_values"),
        ('id,name\n"1\n2",a\n3\n', 2, "name", "too_few_values"),
        ('id,name,text\n"1,Bo,""Hi, Bo"""\n', 1, None, "one_column"),
        ('id,name,text\n"Berg, Bo"\n', 1, "name", "too_few_values"),
        ('id,name\n1,"a\n2,b\n', 1, "name", "quote_not_closed"),
        ('id,name\n"1,a\n2,b\n', 1, "id", "quote_not_closed"),
        ('id,"name\n1,a\n', None, None, "quote_not_closed"),
        ('id,name\n1,"a"b\n', 1, None, "text_after_quote"),
        ('id,name\n"1,a\n"2",b\n', 1, None, "text_after_quote"),
        ("id,name\n1,a\n2,\0b\n", 2, "name", "nul"),
        ("id,name\n\0", 1, "id", "nul"),
        ('id,name\n"1\n\0",b\n', 1, None, "nul"),
        ("id,name\n1,a\r2,\0b\n", 2, "name", "nul"),
        ("id,name\n1,a\r\0", 2, "id", "nul"),
        (f"id,name\n1,{LONG}\0", 1, None, "nul"),
        ("i\0d,name\n", None, None, "nul"),
        (f"id,name\n1,{LONG}\n", 1, None, "long_value"),
        (f'id,name\n1,"{LONG}\n', 1, None, "long_value"),
        (f"id,name\n1,{'x,' * 1_700_000}", 1, None, "long_line"),
        ("id,name,id \n1,a,2\n", None, "id", "repeated_column"),
        ("id,,name\n1,,a\n2,x,b\n", 2, None, "unnamed_column"),
        (",\n1,2\n", None, None, "no_header"),
        ("id,name\n", None, None, "no_rows"),
        ("id,name", None, None, "no_rows"),
        ("\n\n \n", None, None, "no_header"),
        (",".join(map(str, range(1001))) + "\n", None, None, "too_many_columns"),
    ],
)
def test_the_place_is_named(tmp_path: Path, text: str, row: int | None, column: str | None, code: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode())
    error = refused(path)
    assert (error.row, error.column) == (row, column)
    assert error.code == code


@pytest.mark.parametrize(
    ("data", "row", "column", "code"),
    [
        ("id,name\n1,ä\n2,öß".encode() + b"\xff\n", 2, "name", "not_decodable"),
        ("id,name\n1,ä\n2,öß".encode()[:-1], 2, "name", "not_decodable"),
        (codecs.BOM_UTF8 + b"id,name\n1,\xe4\n", 1, "name", "not_decodable"),
        (codecs.BOM_UTF16_LE + "id,name\n1,a".encode("utf-16-le") + b"\x00\xd8\x61\x00", 1, "name", "not_decodable"),
        (codecs.BOM_UTF16_LE + "id,name\n1,a".encode("utf-16-le") + b"\x00", 1, "name", "not_decodable"),
        ("id,name\n1,a\n".encode("utf-32-le"), None, None, "nul"),
    ],
)
def test_bytes_that_are_no_text_are_named_with_their_place(
    tmp_path: Path, data: bytes, row: int | None, column: str | None, code: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(data)
    error = refused(path)
    assert (error.row, error.column) == (row, column)
    assert error.code == code


def test_an_error_far_into_the_file_has_its_row(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,name\n" + "1,a\n" * 900_000 + "2\n" + "1,a\n" * 10)
    assert path.stat().st_size > csv_lists.BLOCK_CHARACTERS * 3
    error = refused(path)
    assert (error.row, error.line, error.column) == (900_001, 900_002, "name")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_is_right_wherever_a_block_of_the_file_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(end.join(["id,name", "1,a", "", "22,bb", "3", "4,d"]).encode())
    for block_bytes in range(1, 20):
        monkeypatch.setattr(csv_lists, "BLOCK_CHARACTERS", block_bytes)
        error = refused(path)
        assert (error.row, error.line, error.column) == (3, 5, "name")


def test_a_row_that_goes_on_for_ever_is_noticed_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    # Each line closes a quoted value and opens the next, so that no value is long but the row never ends.
    path.write_text('id,name\n1,"' + '\n","'.join(["x" * 1000] * 12_000))
    error = refused(path)
    assert error.row == 1
    assert error.code == "quote_not_closed"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"ROWS": 2}, "too_many_rows"),
        ({"COLUMNS": 1}, "too_many_columns"),
        ({"FILE_BYTES": 10}, "file_too_large"),
    ],
)
def test_a_list_may_not_be_larger_than_the_limits(tmp_path: Path, limits: dict[str, int], code: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,name\n1,a\n2,b\n3,c\n")
    assert refused(path, limits=limits).code == code


@pytest.mark.parametrize("then", ["id,name\n1,a\n2,b\n3,c\n", "id,name\n1,a\n", 'id,name\n1,"\n', "id,name\n1,a\n2,x\n"])
def test_a_file_that_is_changed_between_the_passes_is_not_used(tmp_path: Path, then: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,name\n1,a\n2,b\n")
    with open_table(path) as table:
        path.write_text(then)
        with pytest.raises(InputError) as caught:
            list(table.frames())
        assert caught.value.code == "changed_file"


def test_a_long_list_gives_the_rows_that_were_checked_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,name\n" + "1,a\n" * 900_000)
    with open_table(path) as table:
        frames = table.frames()
        rows = len(next(frames))
        path.unlink()
        assert rows + sum(map(len, frames)) == 900_000


def guess(path: Path) -> int | None:
    """The line that the header seems to be in, whether the file can be read without it or not."""
    try:
        with open_table(path) as table:
            return table.head.header_guess
    except InputError as error:
        return error.header_row


@pytest.mark.parametrize(
    ("text", "header_row"),
    [
        ("Spring promo,\npass_id,name\np1,Anna\n", 2),
        ("Spring promo\n\npass_id;name\np1;Anna\n", 3),
        ('"Spring\npromo"\nas of today\npass_id,name\np1,Anna\n', 3),
        ("sep=;\nSpring promo\npass_id;name\np1;Anna\n", 2),
        # No usual name, but below something shorter.
        ("Spring promo,,\nNumber,name,code\n17,Anna,C1\n18,Bo,C2\n", 2),
        # The header is where it should be, and the fault elsewhere.
        ("pass_id,\np1,\np2,x\n", None),
        ("pass_id,name\np1\n", None),
        ("a,b\n1,2,3\n", None),
    ],
)
def test_where_the_header_seems_to_be(tmp_path: Path, text: str, header_row: int | None) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert guess(path) == header_row
    if header_row is not None:
        columns, rows = read(path, header_row=header_row)
        assert "name" in columns
        assert len(rows) == len(text.splitlines()[-1:]) + ("Bo" in text)
        assert lines(path, header_row=header_row)[0] == header_row + 1


def test_a_header_that_is_asked_for_below_the_list(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("pass_id,name\np1,Anna\n", encoding="utf-8")
    assert refused(path, header_row=3).code == "no_header"
