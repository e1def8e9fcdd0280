"""A run that nobody watches: its log, its figures, and the mail that cron makes of what it says."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.desk import Desk
from tests.examples import slow_after

MESSAGE = ("--message", "Hi {{ first_name }}, only today")
RUN = ("run", "list.csv", *MESSAGE)
TOKEN = "a-token-for-the-simulator"
FAULTY = """
import campaign.sender.api.gateway as gateway
def broken(**given):
    raise RuntimeError("a fault\\nof the program")
gateway.read_reply = broken
import campaign.sender.pool as pool
pool.DRAIN_SECONDS = 0.5
from campaign.__main__ import main
main()
"""


def events_of(log: str, *, campaign: str = "list") -> list[dict[str, Any]]:
    """Every line of a run's log, each of which says which run of which campaign it is of."""
    events: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    assert events
    for event in events:
        assert event["run"]
        assert event["campaign"] == campaign, event
        assert event.keys() >= {"event", "level", "timestamp"}
        if event["event"] in {"settled", "read_back", "message", "late_settlement_ignored"}:
            assert isinstance(event["row"], int)
    assert len({event["run"] for event in events}) == 1
    for private in (TOKEN, "Name ", "only today"):
        assert private not in log
    return events


def figures_of(path: Path) -> dict[tuple[str, str], float]:
    """By metric and its last label."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    return {(sample.name, [*sample.labels.values()][-1]): sample.value for family in families for sample in family.samples}


class TestLog:
    def test_every_line_parses_and_names_run_campaign_and_row_whatever_happens(self, desk: Desk) -> None:
        faults = {"not_found": 0.1, "cut_after": 0.15, "throttle": 0.1, "error_before": 0.1, "not_delivered": 0.1}
        desk.simulator.set_faults(faults=faults, retry_after="0.1")
        desk.make_list(60)
        runs = [desk.run(*RUN, "--limit", "30", code=None), desk.run("resume", "list", code=None), desk.run("verify", "list", code=None)]
        told = [events_of(done.stderr) for done in runs]
        assert len({events[0]["run"] for events in told}) == 3
        names = {event["event"] for events in told for event in events}
        assert names >= {"run_started", "settled", "read_back", "progress", "run_ended"}

    def test_also_when_it_is_stopped(self, desk: Desk) -> None:
        desk.make_list(300)
        process = desk.start(*RUN, "--rate", "40")
        while not desk.sent():
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 143
        events = events_of(err)
        assert events[-1]["event"] == "run_ended"
        # Without a terminal there is no key to press.
        [stopping] = [event for event in events if event["event"] == "stopping"]
        assert stopping["detail"].endswith("Send the signal again to stop at once.")

    def test_also_when_it_can_not_start(self, desk: Desk) -> None:
        (desk.folder / ".env").write_text("what is this\n")
        done = desk.run(*RUN, code=2)
        events = events_of(done.stderr.splitlines(keepends=True)[-1])
        assert (events[0]["event"], events[0]["exit_code"], events[0]["level"]) == ("run_broke_off", 2, "error")
        assert events[0]["detail"].startswith("list.csv: ")
        # What is said before the command knows what it is to do is JSON, too, and names the run.
        first = json.loads(done.stderr.splitlines()[0])
        assert (first["event"], first["run"]) == ("library", events[0]["run"])
        assert ".env, line 1, is left out" in first["detail"]

    def test_also_when_the_program_is_at_fault(self, desk: Desk) -> None:
        desk.make_list(3)
        (desk.folder / "faulty.py").write_text(FAULTY)
        process = subprocess.Popen(
            [sys.executable, "faulty.py", *RUN],
            cwd=desk.folder,
            env=desk.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (1, "")
        end = events_of(err)[-1]
        assert (end["event"], end["exit_code"]) == ("run_broke_off", 1)
        assert any("RuntimeError: a fault" in line for line in end["exception"])

    def test_a_campaign_of_another_name_is_named_so(self, desk: Desk) -> None:
        desk.make_list(2)
        events_of(desk.run(*RUN, "--name", "Offer “é”").stderr, campaign="Offer “é”")


class TestLogFile:
    def test_it_has_the_whole_log_and_stderr_only_what_is_serious_in_words(self, desk: Desk) -> None:
        desk.make_list(30)
        desk.run(*RUN, "--limit", "5", "--log-file", "log.json", code=5)
        desk.simulator.set_faults(faults={"refuse": 1.0})
        log = desk.folder / "log.json"
        process = desk.start("resume", "list", "--log-file", "log.json")
        while log.read_text(encoding="utf-8").count('"backing_off"') < 3:
            assert process.poll() is None
            time.sleep(0.05)
        desk.simulator.set_faults(faults={})
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        runs = list(dict.fromkeys(line["run"] for line in lines))
        assert len(runs) == 2
        for run in runs:
            events = events_of("".join(json.dumps(line) + "\n" for line in lines if line["run"] == run))
            assert (events[0]["event"], events[-1]["event"]) == ("run_started", "run_ended")
        # Once, however often it happened: the mail of a night stays short.
        assert err.startswith("campaign: ")
        assert err.count("\n") == 1

    def test_an_error_is_said_in_words_and_kept_in_the_log(self, desk: Desk) -> None:
        done = desk.run(*RUN, "--log-file", "log.json", code=2)
        assert done.stderr.startswith("campaign: list.csv: ")
        assert done.stderr.count("\n") == 1
        assert events_of((desk.folder / "log.json").read_text())[-1]["event"] == "run_broke_off"

    def test_one_that_can_not_be_written_is_told_before_anything_is_sent(self, desk: Desk) -> None:
        desk.make_list(2)
        for place in ("nowhere/log.json", "."):
            assert "--log-file" in desk.run(*RUN, "--log-file", place, code=2).stderr
        assert desk.simulator.requests() == []

    def test_one_that_others_may_read_is_told(self, desk: Desk) -> None:
        desk.make_list(2)
        log = desk.folder / "log.json"
        log.touch(0o644)
        log.chmod(0o644)
        done = desk.run(*RUN, "--log-file", "log.json")
        assert "log.json" in done.stderr

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
    def test_a_full_disk_stops_no_run(self, desk: Desk) -> None:
        desk.make_list(5)
        desk.run(*RUN, "--log-file", "/dev/full")
        assert len(desk.sent()) == 5

    def test_a_pipe_that_nobody_reads_holds_nothing_up(self, desk: Desk) -> None:
        desk.make_list(5)
        os.mkfifo(desk.folder / "pipe")
        assert "--log-file" in desk.run(*RUN, "--log-file", "pipe", code=2).stderr


class TestMail:
    def test_the_last_line_says_it_all(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"not_found": 0.2})
        desk.make_list(20)
        done = desk.run(*RUN, "--log-file", "log.json", code=3)
        failed = desk.json("status", "list")["by_status"]["failed"]
        assert done.stdout.splitlines()[-1] == (
            f"Campaign list is finished. 20 rows: {20 - failed} delivered, {failed} failed. "
            f"{failed} row{'s need' if failed > 1 else ' needs'} attention. "
            f"Next: campaign retry {desk.folder / 'list.results.failed.csv'}"
        )
        assert done.stderr == ""

    def test_in_json_there_is_one_object_and_nothing_after_it(self, desk: Desk) -> None:
        desk.make_list(2)
        assert json.loads(desk.run(*RUN, "--json").stdout)["exit_code"] == 0


class TestMetrics:
    def test_they_tell_how_it_goes_and_how_it_ended(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"not_found": 0.1})
        desk.make_list(60)
        path = desk.folder / "list.prom"
        process = desk.start(*RUN, "--rate", "30", "--metrics-file", "list.prom")
        while not path.exists():
            time.sleep(0.02)
        early = figures_of(path)
        process.communicate(timeout=30)
        late = figures_of(path)
        assert process.returncode == 3
        assert (early["campaign_run_in_progress", "list"], early["campaign_rows", "pending"]) == (1, 60)
        assert ("campaign_last_exit_code", "list") not in early
        assert (late["campaign_run_in_progress", "list"], late["campaign_last_exit_code", "list"]) == (0, 3)
        counts = desk.json("status", "list")["by_status"]
        assert {status: late["campaign_rows", status] for status in counts} == counts
        assert late["campaign_sends_total", "failed"] == counts["failed"]
        assert late["campaign_sends_total", "delivered"] == counts["delivered"]
        assert ("campaign_last_success_timestamp_seconds", "list") not in late
        assert late["campaign_last_complete_timestamp_seconds", "list"] == pytest.approx(time.time(), abs=60)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        text = path.read_text()
        assert TOKEN not in text
        assert "Name " not in text

    def test_a_killed_run_can_be_told_and_a_later_success_too(self, desk: Desk) -> None:
        desk.make_list(40)
        path = desk.folder / "list.prom"
        process = desk.start(*RUN, "--rate", "10", CAMPAIGN_METRICS_FILE="list.prom")
        desk.until(process, path.exists)
        process.kill()
        process.communicate()
        assert figures_of(path)["campaign_run_in_progress", "list"] == 1
        desk.run("resume", "list", CAMPAIGN_METRICS_FILE="list.prom")
        late = figures_of(path)
        assert (late["campaign_run_in_progress", "list"], late["campaign_last_exit_code", "list"]) == (0, 0)
        assert late["campaign_last_success_timestamp_seconds", "list"] == late["campaign_last_run_timestamp_seconds", "list"]

    def test_a_run_that_can_not_start_is_told_and_the_last_success_stands(self, desk: Desk) -> None:
        desk.make_list(2)
        path = desk.folder / "list.prom"
        desk.run(*RUN, "--metrics-file", "list.prom")
        before = figures_of(path)
        (desk.folder / "list.csv").unlink()
        desk.run(*RUN, "--metrics-file", "list.prom", code=2)
        after = figures_of(path)
        success = ("campaign_last_success_timestamp_seconds", "list")
        assert after["campaign_last_exit_code", "list"] == 2
        assert after[success] == before[success]

    @pytest.mark.parametrize("place", slow_after(1, ["nowhere/list.prom", ".", "list.csv", "/dev/null"]))
    def test_a_file_that_can_not_be_written_changes_nothing(self, desk: Desk, place: str) -> None:
        desk.make_list(3)
        before = (desk.folder / "list.csv").read_bytes()
        done = desk.run(*RUN, "--metrics-file", place)
        told = [event for event in events_of(done.stderr) if event["event"] == "metrics_not_written"]
        assert [event["level"] for event in told] == ["warning"]
        assert (desk.folder / "list.csv").read_bytes() == before
        assert len(desk.sent()) == 3
        assert not list(desk.folder.glob(".campaign-*"))
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_commands_that_only_look_leave_the_log_alone(desk: Desk) -> None:
    desk.make_list(2)
    desk.run(*RUN)
    assert "2 rows" in desk.run("status", "list", CAMPAIGN_LOG_FILE="nowhere/log.json").stdout


@pytest.mark.parametrize("file", slow_after(1, ["list.csv", "campaign.db"]))
def test_the_log_is_not_written_into_something_else(desk: Desk, file: str) -> None:
    desk.make_list(3)
    desk.run(*RUN, "--limit", "1", code=5)
    before = (desk.folder / file).read_bytes()
    assert "--log-file" in desk.run(*RUN, "--log-file", file, code=2).stderr
    assert (desk.folder / file).read_bytes() == before
    assert len(desk.sent()) == 1
