"""The same command on another ledger: a home of another user, another folder, a copy, another machine. Nobody is sent to twice unasked."""

import json
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.hardship import finish, start
from tests.acceptance.screen import Terminal
from tests.acceptance.test_run import MESSAGE
from tests.examples import slow_after

ROWS = 12

OTHER_MACHINE = """
import socket
from pathlib import Path
from campaign.ledger import machine
machine.CONTAINER_MARKS = ()
machine.MACHINE_IDS = (Path("{name}.id"),)
machine.ADAPTERS = Path("{name}.net")
socket.gethostname = lambda: "{host}"
"""


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """One whose ledger is wherever the user's own data is."""
    desk.make_list(ROWS)
    environment = {name: value for name, value in desk.environment.items() if name != "CAMPAIGN_LEDGER"}
    return replace(desk, environment=environment | {"HOME": home(desk, "anna")})


def home(desk: Desk, name: str) -> str:
    folder = desk.folder / "home" / name
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def ledger_of(desk: Desk, name: str = "anna") -> Path:
    return desk.folder / "home" / name / ".local" / "share" / "campaign" / "campaign.db"


def mark_of(desk: Desk) -> Path:
    """What shows when the ledger was last written to."""
    return Path(f"{ledger_of(desk)}.runners") / "mark"


WORDS = ("run", "list.csv", "--message", MESSAGE)


def events(stderr: str) -> dict[str, dict[str, Any]]:
    return {event["event"]: event for event in map(json.loads, stderr.splitlines())}


def refused(desk: Desk, *words: str, **environment: str) -> str:
    """Why a command sent nothing, and ended with 2."""
    before = len(desk.simulator.requests())
    said = desk.run(*words, code=2, **environment)
    assert len(desk.simulator.requests()) == before
    return str(events(said.stderr)["run_broke_off"]["detail"])


def last_command(sentence: str) -> list[str]:
    """The words of the command with which a sentence ends, without the program's name."""
    return shlex.split(sentence[sentence.rindex("campaign run ") :])[1:]


def texts(desk: Desk) -> list[int]:
    """How many messages the passes got that got any."""
    return sorted({len(texts) for texts in desk.sent().values()})


class TestAnotherLedger:
    def test_a_new_ledger_is_said_to_be_new_once(self, desk: Desk) -> None:
        first = events(desk.run(*WORDS, "--limit", "3", "--json", code=5).stderr)
        assert first["new_ledger"]["ledger"] == str(ledger_of(desk))
        assert "new_ledger" not in events(desk.run(*WORDS, "--json").stderr)
        # Of another ledger, and of another campaign in it.
        other = desk.make_list(2, "other.csv")
        assert "new_ledger" in events(desk.run("run", str(other), "--message", MESSAGE, "--ledger", "x.db").stderr)
        assert "new_ledger" not in events(desk.run("run", str(other), "--message", MESSAGE, "--ledger", "x.db", "--name", "b").stderr)

    def test_another_users_ledger_does_not_send_the_campaign_again(self, desk: Desk) -> None:
        desk.run(*WORDS)
        why = refused(desk, *WORDS, HOME=home(desk, "root"))
        assert str(desk.folder / "list.results.csv") in why
        assert str(ledger_of(desk, "root")) in why
        assert texts(desk) == [1]
        # Nothing of it stays in the way, and the ledger that knows it goes on.
        assert json.loads(desk.run("list", "--json", HOME=home(desk, "root")).stdout) == []
        assert desk.json(*WORDS)["by_status"]["delivered"] == ROWS
        assert texts(desk) == [1]

    def test_half_of_it_is_gone_on_with_from_its_results(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "5", code=5)
        other = home(desk, "root")
        refused(desk, *WORDS, HOME=other)
        refused(desk, "stage", *WORDS[1:], HOME=other)
        said = desk.run("run", "list.results.csv", "--json", HOME=other)
        assert {"new_ledger", "resumed_from_file"} <= set(events(said.stderr))
        assert json.loads(said.stdout)["by_status"]["delivered"] == ROWS
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)
        # From a third one the older results would send the second half again; the newer ones would not.
        third = home(desk, "www-data")
        why = refused(desk, "run", "list.results.csv", HOME=third)
        assert "list.resumed.csv" in why
        assert "list.resumed.csv" in refused(desk, "retry", "list.results.csv", "--status", "not_delivered", HOME=third)
        assert "list.resumed.csv" in refused(desk, *WORDS, HOME=third)
        newer = desk.json("run", "list.resumed.csv", "--results", "third.csv", HOME=third)
        assert newer["by_status"]["delivered"] == ROWS
        assert texts(desk) == [1]

    @pytest.mark.parametrize("column", ["customer", "pass_id"])
    def test_the_command_that_goes_on_from_results_can_be_pasted(self, desk: Desk, column: str) -> None:
        (desk.folder / "list.csv").write_text(f"{column},first_name\n" + "".join(f"p{row},Ann\n" for row in range(5)), encoding="utf-8")
        words = (*WORDS, *(("--id-column", column) if column == "customer" else ()))
        desk.run(*words, "--limit", "2", code=5)
        command = last_command(refused(desk, *words, HOME=home(desk, "root")))
        assert ("--id-column" in command) == (column == "customer")
        desk.run(*command, "--limit", "1", code=5, HOME=home(desk, "root"))
        # The same where a ledger finds newer results than its own.
        command = last_command(refused(desk, "resume", "list"))
        assert ("--id-column" in command) == (column == "customer")
        assert command[-2:] == ["--ledger", "ANOTHER-FILE"]
        desk.run(*command, "--yes")
        assert sorted(desk.sent()) == [f"p{row}" for row in range(5)]
        assert texts(desk) == [1]

    def test_failed_rows_that_only_another_ledger_can_read_name_it(self, desk: Desk) -> None:
        (desk.folder / "cards.csv").write_text("card,first_name\n1,Ann\n,Bo\n", encoding="utf-8")
        desk.run("run", "cards.csv", "--message", MESSAGE, "--id-column", "card", code=3)
        why = refused(desk, "retry", "cards.results.failed.csv", HOME=home(desk, "bo"))
        assert "“cards”" in why
        assert str(ledger_of(desk, "bo")) in why
        assert "--ledger" in why

    def test_whoever_means_to_send_again_gives_it_another_name(self, desk: Desk) -> None:
        desk.run(*WORDS)
        desk.run(*WORDS, "--name", "reminder", HOME=home(desk, "root"))
        assert texts(desk) == [2]

    @pytest.mark.parametrize("results", slow_after(1, ["list.results.xlsx", "out.csv"]))
    def test_results_of_any_format_and_elsewhere_are_found(self, desk: Desk, results: str) -> None:
        desk.run(*WORDS, "--results", results)
        assert results in refused(desk, *WORDS, "--results", results, HOME=home(desk, "root"))
        if results != "out.csv":
            assert results in refused(desk, *WORDS, HOME=home(desk, "root"))
        assert texts(desk) == [1]

    def test_a_relative_path_means_another_ledger_in_another_folder(self, desk: Desk) -> None:
        (desk.folder / "there").mkdir()
        path, there = str(desk.folder / "list.csv"), replace(desk, folder=desk.folder / "there")
        desk.run("run", path, "--message", MESSAGE, CAMPAIGN_LEDGER="campaign.db")
        refused(there, "run", path, "--message", MESSAGE, CAMPAIGN_LEDGER="campaign.db")
        # The file of another folder names it.
        (there.folder / ".env").write_text("CAMPAIGN_LEDGER=elsewhere.db\n", encoding="utf-8")
        refused(there, "run", path, "--message", MESSAGE)
        assert texts(desk) == [1]

    def test_a_job_is_refused_too(self, desk: Desk) -> None:
        (desk.folder / "job.toml").write_text(f'list = "list.csv"\nmessage = "{MESSAGE}"\nname = "job-{{week}}"\n', encoding="utf-8")
        desk.run("run", "job.toml")
        refused(desk, "run", "job.toml", HOME=home(desk, "root"))
        assert texts(desk) == [1]

    def test_a_list_on_standard_input_has_its_results_too(self, desk: Desk) -> None:
        list_file = desk.folder / "list.csv"
        for name, code in (("anna", 0), ("root", 2)):
            from_file = f"import os; os.dup2(os.open({str(list_file)!r}, os.O_RDONLY), 0)"
            process = start(desk, "run", "-", "--message", MESSAGE, before=from_file, HOME=home(desk, name))
            finish(process, code=code)
        assert texts(desk) == [1]

    def test_check_says_it_beforehand(self, desk: Desk) -> None:
        assert desk.run("check", *WORDS[1:]).stderr == ""
        desk.run(*WORDS)
        assert list(events(desk.run("check", *WORDS[1:]).stderr)) == ["sent_before"]
        found = events(desk.run("check", *WORDS[1:], HOME=home(desk, "root")).stderr)
        assert found["unknown_campaign"]["results"] == str(desk.folder / "list.results.csv")
        assert not ledger_of(desk, "root").exists()

    @pytest.mark.slow
    def test_results_of_a_campaign_of_another_name_say_nothing(self, desk: Desk) -> None:
        desk.run(*WORDS, "--name", "first")
        desk.run(*WORDS, "--name", "second", "--ledger", "other.db")
        assert texts(desk) == [2]

    @pytest.mark.slow
    def test_on_a_terminal_it_asks_and_no_sends_nothing(self, desk: Desk) -> None:
        desk.run(*WORDS)
        asked = {"HOME": home(desk, "root"), "CAMPAIGN_YES": "false"}
        with Terminal(desk, *WORDS, **asked) as terminal:
            terminal.until(r"again\? \[y/N\]")
            terminal.type("n\n")
            assert terminal.end() == 2
        with Terminal(desk, *WORDS, **asked) as terminal:
            terminal.until(r"again\? \[y/N\]")
            terminal.type("\x03")
            assert terminal.end() == 130
        # To be asked by no means is not to agree to this.
        with Terminal(desk, *WORDS, "--yes", **asked) as terminal:
            assert terminal.end() == 2
        assert texts(desk) == [1]
        with Terminal(desk, *WORDS, **asked) as terminal:
            terminal.until(r"again\? \[y/N\]")
            terminal.type("y\n")
            terminal.until(r"Send\? \[y/N\]")
            assert str(ledger_of(desk, "root").parent.parent.parent) in str(terminal.screen).replace("\n", "")
            terminal.type("y\n")
            assert terminal.end() == 0
        assert texts(desk) == [2]

    @pytest.mark.parametrize(
        "edit",
        [
            lambda _: "",
            lambda text: text.partition("\n")[0] + "\n",
            lambda text: text.replace("delivery_campaign", "Campaign"),
            lambda text: "".join(f"{','.join(line.split(',')[:2])}\n" for line in text.splitlines()),
            lambda text: text.replace("delivery_", "DELIVERY_"),
            lambda text: f"Spring offer\n{text}",
        ],
        ids=["emptied", "without_rows", "column_renamed", "columns_removed", "other_letters", "title_above"],
    )
    def test_results_that_were_edited_may_be_the_campaigns(self, desk: Desk, edit: Callable[[str], str]) -> None:
        desk.run(*WORDS)
        results = desk.folder / "list.results.csv"
        results.write_text(edit(results.read_text(encoding="utf-8-sig")), encoding="utf-8")
        assert str(results) in refused(desk, *WORDS, HOME=home(desk, "root"))
        assert texts(desk) == [1]

    def test_signs_of_another_ledger_make_a_new_one_a_warning(self, desk: Desk) -> None:
        alone = desk.run(*WORDS, "--json", HOME=home(desk, "mia"), CAMPAIGN_RESULTS="elsewhere.csv")
        assert (events(alone.stderr)["new_ledger"]["level"], "warnings" in json.loads(alone.stdout)) == ("info", False)
        (desk.folder / "elsewhere.csv").unlink()
        desk.run(*WORDS)
        results, usual = str(desk.folder / "list.results.csv"), str(ledger_of(desk))
        desk.make_list(2, "other.csv")
        other = ("run", "other.csv", "--message", MESSAGE)
        cases = {
            (*WORDS, "--name", "reminder", "--ledger", "1.db"): results,
            ("run", "list.results.csv", "--results", "2.csv", "--ledger", "2.db"): "list.results.csv",
            ("retry", "list.results.csv", "--results", "3.csv", "--ledger", "3.db"): "list.results.csv",
            (*other, "--ledger", "4.db"): usual,
        }
        for words, seen in cases.items():
            done = desk.run(*words, "--json")
            told = events(done.stderr)["new_ledger"]
            [warning] = [one for one in json.loads(done.stdout)["warnings"] if one["kind"] == "new_ledger"]
            assert (told["level"], told["ledger"], told["seen"]) == ("warning", str(desk.folder / words[-1]), seen)
            assert (warning["ledger"], warning["seen"]) == (told["ledger"], seen)
        # Once.
        desk.make_list(3, "third.csv")
        assert "new_ledger" not in events(desk.run("run", "third.csv", "--message", MESSAGE, "--ledger", "4.db").stderr)


class TestSameContent:
    def test_another_name_is_told_of_before_it_is_sent_and_goes_on(self, desk: Desk) -> None:
        monday = desk.run(*WORDS, "--name", "monday", "--json")
        assert "warnings" not in json.loads(monday.stdout)
        assert events(desk.run("check", *WORDS[1:]).stderr)["same_content"]["before"] == "monday"
        # A run of that name would send none of it again.
        own = desk.run("check", *WORDS[1:], "--json", CAMPAIGN_NAME="monday")
        assert events(own.stderr)["sent_before"]["campaign"] == "monday"
        assert json.loads(own.stdout)["warnings"] == []
        tuesday = desk.run(*WORDS, "--name", "tuesday", "--limit", "2", "--json", code=5)
        told = list(events(tuesday.stderr))
        assert told.index("same_content") < told.index("run_started")
        [warning] = json.loads(tuesday.stdout)["warnings"]
        assert (warning["kind"], warning["count"], warning["sent"], warning["before"]) == ("same_content", ROWS, ROWS, "monday")
        assert warning["started_at"] == desk.json("status", "monday")["started_at"]
        # Said once, not again by what goes on; in the summary, too.
        assert "same_content" not in events(desk.run("resume", "tuesday").stderr)
        # In a file it is the same text.
        (desk.folder / "offer.txt").write_text(MESSAGE, encoding="utf-8")
        assert "“tuesday”" in desk.run("run", "list.csv", "--template", "offer.txt", "--name", "wednesday").stdout
        assert texts(desk) == [3]

    def test_it_is_not_told_where_nothing_can_be_sent(self, desk: Desk) -> None:
        desk.run(*WORDS, "--name", "monday")
        assert "same_content" in events(desk.run("stage", *WORDS[1:], "--name", "tuesday").stderr)
        desk.run("cancel", "tuesday", "--yes")
        again = desk.run(*WORDS, "--name", "tuesday", "--json")
        assert "same_content" not in events(again.stderr)
        assert "warnings" not in json.loads(again.stdout)
        assert texts(desk) == [1]

    @pytest.mark.slow
    def test_the_rest_of_a_list_beside_it_is_told_of(self, desk: Desk) -> None:
        """As somebody makes a list of those who are left, while the campaign goes on by itself."""
        desk.run(*WORDS, "--limit", "2", code=5)
        lines = (desk.folder / "list.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (desk.folder / "rest.csv").write_text("".join([lines[0], *lines[3:]]), encoding="utf-8")
        told = events(desk.run("run", "rest.csv", *WORDS[2:], "--limit", "1", code=5).stderr)["same_message"]
        assert "“list”" in told["detail"]
        assert "10 rows" in told["detail"]
        desk.run("cancel", "list")
        assert "same_message" not in events(desk.run("run", "rest.csv", *WORDS[2:]).stderr)

    def test_on_a_terminal_it_is_asked_with_it(self, desk: Desk) -> None:
        desk.run(*WORDS)
        with Terminal(desk, *WORDS, "--name", "again", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            assert "“list”" in str(terminal.screen)
            terminal.type("n\n")
            assert terminal.end() == 2
        assert texts(desk) == [1]

    @pytest.mark.slow
    def test_other_content_and_what_was_never_sent_say_nothing(self, desk: Desk) -> None:
        desk.run("stage", *WORDS[1:], "--name", "staged")
        first = desk.run(*WORDS)
        other = desk.run("run", "list.csv", "--message", "Other", "--name", "other")
        desk.make_list(ROWS - 1, "shorter.csv")
        shorter = desk.run("run", "shorter.csv", "--message", MESSAGE)
        assert not [done for done in (first, other, shorter) if "same_content" in events(done.stderr)]


class TestUnexpanded:
    @pytest.mark.parametrize("ledger", ["$HOME/campaign.db", "`pwd`/campaign.db", "$(cd $(pwd); pwd)/campaign.db", "${HOME/campaign.db"])
    def test_a_line_of_a_crontab_makes_no_folder_of_that_name(self, desk: Desk, ledger: str) -> None:
        before = sorted(path.name for path in desk.folder.iterdir())
        desk.run(*WORDS, code=2, CAMPAIGN_LEDGER=ledger)
        desk.run(*WORDS, "--ledger", ledger, code=2)
        assert desk.simulator.requests() == []
        assert sorted(path.name for path in desk.folder.iterdir()) == before

    def test_so_do_the_paths_that_single_commands_have(self, desk: Desk) -> None:
        desk.run(*WORDS)
        before = sorted(path.name for path in desk.folder.iterdir())
        for words in (
            ("report", "list", "--output", "$OUT/x.csv"),
            ("demo", "--folder", "$(mktemp -d)"),
            ("simulate", "--audit-file", "$HOME/audit"),
        ):
            assert words[-2] in desk.run(*words, code=2).stderr
        assert sorted(path.name for path in desk.folder.iterdir()) == before

    def test_a_tilde_in_a_crontab_or_a_job_is_the_home_folder(self, desk: Desk) -> None:
        (desk.folder / "jobs").mkdir()
        text = f'list = "../list.csv"\nmessage = "{MESSAGE}"\nledger = "~/campaign.db"\nresults = "~/out.csv"\n'
        (desk.folder / "jobs" / "job.toml").write_text(text, encoding="utf-8")
        desk.run("run", "jobs/job.toml")
        assert {"campaign.db", "out.csv"} <= {path.name for path in Path(home(desk, "anna")).iterdir()}
        assert desk.json("status", "list", CAMPAIGN_LEDGER="~/campaign.db")["by_status"]["delivered"] == ROWS

    def test_a_variable_in_a_job_is_told_with_its_line(self, desk: Desk) -> None:
        text = f'list = "list.csv"\nmessage = "{MESSAGE}"\nledger = "$HOME/campaign.db"\nexclude = ["${{LISTS}}/stop.csv"]\n'
        (desk.folder / "job.toml").write_text(text, encoding="utf-8")
        said = desk.run("run", "job.toml", code=2).stderr
        assert "line 3" in said
        assert "line 4" in said
        (desk.folder / "job.toml").write_text(f'list = "list.csv"\nmessage = "{MESSAGE}"\nmoved_here = true\n', encoding="utf-8")
        assert "--moved-here" in desk.run("run", "job.toml", code=2).stderr
        assert desk.simulator.requests() == []


class TestCopies:
    @pytest.fixture
    def copy(self, desk: Desk) -> str:
        """A copy of a ledger from which 5 rows were sent, and 3 more after it was made."""
        desk.run(*WORDS, "--limit", "5", code=5)
        copy = desk.folder / "there" / "campaign.db"
        shutil.copytree(ledger_of(desk).parent, copy.parent)
        desk.run(*WORDS, "--limit", "3", code=5)
        return str(copy)

    def test_a_copy_sends_nothing_until_somebody_says_so(self, desk: Desk, copy: str) -> None:
        for words in (WORDS, ("resume", "list"), ("send", "list")):
            assert str(ledger_of(desk)) in refused(desk, *words, "--ledger", copy)
        # The other one goes on, and has sent it all.
        assert desk.json("resume", "list")["by_status"]["delivered"] == ROWS
        assert texts(desk) == [1]
        # Looking is free.
        assert desk.json("status", "list", "--ledger", copy)["by_status"]["pending"] == ROWS - 5

    def test_one_that_was_moved_goes_on_and_is_asked_no_more(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "5", code=5)
        there = desk.folder / "there"
        shutil.copytree(ledger_of(desk).parent, there)
        shutil.rmtree(ledger_of(desk).parent)
        ledger = str(there / "campaign.db")
        refused(desk, *WORDS, "--ledger", ledger)
        moved = desk.run(*WORDS, "--moved-here", "--limit", "2", "--ledger", ledger, code=5)
        assert events(moved.stderr)["ledger_moved_here"]["difference"] == "copied_file"
        rest = desk.run(*WORDS, "--ledger", ledger)
        assert "ledger_moved_here" not in events(rest.stderr)
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    def test_whoever_cancels_a_copy_leaves_the_newer_results(self, desk: Desk, copy: str) -> None:
        newer = (desk.folder / "list.results.csv").read_bytes()
        for _ in range(2):
            desk.run("cancel", "list", "--yes", "--ledger", copy)
            assert (desk.folder / "list.results.csv").read_bytes() == newer
        assert desk.json("status", "list", "--ledger", copy)["state"] == "cancelled"

    def test_a_backup_that_is_put_back_is_a_copy(self, desk: Desk) -> None:
        """With its mark, so that nothing in the folder is newer than the ledger."""
        desk.run(*WORDS, "--limit", "5", code=5)
        folder, backup = ledger_of(desk).parent, desk.folder / "backup"
        shutil.copytree(folder, backup)
        desk.run(*WORDS, "--limit", "3", code=5)
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        refused(desk, *WORDS)
        assert len(desk.sent()) == 8
        # Its results still know more than it does.
        shutil.rmtree(folder)
        assert desk.json("run", "list.results.csv", "--ledger", "new.db")["by_status"]["delivered"] == ROWS
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    @pytest.mark.parametrize("opened_before", [True, False])
    def test_one_that_lacks_what_was_sent_is_not_sent_from_also_if_it_was_moved_here(
        self, desk: Desk, copy: str, *, opened_before: bool
    ) -> None:
        """Without the results, nothing but the mark of the original shows that."""
        (desk.folder / "list.results.csv").unlink()
        words = (*WORDS, "--ledger", copy, "--moved-here")
        if opened_before:
            desk.run("resume", "list", "--ledger", copy, code=2)
        for _ in range(2):
            assert str(mark_of(desk)) in refused(desk, *words)
        # Whoever knows that nothing was sent says so.
        mark_of(desk).unlink()
        desk.run(*words, "--limit", "1", code=5)

    @pytest.mark.slow
    def test_rows_to_be_sent_again_are_asked_for_too(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"not_found": 0.5})
        desk.run(*WORDS, code=3)
        desk.simulator.set_faults(faults={})
        copy = desk.folder / "copy.db"
        shutil.copy2(ledger_of(desk), copy)
        for words in (
            ("retry", "list", "--status", "failed"),
            ("retry", "list.results.failed.csv"),
            ("retry", "--limit", "2", "--", "list"),
        ):
            why = refused(desk, *words[:1], "--ledger", str(copy), *words[1:])
            # The hint is the command that was given, with the flag among its options.
            hint = shlex.split(why[why.index("campaign retry") :])
            assert [word for word in hint if word != "--moved-here"] == ["campaign", *words[:1], "--ledger", str(copy), *words[1:]]
            assert "--" not in hint[: hint.index("--moved-here")]
        desk.run("retry", "list")
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    @pytest.mark.slow
    def test_a_new_campaign_on_a_copy_is_asked_for_and_one_that_has_ended_is_not(self, desk: Desk) -> None:
        """Two machines with one crontab would both send each new list."""
        desk.run(*WORDS)
        copy = desk.folder / "copy.db"
        shutil.copy2(ledger_of(desk), copy)
        assert desk.json(*WORDS, "--ledger", str(copy))["by_status"]["delivered"] == ROWS
        desk.make_list(3, "next.csv")
        refused(desk, "run", "next.csv", "--message", "Next", "--ledger", str(copy))
        # A variable stays where it is set, and would agree to every later copy, too.
        refused(desk, "run", "next.csv", "--message", "Next", "--ledger", str(copy), CAMPAIGN_MOVED_HERE="true")
        desk.run("run", "next.csv", "--message", "Next", "--ledger", str(copy), "--moved-here")
        assert len(desk.simulator.audit()) == ROWS + 3

    @pytest.mark.slow
    def test_one_that_was_used_long_ago_goes_on(self, desk: Desk, copy: str) -> None:
        mark_of(desk).unlink()
        with sqlite3.connect(copy) as connection:
            connection.execute("UPDATE runners SET started_at = 1.0, ended_at = 2.0, lease_until = 2.0")
        connection.close()
        (desk.folder / "list.results.csv").unlink()
        desk.run("resume", "list", "--limit", "1", "--ledger", copy, code=5)

    @pytest.mark.slow
    def test_on_a_terminal_it_asks(self, desk: Desk, copy: str) -> None:
        mark_of(desk).unlink()
        before = len(desk.sent())
        for answer, code in (("n\n", 2), ("\x03", 130)):
            with Terminal(desk, "resume", "list", "--ledger", copy, CAMPAIGN_YES="false") as terminal:
                terminal.until(r"from now on\? \[y/N\]")
                terminal.type(answer)
                assert terminal.end() == code
        assert len(desk.sent()) == before
        # With them, what they hold and the copy does not know would be said.
        (desk.folder / "list.results.csv").unlink()
        with Terminal(desk, "resume", "list", "--limit", "1", "--ledger", copy, CAMPAIGN_YES="false") as terminal:
            terminal.until(r"from now on\? \[y/N\]")
            terminal.type("y\n")
            terminal.until(r"Send\? \[y/N\]")
            terminal.type("y\n")
            assert terminal.end() == 5


class TestMachines:
    def on(self, desk: Desk, name: str, *words: str, code: int, host: str = "", **environment: str) -> str:
        """The command on a machine of this name: its id, and the address of its adapter, are in files that are named after it."""
        adapter = desk.folder / f"{name}.net" / "eth0"
        if not adapter.exists():
            (adapter / "device").mkdir(parents=True)
            (adapter / "device" / "subsystem").symlink_to(desk.folder)
            (adapter / "address").write_text(f"52:54:00:00:00:{len(list(desk.folder.glob('*.net'))):02}", encoding="ascii")
            if not (desk.folder / f"{name}.id").exists():
                (desk.folder / f"{name}.id").write_text(name, encoding="ascii")
        before = OTHER_MACHINE.format(name=name, host=host or name)
        return finish(start(desk, *words, before=before, **environment), code=code)

    def test_another_machine_is_refused_and_the_same_after_a_change_of_name_is_not(self, desk: Desk) -> None:
        self.on(desk, "one", *WORDS, "--limit", "3", code=5)
        self.on(desk, "one", *WORDS, "--limit", "2", code=5, host="one-by-dhcp")
        before = len(desk.simulator.requests())
        # The disk of a clone that has made itself an id: its ledger is the same file.
        why = events(self.on(desk, "two", *WORDS, code=2))["run_broke_off"]["detail"]
        assert "one-by-dhcp" in why
        # A clone that has kept the id.
        (desk.folder / "three.id").write_text("one", encoding="ascii")
        self.on(desk, "three", *WORDS, code=2)
        assert len(desk.simulator.requests()) == before
        assert len(desk.sent()) == 5
        assert self.on(desk, "two", *WORDS, "--moved-here", "--limit", "2", code=5)
        self.on(desk, "one", *WORDS, code=2)
        self.on(desk, "two", *WORDS, code=0)
        assert (texts(desk), len(desk.sent())) == ([1], ROWS)

    @pytest.mark.slow
    def test_containers_on_one_volume_are_one(self, desk: Desk) -> None:
        """Each has another name, and what its image has for an id; its ledger is on a volume that the machine itself may use, too."""
        for count, name in enumerate(["one", "3f2ab1", "one", "77c0de", "one"]):
            pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"} if name != "one" else {}
            self.on(desk, name, *WORDS, "--limit", "2", code=5, **pod)
            assert len(desk.sent()) == 2 * count + 2
        assert texts(desk) == [1]
