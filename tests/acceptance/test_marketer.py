"""A promotion as the README's chapters for marketers have it: from an Excel file to a corrected re-run, by what the simulator processed."""

import csv
import datetime as dt
import re
import shlex
import shutil
from pathlib import Path

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from tests.acceptance.desk import ROOT, SAMPLES, Desk, broke_off

HEADER: list[object] = ["Pass ID", "Vorname", "Code", "Gültig bis"]
MESSAGE = ("--message", "Hallo {{ Vorname }}, mit {{ Code }} 20 % Rabatt bis {{ gültig_bis }}")
LONG_NUMBER = 1_230_000_000_000_000
END = dt.date(2026, 12, 24)
ROWS: list[list[object]] = [
    ["0001", "Jürgen", "A1", END],
    ["0002", "Käthe", "A2", END],
    ["0003", "", "A3", END],
    ["0001", "Jürgen", "A1", END],
    [LONG_NUMBER, "Özil", "A5", END],
    ["sold-0ut", "Renée", "A6", END],
    ["0007", "Günter", "A7", END],
]
"""An empty name in row 3, row 1 again in row 4, an id that has become a number in row 5, one that was mistyped in row 6."""

MENDED = {3: {"Vorname": "Eva"}, 5: {"Pass ID": "0005"}, 6: {"Pass ID": "0006"}}
TEXTS = {"0003": "Hallo Eva, mit A3", "0005": "Hallo Özil, mit A5", "0006": "Hallo Renée, mit A6"}


def save_workbook(path: Path, rows: list[list[object]]) -> None:
    """As Excel saves it: dates and numbers are no texts."""
    with xlsxwriter.Workbook(str(path)) as book:
        sheet, date = book.add_worksheet("Kunden"), book.add_format({"num_format": "dd.mm.yyyy"})
        for number, row in enumerate(rows):
            for place, value in enumerate(row):
                if isinstance(value, dt.date):
                    sheet.write_datetime(number, place, dt.datetime.combine(value, dt.time()), date)
                elif value != "":
                    sheet.write(number, place, value)


def workbook(path: Path) -> list[list[object]]:
    with CalamineWorkbook.from_path(path) as book:
        return [list(row) for row in book.get_sheet_by_index(0).to_python()]


def correct(rows: list[list[object]]) -> None:
    """What a person types into the wrong cells."""
    header = rows[0]
    for row in rows[1:]:
        for column, value in MENDED.get(int(float(str(row[header.index("delivery_row")]))), {}).items():
            row[header.index(column)] = value


@pytest.fixture
def promo(desk: Desk) -> Desk:
    """The workbook, and PassEntry, which does not know the pass of row 6."""
    save_workbook(desk.folder / "Herbst Aktion.xlsx", [HEADER, *ROWS])
    desk.simulator.set_faults(missing=["sold-0ut"])
    return desk


def run(desk: Desk, *words: str) -> str:
    seen = desk.run("run", "Herbst Aktion.xlsx", *MESSAGE, *words, code=3).stdout
    assert "7 rows: 3 delivered, 1 failed, 2 invalid, 1 skipped." in seen
    desk.simulator.set_faults(missing=[])
    return seen


def all_is_settled(desk: Desk, seen: str) -> None:
    assert "7 rows: 6 delivered, 1 skipped." in seen
    assert "\n    campaign " not in seen
    sent = desk.sent()
    assert set(sent) == {"0001", "0002", "0003", "0005", "0006", "0007"}
    assert {len(texts) for texts in sent.values()} == {1}
    for pass_id, text in TEXTS.items():
        assert sent[pass_id][0].startswith(text)


def test_what_is_wrong_with_a_workbook_is_told_before_anything_is_sent(promo: Desk) -> None:
    seen = promo.run("check", "Herbst Aktion.xlsx", *MESSAGE, code=3).stdout
    assert "Excel workbook, sheet “Kunden”" in seen
    found = promo.json("check", "Herbst Aktion.xlsx", *MESSAGE, code=3)
    assert found["sendable"] == 4
    assert {one["kind"]: one["first_rows"] for one in found["problems"]} == {"mangled_id": [5], "missing_field": [3], "duplicate": [4]}
    assert "Hallo Jürgen, mit A1 20 % Rabatt bis 2026-12-24" in seen
    assert promo.simulator.requests() == []


def test_from_a_workbook_to_results_in_excel_that_are_corrected_and_given_back(promo: Desk) -> None:
    run(promo, "--results", "herbst.xlsx")
    rows = workbook(promo.folder / "herbst.xlsx")
    # An id that is text stays text, zeros and all.
    assert [row[0] for row in rows[1:4]] == ["0001", "0002", "0003"]
    correct(rows)
    save_workbook(promo.folder / "herbst.xlsx", rows)
    all_is_settled(promo, promo.run("retry", "herbst.xlsx", *MESSAGE).stdout)


def test_from_a_workbook_to_failed_rows_that_a_german_excel_saved(promo: Desk) -> None:
    run(promo)
    with (promo.folder / "Herbst Aktion.results.failed.csv").open(encoding="utf-8-sig", newline="") as file:
        rows: list[list[object]] = [list(row) for row in csv.reader(file)]
    correct(rows)
    for row in rows[1:]:
        row[HEADER.index("Gültig bis")] = "24.12.2026"
    with (promo.folder / "corrected.csv").open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    all_is_settled(promo, promo.run("retry", "corrected.csv", *MESSAGE).stdout)


def test_ids_that_have_lost_their_zeros_are_not_taken_for_corrected(promo: Desk) -> None:
    run(promo, "--results", "herbst.xlsx")
    rows = workbook(promo.folder / "herbst.xlsx")
    correct(rows)
    rows[3][0] = 3
    save_workbook(promo.folder / "lost.xlsx", rows)
    before = promo.sent()
    refused = promo.run("retry", "lost.xlsx", *MESSAGE, code=2).stderr
    assert broke_off(refused) == "rows_not_sendable"
    assert "campaign report 'Herbst Aktion' --output FILE.xlsx" in refused
    assert promo.sent() == before


@pytest.mark.slow
def test_whoever_corrects_the_list_itself_is_shown_the_way(promo: Desk) -> None:
    run(promo)
    save_workbook(promo.folder / "Herbst Aktion.xlsx", [HEADER, *ROWS[:2], ["0003", "Eva", "A3", END], *ROWS[3:]])
    before = promo.sent()
    refused = promo.run("run", "Herbst Aktion.xlsx", *MESSAGE, code=2).stderr
    assert broke_off(refused) == "other_content"
    assert "campaign retry FILE" in refused
    assert promo.sent() == before


def test_the_commands_of_the_readme_work_as_they_stand(desk: Desk) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shutil.copy(SAMPLES / "promo.csv", desk.folder / "promo.csv")
    lines = [shlex.split(line[2:], comments=True) for line in re.findall(r"^\$ campaign .*$", text, re.MULTILINE)]
    told = [words[1:] for words in lines if words[1] in {"check", "test", "run"}]
    assert [words[0] for words in told] == ["check", "test", "run"]
    desk.simulator.set_faults(faults={"not_found": 0.02})
    for words in told:
        desk.run(*words, code=3 if words[0] == "run" else 0)
    desk.simulator.set_faults(faults={})
    failed = [words for words in lines if words[1] == "retry"]
    assert [words[2] for words in failed] == ["promo.results.failed.csv"]
    assert "\n    campaign " not in desk.run(*failed[0][1:]).stdout
    sent = desk.sent()
    assert {len(texts) for texts in sent.values()} == {1}
    assert len(sent) == 505
