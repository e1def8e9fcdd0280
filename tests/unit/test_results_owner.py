"""A results file is replaced by the same campaign's results, and by nobody else's."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from campaign.app.results.owner import first_rows, holds_results, may_hold_results_of, owner_of, results_in_workbook
from campaign.app.results.writable import check_writable
from campaign.domain.errors import UsageError
from campaign.reporter.files.results import write_results
from campaign.reporter.files.target import Format, failed_path
from tests.errors import raises
from tests.unit.reporter_given import FAILED, OWN, by_column, row
from tests.unit.xlsx_given import write_ods, write_workbook, write_xls, write_xlsb

SUFFIXES = [*Format]
NAMES = ["promo", "=spring, “25”\nü"]


def written(path: Path, campaign: str) -> Path:
    write_results(path, campaign=campaign, columns=OWN, parts=by_column([row(1), row(2, FAILED)]), failed=failed_path(path))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES)
def test_the_first_row_says_whose_results_they_are(tmp_path: Path, suffix: str, name: str) -> None:
    path = written(tmp_path / f"offer{suffix}", name)
    assert owner_of(path) == name
    assert owner_of(failed_path(path)) == name


@pytest.mark.parametrize(
    ("separator", "encoding"),
    [(";", "cp1252"), (";", "utf-8-sig"), ("\t", "utf-16"), (",", "cp1252"), ("|", "utf-8")],
    ids=["german", "german_utf8", "unicode_text", "western", "bars"],
)
def test_results_that_a_spreadsheet_has_saved_are_still_the_campaigns(tmp_path: Path, separator: str, encoding: str) -> None:
    path = written(tmp_path / "offer.csv", "Frühling, “25”")
    rows = rows_of(path)
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    assert owner_of(path) == "Frühling, “25”"


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".ods", ".xls", ".xlsb", ".xlsm", ".ndjson", ".pq"])
def test_so_are_those_that_a_person_has_saved_in_another_format_of_lists(tmp_path: Path, suffix: str) -> None:
    path, plain = tmp_path / f"offer{suffix}", written(tmp_path / "offer.csv", "promo")
    writers = {".ods": write_ods, ".xls": write_xls, ".xlsb": write_xlsb, ".xlsm": write_workbook}
    if suffix in writers:
        writers[suffix](path, rows_of(plain))
    else:
        same = {".ndjson": ".jsonl", ".pq": ".parquet"}.get(suffix, ".csv")
        written(tmp_path / f"offer{same}", "promo").replace(path)
    assert owner_of(path) == "promo"


def test_so_are_those_behind_a_pivot_table(tmp_path: Path) -> None:
    path = tmp_path / "offer.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        workbook.add_chartsheet()
        workbook.add_worksheet().write_row(0, 0, ["Row labels", "Count of delivery_status"])
        sheet = workbook.add_worksheet()
        for place, cells in enumerate(rows_of(written(tmp_path / "whole.csv", "promo"))):
            sheet.write_row(place, 0, cells)
    assert owner_of(path) == "promo"
    found = results_in_workbook(path)
    assert found is not None
    assert found["delivery_status"].tolist() == ["delivered", "failed"]


def test_other_workbooks_hold_no_results(tmp_path: Path) -> None:
    assert results_in_workbook(write_workbook(tmp_path / "list.xlsx", [["pass_id", "delivery_row"], ["a", 1]])) is None


@pytest.mark.parametrize(
    ("edit", "owner"),
    [
        (lambda rows: without(rows, rows[0].index("delivery_campaign")), ""),
        (lambda rows: renamed(rows, "delivery_campaign", "Campaign"), ""),
        (lambda rows: renamed(rows, "delivery_campaign", "DELIVERY_CAMPAIGN"), "promo"),
        (lambda rows: renamed(rows, "delivery_campaign", "Delivery campaign"), "promo"),
        (lambda rows: [["Spring offer"], [], *rows], "promo"),
    ],
    ids=["column_removed", "column_renamed", "other_letters", "other_words", "title_above"],
)
@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_results_that_a_person_has_edited_may_be_the_campaigns(
    tmp_path: Path, suffix: str, edit: Callable[[list[list[str]]], list[list[str]]], owner: str
) -> None:
    rows = rows_of(written(tmp_path / "whole.csv", "promo"))
    path = tmp_path / f"offer{suffix}"
    saved(edit(rows), path)
    assert owner_of(path) == owner
    assert holds_results(path)
    assert may_hold_results_of(first_rows(path), "promo")


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def without(rows: list[list[str]], place: int) -> list[list[str]]:
    return [cells[:place] + cells[place + 1 :] for cells in rows]


def renamed(rows: list[list[str]], column: str, name: str) -> list[list[str]]:
    return [[name if cell == column else cell for cell in rows[0]], *rows[1:]]


def saved(rows: list[list[str]], path: Path) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        return
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        for place, cells in enumerate(rows):
            sheet.write_row(place, 0, cells)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["offer.results", "offer.results.failed", "offer.resumed"])
def test_results_that_are_emptied_or_damaged_are_known_by_their_name(tmp_path: Path, suffix: str, name: str) -> None:
    path = written(tmp_path / f"{name}{suffix}", "promo")
    content = path.read_bytes()
    for left in [b"", *([] if suffix == ".csv" else [content[:20]])]:
        path.write_bytes(left)
        assert may_hold_results_of(first_rows(path), "promo")
        assert owner_of(path) == ""


@pytest.mark.parametrize("name", ["offer.results.csv", "offer.resumed.xlsx"])
def test_so_are_those_that_a_person_has_freed_of_the_columns_of_results(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    saved([["pass_id", "name", "delivery_status"], ["p1", "Ada", "delivered"]], path)
    assert may_hold_results_of(first_rows(path), "promo")
    assert owner_of(path) == ""


def test_the_campaign_is_that_of_the_first_row_that_names_one(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path / "whole.csv", "promo"))
    saved([rows[0], ["Total: 2"], *rows[1:]], tmp_path / "offer.csv")
    assert owner_of(tmp_path / "offer.csv") == "promo"


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".txt"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\x00", b"pass_id,name\np1,Ada\n", b'{"pass_id": "p1"}\n', b"[1]\n", b"delivery_campaign\n"]
)
def test_what_is_no_results_file_is_nobodys(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"offer{suffix}"
    path.write_bytes(content)
    assert owner_of(path) == ""
    assert not holds_results(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_a_row_it_is_known_by_its_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"offer{suffix}"
    write_results(path, campaign="promo", columns=OWN, parts=by_column([]), failed=None)
    assert owner_of(path) == ""
    # JSON lines have no header: nothing of them is left.
    assert holds_results(path) == may_hold_results_of(first_rows(path), "promo") == (suffix != ".jsonl")
    check_writable(path, campaign="another")


def test_results_of_a_campaign_that_no_ledger_knows_may_be_another_ones_with_a_new_name(tmp_path: Path) -> None:
    path = written(tmp_path / "offer.csv", "spring")
    assert holds_results(path)
    assert may_hold_results_of(first_rows(path), "spring")
    assert may_hold_results_of(first_rows(path), "summer")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_results_of_another_campaign_are_not_replaced(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"offer{suffix}", "spring")
    before = path.read_bytes()
    with raises(UsageError, "other_results", file=path, owner="spring"):
        check_writable(path, campaign="summer")
    assert path.read_bytes() == before
    check_writable(path, campaign="spring")


def test_failed_rows_of_another_campaign_are_not_replaced_either(tmp_path: Path) -> None:
    path = written(tmp_path / "offer.csv", "spring")
    path.unlink()
    with raises(UsageError, "other_results", file=tmp_path / "offer.failed.csv", owner="spring"):
        check_writable(path, campaign="summer")


def test_any_other_file_is_replaced_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "offer.csv"
    path.write_text("notes\n", encoding="utf-8")
    check_writable(path, campaign="summer")
