"""What people are told before they send: by `check`, by the question, and by a message to their own pass."""

import json
import re
import shutil
from pathlib import Path

import pytest

from campaign.domain.text.reasons import reason_in_words
from tests.acceptance.desk import Desk, broke_off, events
from tests.acceptance.screen import Terminal
from tests.examples import slow_after

MESSAGE = ("--message", "Hi {{ first_name }}")
ODD = (
    "pass_id,message\n"
    "p1,Hello Anna\n"
    'p2,"Hi , your code"\n'
    "p3,Hi [first_name]\n"
    "p4,GrÃ¼ÃŸe\n"
    "p5,See http://shop.example/\n"
    "p6,See https://shop.example/?code=\n"
    f"p7,{'x' * 141}\n"
    "p8,Hi <name>\n"
)


def write(desk: Desk, text: str, name: str = "list.csv") -> Path:
    path = desk.folder / name
    path.write_text(text, encoding="utf-8")
    return path


class TestCheck:
    def test_warnings_are_told_and_change_no_exit_code(self, desk: Desk) -> None:
        write(desk, ODD)
        found = desk.json("check", "list.csv")
        assert list(found) == ["list", "rows", "sendable", "by_status", "problems", "samples", "warnings", "estimated_seconds", "exit_code"]
        assert (found["sendable"], found["problems"], found["exit_code"]) == (8, [], 0)
        assert [(one["kind"], one["count"], one["first_rows"]) for one in found["warnings"]] == [
            ("placeholder", 2, [3, 8]),
            ("empty_merge", 1, [2]),
            ("mojibake", 1, [4]),
            ("broken_link", 1, [6]),
            ("insecure_link", 1, [5]),
            ("cut_on_lock_screen", 1, [7]),
            ("link", 1, [5]),
        ]
        assert found["warnings"][0]["example"] == "Hi [first_name]"
        assert not (desk.folder / "campaign.db").exists()

    def test_what_is_surely_wrong_is_told_where_nobody_is_asked(self, desk: Desk) -> None:
        write(desk, ODD)
        staged = desk.run("stage", "list.csv", "--name", "staged")
        run = desk.run("run", "list.csv", "--json")
        warnings = json.loads(run.stdout)["warnings"]
        kinds = [("placeholder", [3, 8]), ("empty_merge", [2]), ("mojibake", [4]), ("broken_link", [6])]
        assert [(one["kind"], one["first_rows"]) for one in warnings] == kinds
        for done in (staged, run):
            told = {one["event"]: one for one in events(done.stderr)}
            assert [(kind, told[kind]["rows"]) for kind, _ in kinds] == kinds
        assert "warnings" not in json.loads(desk.run("run", "list.csv", "--json").stdout)

    def test_a_lock_screen_may_be_another(self, desk: Desk) -> None:
        desk.make_list(12)
        assert desk.json("check", "list.csv", *MESSAGE)["warnings"] == []
        [found] = desk.json("check", "list.csv", *MESSAGE, "--lock-screen", "9")["warnings"]
        assert (found["kind"], found["count"], found["first_rows"]) == ("cut_on_lock_screen", 3, [10, 11, 12])
        assert "--lock-screen" in desk.run("check", "list.csv", *MESSAGE, "--lock-screen", "0", code=2).stderr

    def test_the_text_that_a_pass_has_already_is_told(self, desk: Desk) -> None:
        upper = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"
        write(desk, f"pass_id,message\n{upper.lower()},Spring is here\np2,Spring is here\np3,Something else\n")
        desk.run("run", "list.csv")
        write(desk, f"pass_id,message\n{upper},Spring is here\np2,Spring is over\np3,Spring is here\np4,Spring is here\n", "next.csv")
        [found] = desk.json("check", "next.csv")["warnings"]
        assert (found["kind"], found["count"], found["first_rows"], found["example"]) == ("same_as_last", 1, [1], "Spring is here")
        # What came in between makes it news again.
        write(desk, f"pass_id,message\n{upper},Summer is here\n", "between.csv")
        desk.run("run", "between.csv")
        assert desk.json("check", "next.csv")["warnings"] == []
        # What the campaign itself has sent is not sent again.
        assert desk.json("check", "between.csv")["warnings"] == []
        # A pass of another API is another pass.
        shutil.copy(desk.folder / "between.csv", desk.folder / "again.csv")
        assert desk.json("check", "again.csv")["warnings"] != []
        assert desk.json("check", "again.csv", PASSENTRY_API_URL="https://api.example")["warnings"] == []
        assert desk.json("check", "again.csv", "--ledger", "other.db")["warnings"] == []
        assert not (desk.folder / "other.db").exists()


class TestQuestion:
    def test_it_says_what_will_happen_and_what_to_look_at(self, desk: Desk) -> None:
        write(desk, ODD)
        with Terminal(desk, "run", "list.csv", CAMPAIGN_YES="false", CAMPAIGN_RATE="9") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            seen = " ".join(str(terminal.screen).split())
            terminal.type("n\n")
            assert terminal.end() == 2
        for part in (" 8 ", "list.csv", "1 s at 9 a second", "Hello Anna", "lines 4, 9 (rows 3, 8)"):
            assert part in seen
        # Its link is insecure; that it has one is no reason to look at it.
        assert seen.count("line 6 (row 5)") == 1
        assert desk.simulator.requests() == []

    def test_hours_an_end_and_who_is_left_out_are_told(self, desk: Desk) -> None:
        desk.make_list(3)
        with (desk.folder / "list.csv").open("a", encoding="utf-8") as file:
            file.write(",Nobody\n")
        words = ("--window", "00:00-24:00", "--time-zone", "Europe/Berlin", "--not-after", "2199-12-24T18:00")
        with Terminal(desk, "run", "list.csv", *MESSAGE, *words, CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            seen = " ".join(str(terminal.screen).split())
            for part in ("00:00", "Europe/Berlin", "24 Dec"):
                assert part in seen
            terminal.type("n\n")
            assert terminal.end() == 2
        assert desk.simulator.requests() == []

    def test_a_limit_is_told(self, desk: Desk) -> None:
        desk.make_list(5)
        with Terminal(desk, "run", "list.csv", *MESSAGE, "--limit", "2", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            assert "2 of 5" in str(terminal.screen)
            terminal.type("y\n")
            assert terminal.end() == 5
        assert len(desk.sent()) == 2

    @pytest.mark.parametrize("answer", slow_after(1, ["y", ""]))
    def test_for_many_a_yes_is_not_enough(self, desk: Desk, answer: str) -> None:
        desk.make_list(10_001)
        with Terminal(desk, "run", "list.csv", *MESSAGE, CAMPAIGN_YES="false") as terminal:
            terminal.until("type the number of recipients:$")
            assert "10,001" in str(terminal.screen)
            terminal.type(f"{answer}\n")
            assert terminal.end() == 2
        assert "campaign resume list" in str(terminal.screen)
        assert desk.simulator.requests() == []

    @pytest.mark.parametrize("answer", slow_after(1, ["10001", "10.001"]))
    def test_the_number_is_an_answer(self, desk: Desk, answer: str) -> None:
        desk.make_list(10_001)
        with Terminal(desk, "run", "list.csv", *MESSAGE, CAMPAIGN_YES="false") as terminal:
            terminal.until("type the number of recipients:$")
            terminal.type(f"{answer}\n")
            terminal.until(r" [1-9]\d*/10001")
            terminal.type("\x03")
            assert terminal.end() == 130
        assert desk.sent()

    def test_ctrl_c_at_the_number_sends_nothing(self, desk: Desk) -> None:
        desk.make_list(10_001)
        with Terminal(desk, "run", "list.csv", *MESSAGE, CAMPAIGN_YES="false") as terminal:
            terminal.until("type the number of recipients:$")
            terminal.type("\x03")
            assert terminal.end(10) == 130
        assert desk.simulator.requests() == []


class TestToOneself:
    @pytest.mark.parametrize("to", slow_after(1, ["shop/4711?x=1#2", "my-pass", "Ünïcode 100% &+", "3F2504E0-4F89-11D3-9A0C-0305E82C3301"]))
    def test_one_message_to_that_pass_alone(self, desk: Desk, to: str) -> None:
        desk.make_list(3)
        done = desk.run("test", "list.csv", *MESSAGE, "--to", to)
        assert desk.sent() == {to: ["Hi Name 1"]}
        assert to in done.stdout
        assert sorted(path.name for path in desk.folder.glob("*.csv")) == ["list.csv"]
        # The real campaign knows nothing of it.
        seen = desk.json("run", "list.csv", *MESSAGE)
        assert (seen["rows"], seen["by_status"]["delivered"]) == (3, 3)
        assert desk.sent()["pass-00001"] == ["Hi Name 1"]

    def test_a_chosen_row_also_one_whose_own_id_is_wrong(self, desk: Desk) -> None:
        write(desk, "pass_id,first_name\np1,Anna\n,Bob\n1.23E+15,Cleo\np4,\n")
        desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "2")
        assert "line 4 (row 3)" in desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "3").stdout
        assert desk.sent() == {"mine": ["Hi Bob", "Hi Cleo"]}
        refused = desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "4", code=2).stderr
        assert broke_off(refused) == "no_message"
        assert "Line 5 (row 4): " in refused
        assert broke_off(desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "5", code=2).stderr) == "no_message"
        assert "--to" in desk.run("test", "list.csv", *MESSAGE, "--to", " ", code=2).stderr
        assert len(desk.sent()["mine"]) == 2

    def test_nothing_that_holds_campaigns_back_holds_it_back(self, desk: Desk) -> None:
        desk.make_list(1)
        desk.environment |= {"CAMPAIGN_NOT_AFTER": "2020-01-01", "CAMPAIGN_DAILY_CAP": "1", "CAMPAIGN_START_AT": "2099-01-01"}
        for _ in range(2):
            desk.run("test", "list.csv", *MESSAGE, "--to", "mine")
        assert desk.sent() == {"mine": ["Hi Name 1"] * 2}

    def test_the_first_row_that_has_a_message(self, desk: Desk) -> None:
        write(desk, "pass_id,first_name\np1,\np2,Bob\n")
        assert "line 3 (row 2)" in desk.run("test", "list.csv", *MESSAGE, "--to", "mine").stdout
        write(desk, "pass_id,first_name\np1,\n")
        assert broke_off(desk.run("test", "list.csv", *MESSAGE, "--to", "mine", code=2).stderr) == "no_message"

    def test_with_templates_that_rows_name(self, desk: Desk) -> None:
        (desk.folder / "texts").mkdir()
        (desk.folder / "texts" / "de.txt").write_text("Hallo {{ first_name }}", encoding="utf-8")
        (desk.folder / "texts" / "en.txt").write_text("Hello {{ first_name }}", encoding="utf-8")
        write(desk, "pass_id,first_name,template\np1,Anna,en.txt\np2,Bernd,de.txt\n")
        desk.run("test", "list.csv", "--templates", "texts", "--to", "mine", "--row", "2")
        assert desk.sent() == {"mine": ["Hallo Bernd"]}

    def test_a_row_of_a_results_file_that_was_delivered(self, desk: Desk) -> None:
        desk.make_list(2)
        desk.run("run", "list.csv", *MESSAGE)
        done = desk.run("test", "list.results.csv", "--to", "mine", "--row", "2")
        assert "line 3 (row 2)" in done.stdout
        assert desk.sent()["mine"] == ["Hi Name 2"]

    def test_what_came_back_in_words(self, desk: Desk) -> None:
        desk.make_list(1)
        desk.simulator.set_faults(faults={"not_delivered": 1.0})
        assert reason_in_words("notDelivered") in desk.run("test", "list.csv", *MESSAGE, "--to", "mine").stdout
        desk.simulator.set_faults(faults={"not_found": 1.0})
        refused = desk.run("test", "list.csv", *MESSAGE, "--to", "mine", code=3).stdout
        assert reason_in_words("http_404") in refused
        names = [found["campaign"] for found in json.loads(desk.run("status", "--json").stdout)]
        assert len(names) == len(set(names)) == 2
        assert all(re.fullmatch(r"list test \d{4}-\d\d-\d\d \d\d:\d\d:\d\d( \(2\))?", name) for name in names)

    def test_it_asks_on_a_terminal_and_nowhere_else(self, desk: Desk) -> None:
        desk.make_list(2)
        refused = desk.run("test", "list.csv", *MESSAGE, "--to", "mine", code=2, CAMPAIGN_YES="false")
        assert broke_off(refused.stderr) == "no_terminal"
        with Terminal(desk, "test", "list.csv", *MESSAGE, "--to", "mine", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            terminal.type("n\n")
            assert terminal.end() == 2
            assert "campaign test list.csv" in str(terminal.screen)
        assert json.loads(desk.run("status", "--json").stdout) == []
        with Terminal(desk, "test", "list.csv", *MESSAGE, "--to", "mine", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            assert "  Hi Name 1" in str(terminal.screen)
            assert desk.simulator.requests() == []
            terminal.type("y\n")
            assert terminal.end() == 0
        assert desk.sent() == {"mine": ["Hi Name 1"]}
