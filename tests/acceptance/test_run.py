"""`campaign run` from a list to a results file, judged by what the simulator really processed."""

import csv
import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.desk import SAMPLES, Desk
from tests.examples import slow_after
from tests.unit.test_loader_packed import PACKERS

MESSAGE = "Hi {{ first_name }}, 20% off until Sunday"
OFFER = str(SAMPLES / "templates" / "offer.txt")


def results(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def agrees(desk: Desk, path: Path) -> None:
    """Row by row, the results say what the simulator's audit says."""
    sent = desk.sent()
    rows = results(path)
    assert [int(row["delivery_row"]) for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        arrived = sent.get(row["pass_id"].strip(), [])
        if row["delivery_status"] in {"delivered", "not_delivered", "accepted"}:
            assert arrived == [row["delivery_message"]], row
        elif row["delivery_status"] in {"failed", "invalid", "pending"}:
            assert arrived == [], row


class TestSample:
    def test_every_row_is_accounted_for_and_the_same_command_again_sends_nothing(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"not_delivered": 0.05, "not_found": 0.02})
        out = desk.folder / "out.csv"
        words = ("run", str(SAMPLES / "promo.csv"), "--template", OFFER, "--results", str(out))
        seen = desk.json(*words, code=None)
        assert seen["state"] == "finished"
        assert sum(seen["by_status"].values()) == seen["rows"] == len(results(out))
        assert seen["by_status"]["not_delivered"] > 0
        assert seen["failed_by_reason"] == {"http_404": seen["by_status"]["failed"]}
        agrees(desk, out)
        failed = results(desk.folder / "out.failed.csv")
        assert len(failed) == seen["by_status"]["failed"] > 0
        before = len(desk.simulator.requests())
        assert desk.json(*words, code=3)["by_status"] == seen["by_status"]
        assert len(desk.simulator.requests()) == before

    @pytest.mark.slow
    def test_one_list_in_four_formats_gives_the_same_results(self, desk: Desk) -> None:
        texts = set()
        for name in ("promo.csv", "promo-excel-de.csv", "promo.xlsx", "promo.parquet"):
            out = desk.folder / f"{name}.out.csv"
            ledger = str(desk.folder / f"{name}.db")
            seen = desk.json("run", str(SAMPLES / name), "--template", OFFER, "--results", str(out), "--ledger", ledger, "--name", "promo")
            assert seen["by_status"]["delivered"] == len(desk.sent()) > 490
            desk.simulator.reset()
            times = {"delivery_sent_at", "delivery_settled_at", "delivery_latency_ms"}
            texts.add(json.dumps([{key: value for key, value in row.items() if key not in times} for row in results(out)]))
        assert len(texts) == 1

    def test_a_packed_list_is_sent_once_and_goes_on_like_the_file_inside(self, desk: Desk) -> None:
        inside = desk.make_list(6).read_bytes()
        for (pack, ending), code in zip(PACKERS, (5, 5, 0), strict=True):
            packed = desk.folder / f"promo.csv{ending}"
            packed.write_bytes(pack(inside))
            seen = desk.json("run", packed.name, "--message", MESSAGE, "--limit", "2", code=code)
            packed.unlink()
        assert (seen["campaign"], seen["by_status"]["delivered"]) == ("promo", 6)
        assert [len(texts) for texts in desk.sent().values()] == [1] * 6
        assert len(results(desk.folder / "promo.results.csv")) == 6

    def test_check_sends_nothing_and_says_what_is_wrong(self, desk: Desk) -> None:
        found = desk.json("check", str(SAMPLES / "bad-rows.csv"), "--message", "Hi {{ first_name }}, {{ offer }}: {{ code }}", code=3)
        assert found["rows"] == sum(found["by_status"].values())
        kinds = {problem["kind"] for problem in found["problems"]}
        assert {"no_id", "mangled_id", "duplicate", "missing_field"} <= kinds
        assert all(problem["first_rows"] for problem in found["problems"])
        assert desk.simulator.requests() == []


class TestGoingOn:
    @pytest.mark.parametrize("number", slow_after(1, [signal.SIGTERM, signal.SIGINT]))
    def test_interrupted_then_the_same_command_sends_every_pass_once(self, desk: Desk, number: signal.Signals) -> None:
        path = desk.make_list(300)
        out = desk.folder / "list.results.csv"
        process = desk.start("run", str(path), "--message", MESSAGE, "--rate", "100")
        wait_for(lambda: len(desk.sent()) > 40)
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == 128 + number
        agrees(desk, out)
        assert 40 < len(desk.sent()) < 300
        seen = desk.json("run", str(path), "--message", MESSAGE)
        assert seen["by_status"]["delivered"] == 300
        assert {len(texts) for texts in desk.sent().values()} == {1}
        assert len(desk.sent()) == 300

    def test_killed_then_the_same_command_sends_every_pass_once(self, desk: Desk) -> None:
        path = desk.make_list(300)
        desk.simulator.set_faults(latency=0.05)
        process = desk.start("run", str(path), "--message", MESSAGE, "--rate", "100")
        wait_for(lambda: len(desk.sent()) > 40)
        process.kill()
        process.communicate(timeout=30)
        seen = desk.json("run", str(path), "--message", MESSAGE)
        assert seen["by_status"]["delivered"] + seen["by_status"]["accepted"] == 300
        assert {len(texts) for texts in desk.sent().values()} == {1}
        assert len(desk.sent()) == 300

    @pytest.mark.parametrize("suffix", slow_after(1, [".csv", ".xlsx", ".parquet", ".jsonl"]))
    def test_the_results_file_alone_goes_on_on_a_ledger_that_never_saw_it(self, desk: Desk, suffix: str) -> None:
        path = desk.make_list(60)
        out = desk.folder / f"list.results{suffix}"
        seen = desk.json("run", str(path), "--message", MESSAGE, "--limit", "25", "--results", str(out), code=5)
        assert (seen["by_status"]["delivered"], seen["by_status"]["pending"]) == (25, 35)
        other = str(desk.folder / "other.db")
        again = desk.json("run", str(out), "--ledger", other)
        assert again["by_status"]["delivered"] == 60
        assert {len(texts) for texts in desk.sent().values()} == {1}
        agrees(desk, desk.folder / "list.resumed.csv")

    def test_retry_sends_exactly_the_failed_rows(self, desk: Desk) -> None:
        path = desk.make_list(80)
        desk.simulator.set_faults(faults={"unprocessable": 0.2})
        seen = desk.json("run", str(path), "--message", MESSAGE, code=3)
        failed = {row["pass_id"] for row in results(desk.folder / "list.results.failed.csv")}
        assert len(failed) == seen["by_status"]["failed"] > 0
        desk.simulator.set_faults(faults={})
        desk.simulator.reset()
        assert desk.json("retry", "list")["by_status"]["delivered"] == 80
        assert set(desk.sent()) == failed

    def test_retry_of_a_results_file_on_a_new_ledger_sends_exactly_its_failed_rows(self, desk: Desk) -> None:
        path = desk.make_list(40)
        desk.simulator.set_faults(faults={"unprocessable": 0.3})
        desk.json("run", str(path), "--message", MESSAGE, code=3)
        failed = {row["pass_id"] for row in results(desk.folder / "list.results.failed.csv")}
        desk.simulator.set_faults(faults={})
        desk.simulator.reset()
        desk.json("retry", str(desk.folder / "list.results.csv"), "--ledger", str(desk.folder / "other.db"))
        assert set(desk.sent()) == failed

    def test_another_list_under_the_same_name_is_refused(self, desk: Desk) -> None:
        desk.json("run", str(desk.make_list(3)), "--message", MESSAGE)
        refused = desk.run("run", str(desk.make_list(4)), "--message", MESSAGE, code=2)
        assert "--name" in refused.stderr
        assert "3 then, 4 now" in refused.stderr
        assert "campaign resume" not in refused.stderr  # it is finished
        assert len(desk.sent()) == 3

    def test_pause_takes_effect_at_once_and_resume_goes_on(self, desk: Desk) -> None:
        process = desk.start("run", str(desk.make_list(300)), "--message", MESSAGE, "--rate", "50", "--json")
        wait_for(lambda: len(desk.sent()) > 10)
        desk.run("pause", "list")
        assert desk.json("status", "list")["state"] in {"paused", "sending"}
        out, _ = process.communicate(timeout=10)
        assert (process.returncode, json.loads(out)["state"]) == (5, "paused")
        assert desk.json("resume", "list", "--rate", "500")["by_status"]["delivered"] == 300
        assert {len(texts) for texts in desk.sent().values()} == {1}

    def test_cancel_leaves_out_the_rest(self, desk: Desk) -> None:
        process = desk.start("run", str(desk.make_list(300)), "--message", MESSAGE, "--rate", "50", "--json")
        wait_for(lambda: len(desk.sent()) > 10)
        done = desk.run("cancel", "list", "--yes")
        assert "campaign status list" in done.stdout
        assert "campaign report" not in done.stdout
        out, _ = process.communicate(timeout=10)
        seen = json.loads(out)
        assert seen["state"] == "cancelled"
        assert seen["skipped_by_reason"]["cancelled"] + len(desk.sent()) == 300
        desk.run("resume", "list", code=2)

    def test_the_results_of_a_stopped_campaign_tell_what_was_cancelled(self, desk: Desk) -> None:
        desk.run("run", str(desk.make_list(3)), "--message", MESSAGE, "--limit", "1", code=5)
        out = desk.folder / "list.results.csv"
        assert str(out) in desk.run("cancel", "list", "--yes").stdout
        told = [(row["delivery_status"], row["delivery_reason"]) for row in results(out)]
        assert told == [("delivered", ""), ("skipped", "cancelled"), ("skipped", "cancelled")]
        out.unlink()
        assert "was cancelled before" in desk.run("cancel", "list", CAMPAIGN_YES="false").stdout
        assert out.exists()
        assert "there is nothing to pause" in desk.run("pause", "list", code=2).stderr

    def test_unknown_rows_of_a_cancelled_campaign_need_attention_and_are_not_left_to_send(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"taken_then": 1.0})
        desk.run("run", str(desk.make_list(3)), "--message", MESSAGE, "--limit", "1", code=5)
        desk.run("cancel", "list", "--yes")
        assert desk.json("status", "list")["exit_code"] == 3
        assert "this campaign was cancelled" in desk.run("run", "list.csv", "--message", MESSAGE, code=3).stdout
        assert "Use campaign verify first" in desk.run("forget", "list", "--yes", code=2).stderr

    def test_a_cancellation_holds_though_its_results_can_not_be_written(self, desk: Desk) -> None:
        (desk.folder / "there").mkdir()
        words = ("--limit", "1", "--results", "there/all.csv")
        desk.run("run", str(desk.make_list(3)), "--message", MESSAGE, *words, code=5)
        shutil.rmtree(desk.folder / "there")
        done = desk.run("cancel", "list", "--yes")
        assert "The results were not written." in done.stderr
        assert "campaign report list --output FILE" in done.stdout
        assert desk.json("status", "list")["state"] == "cancelled"

    def test_a_finished_campaign_has_nothing_to_cancel_or_to_pause(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"not_found": 1.0})
        desk.run("run", str(desk.make_list(2)), "--message", MESSAGE, code=3)
        assert "there is nothing to cancel" in desk.run("cancel", "list", CAMPAIGN_YES="false").stdout
        assert "there is nothing to pause" in desk.run("pause", "list").stdout
        desk.simulator.set_faults(faults={})
        assert desk.json("retry", "list", "--yes")["by_status"]["delivered"] == 2

    def test_two_processes_share_a_campaign(self, desk: Desk) -> None:
        path = desk.make_list(300)
        both = [desk.start("run", str(path), "--message", MESSAGE, "--rate", "300") for _ in range(2)]
        for process in both:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        assert {len(texts) for texts in desk.sent().values()} == {1}
        assert len(desk.sent()) == 300

    def test_a_place_for_results_that_is_lost_meanwhile_never_says_that_nothing_was_sent(self, desk: Desk) -> None:
        (desk.folder / "place").mkdir()
        words = ("run", str(desk.make_list(120)), "--message", MESSAGE, "--rate", "40", "--results", "place/out.csv")
        process = desk.start(*words)
        wait_for(lambda: len(desk.sent()) > 5)
        shutil.rmtree(desk.folder / "place")
        _, err = process.communicate(timeout=30)
        assert process.returncode == 4, err
        assert "campaign report list --output" in err
        desk.run("report", "list", "--output", "out.csv")
        agrees(desk, desk.folder / "out.csv")


class TestUnknown:
    def test_what_was_cut_off_is_read_back_and_never_sent_twice(self, desk: Desk) -> None:
        faults = dict.fromkeys(("cut_before", "cut_after", "error_before", "error_after", "cut_json", "html", "html_ok"), 0.05)
        desk.simulator.set_faults(faults=faults)
        seen = desk.json("run", str(desk.make_list(300)), "--message", MESSAGE, code=None)
        assert seen["by_status"]["pending"] == seen["by_status"]["sending"] == seen["by_status"]["failed"] == 0
        assert seen["by_status"]["accepted"] > 0
        assert {len(texts) for texts in desk.sent().values()} == {1}
        agrees(desk, desk.folder / "list.results.csv")


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "says"),
        slow_after(
            2,
            [
                (b'[{"pass_id": "1", "first_name": "Anna"}]', "a JSON document"),
                (b"name,city\nAnna,Berlin\n", "column"),
                (b"", "empty"),
                (b"id,pass_id\n1,2\n", "column"),
                (b"id,name\n1,Anna\n2\n", "row 2"),
                (b'id,name\n1,"Anna\n2,Bob\n', "quot"),
                (b"id,name\n1,An\x00na\n", "NUL"),
                (b"PK\x03\x04rubbish", "list.csv"),
            ],
            unpack=True,
        ),
    )
    def test_a_broken_list_is_told_and_nothing_is_sent(self, desk: Desk, content: bytes, says: str) -> None:
        path = desk.folder / "list.csv"
        path.write_bytes(content)
        refused = desk.run("run", str(path), "--message", "Hello", code=2)
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr
        assert desk.simulator.requests() == []
        assert desk.run("status", "--json").stdout.strip() == "[]"

    def test_columns_that_a_template_can_not_tell_apart_are_told_unless_the_message_needs_neither(self, desk: Desk) -> None:
        (desk.folder / "list.csv").write_text("pass_id,first_name,First_Name\np1,anna,Anna\n", encoding="utf-8")
        refused = desk.run("run", "list.csv", "--message", "Hi {{ first_name }}", code=2).stderr
        assert "“First_Name” (column 3)" in refused
        assert desk.sent() == {}
        desk.run("run", "list.csv", "--message", "Hi {{ pass_id }}")
        assert desk.sent() == {"p1": ["Hi p1"]}

    @pytest.mark.parametrize(
        ("words", "environment", "says"),
        slow_after(
            2,
            [
                (("--message", "Hi {{ nobody }}"), {}, "nobody"),
                (("--message", "Hi {{ first_name"), {}, "--message"),
                (("--message", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"), {}, "Line 1"),
                ((), {}, "--message"),
                (("--message", "Hi"), {"PASSENTRY_API_KEY": ""}, "PASSENTRY_API_KEY"),
                (("--message", "Hi"), {"PASSENTRY_API_URL": "http://example.com"}, "https"),
                (("--message", "Hi", "--rate", "-1"), {}, "--rate"),
                (("--message", "Hi", "--quiet-period", "soon"), {}, "10s"),
                (("--message", "Hi", "--results", "nowhere/out.csv"), {}, "nowhere"),
            ],
            unpack=True,
        ),
    )
    def test_a_wrong_option_is_told_and_nothing_is_sent(
        self, desk: Desk, words: tuple[str, ...], environment: dict[str, str], says: str
    ) -> None:
        refused = desk.run("run", str(desk.make_list(3)), *words, code=2, **environment)
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr
        assert desk.simulator.requests() == []

    def test_a_refused_token_stops_at_once_and_leaves_the_rows_pending(self, desk: Desk) -> None:
        desk.simulator.set_faults(tokens=["another"])
        seen = desk.json("run", str(desk.make_list(200)), "--message", MESSAGE, code=4)
        assert seen["by_status"]["pending"] == 200
        assert len(desk.simulator.requests()) < 30
        desk.simulator.set_faults(tokens=[])
        assert desk.json("resume", "list")["by_status"]["delivered"] == 200

    def test_without_a_terminal_and_without_yes_nothing_is_sent(self, desk: Desk) -> None:
        refused = desk.run("run", str(desk.make_list(3)), "--message", MESSAGE, code=2, CAMPAIGN_YES="false")
        assert "--yes" in refused.stderr
        assert desk.simulator.requests() == []

    def test_the_token_is_nowhere(self, desk: Desk) -> None:
        done = desk.run("run", str(desk.make_list(20)), "--message", MESSAGE, CAMPAIGN_LOG_LEVEL="debug")
        token = desk.environment["PASSENTRY_API_KEY"]
        assert token not in done.stdout + done.stderr
        for path in desk.folder.rglob("*"):
            assert path.is_dir() or token.encode() not in path.read_bytes(), path
        assert [json.loads(line)["level"] for line in done.stderr.splitlines()]
        assert ((desk.folder / "campaign.db").stat().st_mode & 0o777) == 0o600


def wait_for(happens: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
