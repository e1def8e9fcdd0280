"""Rows are named by the line that a spreadsheet shows, and by their number, wherever anything is said of them."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance.desk import Desk
from tests.unit.xlsx_given import write_workbook

MESSAGE = ("--message", "Hi {{ name }}, 20 % off")
LIST = '\n"id",name\na,Ann\n\nb,"B\no"\n,Cy\nd,\n'
"""Rows 1 to 4 are on lines 3, 5, 6 and 7; a text editor has the last two on 7 and 8."""


@pytest.fixture
def given(desk: Desk) -> Path:
    path = desk.folder / "list.csv"
    path.write_text(LIST, encoding="utf-8")
    return path


def test_check_has_rows_and_lines(desk: Desk, given: Path) -> None:
    found = desk.json("check", given.name, *MESSAGE, code=3)
    assert [(one["kind"], one["first_rows"], one["first_lines"]) for one in found["problems"]] == [
        ("missing_field", [4], [7]),
        ("no_id", [3], [6]),
    ]
    assert [(one["row"], one["line"]) for one in found["samples"]] == [(1, 3), (2, 5)]
    said = desk.run("check", given.name, *MESSAGE, code=3).stdout
    assert "line 6 (row 3)" in said
    assert "line 5 (row 2)" in said


def test_a_test_takes_either(desk: Desk, given: Path) -> None:
    desk.run("test", given.name, *MESSAGE, "--to", "mine", "--line", "5")
    desk.run("test", given.name, *MESSAGE, "--to", "mine", "--row", "2")
    assert desk.sent() == {"mine": ["Hi B\no, 20 % off"] * 2}
    for options in (("--line", "2"), ("--line", "4"), ("--line", "8"), ("--line", "7"), ("--line", "5", "--row", "2")):
        desk.run("test", given.name, *MESSAGE, "--to", "mine", *options, code=2)
    assert len(desk.sent()["mine"]) == 2


def test_what_is_wrong_with_a_list_is_where_the_sheet_has_it(desk: Desk, given: Path) -> None:
    given.write_text(LIST + "e\n", encoding="utf-8")
    assert "line 8 (row 5)" in desk.run("run", given.name, *MESSAGE, code=2).stderr
    (desk.folder / "not.csv").write_text("id\n\n1.23E+15\n", encoding="utf-8")
    desk.make_list(2, "other.csv")
    assert "not.csv, line 3 (row 1)" in desk.run("run", "other.csv", "--message", "Hi", "--exclude", "not.csv", code=2).stderr
    assert desk.sent() == {}


def test_the_campaign_remembers_the_lines_of_its_list(desk: Desk, given: Path) -> None:
    desk.simulator.set_faults(missing=["b"])
    desk.run("run", given.name, "--message", 'Hi {{ name | default("you") }}', code=3)
    given.unlink()
    assert sum(map(len, desk.sent().values())) == 2
    assert "Lines" not in desk.run("show", "list").stdout
    page = desk.folder / "report.html"
    desk.run("report", "list", "--output", str(page))
    assert "line 5 (row 2)" in page.read_text(encoding="utf-8")
    # Of the failed-rows file each row has a line of its own.
    done = desk.run("retry", "list.results.failed.csv", code=3).stdout
    assert "line 6 (row 3) of the list" in done


def test_rows_of_parquet_have_no_lines(desk: Desk) -> None:
    pq.write_table(pa.table({"id": ["a", ""], "name": ["Ann", "Bo"]}), desk.folder / "list.parquet")
    found = desk.json("check", "list.parquet", *MESSAGE, code=3)
    assert (found["problems"][0]["first_rows"], found["problems"][0]["first_lines"], found["samples"][0]["line"]) == ([2], None, None)
    desk.run("test", "list.parquet", *MESSAGE, "--to", "mine", "--line", "2", code=2)
    assert desk.sent() == {}


def test_lines_of_a_workbook(desk: Desk) -> None:
    write_workbook(desk.folder / "list.xlsx", [["", ""], ["id", "name"], ["a", "Ann"], ["", ""], ["", "Bo"], ["", "Cy"]])
    found = json.loads(desk.run("check", "list.xlsx", *MESSAGE, "--json", code=3).stdout)
    assert {line for problem in found["problems"] for line in problem["first_lines"]} == {5, 6}
