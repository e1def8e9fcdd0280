"""Campaigns are listed and shown, forgotten down to the last byte, and resumed on another ledger."""

import json

import apsw
import pytest

from tests.acceptance.desk import Desk

MESSAGE = "Hi {{ first_name }}"
DAY_SECONDS = 86_400.0


def let_pass(desk: Desk, days: float, *names: str) -> None:
    """As if these campaigns had been sent so long ago."""
    db = apsw.Connection(str(desk.folder / "campaign.db"))
    db.pragma("secure_delete", 1)
    for name in names:
        (number,) = db.execute("SELECT id FROM campaigns WHERE name = ?", (name,)).fetchone() or (0,)
        for table, column in (
            *(("campaigns", column) for column in ("created_at", "started_at", "finished_at")),
            *(("attempts", column) for column in ("sent_at", "settled_at")),
            *(("runners", column) for column in ("started_at", "ended_at")),
        ):
            key = "id" if table == "campaigns" else "campaign"
            db.execute(
                f"UPDATE {table} SET {column} = {column} - ? WHERE {key} = ? AND {column} > 0",
                (days * DAY_SECONDS, number),
            )
    db.close()


def bytes_of(desk: Desk) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(desk.folder.glob("campaign.db*")) if path.is_file())


class TestListAndShow:
    def test_every_campaign_stands_in_the_list_newest_first(self, desk: Desk) -> None:
        assert json.loads(desk.run("list", "--json").stdout) == []
        desk.make_list(3)
        desk.run("run", "list.csv", "--message", MESSAGE, "--name", "first")
        desk.run("run", "list.csv", "--message", MESSAGE, "--name", "second", "--limit", "1", code=5)
        lines = desk.run("list").stdout.splitlines()
        assert [line.split()[:3] for line in lines] == [
            ["CAMPAIGN", "STATE", "ROWS"],
            ["second", "stopped", "3"],
            ["first", "finished", "3"],
        ]
        found = json.loads(desk.run("list", "--json").stdout)
        assert [(each["campaign"], each["state"], each["by_status"]["delivered"]) for each in found] == [
            ("second", "stopped", 1),
            ("first", "finished", 3),
        ]
        assert all(each["created_at"] and each["forgotten_at"] is None and each["exported_at"] is None for each in found)

    def test_a_history_says_who_ran_it_when_and_how_each_run_ended(self, desk: Desk) -> None:
        desk.make_list(30)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "4", code=5, LOGNAME="Anna")
        process = desk.start("run", "list.csv", "--message", MESSAGE, "--rate", "10", LOGNAME="Bert")
        desk.until(process, lambda: len(desk.sent()) >= 8)
        process.kill()
        process.communicate()
        desk.simulator.set_faults(missing=["pass-00030"])
        desk.run("run", "list.csv", "--message", MESSAGE, code=3, LOGNAME="Cora")
        found = desk.json("show", "list")
        last, killed, first = found["runs"]
        assert [run["user"] for run in (first, killed, last)] == ["Anna", "Bert", "Cora"]
        assert (first["ended"], first["exit_code"], first["rows_left"], first["attempts"]) == ("limit", 5, 26, 4)
        assert (killed["ended"], killed["exit_code"], killed["pid"]) == ("lost", None, process.pid)
        assert (last["ended"], last["exit_code"], last["rows_left"], last["alive"]) == ("finished", 3, 0, False)
        assert sum(run["attempts"] for run in found["runs"]) >= 30
        assert (found["columns"], found["id_column"], found["sample"]) == (["pass_id", "first_name"], "pass_id", "Hi Name 1")
        shown = desk.run("show", "list").stdout
        assert "Cora on " in shown
        assert "exit code 3" in shown


class TestForgetting:
    def test_nothing_of_a_customer_is_left_in_the_files_and_the_counts_stay(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["pass-00003"])
        desk.make_list(400)
        desk.run("run", "list.csv", "--message", MESSAGE, "--name", "old", code=3)
        young = desk.folder / "young.csv"
        young.write_text("pass_id,first_name\nstays-1,Staying\n", encoding="utf-8")
        desk.run("run", "young.csv", "--message", MESSAGE)
        traces = (b"pass-00001", b"pass-00400", b"Name 399", b"Hi Name", b"pass-000")
        assert all(trace in bytes_of(desk) for trace in traces)
        let_pass(desk, 100, "old")
        assert desk.json("forget", "--older-than", "90d") == {"forgotten": ["old"]}
        left = bytes_of(desk)
        assert [trace for trace in traces if trace in left] == []
        assert b"stays-1" in left
        old = json.loads(desk.run("list", "--json").stdout)[1]
        assert (old["campaign"], old["rows"], old["by_status"]["delivered"], old["by_status"]["failed"]) == ("old", 400, 399, 1)
        assert (old["failed_by_reason"], bool(old["forgotten_at"])) == ({"http_404": 1}, True)
        assert "old       forgotten" in desk.run("list").stdout
        assert desk.json("forget", "--older-than", "90d") == {"forgotten": []}

    def test_a_forgotten_campaign_is_never_sent_again_and_its_results_are_left_alone(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["pass-00002"])
        desk.make_list(3)
        desk.run("run", "list.csv", "--message", MESSAGE, code=3)
        let_pass(desk, 2, "list")
        desk.run("forget", "list")
        desk.simulator.reset()
        results = (desk.folder / "list.results.csv").read_bytes()
        for words in (
            ("run", "list.csv", "--message", MESSAGE),
            ("resume", "list"),
            ("retry", "list"),
            ("retry", "list.results.csv"),
            ("verify", "list"),
            ("report", "list", "--output", "list.results.csv"),
        ):
            assert "was forgotten" in desk.run(*words, code=2).stderr, words
        assert desk.simulator.requests() == []
        assert (desk.folder / "list.results.csv").read_bytes() == results

    def test_what_has_not_ended_or_is_too_young_stays(self, desk: Desk) -> None:
        desk.make_list(3)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
        assert "has not ended" in desk.run("forget", "list", code=2).stderr
        let_pass(desk, 100, "list")
        assert "has not ended" in desk.run("forget", "list", code=2).stderr
        assert desk.json("forget", "--older-than", "90d") == {"forgotten": []}
        desk.run("cancel", "list")
        assert "--yes" in desk.run("forget", "list", code=2, CAMPAIGN_YES="false").stderr
        assert "--older-than" in desk.run("forget", code=2).stderr
        assert "1d" in desk.run("forget", "list", "--older-than", "1h", code=2).stderr
        assert "at rest" in desk.run("forget", "list", "--older-than", "200d", code=2).stderr
        desk.run("forget", "list", "--older-than", "90d")
        assert desk.json("status", "list")["skipped_by_reason"] == {"cancelled": 2}


class TestGoingOnElsewhere:
    def test_the_results_file_resumes_on_another_ledger_and_sends_nothing_twice(self, desk: Desk) -> None:
        """Rows of every kind: delivered, refused, unknown, not sent yet, and excluded."""
        desk.make_list(12)
        (desk.folder / "not.csv").write_text("pass_id\npass-00011\n", encoding="utf-8")
        words = ("run", "list.csv", "--message", MESSAGE, "--exclude", "not.csv")
        desk.simulator.set_faults(missing=["pass-00002"])
        desk.run(*words, "--limit", "3", code=5)
        desk.simulator.set_faults(faults={"cut_after": 1.0})
        desk.run(*words, "--on-unknown", "hold", "--limit", "3", code=5)
        desk.simulator.set_faults(faults={}, missing=[])
        desk.run("pause", "list")
        before = desk.json("status", "list", code=None)["by_status"]
        assert (before["delivered"], before["failed"], before["unknown"], before["pending"], before["skipped"]) == (2, 1, 3, 5, 1)
        there = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
        seen = desk.json("run", "list.results.csv", code=3, **there)["by_status"]
        assert (seen["delivered"], seen["failed"], seen["unknown"], seen["pending"], seen["skipped"]) == (7, 1, 3, 0, 1)
        db = apsw.Connection(there["CAMPAIGN_LEDGER"])
        assert all(until > 0 for (until,) in db.execute("SELECT quiet_until FROM rows WHERE status = 'unknown'"))
        db.close()
        seen = desk.json("verify", "list", code=3, **there)["by_status"]
        assert (seen["accepted"], seen["unknown"]) == (3, 0)
        desk.run("retry", "list", code=0, **there)
        assert {pass_id: len(texts) for pass_id, texts in desk.sent().items()} == {f"pass-{row:05}": 1 for row in range(1, 13) if row != 11}

    def test_a_row_that_was_being_sent_waits_for_a_person(self, desk: Desk) -> None:
        desk.make_list(4)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "2", code=5)
        results = desk.folder / "list.results.csv"
        results.write_text(results.read_text("utf-8").replace(",pending,", ",sending,", 1), "utf-8")
        there = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
        for words in (("run", "list.results.csv"), ("verify", "list")):
            seen = desk.json(*words, code=3, **there)
            assert (seen["by_status"]["delivered"], seen["by_status"]["unknown"]) == (3, 1)
        assert len(desk.sent()) == 3
        assert desk.json("retry", "list", "--status", "unknown", code=0, **there)["by_status"]["delivered"] == 4

    def test_a_campaign_that_an_earlier_version_exported_is_sent_no_more(self, desk: Desk) -> None:
        desk.make_list(4)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
        db = apsw.Connection(str(desk.folder / "campaign.db"))
        db.execute("UPDATE campaigns SET desired_state = 'paused'")
        db.execute(
            "INSERT INTO exported (campaign, exported_at, file, previous_state) SELECT id, created_at, 'list.campaign', 'go' FROM campaigns"
        )
        with pytest.raises(apsw.ConstraintError):
            db.execute("UPDATE campaigns SET desired_state = 'go'")
        db.close()
        for words in (("run", "list.csv", "--message", MESSAGE), ("resume", "list"), ("retry", "list"), ("verify", "list")):
            assert "was exported to list.campaign" in desk.run(*words, code=2).stderr, words
        desk.run("run", "list.results.csv", CAMPAIGN_LEDGER=str(desk.folder / "other.db"))
        assert [len(texts) for texts in desk.sent().values()] == [1] * 4

    @pytest.mark.parametrize("words", [("export", "list", "--output", "x"), ("import", "list.campaign")])
    def test_the_commands_of_before_say_what_to_do_instead(self, desk: Desk, words: tuple[str, ...]) -> None:
        assert "campaign run RESULTS" in desk.run(*words, code=2).stderr
