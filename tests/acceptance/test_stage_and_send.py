"""Staging and sending apart, and several processes that share a campaign, by what the simulator processed."""

import csv
import signal

import pytest

from tests.acceptance.desk import Desk, broke_off, events
from tests.acceptance.hardship import finish, start

WRITES_ITS_RESULTS_LATE = """
import os, signal, time
from campaign.atomic import AtomicFile
{step} = AtomicFile.{step}
def late(file):
    if str(file.path).endswith("list.results.csv"):
        if {killed} and os.path.exists("go"):
            os.kill(os.getpid(), signal.SIGKILL)
        open("waits", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
    {step}(file)
AtomicFile.{step} = late
"""
STAGE = ("stage", "list.csv", "--message", "Hi {{ first_name }}")


def test_what_is_staged_is_sent_by_whoever_joins(desk: Desk) -> None:
    desk.make_list(12)
    staged = desk.run(*STAGE)
    assert "campaign send list" in staged.stdout
    assert desk.sent() == {}
    assert "new_ledger" in {event["event"] for event in events(staged.stderr)}
    assert "was killed" not in staged.stderr
    assert not (desk.folder / "list.results.csv").exists()
    desk.run(*STAGE)
    seen = desk.json("send", "list")
    assert (seen["state"], seen["by_status"]["delivered"], seen["exit_code"]) == ("finished", 12, 0)
    assert {len(texts) for texts in desk.sent().values()} == {1}
    assert seen["results"] == str(desk.folder / "list.results.csv")
    assert desk.json("send", "list", "--results", "all.csv")["exit_code"] == 0
    for name in ("list.results.csv", "all.csv"):
        assert len((desk.folder / name).read_text(encoding="utf-8").splitlines()) == 13


def test_a_process_that_can_not_write_where_the_results_go_sends_without_them(desk: Desk) -> None:
    """As one on another machine, which has the ledger and not the folder."""
    desk.make_list(4)
    (desk.folder / "shared").mkdir()
    desk.run(*STAGE, "--results", "shared/out.csv")
    (desk.folder / "shared").rmdir()
    sent = desk.run("send", "list")
    assert "results_not_here" in {event["event"] for event in events(sent.stderr)}
    # Also without the log, as in a mail of cron.
    assert "campaign report list --output FILE" in sent.stdout
    assert len(desk.sent()) == 4
    assert not (desk.folder / "list.results.csv").exists()


def test_staging_needs_no_token_and_tells_of_rows_that_can_not_be_sent(desk: Desk) -> None:
    desk.make_list(2)
    with (desk.folder / "list.csv").open("a", encoding="utf-8") as file:
        file.write(",Nobody\n")
    assert "1 invalid" in desk.run(*STAGE, code=3, PASSENTRY_API_KEY="").stdout


def test_processes_that_send_together_share_the_rows(desk: Desk) -> None:
    desk.make_list(60)
    desk.run(*STAGE)
    started = [desk.start("send", "list", "--rate", "40") for _ in range(4)]
    logs = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    # The last progress is that of the campaign, not of one process.
    assert {[event for event in events(log) if event["event"] == "progress"][-1]["left"] for log in logs} == {0}
    assert len(desk.sent()) == 60
    assert {len(texts) for texts in desk.sent().values()} == {1}


@pytest.mark.parametrize(("step", "killed"), [("commit", False), ("sync", True)])
def test_a_process_that_is_late_leaves_no_older_results(desk: Desk, *, step: str, killed: bool) -> None:
    desk.make_list(12)
    desk.run(*STAGE)
    first = start(desk, "send", "list", "--rate", "4", before=WRITES_ITS_RESULTS_LATE.format(step=step, killed=killed))
    desk.until(first, lambda: len(desk.sent()) >= 2)
    first.send_signal(signal.SIGTERM)
    desk.until(first, (desk.folder / "waits").exists)
    desk.run("send", "list")
    (desk.folder / "go").touch()
    finish(first, code=-signal.SIGKILL if killed else 0)
    with (desk.folder / "list.results.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["delivery_status"] for row in csv.DictReader(file)} == {"delivered"}


def test_a_shard_is_everybody_s_and_the_option_says_that_it_is_gone(desk: Desk) -> None:
    desk.make_list(6)
    desk.run(*STAGE)
    told = desk.run("send", "list", "--shard", "1/3", CAMPAIGN_SHARD="1/3").stderr
    assert {"removed_option", "unknown_setting"} <= {event["event"] for event in events(told)}
    assert len(desk.sent()) == 6


def test_a_campaign_that_was_not_staged_is_refused(desk: Desk) -> None:
    assert broke_off(desk.run("send", "other", code=2).stderr) == "unknown_campaign"


def test_a_paused_campaign_stays_paused(desk: Desk) -> None:
    desk.make_list(4)
    desk.run(*STAGE)
    desk.run("pause", "list")
    assert desk.json("send", "list", code=5)["state"] == "paused"
    assert desk.sent() == {}
