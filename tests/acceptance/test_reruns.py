"""Rows sent again because a person says so: which ones, with which text, never who was told. The simulator's audit judges."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaign.domain.model import RESULT_COLUMNS
from tests.acceptance.desk import Desk, broke_off, events
from tests.acceptance.screen import Terminal
from tests.examples import slow_after

MESSAGE = "Hi {{ first_name }}"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def run_with_failures(desk: Desk) -> Path:
    """Rows 2 and 5 fail (404), 3 has no name, 4 no id; 1 and 6 are delivered. The failed-rows file."""
    desk.simulator.set_faults(missing=["wrong-2", "wrong-5"])
    (desk.folder / "list.csv").write_text(
        "pass_id,first_name\npass-1,Ann\nwrong-2,Bob\npass-3,\n,Dan\nwrong-5,Eve\npass-6,Fay\n", encoding="utf-8"
    )
    seen = desk.json("run", "list.csv", "--message", MESSAGE, code=3)
    assert (seen["by_status"]["delivered"], seen["by_status"]["failed"], seen["by_status"]["invalid"]) == (2, 2, 2)
    desk.simulator.set_faults(missing=[])
    desk.simulator.reset()
    return desk.folder / "list.results.failed.csv"


class TestChosenRows:
    def test_rows_that_another_campaign_has_told_since_are_told_of(self, desk: Desk) -> None:
        """As by a list that a person made of the failed rows."""
        run_with_failures(desk)
        (desk.folder / "again.csv").write_text("pass_id,first_name\nwrong-2,Bob\n", encoding="utf-8")
        desk.run("run", "again.csv", "--message", MESSAGE)
        [warning] = desk.json("retry", "list", code=3)["warnings"]
        assert (warning["kind"], warning["count"], warning["first_rows"]) == ("same_as_last", 1, [2])

    def test_a_file_that_is_not_there_is_no_campaign_either(self, desk: Desk) -> None:
        assert broke_off(desk.run("retry", "gone.failed.csv", code=2).stderr) == "unknown_campaign"

    def test_by_reason_and_http_status_together(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"unprocessable": 0.4}, missing=["pass-00001", "pass-00002"])
        desk.make_list(40)
        desk.json("run", "list.csv", "--message", MESSAGE, code=3)
        rows = {row["pass_id"]: row["delivery_http_status"] for row in table(desk.folder / "list.results.failed.csv")}
        refused = {pass_id for pass_id, code in rows.items() if code == "422"}
        assert refused
        assert "404" in rows.values()
        desk.simulator.set_faults(faults={}, missing=[])
        desk.simulator.reset()
        nothing = desk.run("retry", "list", "--http-status", "422", "--reason", "http_404", code=3).stdout
        assert "http_404, http_422" in nothing
        assert desk.sent() == {}
        desk.json("retry", "list", "--status", "failed", "--http-status", "422,409", code=3)
        assert set(desk.sent()) == refused
        desk.json("retry", "list", "--reason", "http_404")
        assert set(desk.sent()) == set(rows)

    def test_unknown_rows_are_sent_again_only_by_someone_who_knows_what_that_means(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"cut_after": 1.0})
        desk.make_list(2)
        desk.json("run", "list.csv", "--message", MESSAGE, "--on-unknown", "hold", code=3)
        desk.simulator.set_faults(faults={})
        reason = table(desk.folder / "list.results.csv")[0]["delivery_reason"]
        refused = desk.run("retry", "list", "--status", "unknown", code=2, CAMPAIGN_YES="false").stderr
        assert "--yes" in refused
        assert {len(texts) for texts in desk.sent().values()} == {1}
        with Terminal(desk, "retry", "list", "--status", "unknown", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            terminal.type("n\n")
            assert terminal.end() == 2
        assert "campaign retry list --status unknown" in str(terminal.screen)
        assert {len(texts) for texts in desk.sent().values()} == {1}
        desk.json("retry", "list", "--status", "unknown", "--reason", reason)
        assert {len(texts) for texts in desk.sent().values()} == {2}

    def test_unknown_rows_that_are_still_to_be_read_back_are_verified_first(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"cut_after": 1.0})
        desk.make_list(2)
        desk.run("run", "list.csv", "--message", MESSAGE, "--quiet-period", "60s", "--no-wait", "--limit", "2", code=5)
        nothing = desk.run("retry", "list", "--status", "unknown", code=5).stdout
        assert "campaign verify list" in nothing
        assert {len(texts) for texts in desk.sent().values()} == {1}

    def test_what_can_not_be_meant_is_refused(self, desk: Desk) -> None:
        run_with_failures(desk)
        assert "--status deliverd" in desk.run("retry", "list", "--status", "deliverd", code=2).stderr
        assert "--http-status abc" in desk.run("retry", "list", "--http-status", "abc", code=2).stderr
        assert broke_off(desk.run("retry", "list", "--status", "invalid", code=2).stderr) == "invalid_rows"
        assert broke_off(desk.run("retry", "list.results.failed.csv", "--status", "unknown", code=2).stderr) == "unknown_rows_of_a_file"
        assert desk.sent() == {}


class TestCorrectionFile:
    def test_changed_ids_and_columns_are_taken_and_only_these_rows_are_sent(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)
        assert [row["delivery_row"] for row in rows] == ["2", "3", "4", "5"]
        rows[0]["pass_id"] = "pass-2"
        rows[1]["first_name"] = "Cid"
        rows[2]["pass_id"] = "pass-4"
        desk.run("retry", write(failed, list(reversed(rows))), "--message", MESSAGE)
        assert desk.sent() == {"pass-2": ["Hi Bob"], "pass-3": ["Hi Cid"], "pass-4": ["Hi Dan"], "wrong-5": ["Hi Eve"]}
        written = table(desk.folder / "list.results.csv")
        assert [row["pass_id"] for row in written] == ["pass-1", "pass-2", "pass-3", "pass-4", "wrong-5", "pass-6"]
        assert {row["delivery_status"] for row in written} == {"delivered"}
        assert not failed.exists()

    @pytest.mark.slow
    def test_an_unchanged_file_is_a_plain_retry_of_its_rows(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        done = desk.run("retry", str(failed), code=3)
        assert desk.sent() == {"wrong-2": ["Hi Bob"], "wrong-5": ["Hi Eve"]}
        assert "lines 4, 5 (rows 3, 4)" in done.stdout

    @pytest.mark.slow
    def test_a_row_taken_out_of_the_file_is_not_sent(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        desk.run("retry", write(failed, table(failed)[3:]), code=3)
        assert desk.sent() == {"wrong-5": ["Hi Eve"]}

    def test_a_changed_message_is_sent_as_it_was_written(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)[:1]
        rows[0]["delivery_message"] = "Dear Bob, {{ as it is }}"
        desk.run("retry", write(failed, rows), code=3)
        assert desk.sent() == {"wrong-2": ["Dear Bob, {{ as it is }}"]}

    @pytest.mark.slow
    def test_a_file_that_was_saved_without_some_of_its_characters_is_refused(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["wrong-2"])
        (desk.folder / "list.csv").write_text("pass_id,first_name\npass-1,Ann\nwrong-2,Bob\n,Cy\n", encoding="utf-8")
        desk.json("run", "list.csv", "--message", "Hi {{ first_name }} 🎉", code=3)
        desk.simulator.set_faults(missing=[])
        desk.simulator.reset()
        failed = desk.folder / "list.results.failed.csv"
        rows = table(failed)
        with failed.open("w", encoding="cp1252", errors="replace", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(rows)
        desk.run("retry", str(failed), code=2)
        assert desk.sent() == {}
        desk.run("retry", write(failed, rows), code=3)
        assert desk.sent() == {"wrong-2": ["Hi Bob 🎉"]}

    def test_a_corrected_template_gives_those_a_message_that_had_none(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        desk.run("retry", str(failed), "--message", 'Hello {{ first_name | default("there") }}', code=3)
        assert desk.sent() == {"wrong-2": ["Hi Bob"], "pass-3": ["Hello there"], "wrong-5": ["Hi Eve"]}

    def test_a_changed_column_without_the_template_is_refused_whole(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)
        rows[1]["first_name"] = "Cid"
        content = write(failed, rows) and failed.read_bytes()
        refused = desk.run("retry", str(failed), code=2).stderr
        assert broke_off(refused) == "rows_not_sendable"
        assert "Line 3 (row 2): “first_name” " in refused
        assert desk.sent() == {}
        assert failed.read_bytes() == content

    @pytest.mark.slow
    def test_what_is_wrong_with_many_rows_is_said_once(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)
        for row in (rows[0], rows[1], rows[3]):
            row["first_name"] += "a"
        refused = desk.run("retry", write(failed, rows), code=2).stderr
        assert broke_off(refused) == "rows_not_sendable"
        assert "Lines 2, 3, 5 (rows 1, 2, 4): " in refused
        assert refused.count("“first_name”") == 1

    def test_a_message_column_needs_no_template(self, desk: Desk) -> None:
        (desk.folder / "own.csv").write_text("id,message\na,Hello\nb,\n", encoding="utf-8")
        desk.run("run", "own.csv", code=3)
        rows = table(desk.folder / "own.results.failed.csv")
        rows[0]["message"] = "Corrected"
        desk.run("retry", write(desk.folder / "own.results.failed.csv", rows))
        assert desk.sent() == {"a": ["Hello"], "b": ["Corrected"]}

    def test_nobody_who_was_told_is_told_again_whatever_the_file_says(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        old = table(failed)
        desk.run("retry", "list", code=3)
        desk.simulator.reset()
        old[0]["delivery_message"] = "Once more"
        done = desk.run("retry", write(desk.folder / "old.csv", old), code=3)
        assert "lines 3, 6 (rows 2, 5)" in done.stdout
        everything = [row for row in table(desk.folder / "list.results.csv") if row["delivery_status"] == "delivered"]
        for row in everything:
            row |= {"delivery_status": "failed", "delivery_message": "Once more", "delivery_notification_status": ""}
        refused = desk.run("retry", write(desk.folder / "all.csv", everything), code=3).stdout
        assert "lines 2, 3, 6, 7 (rows 1, 2, 5, 6)" in refused
        assert desk.sent() == {}

    def test_a_row_corrected_to_a_pass_that_was_told_is_a_duplicate(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = [row for row in table(failed) if row["delivery_row"] == "4"]
        rows[0]["pass_id"] = "pass-6"
        refused = desk.run("retry", write(failed, rows), code=2).stderr
        assert broke_off(refused) == "row_does_not_match"
        assert "line 7 (row 6)" in refused
        assert desk.sent() == {}

    @pytest.mark.slow
    def test_two_rows_corrected_to_one_pass_tell_it_once(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)
        for row in (rows[0], rows[2]):
            row["pass_id"] = "pass-9"
        desk.run("retry", write(failed, [rows[0], rows[2]]), code=3)
        assert desk.sent() == {"pass-9": ["Hi Bob"]}

    def test_a_column_that_was_sorted_alone_is_refused(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)
        rows[0]["pass_id"], rows[3]["pass_id"] = rows[3]["pass_id"], rows[0]["pass_id"]
        assert broke_off(desk.run("retry", write(failed, rows), code=2).stderr) == "row_does_not_match"
        assert desk.sent() == {}

    @pytest.mark.slow
    def test_zeros_that_a_spreadsheet_dropped_are_told(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["00123"])
        (desk.folder / "list.csv").write_text("pass_id\n00123\n", encoding="utf-8")
        desk.run("run", "list.csv", "--message", "Hi", code=3)
        failed = desk.folder / "list.results.failed.csv"
        rows = table(failed)
        rows[0]["pass_id"] = "123"
        assert broke_off(desk.run("retry", write(failed, rows), code=2).stderr) == "rows_not_sendable"
        assert desk.sent() == {}

    def test_a_file_of_other_campaigns_or_columns_is_refused(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)
        other = [rows[0], rows[1] | {"delivery_campaign": "other"}]
        refused = desk.run("retry", write(failed, other), code=2).stderr
        assert broke_off(refused) == "other_campaign"
        assert "line 3 (row 2), column “delivery_campaign”: " in refused
        lost = [rows[0] | {"delivery_row": "77", "pass_id": "nobody"}]
        for wrong in (lost, [rows[0], rows[0]]):
            assert broke_off(desk.run("retry", write(failed, wrong), code=2).stderr) == "row_does_not_match"
        plain = [{name: value for name, value in row.items() if name not in RESULT_COLUMNS} for row in rows]
        assert broke_off(desk.run("retry", write(failed, plain), code=2).stderr) == "no_results_file"
        assert desk.sent() == {}

    @pytest.mark.slow
    def test_a_column_that_someone_has_added_is_ignored_with_a_word(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = [row | {"Note": "=1+1", "delivery_note": "x"} for row in table(failed)]
        rows[0]["pass_id"] = "pass-2"
        done = desk.run("retry", write(failed, rows), code=3).stdout
        assert desk.sent() == {"pass-2": ["Hi Bob"], "wrong-5": ["Hi Eve"]}
        assert "“Note” and “delivery_note”" in done

    def test_what_is_done_about_columns_is_said_before_it_is_sent(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = [{name: value for name, value in row.items() if name != "first_name"} | {"Note": "x"} for row in table(failed)[:1]]
        rows[0]["pass_id"] = "pass-2"
        write(failed, rows)
        with Terminal(desk, "retry", str(failed), CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            assert "“Note”" in str(terminal.screen)
            assert "“first_name”" in str(terminal.screen)
            terminal.type("n\n")
            assert terminal.end() == 2
        done = desk.run("retry", str(failed), "--json", code=3)
        names = [event["event"] for event in events(done.stderr)]
        assert {"columns_ignored", "columns_missing"} <= set(names[: names.index("run_started")])
        warnings = {warning["kind"]: warning["columns"] for warning in json.loads(done.stdout)["warnings"]}
        assert warnings == {"columns_ignored": ["Note"], "columns_missing": ["first_name"]}
        assert desk.sent() == {"pass-2": ["Hi Bob"]}

    def test_the_list_has_its_own_columns_as_before(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        desk.run("retry", write(failed, [row | {"Note": "x"} for row in table(failed)]), code=3)
        assert list(table(desk.folder / "list.results.csv")[0]) == ["pass_id", "first_name", *RESULT_COLUMNS]

    def test_a_column_that_nothing_needs_may_be_gone(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["wrong-1"])
        (desk.folder / "list.csv").write_text("pass_id,first_name,shop,city\nwrong-1,Ann,Mitte,Berlin\nb,Bo,Nord,Kiel\n", encoding="utf-8")
        desk.run("run", "list.csv", "--message", "Hi {{ first_name }}, {{ shop }}", code=3)
        desk.simulator.reset()
        failed = desk.folder / "list.results.failed.csv"
        kept = ("pass_id", "first_name", "shop", "delivery_campaign", "delivery_row")
        rows = [{name: row[name] for name in kept} for row in table(failed)]
        rows[0] |= {"pass_id": "right-1", "first_name": "Anna"}
        found = desk.json("retry", write(failed, rows), "--message", "Hi {{ first_name }}, {{ shop }}")
        assert desk.sent() == {"right-1": ["Hi Anna, Mitte"]}
        assert found["columns"] == {"ignored": [], "from_ledger": ["city"]}
        assert [row["city"] for row in table(desk.folder / "list.results.csv")] == ["Berlin", "Kiel"]

    @pytest.mark.parametrize(
        ("change", "options"),
        slow_after(
            2,
            [
                ({"first_name": None}, ("--message", "Hi {{ first_name }}")),
                ({"pass_id": None}, ()),
                ({"delivery_row": None}, ()),
                ({"delivery_campaign": None}, ()),
                ({"first_name": "First Name"}, ()),
                ({"pass_id": "Pass-ID"}, ()),
            ],
            unpack=True,
        ),
    )
    def test_a_column_that_is_needed_or_may_be_another_s_is_refused(
        self, desk: Desk, change: dict[str, str | None], options: tuple[str, ...]
    ) -> None:
        failed = run_with_failures(desk)
        rows = [{now: value for name, value in row.items() if (now := change.get(name, name)) is not None} for row in table(failed)]
        content = write(failed, rows) and failed.read_bytes()
        refused = desk.run("retry", str(failed), *options, code=2).stderr
        assert next(iter(change)) in refused
        assert desk.sent() == {}
        assert failed.read_bytes() == content

    @pytest.mark.slow
    def test_a_column_of_messages_is_needed(self, desk: Desk) -> None:
        (desk.folder / "own.csv").write_text("id,message\na,Hello\nb,\n", encoding="utf-8")
        desk.run("run", "own.csv", code=3)
        failed = desk.folder / "own.results.failed.csv"
        rows = [{name: value for name, value in row.items() if name != "message"} for row in table(failed)]
        assert "“message”" in desk.run("retry", write(failed, rows), code=2).stderr
        # Unless the message comes from elsewhere.
        desk.run("retry", write(failed, rows), "--message", "Hi {{ id }}")
        assert desk.sent() == {"a": ["Hello"], "b": ["Hi b"]}

    @pytest.mark.slow
    def test_a_corrected_time_zone_is_the_rows_own_and_one_that_is_none_is_refused(self, desk: Desk) -> None:
        (desk.folder / "list.csv").write_text("id,time_zone\na,Asia/Tokyo\nb,Asia/Tokio\n", encoding="utf-8")
        desk.run("run", "list.csv", "--message", "Hi", "--window", "00:00-24:00", code=None)
        failed = desk.folder / "list.results.failed.csv"
        rows = table(failed)
        assert [row["delivery_reason"] for row in rows] == ["bad_time_zone"]
        rows[0]["time_zone"] = "Asia/Osaka"
        assert "Asia/Osaka" in desk.run("retry", write(failed, rows), "--message", "Hi", code=2).stderr
        rows[0]["time_zone"] = "Asia/Seoul"
        desk.run("retry", write(failed, rows), "--message", "Hi")
        assert desk.sent() == {"a": ["Hi"], "b": ["Hi"]}

    def test_whoever_is_excluded_is_not_sent_to_again(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        (desk.folder / "not.csv").write_text("id\nwrong-2\n", encoding="utf-8")
        desk.run("retry", str(failed), "--exclude", "not.csv", code=3)
        assert desk.sent() == {"wrong-5": ["Hi Eve"]}

    def test_the_same_command_again_goes_on_with_what_was_taken_in(self, desk: Desk) -> None:
        rows = table(run_with_failures(desk))
        rows[2]["pass_id"] = "pass-4"
        corrected = write(desk.folder / "corrected.csv", rows)
        desk.run("retry", corrected, "--limit", "1", code=5)
        assert len(desk.sent()) == 1
        desk.run("retry", corrected, code=3)
        assert desk.sent() == {"wrong-2": ["Hi Bob"], "pass-4": ["Hi Dan"], "wrong-5": ["Hi Eve"]}
        desk.run("retry", corrected, code=3)
        assert len(desk.sent()) == 3

    @pytest.mark.slow
    def test_a_paused_campaign_keeps_what_was_corrected_in_the_file(self, desk: Desk) -> None:
        desk.simulator.set_faults(missing=["wrong-1"])
        (desk.folder / "list.csv").write_text("pass_id,first_name\nwrong-1,Ann\npass-2,Bob\n", encoding="utf-8")
        desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
        failed = desk.folder / "list.results.failed.csv"
        rows = table(failed)
        rows[0]["pass_id"] = "pass-1"
        write(failed, rows)
        desk.run("pause", "list")
        desk.run("retry", str(failed), code=None)
        assert table(failed) == rows
        assert desk.sent() == {}

    def test_the_hint_after_a_run_is_the_command_that_takes_the_correction_file(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        shown = desk.run("status", "list").stdout
        assert re.search(rf"^    campaign retry {re.escape(str(failed))}$", shown, re.MULTILINE)

    @pytest.mark.slow
    def test_the_prompt_shows_and_looks_through_the_messages_of_the_file(self, desk: Desk) -> None:
        failed = run_with_failures(desk)
        rows = table(failed)[:1]
        rows[0]["delivery_message"] = "Dear {{ name }}"
        write(failed, rows)
        with Terminal(desk, "retry", str(failed), CAMPAIGN_YES="false") as terminal:
            terminal.until(r"Send\? \[y/N\]")
            assert "  Dear {{ name }}" in str(terminal.screen)
            assert "(row 2)" in str(terminal.screen)
            terminal.type("n\n")
            assert terminal.end() == 2
        assert table(failed) == rows
        assert desk.sent() == {}


@pytest.mark.parametrize(
    ("words", "fault"),
    slow_after(
        1,
        [(("list",), "hang_after"), (("list", "--rows", "vip.csv"), "hang_before"), (("list.results.failed.csv",), "hang_after")],
        unpack=True,
    ),
)
def test_the_same_command_after_a_kill_goes_on_with_what_is_left(desk: Desk, words: tuple[str, ...], fault: str) -> None:
    """Its rows are read back first: who got the message does not get it again, and who did not does. Nobody else gets one."""
    desk.simulator.set_faults(missing=["pass-00002", "pass-00003"])
    desk.make_list(5)
    desk.run("run", "list.csv", "--message", MESSAGE, code=3)
    desk.simulator.set_faults(missing=[], faults={fault: 1.0})
    desk.simulator.reset()
    (desk.folder / "vip.csv").write_text("pass_id\npass-00002\npass-00003\npass-00004\n", encoding="utf-8")
    process = desk.start("retry", *words)
    desk.until(process, lambda: len({request.raw_path for request in desk.simulator.requests() if request.method == "POST"}) >= 2)
    process.kill()
    process.communicate()
    desk.simulator.set_faults(faults={})
    assert desk.json("retry", *words)["by_status"]["failed"] == 0
    assert {pass_id: len(texts) for pass_id, texts in desk.sent().items()} == {"pass-00002": 1, "pass-00003": 1}


def test_what_another_run_left_is_not_sent_by_a_retry_of_rows_that_a_kill_left(desk: Desk) -> None:
    desk.simulator.set_faults(missing=["pass-00001"])
    desk.make_list(5)
    desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
    desk.simulator.set_faults(missing=[], faults={"hang_before": 1.0})
    (desk.folder / "vip.csv").write_text("pass_id\npass-00001\n", encoding="utf-8")
    desk.simulator.reset()
    process = desk.start("retry", "list", "--rows", "vip.csv")
    desk.until(process, lambda: any(request.method == "POST" for request in desk.simulator.requests()))
    process.kill()
    process.communicate()
    desk.simulator.set_faults(faults={})
    assert desk.json("retry", "list", code=5)["by_status"]["pending"] == 4
    assert {pass_id: len(texts) for pass_id, texts in desk.sent().items()} == {"pass-00001": 1}


def test_a_results_file_that_is_retried_on_another_ledger_keeps_its_hours_when_it_is_resumed(desk: Desk) -> None:
    desk.simulator.set_faults(missing=["pass-00002"])
    desk.make_list(3)
    desk.run("run", "list.csv", "--message", "Hi", code=3)
    desk.simulator.set_faults(missing=[])
    now = datetime.now(tz=UTC)
    closed = f"{now + timedelta(hours=3):%H:%M}-{now + timedelta(hours=5):%H:%M}"
    there = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db")}
    desk.json("retry", "list.results.csv", "--window", closed, "--time-zone", "UTC", "--no-wait", code=5, **there)
    assert desk.json("resume", "list", "--no-wait", code=5, **there)["by_status"]["pending"] == 1
    assert len(desk.sent()) == 2


def test_a_token_that_was_only_refused_is_replaced_without_a_warning(desk: Desk) -> None:
    desk.simulator.set_faults(tokens=["right", "renewed"])
    words = ("run", str(desk.make_list(6)), "--message", MESSAGE)
    for _ in range(2):
        assert desk.json(*words, code=4, PASSENTRY_API_KEY="wrong")["by_status"]["pending"] == 6
    begun = desk.json("resume", "list", "--limit", "2", code=5, PASSENTRY_API_KEY="right")
    assert "warnings" not in begun
    # Once a token was accepted, each other one is told of, also after one that was refused.
    for token, code in (("wrong", 4), ("renewed", 0)):
        told = desk.json("resume", "list", code=code, PASSENTRY_API_KEY=token)
        assert [warning["kind"] for warning in told["warnings"]] == ["other_token"]
    assert ({len(texts) for texts in desk.sent().values()}, len(desk.sent())) == ({1}, 6)


def test_another_token_is_told_of_before_it_is_sent_once_and_goes_on(desk: Desk) -> None:
    words = ("run", str(desk.make_list(6)), "--message", MESSAGE)
    new = "a-renewed-token"
    first = desk.run(*words, "--limit", "2", code=5)
    assert "other_token" not in [event["event"] for event in events(first.stderr)]
    renewed = desk.run("resume", "list", "--limit", "2", "--json", code=5, PASSENTRY_API_KEY=new)
    [told, begun] = [event for event in events(renewed.stderr) if event["event"] in {"other_token", "run_started"}]
    assert (told["event"], told["level"], begun["event"]) == ("other_token", "warning", "run_started")
    assert new not in renewed.stderr
    assert [warning["kind"] for warning in json.loads(renewed.stdout)["warnings"]] == ["other_token"]
    last = desk.run(*words, PASSENTRY_API_KEY=new)
    assert "other_token" not in [event["event"] for event in events(last.stderr)]
    assert {len(texts) for texts in desk.sent().values()} == {1}
