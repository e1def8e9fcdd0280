"""The controls as options of the command: what they refuse, and what a campaign remembers of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.desk import Desk, events
from tests.acceptance.test_run import results
from tests.examples import slow_after

MESSAGE = "Hi {{ first_name }}"


def hours_from_now(hours: float) -> str:
    return (datetime.now(tz=UTC) + timedelta(hours=hours)).strftime("%H:%M")


@pytest.mark.parametrize(
    ("words", "says"),
    slow_after(
        3,
        [
            (["--window", "09:00-09:00"], "--window"),
            (["--window", "9 to 5"], "--window"),
            (["--window", "09:00-20:00", "--time-zone", "Europe/Berln"], "Europe/Berlin"),
            (["--not-after", "2020-01-01"], "--not-after"),
            (["--not-after", "soon"], "--not-after"),
            (["--start-at", "2099-01-02", "--not-after", "2099-01-01"], "--start-at"),
            (["--exclude", "missing.csv"], "missing.csv"),
            (["--exclude", "names.csv"], "names.csv"),
            (["--exclude", "mangled.csv"], "mangled.csv"),
            (["--daily-cap", "-1"], "--daily-cap"),
            (["--sample", "0"], "--sample"),
            (["--canary", "none"], "--canary"),
        ],
        unpack=True,
    ),
)
def test_what_cannot_be_is_told_and_nothing_is_sent_or_staged(desk: Desk, words: list[str], says: str) -> None:
    desk.make_list(3)
    (desk.folder / "names.csv").write_text("first_name,last_name\nAnna,Bell\n", encoding="utf-8")
    (desk.folder / "mangled.csv").write_text("pass_id\npass-00001\n1.23E+15\n", encoding="utf-8")
    done = desk.run("run", "list.csv", "--message", MESSAGE, *words, code=2)
    assert says in done.stderr, done.stderr
    assert desk.sent() == {}
    assert json.loads(desk.run("status", "--json").stdout) == []


def test_a_dry_run_counts_those_to_exclude_as_the_run_would(desk: Desk) -> None:
    desk.make_list(5)
    (desk.folder / "left.csv").write_text("pass_id\npass-00002\npass-00004\n", encoding="utf-8")
    found = desk.json("run", "list.csv", "--message", MESSAGE, "--exclude", "left.csv", "--dry-run")
    assert (found["sendable"], found["by_status"]["skipped"]) == (3, 2)
    assert [(problem["kind"], problem["first_rows"]) for problem in found["problems"]] == [("excluded", [2, 4])]
    assert desk.sent() == {}


def test_who_stands_on_a_list_to_exclude_is_skipped_however_the_id_is_written(desk: Desk) -> None:
    desk.make_list(6)
    (desk.folder / "left.csv").write_text("Pass ID;why\npass-00002;left\npass-00003;left\n", encoding="utf-8")
    (desk.folder / "lost.csv").write_text("uuid\npass-00005\n", encoding="utf-8")
    words = ("run", "list.csv", "--message", MESSAGE, "--exclude", "left.csv")
    seen = desk.json(*words, "--exclude", "lost.csv")
    assert seen["skipped_by_reason"] == {"excluded": 3}
    assert sorted(desk.sent()) == ["pass-00001", "pass-00004", "pass-00006"]
    assert [row["delivery_reason"] for row in results(desk.folder / "list.results.csv")].count("excluded") == 3


@pytest.mark.slow
def test_a_results_file_to_exclude_means_the_passes_that_it_was_written_for(desk: Desk) -> None:
    # A spreadsheet would run such an id as a formula, so the results file has it with an apostrophe in ui.
    (desk.folder / "list.csv").write_text("ext_id\n+4917012345\n=1\nplain\n", encoding="utf-8")
    desk.json("run", "list.csv", "--message", "Hi", "--limit", "2", code=5)
    desk.run("report", "list", "--output", "told.csv")
    words = ("run", "list.csv", "--message", "Again", "--name", "again", "--exclude", "told.csv")
    assert desk.json(*words)["skipped_by_reason"] == {"excluded": 3}
    assert sorted(desk.sent()) == ["+4917012345", "=1"]


def test_the_column_of_the_list_s_passes_is_known_in_a_list_to_exclude(desk: Desk) -> None:
    (desk.folder / "members.csv").write_text("Member,id\npass-00001,7\npass-00002,8\n", encoding="utf-8")
    (desk.folder / "left.csv").write_text("member\npass-00002\n", encoding="utf-8")
    words = ("run", "members.csv", "--message", "Hi", "--id-column", "Member", "--exclude", "left.csv")
    assert desk.json(*words)["skipped_by_reason"] == {"excluded": 1}
    assert sorted(desk.sent()) == ["pass-00001"]


def test_a_list_to_exclude_also_holds_for_a_campaign_that_goes_on(desk: Desk) -> None:
    desk.make_list(6)
    words = ("run", "list.csv", "--message", MESSAGE)
    desk.json(*words, "--limit", "2", code=5)
    (desk.folder / "left.csv").write_text("pass_id\npass-00001\npass-00006\n", encoding="utf-8")
    seen = desk.json(*words, "--exclude", "left.csv")
    assert seen["skipped_by_reason"] == {"excluded": 1}
    assert len(desk.sent()) == 5


def test_a_list_to_exclude_holds_when_a_campaign_is_resumed(desk: Desk) -> None:
    desk.make_list(6)
    desk.json("run", "list.csv", "--message", MESSAGE, "--limit", "2", code=5)
    (desk.folder / "left.csv").write_text("pass_id\npass-00001\npass-00006\n", encoding="utf-8")
    assert "no such file" in desk.run("resume", "list", "--exclude", "missing.csv", code=2).stderr
    seen = desk.json("resume", "list", "--exclude", "left.csv")
    assert seen["skipped_by_reason"] == {"excluded": 1}
    assert sorted(desk.sent()) == [f"pass-{number:05}" for number in range(1, 6)]


def test_a_campaign_remembers_its_window_when_it_is_resumed(desk: Desk) -> None:
    desk.make_list(4)
    closed = f"{hours_from_now(3)}-{hours_from_now(5)}"
    seen = desk.json("run", "list.csv", "--message", MESSAGE, "--window", closed, "--time-zone", "UTC", "--no-wait", code=5)
    assert seen["by_status"]["pending"] == 4
    assert desk.json("resume", "list", "--no-wait", code=5)["by_status"]["pending"] == 4
    assert desk.sent() == {}
    seen = desk.json("resume", "list", "--window", "00:00-24:00")
    assert seen["by_status"]["delivered"] == 4


def test_a_row_of_no_known_zone_is_invalid_unless_another_is_said(desk: Desk) -> None:
    (desk.folder / "zones.csv").write_text("pass_id,time_zone\na,Europe/Berlin\nb,Middle-earth/Shire\nc,\n", encoding="utf-8")
    words = ("run", "zones.csv", "--message", "Hi", "--window", "00:00-24:00")
    seen = desk.json(*words, code=3)
    assert (seen["by_status"]["delivered"], seen["by_status"]["invalid"]) == (2, 1)
    assert [row["delivery_reason"] for row in results(desk.folder / "zones.results.csv")] == ["", "bad_time_zone", ""]
    assert "Middle-earth/Shire" in results(desk.folder / "zones.results.csv")[1]["delivery_error"]
    assert desk.json(*words, "--time-zone", "UTC", "--name", "again")["by_status"]["delivered"] == 3


def test_a_promotion_that_cannot_be_sent_in_time_says_so_first_and_skips_the_rest(desk: Desk) -> None:
    desk.make_list(100)
    end = (datetime.now(tz=UTC) + timedelta(seconds=5)).isoformat()
    done = desk.run("run", "list.csv", "--message", MESSAGE, "--rate", "5", "--not-after", end)
    assert "cannot_finish_in_time" in {event["event"] for event in events(done.stderr)}
    skipped = [row for row in results(desk.folder / "list.results.csv") if row["delivery_reason"] == "expired"]
    assert len(skipped) == 100 - len(desk.sent()) > 50
    assert len(desk.sent()) >= 1


def test_a_bad_canary_stops_before_the_rest(desk: Desk) -> None:
    desk.make_list(60)
    desk.simulator.set_faults(faults={"unprocessable": 1.0})
    seen = desk.json("run", "list.csv", "--message", MESSAGE, "--canary", "5", code=4)
    assert (seen["by_status"]["failed"], seen["by_status"]["pending"]) == (5, 55)
    desk.simulator.set_faults(faults={})
    seen = desk.json("run", "list.csv", "--message", MESSAGE, "--canary", "5", code=3)
    assert (seen["by_status"]["failed"], seen["by_status"]["delivered"]) == (5, 55)


@pytest.mark.slow
def test_a_bad_canary_is_bad_again_when_the_job_starts_the_next_day(desk: Desk) -> None:
    desk.make_list(60)
    desk.simulator.set_faults(faults={"unprocessable": 1.0})
    words = ("run", "list.csv", "--message", MESSAGE, "--canary", "5")
    for failed in (5, 10, 15):
        assert desk.json(*words, code=4)["by_status"]["failed"] == failed
    # A person who has looked can let it go on.
    assert desk.json("resume", "list", code=3)["by_status"]["failed"] == 60


def test_a_canary_that_the_api_has_not_answered_yet_is_waited_for(desk: Desk) -> None:
    desk.make_list(30)
    desk.simulator.set_faults(faults={"throttle": 1.0})
    process = desk.start("run", "list.csv", "--message", MESSAGE, "--canary", "3")
    desk.until(process, lambda: len({request.id for request in desk.simulator.requests()}) >= 3)
    desk.simulator.set_faults(faults={"unprocessable": 1.0})
    process.communicate(timeout=60)
    assert process.returncode == 4
    assert len({request.id for request in desk.simulator.requests()}) == 3


def test_processes_share_one_canary_and_what_it_shows(desk: Desk) -> None:
    desk.make_list(60)
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    words = ("run", "list.csv", "--message", MESSAGE, "--canary", "5", "--rate", "20", "--quiet-period", "4s")
    first = desk.start(*words)
    desk.until(first, lambda: len(desk.sent()) >= 5)
    # The first waits for what became of its canary: for whoever joins now there is no other.
    second = desk.start(*words)
    desk.simulator.set_faults(faults={})
    for process in (first, second):
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert [len(texts) for texts in desk.sent().values()] == [1] * 60
    requests = desk.simulator.requests()
    sixth = [place for place, request in enumerate(requests) if request.method == "POST"][5]
    assert sum(request.method == "GET" for request in requests[:sixth]) >= 5, "the rest was sent before all of the canary were read back"


def test_a_canary_that_was_killed_is_judged_by_the_same_command(desk: Desk) -> None:
    desk.make_list(60)
    desk.simulator.set_faults(faults={"unprocessable": 1.0})
    words = ("run", "list.csv", "--message", MESSAGE, "--canary", "5", "--rate", "5")
    process = desk.start(*words)
    desk.until(process, lambda: len(desk.simulator.requests()) >= 3)
    process.kill()
    process.communicate()
    desk.json(*words, code=4)
    assert len({request.id for request in desk.simulator.requests()}) <= 6


def test_a_sample_is_drawn_and_finished_by_the_same_command(desk: Desk) -> None:
    desk.make_list(50)
    words = ("run", "list.csv", "--message", MESSAGE, "--sample", "10", "--seed", "3")
    assert desk.json(*words, "--limit", "4", code=5)["by_status"]["delivered"] == 4
    assert desk.json(*words, code=5)["by_status"]["delivered"] == 10
    assert desk.json(*words, code=5)["by_status"]["delivered"] == 10
    assert sorted(desk.sent()) != [f"pass-{row:05}" for row in range(1, 11)]


@pytest.mark.slow
def test_the_fourth_campaign_of_a_day_is_capped(desk: Desk) -> None:
    desk.make_list(2)
    for number in range(3):
        desk.json("run", "list.csv", "--message", f"Offer {number}", "--name", f"offer {number}")
    seen = desk.json("run", "list.csv", "--message", "Offer 3", "--name", "offer 3")
    assert seen["skipped_by_reason"] == {"frequency_cap": 2}
    assert {len(texts) for texts in desk.sent().values()} == {3}
    desk.json("run", "list.csv", "--message", "Offer 4", "--name", "offer 4", "--daily-cap", "0")
    assert {len(texts) for texts in desk.sent().values()} == {4}
