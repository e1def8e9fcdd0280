"""What the command says to people and to scripts, and that what it says can be done."""

import json
import re
import shlex

import pytest

from campaign.domain.text.reasons import ended_in_words
from tests.acceptance.desk import ROOT, Desk, events
from tests.acceptance.hardship import start

MESSAGE = ("--message", "Hi {{ first_name }}")


def commands(text: str) -> list[list[str]]:
    """The command lines that a text tells people to copy."""
    return [shlex.split(line)[1:] for line in re.findall(r"^    (campaign .*)$", text, re.MULTILINE)]


def test_every_hint_works_as_it_stands_with_a_ledger_and_a_name_that_need_quotes(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"not_found": 0.3, "not_delivered": 0.3})
    desk.make_list(40)
    done = desk.run("run", "list.csv", *MESSAGE, "--name", "It's spring", "--ledger", "my ledger.db", "--limit", "20", code=5)
    desk.simulator.set_faults(faults={})
    resume, corrected, not_delivered = commands(done.stdout)
    assert [resume[:2], not_delivered[:2]] == [["resume", "It's spring"], ["retry", "It's spring"]]
    assert corrected[:2] == ["retry", str(desk.folder / "It's spring.results.failed.csv")]
    for words in (resume, corrected, not_delivered):
        desk.run(*words, code=None if words is resume else 0)
    seen = desk.json("status", "It's spring", "--ledger", "my ledger.db")
    assert seen["by_status"]["delivered"] == 40
    assert not (desk.folder / "campaign.db").exists()


def test_a_refused_list_names_a_command_that_works(desk: Desk) -> None:
    desk.make_list(3)
    desk.run("run", "list.csv", *MESSAGE, "--name", "two words", "--ledger", "other.db", "--limit", "1", code=5)
    desk.make_list(4)
    refused = desk.run("run", "list.csv", *MESSAGE, "--name", "two words", "--ledger", "other.db", code=2).stderr
    found = re.search(r"campaign (resume .*?)\. To send this", refused)
    assert found is not None, refused
    assert desk.run(*shlex.split(found[1])).returncode == 0
    assert len(desk.sent()) == 3


def test_pausing_names_a_command_that_works(desk: Desk) -> None:
    desk.make_list(3)
    desk.run("run", "list.csv", *MESSAGE, "--ledger", "other.db", "--limit", "1", code=5)
    [words] = commands(desk.run("pause", "list", "--ledger", "other.db").stdout)
    desk.run(*words)
    assert len(desk.sent()) == 3


def test_nothing_to_retry_sends_nothing_not_even_what_is_left(desk: Desk) -> None:
    desk.make_list(5)
    desk.run("run", "list.csv", *MESSAGE, "--limit", "2", code=5)
    desk.run("retry", "list", "--status", "failed,unknown", code=5)
    assert len(desk.sent()) == 2


def test_the_same_command_again_says_that_nothing_was_sent(desk: Desk) -> None:
    desk.make_list(1)
    assert "1 row: 1 delivered." in desk.run("run", "list.csv", *MESSAGE).stdout
    again = desk.run("run", "list.csv", *MESSAGE, CAMPAIGN_YES="false")
    assert "run_started" not in {event["event"] for event in events(again.stderr)}
    assert len(desk.sent()) == 1


def test_a_kill_is_told_and_how_to_go_on(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"hang_after": 1.0})
    desk.make_list(100)
    process = desk.start("run", "list.csv", *MESSAGE, "--rate", "20")
    desk.until(process, lambda: len(desk.sent()) >= 3)
    assert "being sent" in desk.run("status", "list").stdout
    process.kill()
    process.communicate()
    seen = desk.run("status", "list").stdout
    assert ended_in_words("") in " ".join(seen.split())
    assert "being sent" not in seen
    assert "Interrupted (" in seen
    assert ["resume", "list"] in commands(seen)


class TestLog:
    """Off a terminal: JSON lines on stderr."""

    def test_a_run_tells_its_start_each_row_its_progress_and_its_end(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"not_found": 0.1})
        desk.make_list(40)
        done = desk.run("run", "list.csv", *MESSAGE, "--rate", "15", code=3)
        events = [json.loads(line) for line in done.stderr.splitlines()]
        names = [event["event"] for event in events]
        assert names[0] == "run_started"
        assert names[-1] == "run_ended"
        assert (events[0]["rows"], events[0]["left"]) == (40, 40)
        settled = [event for event in events if event["event"] == "settled"]
        assert sorted(event["row"] for event in settled) == list(range(1, 41))
        for event in settled:
            assert set(event) == {"event", "level", "timestamp", "run", "campaign", "row", "status", "reason", "http_status", "latency_ms"}
            assert event["http_status"] == (200 if event["status"] == "delivered" else 404)
            assert event["latency_ms"] >= 0
        progress = [event for event in events if event["event"] == "progress"]
        assert 2 <= len(progress) <= 6
        assert progress[-1]["left"] == 0
        end = events[-1]
        assert (end["state"], end["exit_code"], end["why"]) == ("finished", 3, "")
        assert end["delivered"] + end["failed"] == 40
        assert "Hi Name" not in done.stderr

    def test_the_end_says_why(self, desk: Desk) -> None:
        desk.simulator.set_faults(tokens=["another"])
        desk.make_list(5)
        end = json.loads(desk.run("run", "list.csv", *MESSAGE, code=4).stderr.splitlines()[-1])
        assert (end["event"], end["state"], end["exit_code"], end["pending"]) == ("run_ended", "stopped", 4, 5)

    def test_the_text_is_told_at_debug_only_and_quiet_is_quiet(self, desk: Desk) -> None:
        desk.make_list(3)
        assert "Hi Name 3" in desk.run("run", "list.csv", *MESSAGE, "--log-level", "debug").stderr
        assert desk.run("run", "list.csv", *MESSAGE, "--name", "again", "--log-level", "error").stderr == ""

    def test_waiting_is_told_with_its_reason(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"refuse": 1.0}, latency=0.0)
        desk.make_list(12)
        soon = "from campaign.cli.screen import run_monitor; run_monitor.WAITING_LINE_SECONDS = 1.0"
        process = start(desk, "run", "list.csv", *MESSAGE, before=soon, CAMPAIGN_TIMEOUT="1s")
        waiting = None
        assert process.stderr is not None
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "waiting":
                waiting = event
                break
        process.terminate()
        process.communicate(timeout=30)
        assert waiting is not None
        assert waiting["left"] == 12
        assert "trying again" in waiting["reason"] or "due later" in waiting["reason"]


class TestCheck:
    def test_it_says_what_is_wrong_where_and_how_long_it_takes(self, desk: Desk) -> None:
        bad = ["p1,Anna", ",Bob", "p95,", "p96,", "p97," + "x" * 150]
        rows = ["pass_id,first_name"] + [f"p{number},Anna" for number in range(1, 91)] + bad
        (desk.folder / "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        seen = desk.run("check", "list.csv", *MESSAGE, code=3, CAMPAIGN_RATE="9").stdout
        found = desk.json("check", "list.csv", *MESSAGE, code=3, CAMPAIGN_RATE="9")
        assert (found["rows"], found["sendable"], round(found["estimated_seconds"])) == (95, 91, 10)
        assert {one["kind"]: one["first_rows"] for one in found["problems"]} == {
            "missing_field": [93, 94],
            "no_id": [92],
            "duplicate": [91],
        }
        assert [(one["kind"], one["first_rows"]) for one in found["warnings"]] == [("cut_on_lock_screen", [95])]
        assert len(found["samples"]) == 5
        assert desk.simulator.requests() == []
        assert desk.run("run", "list.csv", *MESSAGE, "--dry-run", code=3, CAMPAIGN_RATE="9").stdout == seen

    def test_a_good_list_ends_with_0(self, desk: Desk) -> None:
        desk.make_list(1)
        assert desk.json("check", "list.csv", *MESSAGE)["sendable"] == 1


class TestDemo:
    @pytest.mark.slow
    def test_a_second_demo_in_the_same_folder_is_no_riddle(self, desk: Desk) -> None:
        folder = desk.folder / "a new" / "place"
        # What is set for real campaigns must not reach a demo.
        real = {"CAMPAIGN_MESSAGE": "real", "PASSENTRY_API_URL": "https://real.example", "CAMPAIGN_NAME": "real", "CAMPAIGN_LIMIT": "1"}
        desk_of_project = Desk(folder=ROOT, simulator=desk.simulator, environment=desk.environment | real)
        first = desk_of_project.run("demo", "--rate", "300", "--folder", str(folder)).stdout
        assert "sent twice: 0" in first
        assert str(folder / "promo.results.csv") in first
        assert (folder / "promo.results.csv").exists()
        assert commands(first) == [["check", "LIST", "--message", "TEXT"]]
        second = desk_of_project.run("demo", "--rate", "300", "--folder", str(folder)).stdout
        assert commands(second) == [["check", "LIST", "--message", "TEXT"]]
        assert desk.simulator.requests() == []
        assert not (desk.folder / "campaign.db").exists()


class TestFromCron:
    """No terminal, and next to nothing in the environment."""

    @pytest.fixture
    def bare(self, desk: Desk) -> Desk:
        kept = {name: desk.environment[name] for name in ("PYTHONPATH", "PASSENTRY_API_URL")}
        (desk.folder / "token").write_text("a-token\n", encoding="utf-8")
        (desk.folder / "token").chmod(0o600)
        return Desk(
            folder=desk.folder, simulator=desk.simulator, environment={"PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(desk.folder)} | kept
        )

    def test_a_run_with_everything_in_the_file(self, bare: Desk) -> None:
        (bare.folder / ".env").write_text(
            "PASSENTRY_API_KEY_FILE=token\nCAMPAIGN_LEDGER=here.db\nCAMPAIGN_YES=true\nCAMPAIGN_RATE=100\nCAMPAIGN_JSON=1\n",
            encoding="utf-8",
        )
        (bare.folder / "list.csv").write_bytes("pass_id;vorname\r\na-1;Jürgen\r\n".encode("cp1252"))
        done = bare.run("run", "list.csv", "--message", "Grüße, {{ vorname }}!")
        assert json.loads(done.stdout)["by_status"]["delivered"] == 1
        assert bare.sent() == {"a-1": ["Grüße, Jürgen!"]}
        assert (bare.folder / "here.db").exists()
        told = [json.loads(line) for line in done.stderr.splitlines()]
        assert [one["event"] for one in told if one["level"] != "info"] == ["encoding_guessed"]
        assert "Windows-1252" in next(one["detail"] for one in told if "detail" in one)
        again = bare.run("run", "list.csv", "--message", "Grüße, {{ vorname }}!")
        assert "encoding_guessed" not in again.stderr

    @pytest.mark.slow
    def test_words_with_accents_come_out_whatever_the_locale(self, bare: Desk) -> None:
        (bare.folder / "list.csv").write_text("pass_id,first_name\na-1,Zoë\n", encoding="utf-8")
        done = bare.run("check", "list.csv", *MESSAGE, LC_ALL="C")
        assert "Hi Zoë" in done.stdout

    def test_without_a_token_it_says_where_one_goes(self, bare: Desk) -> None:
        bare.make_list(1)
        refused = bare.run("run", "list.csv", *MESSAGE, "--yes", "--ledger", "here.db", code=2)
        assert "PASSENTRY_API_KEY" in refused.stderr


def test_the_keys_of_json_are_the_contract(desk: Desk) -> None:
    keys = [
        *("campaign", "state", "why", "list", "rows", "by_status", "skipped_by_reason", "failed_by_reason", "rate_per_second"),
        *("eta_seconds", "started_at", "finished_at", "batches", "results", "exit_code"),
    ]
    desk.make_list(4)
    for words, code in (
        (("run", "list.csv", *MESSAGE, "--limit", "2"), 5),
        (("resume", "list"), 0),
        (("retry", "list"), 0),
        (("status", "list"), 0),
    ):
        assert list(desk.json(*words, code=code)) == keys


def test_watching_off_a_terminal_is_a_line_at_a_time(desk: Desk) -> None:
    desk.make_list(2000)
    sending = desk.start("run", "list.csv", *MESSAGE, "--rate", "15")
    desk.until(sending, desk.sent)
    watching = desk.start("status", "list", "--watch")
    assert watching.stdout is not None
    for _ in range(2):
        assert re.match(r"list: sending, \d+ of 2,?000 rows done", watching.stdout.readline())
    desk.run("pause", "list")
    sending.communicate()
    seen = watching.communicate()[0]
    assert watching.returncode == 0
    assert "Campaign list is paused" in seen


def test_the_first_screen_is_grouped_in_the_order_one_works(desk: Desk) -> None:
    seen = desk.run("--help").stdout
    order = ["1. Check first:", "check", "test", "2. Send:", "run", "status", "pause", "resume", "cancel", "3. Afterwards:", "report"]
    order += ["verify", "retry", "demo", "simulate"]
    places = [re.search(rf"^ *{re.escape(word)}(  |$)", seen, re.MULTILINE) for word in order]
    starts = [place.start() for place in places if place is not None]
    assert len(starts) == len(places)
    assert starts == sorted(starts)
    assert re.fullmatch(r"campaign \d+\.\d+\.\d+\S*\n", desk.run("--version").stdout)
