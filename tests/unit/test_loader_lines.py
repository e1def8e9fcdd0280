"""On which line of the sheet each row is: as a spreadsheet shows it, whatever the file has between its rows."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campaign.domain.lists.sheet import MOST_GAPS
from campaign.loader.table import open_table
from tests.unit.loader_given import refused
from tests.unit.xlsx_given import write_workbook


def lines_of(path: Path) -> list[int | None]:
    with open_table(path) as table:
        return [table.lines.of(row) for row in range(1, table.rows + 1)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("id,name\n1,a\n2,b\n", [2, 3]),
        ("\ufeffid,name\r\n1,a\r\n2,b\r\n", [2, 3]),
        # Excel shows blank lines as empty rows, wherever they are.
        ("\n\nid,name\n1,a\n\n \n2,b\n3,c\n\n\n", [4, 7, 8]),
        # A value with line breaks is one cell.
        ('id,name\n1,"a\nb\n\nc"\n\n2,b\n', [2, 4]),
        ('"id","na\nme"\n1,a\n', [2]),
        # Nor is a row of nothing but separators a row of the list.
        ("id,name\n,\n2,b\n,\n\n,\n", [3]),
        # Excel takes its own line for itself.
        ("sep=;\nid;name\n1;a\n", [2]),
        ("id\n1\n\n2\n", [2, 4]),
    ],
)
def test_lines_of_a_csv_file(tmp_path: Path, text: str, lines: list[int]) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert lines_of(path) == lines


def test_of_too_many_blank_lines_none_is_kept_but_an_error_has_its_own(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    rows = "".join(f"{row},a\n\n" for row in range(1, MOST_GAPS + 3))
    path.write_text(f"id,name\n{rows}", encoding="utf-8")
    assert lines_of(path)[:2] == [None, None]
    path.write_text(f"id,name\n{rows}x\n", encoding="utf-8")
    assert (refused(path).row, refused(path).line) == (MOST_GAPS + 3, 2 * MOST_GAPS + 6)


def test_blank_lines_at_the_end_are_no_gaps(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\nid,name\n1,a\n\n2,b\n" + "\n" * (MOST_GAPS + 5), encoding="utf-8")
    assert lines_of(path) == [3, 5]


def test_lines_of_a_sheet(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "list.xlsx", [["", ""], ["id", "name"], ["1", "a"], ["", ""], ["2", "b"]])
    assert lines_of(path) == [3, 5]
    path = write_workbook(tmp_path / "unnamed.xlsx", [["", ""], ["id", ""], ["1", ""], ["2", "b"]])
    assert (refused(path).row, refused(path).line) == (2, 4)


def test_lines_of_json_lines_are_the_text_s(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('\n{"id": "1"}\n\n\n{"id": "2"}\n{"id": "3"}\n\n', encoding="utf-8")
    assert lines_of(path) == [2, 5, 6]
    path.write_text('\n{"id": "1"}\n\n{"id": 2', encoding="utf-8")
    assert (refused(path).row, refused(path).line) == (2, 4)
    path.write_text("\n" * (MOST_GAPS * 3) + '{"id": "1"}\n' + "\n" * (MOST_GAPS * 3) + '{"id": "2"}\n', encoding="utf-8")
    assert lines_of(path) == [None, None]


def test_a_parquet_file_has_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({"id": ["1", "2"]}), path)
    assert lines_of(path) == [None, None]
