"""Results of a campaign under any name in a folder of its files, and results in which a person has renamed the campaign."""

import csv
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import xlsxwriter

from tests.acceptance.desk import Desk, broke_off
from tests.acceptance.hardship import finish, start
from tests.acceptance.test_run import MESSAGE
from tests.acceptance.test_wrong_ledger import ROWS, WORDS, home, refused, texts
from tests.examples import slow_after
from tests.unit.xlsx_given import write_ods

Names = Callable[[int], str]
KILLED_WHILE_IT_STAGES = """
import os, signal
from campaign.ledger.sqlite import SqliteLedger
async def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
SqliteLedger.finish_staging = die
"""


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """One whose ledger is wherever the user's own data is."""
    desk.make_list(ROWS)
    environment = {name: value for name, value in desk.environment.items() if name != "CAMPAIGN_LEDGER"}
    return replace(desk, environment=environment | {"HOME": home(desk, "anna")})


def edit(path: Path, change: Callable[[dict[str, str], int], dict[str, str]]) -> None:
    """Change each row of results; rows are counted from 1."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(change(row, number) for number, row in enumerate(rows, 1))


def with_row_above(text: str) -> str:
    """Results with a customer that a person has added by hand."""
    header, _, rows = text.partition("\n")
    return f"{header}\npass-99999,Zoe{',' * (header.count(',') - 1)}\n{rows}"


def save_as(path: Path, suffix: str) -> None:
    """Save results as a spreadsheet does, in a workbook behind a pivot table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    path.unlink()
    path = path.with_suffix(suffix)
    if suffix == ".txt":
        with path.open("w", encoding="utf-16", newline="") as file:
            csv.writer(file, delimiter="\t").writerows(rows)
    elif suffix == ".ods":
        write_ods(path, rows)
    else:
        with xlsxwriter.Workbook(path) as workbook:
            workbook.add_worksheet().write_row(0, 0, ["Row labels", "Count of delivery_status"])
            sheet = workbook.add_worksheet()
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)


def keep(desk: Desk, file: str, to: str, choose: Callable[[dict[str, str]], bool]) -> None:
    """Copy some rows of results."""
    with (desk.folder / file).open(encoding="utf-8-sig", newline="") as given:
        rows = list(csv.DictReader(given))
    with (desk.folder / to).open("w", encoding="utf-8", newline="") as kept:
        writer = csv.DictWriter(kept, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if choose(row))


def rename(path: Path, name: Names) -> None:
    """Write other names of the campaign into results; `name` gives that of each row, which are counted from 1."""
    edit(path, lambda row, number: row | {"delivery_campaign": name(number)})


class TestAnyName:
    @pytest.mark.parametrize("results", slow_after(1, ["out.csv", "out.parquet", "Spring sale.jsonl", "list.resumed-more.xlsx"]))
    def test_older_results_are_not_gone_on_with_where_newer_ones_lie_beside_them(self, desk: Desk, results: str) -> None:
        desk.run(*WORDS, "--results", results, "--limit", "6", code=5)
        desk.run("run", results, "--results", "older.csv", "--limit", "1", code=5)
        desk.run("resume", "list")
        there = home(desk, "root")
        for words in (("run", "older.csv", "--results", "again.csv"), ("retry", "older.csv", "--status", "not_delivered")):
            assert results in refused(desk, *words, HOME=there)
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    def test_a_list_is_not_sent_again_beside_its_results_of_another_name(self, desk: Desk) -> None:
        desk.run(*WORDS, "--results", "out.csv")
        there = home(desk, "root")
        assert "out.csv" in refused(desk, *WORDS, HOME=there)
        assert "out.csv" in refused(desk, *WORDS, "--ledger", "other.db")
        assert "out.csv" in refused(desk, *WORDS, "--results", "other.csv", HOME=there)
        assert texts(desk) == [1]

    def test_another_run_with_a_ledger_and_results_of_its_own_is_no_obstacle(self, desk: Desk) -> None:
        own = ("--ledger", "own.db")
        desk.run(*WORDS, "--results", "rehearsal.csv", "--ledger", "rehearsal.db")
        desk.simulator.reset()
        desk.run(*WORDS, "--limit", "2", "--results", "out.csv", *own, code=5)
        desk.run("resume", "list", *own)
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    def test_what_another_ledger_has_written_under_another_name_is_seen(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("run", "list.results.csv", "--results", "other.csv", "--limit", "3", code=5, HOME=home(desk, "root"))
        assert "other.csv" in refused(desk, "resume", "list")
        assert texts(desk) == [1]

    @pytest.mark.parametrize(
        ("own", "saved"),
        [("{:08}", "{}"), pytest.param("40120000123456{:03}", "4.01200E+16", marks=pytest.mark.slow)],
        ids=["zeros_in_front", "long"],
    )
    def test_what_another_ledger_has_written_is_seen_though_a_spreadsheet_has_changed_the_ids(
        self, desk: Desk, own: str, saved: str
    ) -> None:
        rows = [f"{own.format(row)},Name {row}\n" for row in range(1, ROWS + 1)]
        (desk.folder / "list.csv").write_text("pass_id,first_name\n" + "".join(rows), encoding="utf-8")
        desk.run(*WORDS, "--limit", "2", code=5)
        edit(desk.folder / "list.results.csv", lambda row, number: row | {"pass_id": saved.format(number)})
        # Its own results tell it nothing new, and are written anew.
        desk.run("resume", "list", "--limit", "1", code=5)
        desk.run("run", "list.results.csv", "--limit", "3", code=5, HOME=home(desk, "root"))
        edit(desk.folder / "list.resumed.csv", lambda row, number: row | {"pass_id": saved.format(number)})
        assert broke_off(desk.run("resume", "list", code=2).stderr) == "ledger_behind_results"
        assert texts(desk) == [1]

    def test_a_title_above_them_hides_nothing(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("run", "list.results.csv", "--results", "other.csv", "--limit", "3", code=5, HOME=home(desk, "root"))
        written = desk.folder / "other.csv"
        written.write_text(f"Spring sale\n\n{written.read_text(encoding='utf-8-sig')}", encoding="utf-8")
        assert "other.csv" in refused(desk, "resume", "list")
        assert texts(desk) == [1]

    @pytest.mark.parametrize("saved", slow_after(1, [".txt", ".ods"]))
    def test_results_that_a_person_has_saved_in_another_format_of_lists_are_seen(self, desk: Desk, saved: str) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        there = home(desk, "root")
        save_as(desk.folder / "list.results.csv", saved)
        assert f"list.results{saved}" in refused(desk, *WORDS, HOME=there)
        desk.run("run", f"list.results{saved}", "--limit", "3", code=5, HOME=there)
        save_as(desk.folder / "list.resumed.csv", saved)
        assert f"list.resumed{saved}" in refused(desk, "resume", "list")
        assert texts(desk) == [1]

    def test_results_behind_a_pivot_table_are_seen(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("run", "list.results.csv", "--limit", "3", code=5, HOME=home(desk, "root"))
        save_as(desk.folder / "list.resumed.csv", ".xlsx")
        assert broke_off(desk.run("resume", "list", code=2).stderr) == "ledger_behind_results"
        save_as(desk.folder / "list.results.csv", ".xlsx")
        assert "list.resumed.xlsx" in refused(desk, *WORDS, HOME=home(desk, "new"))
        (desk.folder / "list.resumed.xlsx").unlink()
        assert "list.results.xlsx" in refused(desk, *WORDS, HOME=home(desk, "new"))
        assert texts(desk) == [1]

    def test_other_files_in_the_folder_hold_nothing_up(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("report", "list", "--output", "report.csv")
        desk.run(*WORDS, "--name", "reminder", "--results", "reminder.csv")
        (desk.folder / "damaged.xlsx").write_bytes(b"PK")
        desk.run("resume", "list")
        assert texts(desk) == [2]


class TestRenamed:
    @pytest.mark.parametrize(
        ("name", "code"),
        [
            (lambda _: "Spring offer", "ledger_behind_results"),
            (lambda row: "list" if row < 2 else "Spring offer", "ledger_behind_results"),
            (lambda row: "list" if row < 2 else "", "ledger_behind_results"),
            (lambda _: "", "results_not_readable"),
        ],
        ids=["renamed", "renamed_below_the_first", "emptied_below_the_first", "emptied"],
    )
    def test_what_another_ledger_has_gone_on_with_is_seen(self, desk: Desk, name: Names, code: str) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("run", "list.results.csv", "--limit", "3", code=5, HOME=home(desk, "root"))
        rename(desk.folder / "list.resumed.csv", name)
        assert broke_off(desk.run("resume", "list", code=2).stderr) == code
        assert texts(desk) == [1]

    @pytest.mark.parametrize(
        ("change", "more", "code"),
        [
            (with_row_above, (), "ledger_behind_results"),
            (lambda text: text.replace(",list,", ",,", 1), (), "ledger_behind_results"),
            (lambda text: text.replace(",list,", ",,"), (), "ledger_behind_results"),
            (lambda text: text.replace(",delivery_campaign", ",Campaign"), (), "ledger_behind_results"),
            (lambda text: text.replace(",list,", ",Spring offer,"), ("--results", "other.csv"), "ledger_behind_results"),
            (lambda text: text[: text.index("\n") + 1], (), "results_not_readable"),
            (lambda _: "", (), "results_not_readable"),
        ],
        ids=["row_above", "first_emptied", "emptied", "column_renamed", "renamed", "without_rows", "empty"],
    )
    def test_what_is_where_its_results_go_counts_under_any_name(
        self, desk: Desk, change: Callable[[str], str], more: tuple[str, ...], code: str
    ) -> None:
        there = home(desk, "root")
        for owner in (desk.environment["HOME"], there):
            desk.run("stage", *WORDS[1:], HOME=owner)
        desk.run("send", "list")
        results = desk.folder / "list.results.csv"
        results.write_text(change(results.read_text(encoding="utf-8")), encoding="utf-8")
        assert broke_off(desk.run("send", "list", *more, code=2, HOME=there).stderr) == code
        if not more:
            changed = results.read_bytes()
            for words in (("verify", "list"), ("report", "list", "--output", "list.results.csv"), ("retry", "list")):
                desk.run(*words, code=2, HOME=there)
            assert results.read_bytes() == changed
        # The ledger that has sent is not held up.
        desk.run("send", "list", *more)
        assert texts(desk) == [1]

    def test_another_campaign_of_this_ledger_is_not_taken_for_it(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run(*WORDS, "--name", "reminder", "--results", "list.resumed.csv")
        desk.run("resume", "list")
        assert texts(desk) == [2]

    def test_results_are_not_sent_as_another_campaign_beside_their_own(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        words = ("run", "list.results.csv", "--name", "other")
        assert broke_off(desk.run(*words, code=2).stderr) == "campaign_goes_on"
        shutil.copy(desk.folder / "list.results.csv", desk.folder / "copy.csv")
        desk.run("cancel", "list")
        desk.run("run", "copy.csv", "--name", "other")
        assert texts(desk) == [1]
        assert len(desk.sent()) == ROWS

    @pytest.mark.parametrize("attempts", ["0.0", "0,0", "-", ""])
    def test_nor_if_only_rows_are_left_that_were_never_sent(self, desk: Desk, attempts: str) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        keep(desk, "list.results.csv", "rest.csv", lambda row: row["delivery_status"] == "pending")
        edit(desk.folder / "rest.csv", lambda row, _: row | {"delivery_attempts": attempts})
        assert broke_off(desk.run("run", "rest.csv", "--name", "rest", code=2).stderr) == "campaign_goes_on"
        rename(desk.folder / "rest.csv", lambda _: "Dec-26")
        assert broke_off(desk.run("run", "rest.csv", code=2).stderr) == "campaign_renamed"

    @pytest.mark.parametrize("message", [MESSAGE, MESSAGE.replace("{{ first_name }}", "{{first_name}}")])
    def test_nor_if_the_same_text_is_given_in_another_way(self, desk: Desk, message: str) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        assert broke_off(desk.run("run", "list.results.csv", "--name", "other", "--message", message, code=2).stderr) == "campaign_goes_on"

    def test_nor_are_those_of_a_campaign_that_began_from_results(self, desk: Desk) -> None:
        there = home(desk, "root")
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("run", "list.results.csv", "--limit", "3", code=5, HOME=there)
        words = ("run", "list.resumed.csv", "--name", "rest", *WORDS[2:])
        assert broke_off(desk.run(*words, code=2, HOME=there).stderr) == "campaign_goes_on"

    @pytest.mark.parametrize("column", ["pass_id", "first_name", "delivery_message"])
    @pytest.mark.parametrize("words", [("retry", "fixed.csv"), ("run", "fixed.csv", "--name", "other")])
    def test_nor_are_its_corrected_rows(self, desk: Desk, words: tuple[str, ...], column: str) -> None:
        desk.simulator.set_faults(missing=["pass-00001", "pass-00002"])
        desk.run(*WORDS, code=3)
        shutil.copy(desk.folder / "list.results.failed.csv", desk.folder / "fixed.csv")
        edit(desk.folder / "fixed.csv", lambda row, _: row | {column: f"{row[column]}9"})
        if "--name" not in words:
            rename(desk.folder / "fixed.csv", lambda _: "Dec-26")
        expected = "campaign_goes_on" if "--name" in words else "campaign_renamed"
        assert broke_off(desk.run(*words, code=2).stderr) == expected
        if column != "delivery_message" and "--name" not in words:
            assert broke_off(desk.run(*words, *WORDS[2:], code=2).stderr) == expected

    @pytest.mark.parametrize("number", ["", "{}"], ids=["emptied", "anew"])
    def test_nor_if_their_numbers_are_gone_and_they_were_sent_since(self, desk: Desk, number: str) -> None:
        desk.simulator.set_faults(missing=["pass-00004"])
        desk.run(*WORDS, "--limit", "6", code=5)
        for file, status in (("rest.csv", "pending"), ("failed.csv", "failed")):
            keep(desk, "list.results.csv", file, lambda row, status=status: row["delivery_status"] == status)  # type: ignore[misc]
            edit(desk.folder / file, lambda row, at: row | {"delivery_row": number.format(at)})
        desk.run("resume", "list", code=3)
        for file in ("rest.csv", "failed.csv"):
            assert "list" in refused(desk, "run", file, "--name", "other")
        assert (texts(desk), len(desk.sent())) == ([1], ROWS - 1)

    def test_nor_if_their_numbers_and_texts_are_gone(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        keep(desk, "list.results.csv", "rest.csv", lambda row: row["delivery_status"] == "pending")
        edit(desk.folder / "rest.csv", lambda row, number: row | {"delivery_row": str(number), "delivery_message": ""})
        assert broke_off(desk.run("run", "rest.csv", "--name", "rest", *WORDS[2:], code=2).stderr) == "campaign_goes_on"

    @pytest.mark.parametrize("name", ["rest", "Dec-26"])
    def test_nor_if_another_campaign_went_on_from_them_that_numbers_them_anew(self, desk: Desk, name: str) -> None:
        there = home(desk, "root")
        desk.run(*WORDS, "--limit", "2", code=5)
        header, *rows = (desk.folder / "list.results.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (desk.folder / "sorted.csv").write_text("".join([header, *rows[::-1]]), encoding="utf-8")
        named: tuple[str, ...] = ("--name", name)
        if name == "Dec-26":
            rename(desk.folder / "sorted.csv", lambda _: name)
            named = ()
        desk.run("run", "sorted.csv", *named, "--limit", "3", code=5, HOME=there)
        assert broke_off(desk.run("run", "list.results.csv", code=2, HOME=there).stderr) == "campaign_renamed"
        assert broke_off(desk.run("run", "list.results.csv", "--name", "all", code=2, HOME=there).stderr) == "campaign_goes_on"
        desk.run("resume", name, HOME=there)
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    def test_nor_are_failed_rows_that_another_campaign_went_on_from(self, desk: Desk) -> None:
        there = home(desk, "root")
        desk.simulator.set_faults(missing=["pass-00004", "pass-00007"])
        desk.run(*WORDS, code=3)
        desk.simulator.set_faults(missing=[])
        shutil.copy(desk.folder / "list.results.failed.csv", desk.folder / "fix.csv")
        desk.run("run", "fix.csv", "--name", "fix", *WORDS[2:], code=3, HOME=there)
        desk.run("retry", "fix", HOME=there)
        for words in (("retry", "fix.csv", *WORDS[2:]), ("run", "list.results.csv")):
            assert "--name fix" in refused(desk, *words, HOME=there)
        keep(desk, "list.results.csv", "others.csv", lambda row: row["delivery_status"] != "failed")
        desk.run("run", "others.csv", HOME=there)
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    def test_nor_is_a_part_of_a_cancelled_campaign_that_was_sent_under_a_second_name(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("cancel", "list")
        keep(desk, "list.results.csv", "part.csv", lambda row: int(row["delivery_row"]) > 6)
        edit(desk.folder / "part.csv", lambda row, _: row | {"delivery_status": "pending", "delivery_reason": ""})
        desk.run("run", "part.csv", "--name", "second", "--limit", "3", code=5)
        assert broke_off(desk.run("run", "part.csv", "--name", "third", code=2).stderr) == "campaign_goes_on"
        desk.run("resume", "second")
        assert broke_off(desk.run("run", "part.csv", "--name", "third", code=2).stderr) == "results_overtaken"
        assert (texts(desk), len(desk.sent())) == ([1], 8)

    def test_parts_of_results_are_sent_under_names_of_their_own(self, desk: Desk) -> None:
        there = home(desk, "root")
        desk.run(*WORDS, "--limit", "2", code=5)
        for part in (0, 1):
            keep(desk, "list.results.csv", f"part{part}.csv", lambda row, part=part: int(row["delivery_row"]) % 2 == part)  # type: ignore[misc]
        for part in (0, 1):
            desk.run("run", f"part{part}.csv", "--name", f"part{part}", HOME=there)
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    def test_nor_below_many_rows_that_a_person_has_added(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        header, _, rows = (desk.folder / "list.results.csv").read_text(encoding="utf-8-sig").partition("\n")
        new = "".join(f"new-{number},Zoe{',' * (header.count(',') - 1)}\n" for number in range(1_001))
        (desk.folder / "more.csv").write_text(f"{header}\n{new}{rows}", encoding="utf-8")
        assert broke_off(desk.run("run", "more.csv", "--name", "more", *WORDS[2:], code=2).stderr) == "campaign_goes_on"

    def test_a_corrected_file_is_its_own_after_the_token_was_refused(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["pass-00001"])
        desk.run(*WORDS, code=3)
        shutil.copy(desk.folder / "list.results.failed.csv", desk.folder / "fixed.csv")
        desk.simulator.set_faults(tokens=["another"])
        desk.run("retry", "list", code=4)
        desk.simulator.set_faults(tokens=[])
        edit(desk.folder / "fixed.csv", lambda row, _: row | {"pass_id": "pass-00099"})
        assert "row_does_not_match" not in desk.run("retry", "fixed.csv", code=None).stderr

    @pytest.mark.parametrize("keys", [("north", "south"), ("south", "north")])
    def test_results_of_two_campaigns_are_no_list(self, desk: Desk, keys: tuple[str, str]) -> None:
        for name in keys:
            (desk.folder / f"{name}.csv").write_text(f"pass_id,first_name\n{name}-1,Ann\n{name}-2,Bob\n{name}-3,Eve\n", encoding="utf-8")
            desk.run("run", f"{name}.csv", *WORDS[2:], "--limit", "1", code=5)
        first, second = ((desk.folder / f"{name}.results.csv").read_text(encoding="utf-8-sig") for name in keys)
        (desk.folder / "both.csv").write_text(first + second.partition("\n")[2], encoding="utf-8")
        for where in (home(desk, "root"), home(desk, "anna")):
            said = desk.run("run", "both.csv", "--name", "rest", code=2, HOME=where).stderr
            assert broke_off(said) == "other_campaign"
        assert len(desk.sent()) == 2

    def test_the_results_of_a_campaign_that_was_stopped_and_cancelled_go_on_under_another_name(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        run = start(desk, "resume", "list", "--rate", "5")
        desk.until(run, lambda: len(desk.sent()) >= 4)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        desk.run("report", "list", "--output", "rest.csv")
        desk.run("cancel", "list")
        desk.run("run", "rest.csv", "--name", "rest")
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    @pytest.mark.parametrize("message", [MESSAGE, "Welcome"])
    def test_customers_that_were_added_to_results_are_sent_under_another_name(self, desk: Desk, message: str) -> None:
        desk.run(*WORDS)
        results = desk.folder / "list.results.csv"
        results.with_name("more.csv").write_text(with_row_above(results.read_text(encoding="utf-8-sig")), encoding="utf-8")
        desk.run("run", "more.csv", "--name", "more", "--message", message)
        assert len(desk.sent()) == ROWS + 1

    def test_results_of_another_ledgers_campaign_of_the_same_name_are_not_its_own(self, desk: Desk) -> None:
        there = home(desk, "root")
        (desk.folder / "b").mkdir()
        other = desk.make_list(ROWS, "b/list.csv")
        other.write_text(other.read_text(encoding="utf-8").replace("pass-", "other-"), encoding="utf-8")
        desk.simulator.set_faults(missing=["pass-00001", "other-00001"])
        desk.run("run", "list.csv", "--message", "Ours", "--limit", "3", code=5)
        desk.run("run", "b/list.csv", "--message", "Theirs", "--limit", "3", code=5, HOME=there)
        desk.simulator.set_faults(missing=[])
        sent = len(desk.sent())
        assert broke_off(desk.run("run", "b/list.results.csv", code=2).stderr) == "results_of_another_ledger"
        assert broke_off(desk.run("retry", "b/list.results.failed.csv", code=2).stderr) == "row_does_not_match"
        assert len(desk.sent()) == sent

    def test_nor_while_another_one_that_went_on_from_them_has_rows_left(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        shutil.copy(desk.folder / "list.results.csv", desk.folder / "copy.csv")
        desk.run("cancel", "list")
        desk.run("run", "copy.csv", "--name", "second", "--limit", "3", code=5)
        assert "resume second" in refused(desk, "run", "copy.csv", "--name", "third")
        desk.run("resume", "second")
        assert "report second" in refused(desk, "run", "copy.csv", "--name", "third")
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    @pytest.mark.parametrize("more", [WORDS[2:], (*WORDS[2:], "--results", "other.csv")])
    def test_nor_with_the_same_message(self, desk: Desk, more: tuple[str, ...]) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        words = ("run", "list.results.csv", "--name", "other", *more)
        assert broke_off(desk.run(*words, code=2).stderr) == "campaign_goes_on"
        desk.run("run", "list.results.csv", "--name", "news", "--message", "Something else")
        desk.run(*WORDS)
        assert sorted(texts(desk)) == [1, 2]

    def test_nor_are_its_failed_rows(self, desk: Desk) -> None:
        """A `retry` of each campaign would send them."""
        desk.simulator.set_faults(missing=["pass-00001", "pass-00002"])
        desk.run(*WORDS, code=3)
        assert broke_off(desk.run("run", "list.results.failed.csv", "--name", "other", code=2).stderr) == "campaign_goes_on"
        desk.run("retry", "list.results.failed.csv", code=3)

    def test_attempts_show_whose_results_a_spreadsheet_has_renamed(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        shutil.copy(desk.folder / "list.results.csv", desk.folder / "mine.csv")
        rename(desk.folder / "mine.csv", lambda _: "Dec-26")
        assert "“list”" in refused(desk, "run", "mine.csv")
        assert broke_off(desk.run("run", "mine.csv", "--name", "other", code=2).stderr) == "campaign_goes_on"
        assert len(desk.sent()) == 2

    @pytest.mark.parametrize("is_sorted", [False, True])
    def test_what_another_ledger_sends_under_another_name_is_seen_by_its_attempts(self, desk: Desk, *, is_sorted: bool) -> None:
        """Also if a person had sorted the rows, which the other ledger then numbered anew."""
        desk.run(*WORDS, "--limit", "2", code=5)
        results = desk.folder / "list.results.csv"
        if is_sorted:
            header, first, second, *others = results.read_text(encoding="utf-8").splitlines(keepends=True)
            results.write_text("".join([header, second, first, *others]), encoding="utf-8")
        desk.run("run", "list.results.csv", "--name", "bob", "--limit", "3", code=5, HOME=home(desk, "root"))
        assert broke_off(desk.run("resume", "list", code=2).stderr) == "ledger_behind_results"
        assert (texts(desk), len(desk.sent())) == ([1], 5)

    @pytest.mark.parametrize("then", [(), ("cancel", "list")])
    def test_nor_are_failed_rows_that_were_sent_since(self, desk: Desk, then: tuple[str, ...]) -> None:
        desk.simulator.set_faults(missing=["pass-00001"])
        desk.run(*WORDS, "--limit", "3", code=5)
        file = "list.results.csv" if then else "list.results.failed.csv"
        shutil.copy(desk.folder / file, desk.folder / "copy.csv")
        desk.simulator.set_faults(missing=[])
        desk.run("retry", "list")
        desk.run(*then) if then else None
        assert broke_off(desk.run("run", "copy.csv", "--name", "other", code=2).stderr) == "results_overtaken"
        assert texts(desk) == [1]

    @pytest.mark.parametrize("cut", [19, 16, 0], ids=["seconds", "minutes", "empty"])
    def test_nor_if_a_spreadsheet_has_cut_the_times_of_attempts(self, desk: Desk, cut: int) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        shutil.copy(desk.folder / "list.results.csv", desk.folder / "mine.csv")
        edit(desk.folder / "mine.csv", lambda row, _: row | {"delivery_sent_at": row["delivery_sent_at"][:cut]})
        assert broke_off(desk.run("run", "mine.csv", "--name", "other", code=2).stderr) == "campaign_goes_on"

    def test_another_ledgers_campaign_of_the_same_name_and_passes_is_not_taken_for_it(self, desk: Desk) -> None:
        there = home(desk, "root")
        (desk.folder / "week").mkdir()
        shutil.copy(desk.folder / "list.csv", desk.folder / "week" / "list.csv")
        desk.run("run", "week/list.csv", "--message", "Last week", HOME=there)
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("run", "list.results.csv", "--name", "other", HOME=there)
        assert texts(desk) == [2]

    def test_nor_after_a_kill_while_they_were_staged_under_that_name(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.make_list(3, "three.csv")
        staged = start(desk, "run", "three.csv", *WORDS[2:], "--name", "other", before=KILLED_WHILE_IT_STAGES)
        finish(staged, code=-signal.SIGKILL)
        assert broke_off(desk.run("run", "list.results.csv", "--name", "other", code=2).stderr) == "campaign_goes_on"
        assert "resume list" in refused(desk, "run", "list.results.csv", "--name", "third")

    @pytest.mark.parametrize("then", [("resume", "list"), ("cancel", "list")])
    def test_nor_are_results_that_its_ledger_has_overtaken(self, desk: Desk, then: tuple[str, ...]) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        shutil.copy(desk.folder / "list.results.csv", desk.folder / "copy.csv")
        desk.run(*WORDS, "--limit", "3", code=5)
        desk.run(*then)
        sent = len(desk.sent())
        assert broke_off(desk.run("run", "copy.csv", "--name", "other", code=2).stderr) == "results_overtaken"
        assert (texts(desk), len(desk.sent())) == ([1], sent)

    def test_a_list_is_not_sent_again_beside_its_results(self, desk: Desk) -> None:
        results = desk.folder / "list.results.jsonl"
        desk.run(*WORDS, "--results", results.name)
        results.write_text(results.read_text(encoding="utf-8").replace('"list"', '"Spring offer"'), encoding="utf-8")
        there = home(desk, "root")
        assert "“Spring offer”" in refused(desk, *WORDS, HOME=there)
        assert results.name in desk.run("check", *WORDS[1:], HOME=there).stderr
        assert texts(desk) == [1]

    @pytest.mark.parametrize("file", ["list.results.csv", "list.results.failed.csv"])
    def test_the_ledger_that_has_written_results_takes_them_for_no_other_campaign(self, desk: Desk, file: str) -> None:
        """It would send the rows under the new name, and then those of the first one again."""
        desk.simulator.set_faults(missing=["pass-00001", "pass-00002"])
        desk.run(*WORDS, "--limit", "4", code=5)
        desk.simulator.set_faults(missing=[])
        rename(desk.folder / file, lambda _: "Spring offer")
        for words in (("run", file, "--results", "new.csv"), ("retry", file, "--results", "new.csv")):
            why = refused(desk, *words)
            assert "“list”" in why
            assert "“Spring offer”" in why
        assert [one["campaign"] for one in json.loads(desk.run("list", "--json").stdout)] == ["list"]


class TestWhatNothingReplaces:
    def test_a_cancelled_campaign_leaves_the_results_of_another_ledger_though_their_campaign_is_gone(self, desk: Desk) -> None:
        results = desk.folder / "list.results.csv"
        desk.run(*WORDS, "--limit", "3", code=5)
        results.rename(desk.folder / "keep.csv")
        desk.run("run", "keep.csv", "--limit", "4", "--results", results.name, code=5, HOME=home(desk, "root"))
        results.write_text(results.read_text(encoding="utf-8-sig").replace("delivery_campaign", "Campaign"), encoding="utf-8")
        newer = results.read_bytes()
        for _ in range(3):
            desk.run("cancel", "list", "--yes")
            assert results.read_bytes() == newer

    @pytest.mark.parametrize("name", ["x.failed.csv", "x.csv"])
    def test_the_list_is_no_place_for_results(self, desk: Desk, name: str) -> None:
        place = (desk.folder / "list.csv").rename(desk.folder / name)
        text = place.read_bytes()
        desk.run("run", name, *WORDS[2:], "--name", "x", "--limit", "3", code=5)
        over = ("--results", "x.csv")
        for words in (("resume", "x", *over), ("retry", "x", *over), ("verify", "x", *over)):
            assert broke_off(desk.run(*words, code=2).stderr) == "over_the_list"
        assert "the list itself" in desk.run("report", "x", "--output", "x.csv", code=2).stderr
        assert place.read_bytes() == text
        desk.run("resume", "x")
        assert texts(desk) == [1]
