"""Campaigns are listed and shown, forgotten down to the last byte, and moved to another ledger without anybody being told twice."""

import gzip
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from tests.acceptance.desk import Desk

MESSAGE = "Hi {{ first_name }}"
DAY_SECONDS = 86_400.0


def let_pass(desk: Desk, days: float, *names: str) -> None:
    """As if these campaigns had been sent so long ago."""
    db = apsw.Connection(str(desk.folder / "campaign.db"))
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
        assert "There are no campaigns" in desk.run("list").stdout
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
        while len(desk.sent()) < 8:
            assert process.poll() is None
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
        assert "Runs (3), the last one first:" in shown
        assert "Cora on " in shown
        assert "exit code 3" in shown
        assert "Its process was killed" in shown


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
            ("export", "list", "--output", "x"),
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
        assert "at least 1d" in desk.run("forget", "list", "--older-than", "1h", code=2).stderr
        assert "at rest" in desk.run("forget", "list", "--older-than", "200d", code=2).stderr
        desk.run("forget", "list", "--older-than", "90d")
        assert desk.json("status", "list")["skipped_by_reason"] == {"cancelled": 2}

    def test_while_anybody_sends_nothing_is_forgotten(self, desk: Desk) -> None:
        desk.make_list(100)
        desk.run("run", "list.csv", "--message", MESSAGE, "--name", "old")
        let_pass(desk, 100, "old")
        process = desk.start("run", "list.csv", "--message", MESSAGE, "--name", "new", "--rate", "10")
        while len(desk.simulator.audit()) < 103:
            assert process.poll() is None
        refused = desk.run("forget", "old", code=2).stderr
        process.terminate()
        process.communicate()
        assert "is being worked on" in refused
        assert desk.json("status", "old")["by_status"]["delivered"] == 100


class TestMoving:
    def test_a_campaign_goes_on_in_another_ledger_and_only_there(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["pass-00004"])
        desk.make_list(20)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "8", code=5)
        desk.run("export", "list", "--output", "list.campaign")
        assert (desk.folder / "list.campaign").stat().st_mode & 0o077 == 0
        for words in (("run", "list.csv", "--message", MESSAGE), ("resume", "list"), ("retry", "list"), ("verify", "list")):
            assert "was exported to" in desk.run(*words, code=2).stderr, words
        assert "list.campaign" in desk.run("status", "list").stdout
        there = {"CAMPAIGN_LEDGER": str(desk.folder / "other" / "campaign.db")}
        desk.run("import", "list.campaign", code=0, **there)
        before, after = desk.json("show", "list"), desk.json("show", "list", code=0, **there)
        same = ("rows", "by_status", "failed_by_reason", "created_at", "started_at", "columns", "id_column", "list_sha256")
        assert [after[name] for name in same] == [before[name] for name in same]
        assert [run["attempts"] for run in after["runs"]] == [8]
        assert after["state"] == "stopped"
        desk.run("resume", "list", code=3, **there)
        assert {len(texts) for texts in desk.sent().values()} == {1}
        assert len(desk.sent()) == 19
        desk.run("run", "list.csv", "--message", MESSAGE, code=3, **there)
        assert len(desk.sent()) == 19
        desk.simulator.set_faults(missing=[])
        desk.run("retry", "list", code=0, **there)
        assert {len(texts) for texts in desk.sent().values()} == {1}

    @pytest.mark.slow
    def test_its_exclusions_and_hours_go_with_it(self, desk: Desk) -> None:
        (desk.folder / "list.csv").write_text("id,time_zone\na,Asia/Tokyo\nb,\nc,Asia/Tokyo\nd,\n", encoding="utf-8")
        (desk.folder / "not.csv").write_text("id\nx\nd\n", encoding="utf-8")
        hours = ("--window", "00:00-24:00", "--exclude", "not.csv")
        desk.run("run", "list.csv", "--message", "Hi", *hours, "--limit", "1", code=5, TZ="America/New_York")
        desk.run("export", "list", "--output", "list.campaign", TZ="America/New_York")
        there = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
        desk.run("import", "list.campaign", code=0, **there)
        assert desk.json("show", "list", code=0, **there)["settings"]["time_zone"] == "America/New_York"
        assert b"excluded" in gzip.decompress((desk.folder / "list.campaign").read_bytes())
        seen = desk.json("resume", "list", code=0, **there)
        assert (seen["by_status"]["delivered"], seen["skipped_by_reason"]) == (3, {"excluded": 1})
        assert sorted(desk.sent()) == ["a", "b", "c"]

    @pytest.mark.slow
    def test_its_waits_go_with_it_and_a_file_of_before_has_none(self, desk: Desk) -> None:
        desk.make_list(3)
        soon = (datetime.now(tz=UTC) + timedelta(seconds=3)).isoformat(timespec="seconds")
        desk.run("run", "list.csv", "--message", MESSAGE, "--start-at", soon, "--time-zone", "UTC")
        desk.run("export", "list", "--output", "list.campaign")
        old = desk.folder / "old.campaign"
        old.write_bytes(_without_waits(desk.folder / "list.campaign"))
        pages = [page_of(desk)]
        assert "Not the time to send" in pages[0]
        for name in ("list", "old"):
            there = {"CAMPAIGN_LEDGER": str(desk.folder / f"{name}.db")}
            desk.run("import", f"{name}.campaign", code=0, **there)
            pages.append(page_of(desk, **there))
        assert pages[1] == pages[0]
        assert "Not the time to send" not in pages[2]
        assert "There were no pauses." in pages[2]

    def test_an_export_that_was_a_mistake_comes_back_under_another_name(self, desk: Desk) -> None:
        desk.make_list(4)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
        desk.run("export", "list", "--output", "list.campaign")
        assert "already" in desk.run("import", "list.campaign", code=2).stderr
        desk.run("import", "list.campaign", "--name", "back")
        assert "already, as “back”" in desk.run("import", "list.campaign", "--name", "twice", code=2).stderr
        desk.run("resume", "back")
        assert {len(texts) for texts in desk.sent().values()} == {1}
        assert len(desk.sent()) == 4

    def test_a_file_that_is_older_than_what_was_sent_since_does_not_come_back(self, desk: Desk) -> None:
        desk.make_list(6)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
        desk.run("export", "list", "--output", "old.campaign")
        there = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
        desk.run("import", "old.campaign", code=0, **there)
        desk.run("resume", "list", "--limit", "3", code=5, **there)
        desk.run("export", "list", "--output", "new.campaign", code=0, **there)
        assert "new.campaign" in desk.run("import", "old.campaign", "--name", "back", code=2, **there).stderr
        desk.run("import", "new.campaign", "--name", "back", code=0, **there)
        desk.run("resume", "back", code=0, **there)
        assert [len(texts) for texts in desk.sent().values()] == [1] * 6

    @pytest.mark.slow
    def test_a_campaign_that_was_sent_and_forgotten_does_not_come_back(self, desk: Desk) -> None:
        desk.make_list(3)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
        desk.run("export", "list", "--output", "list.campaign")
        there = {"CAMPAIGN_LEDGER": str(desk.folder / "other" / "campaign.db")}
        desk.run("import", "list.campaign", code=0, **there)
        desk.run("resume", "list", code=0, **there)
        let_pass(replace(desk, folder=desk.folder / "other"), 2, "list")
        desk.run("forget", "list", code=0, **there)
        let_pass(replace(desk, folder=desk.folder / "other"), -2, "list")
        desk.run("import", "list.campaign", "--name", "back", code=2, **there)

    def test_an_export_that_fails_leaves_the_campaign_to_its_ledger(self, desk: Desk) -> None:
        desk.make_list(4)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
        assert "no folder" in desk.run("export", "list", "--output", "nowhere/list.campaign", code=2).stderr
        (desk.folder / "there").write_text("mine", encoding="utf-8")
        assert "is there already" in desk.run("export", "list", "--output", "there", code=2).stderr
        assert (desk.folder / "there").read_text(encoding="utf-8") == "mine"
        desk.run("resume", "list")
        assert len(desk.sent()) == 4

    def test_a_campaign_that_is_being_sent_or_in_doubt_stays(self, desk: Desk) -> None:
        desk.make_list(100)
        process = desk.start("run", "list.csv", "--message", MESSAGE, "--rate", "10")
        while len(desk.sent()) < 3:
            assert process.poll() is None
        assert "is being worked on" in desk.run("export", "list", "--output", "list.campaign", code=2).stderr
        process.kill()
        process.communicate()
        assert not (desk.folder / "list.campaign").exists()
        refused = desk.run("export", "list", "--output", "list.campaign", code=None, CAMPAIGN_QUIET_PERIOD="1h")
        if refused.returncode:  # nothing was under way when it was killed, else
            assert "campaign verify" in refused.stderr

    @pytest.mark.parametrize("damage", ["cut", "changed", "version", "another", "missing_row"])
    def test_a_file_that_is_not_whole_is_refused_and_leaves_nothing(self, desk: Desk, damage: str) -> None:
        desk.make_list(50)
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "10", code=5)
        desk.run("export", "list", "--output", "list.campaign")
        path = desk.folder / "list.campaign"
        _damage(path, damage)
        there = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
        refused = desk.run("import", "list.campaign", code=2, **there).stderr
        assert "Nothing was imported" in refused
        assert "There are no campaigns" in desk.run("list", code=0, **there).stdout


def page_of(desk: Desk, **environment: str) -> str:
    """The campaign's page, but for when it was made."""
    desk.run("report", "list", "--output", "report.html", code=0, **environment)
    return re.sub(r"This page is of [^;]*;", "", (desk.folder / "report.html").read_text(encoding="utf-8"))


def _without_waits(path: Path) -> bytes:
    """The file as it was written before waits were in it."""
    header, *lines, _ = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    value = json.loads(header)
    assert value.pop("waits")
    whole = b"".join([json.dumps(value).encode() + b"\n", *lines])
    return gzip.compress(whole + json.dumps({"sha256": hashlib.sha256(whole).hexdigest()}).encode() + b"\n")


def _damage(path: Path, how: str) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    match how:
        case "cut":
            path.write_bytes(path.read_bytes()[:-30])
        case "changed":
            path.write_bytes(gzip.compress(b"".join(lines).replace(b"pass-00030", b"pass-00031")))
        case "version":
            path.write_bytes(gzip.compress(b"".join(lines).replace(b'"version":1', b'"version":2')))
        case "another":
            path.write_text("pass_id\n1\n", encoding="utf-8")
        case _:
            path.write_bytes(gzip.compress(b"".join(lines[:20] + lines[21:])))
