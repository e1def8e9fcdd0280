"""What people are told before they send: by `check`, by the question, and by a message to their own pass."""

import json
import re
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.screen import Terminal

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

    def test_in_words(self, desk: Desk) -> None:
        write(desk, ODD)
        seen = desk.run("check", "list.csv").stdout
        assert "2 messages seem to hold a placeholder that nobody filled in\n    lines 4, 9 (rows 3, 8)\n    Hi [first_name]\n" in seen
        assert "1 message is longer than the 140 characters that a lock screen shows\n    line 8 (row 7)\n    141 characters: xxx" in seen
        assert "1 message has a link\n    line 6 (row 5)\n    http://shop.example/\n" in seen

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
        # A pass of another API is another pass.
        assert desk.json("check", "between.csv")["warnings"] != []
        assert desk.json("check", "between.csv", PASSENTRY_API_URL="https://api.example")["warnings"] == []
        assert desk.json("check", "between.csv", "--ledger", "other.db")["warnings"] == []
        assert not (desk.folder / "other.db").exists()


class TestQuestion:
    def test_it_says_what_will_happen_and_what_to_look_at(self, desk: Desk) -> None:
        write(desk, ODD)
        with Terminal(desk, "run", "list.csv", CAMPAIGN_YES="false", CAMPAIGN_RATE="9") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            seen = " ".join(str(terminal.screen).split())
            terminal.type("n\n")
            assert terminal.end() == 2
        assert re.search(
            r"This sends 8 messages to the passes of list\.csv, which takes about 1 s at 9 a second, until about \d\d:\d\d( on [\w ]+)?\. "
            r"The first one reads: Hello Anna",
            seen,
        ), seen
        assert "Look at this: 2 messages seem to hold a placeholder that nobody filled in: lines 4, 9 (rows 3, 8)." in seen
        assert "has a link:" not in seen
        assert desk.simulator.requests() == []

    def test_hours_an_end_and_who_is_left_out_are_told(self, desk: Desk) -> None:
        desk.make_list(3)
        with (desk.folder / "list.csv").open("a", encoding="utf-8") as file:
            file.write(",Nobody\n")
        words = ("--window", "00:00-24:00", "--time-zone", "Europe/Berlin", "--not-after", "2199-12-24T18:00")
        with Terminal(desk, "run", "list.csv", *MESSAGE, *words, CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            seen = " ".join(str(terminal.screen).split())
            assert "This sends 3 messages to the passes of list.csv, which takes about" in seen
            assert ", until about " in seen
            assert "and leaves out what is not sent before " in seen
            assert "and leaves out 1 of the list's rows, which is invalid or skipped." in seen
            terminal.type("n\n")
            assert terminal.end() == 2
        assert desk.simulator.requests() == []

    def test_a_limit_is_told(self, desk: Desk) -> None:
        desk.make_list(5)
        with Terminal(desk, "run", "list.csv", *MESSAGE, "--limit", "2", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            assert "This sends 2 of 5 messages to the passes of list.csv" in str(terminal.screen)
            terminal.type("y\n")
            assert terminal.end() == 5
        assert len(desk.sent()) == 2

    @pytest.mark.parametrize("answer", ["y", ""])
    def test_for_many_a_yes_is_not_enough(self, desk: Desk, answer: str) -> None:
        desk.make_list(10_001)
        with Terminal(desk, "run", "list.csv", *MESSAGE, CAMPAIGN_YES="false") as terminal:
            terminal.until("type the number of recipients:$")
            assert "This sends 10,001 messages" in str(terminal.screen)
            terminal.type(f"{answer}\n")
            assert terminal.end() == 2
        assert "Nothing was sent. To send it after all: campaign resume list" in str(terminal.screen)
        assert desk.simulator.requests() == []

    @pytest.mark.parametrize("answer", ["10001", "10.001"])
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
    @pytest.mark.parametrize("to", ["my-pass", "shop/4711?x=1#2", "Ünïcode 100% &+", "3F2504E0-4F89-11D3-9A0C-0305E82C3301"])
    def test_one_message_to_that_pass_alone(self, desk: Desk, to: str) -> None:
        desk.make_list(3)
        done = desk.run("test", "list.csv", *MESSAGE, "--to", to)
        assert desk.sent() == {to: ["Hi Name 1"]}
        assert f"The message of line 2 (row 1) was delivered to the wallet of the pass {to}." in done.stdout
        assert sorted(path.name for path in desk.folder.glob("*.csv")) == ["list.csv"]
        # The real campaign knows nothing of it.
        seen = desk.json("run", "list.csv", *MESSAGE)
        assert (seen["rows"], seen["by_status"]["delivered"]) == (3, 3)
        assert desk.sent()["pass-00001"] == ["Hi Name 1"]

    def test_a_chosen_row_also_one_whose_own_id_is_wrong(self, desk: Desk) -> None:
        write(desk, "pass_id,first_name\np1,Anna\n,Bob\n1.23E+15,Cleo\np4,\n")
        desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "2")
        assert "The message of line 4 (row 3) was delivered" in desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "3").stdout
        assert desk.sent() == {"mine": ["Hi Bob", "Hi Cleo"]}
        refused = desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "4", code=2).stderr
        assert "Line 5 (row 4): The column “first_name” is empty" in refused
        assert "There is no row 5; it has 4." in desk.run("test", "list.csv", *MESSAGE, "--to", "mine", "--row", "5", code=2).stderr
        assert "--to names no pass" in desk.run("test", "list.csv", *MESSAGE, "--to", " ", code=2).stderr
        assert len(desk.sent()["mine"]) == 2

    def test_nothing_that_holds_campaigns_back_holds_it_back(self, desk: Desk) -> None:
        desk.make_list(1)
        desk.environment |= {"CAMPAIGN_NOT_AFTER": "2020-01-01", "CAMPAIGN_DAILY_CAP": "1", "CAMPAIGN_START_AT": "2099-01-01"}
        for _ in range(2):
            desk.run("test", "list.csv", *MESSAGE, "--to", "mine")
        assert desk.sent() == {"mine": ["Hi Name 1"] * 2}

    def test_the_first_row_that_has_a_message(self, desk: Desk) -> None:
        write(desk, "pass_id,first_name\np1,\np2,Bob\n")
        assert "The message of line 3 (row 2) was delivered" in desk.run("test", "list.csv", *MESSAGE, "--to", "mine").stdout
        write(desk, "pass_id,first_name\np1,\n")
        assert "None of its rows has a message" in desk.run("test", "list.csv", *MESSAGE, "--to", "mine", code=2).stderr

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
        assert "The message of line 3 (row 2) was delivered" in done.stdout
        assert desk.sent()["mine"] == ["Hi Name 2"]

    def test_what_came_back_in_words(self, desk: Desk) -> None:
        desk.make_list(1)
        desk.simulator.set_faults(faults={"not_delivered": 1.0})
        taken = desk.run("test", "list.csv", *MESSAGE, "--to", "mine").stdout
        assert "The message of line 2 (row 1) was taken for the pass mine, but not delivered: the pass is not in a wallet." in taken
        desk.simulator.set_faults(faults={"not_found": 1.0})
        refused = desk.run("test", "list.csv", *MESSAGE, "--to", "mine", code=3).stdout
        assert "The message of line 2 (row 1) was not taken for the pass mine: PassEntry knows no such pass (HTTP 404)." in refused
        names = [found["campaign"] for found in json.loads(desk.run("status", "--json").stdout)]
        assert len(names) == len(set(names)) == 2
        assert all(re.fullmatch(r"list test \d{4}-\d\d-\d\d \d\d:\d\d:\d\d( \(2\))?", name) for name in names)

    def test_it_asks_on_a_terminal_and_nowhere_else(self, desk: Desk) -> None:
        desk.make_list(2)
        refused = desk.run("test", "list.csv", *MESSAGE, "--to", "mine", code=2, CAMPAIGN_YES="false")
        assert "no terminal to ask on" in refused.stderr
        with Terminal(desk, "test", "list.csv", *MESSAGE, "--to", "mine", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            assert "This sends 1 message, of list.csv, to the pass mine alone. It reads:" in " ".join(str(terminal.screen).split())
            assert "  Hi Name 1" in str(terminal.screen)
            assert desk.simulator.requests() == []
            terminal.type("y\n")
            assert terminal.end() == 0
        assert desk.sent() == {"mine": ["Hi Name 1"]}
