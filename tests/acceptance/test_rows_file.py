"""`retry NAME --rows FILE`: the failed rows whose passes stand in any list, and no others. The simulator's audit tells who got one."""

import json
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.screen import Terminal
from tests.acceptance.test_jobs import write_job
from tests.acceptance.test_reruns import table
from tests.examples import slow_after
from tests.unit.xlsx_given import write_workbook

MESSAGE = ("--message", "Hi {{ first_name }}")
FAILED = ["pass-00002", "pass-00004", "pass-00006", "pass-00008"]


@pytest.fixture
def failed(desk: Desk) -> Desk:
    """Of ten rows four have failed, one is invalid and one a duplicate; the others are delivered. Nothing fails any more."""
    desk.simulator.set_faults(missing=FAILED)
    path = desk.make_list(9)
    path.write_text(path.read_text(encoding="utf-8") + "pass-00001,Again\npass-00011,\n", encoding="utf-8")
    desk.run("run", "list.csv", *MESSAGE, code=3)
    desk.simulator.set_faults(missing=[])
    desk.simulator.reset()
    return desk


def kinds(found: dict[str, object]) -> dict[str, int]:
    file = found["rows_file"]
    assert isinstance(file, dict)
    assert sum(file["by_kind"].values()) == file["rows"]
    return {kind: count for kind, count in file["by_kind"].items() if count}


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path.name


def test_only_the_failed_rows_of_the_list_are_sent_and_each_line_is_accounted_for(failed: Desk) -> None:
    named = ["pass-00002", "pass-00006", "pass-00001", "pass-00011", "nobody", "", "1.23E+15", "pass-00006", "pass-00003"]
    rows = write(failed.folder / "vip.csv", "Note;Customer id", *(f"x;{pass_id}" for pass_id in named))
    found = failed.json("retry", "list", "--rows", rows, "--id-column", "customer ID", code=3)
    assert failed.sent() == {"pass-00002": ["Hi Name 2"], "pass-00006": ["Hi Name 6"]}
    assert kinds(found) == {"retried": 2, "delivered": 2, "invalid": 1, "not_in_campaign": 1, "no_id": 1, "bad_id": 1, "repeated": 1}
    assert found["by_status"]["failed"] == 2
    # What is done is done: the same command again sends nothing.
    again = failed.json("retry", "list", "--rows", rows, "--id-column", "customer ID", code=3)
    assert kinds(again) == {"delivered": 4, "invalid": 1, "not_in_campaign": 1, "no_id": 1, "bad_id": 1, "repeated": 1}
    assert {len(texts) for texts in failed.sent().values()} == {1}


def test_in_words_with_the_lines_of_the_file(failed: Desk) -> None:
    rows = write(failed.folder / "vip.csv", "pass_id", "pass-00002", "", "nobody", "pass-00001")
    said = failed.run("retry", "list", "--rows", rows, code=3).stdout
    assert "line 4 (row 2)" in said
    assert "delivered already (line 5 (row 3))" in said


@pytest.mark.parametrize("kind", slow_after(1, ["xlsx", "jsonl", "results", "one column"]))
def test_any_list_will_do(failed: Desk, kind: str) -> None:
    match kind:
        case "xlsx":
            rows = write_workbook(failed.folder / "vip.xlsx", [["", ""], ["name", "uuid"], ["x", "pass-00004"], ["y", "pass-00005"]])
        case "jsonl":
            rows = failed.folder / write(failed.folder / "vip.jsonl", '{"n": 1, "id": "pass-00004"}', '{"n": 2, "id": "pass-00005"}')
        case "results":
            kept = [row for row in table(failed.folder / "list.results.csv") if row["pass_id"] in {"pass-00004", "pass-00005"}]
            lines = [",".join(kept[0]), *(",".join(f'"{cell}"' for cell in row.values()) for row in kept)]
            rows = failed.folder / write(failed.folder / "vip.csv", *lines)
        case _:
            rows = failed.folder / write(failed.folder / "vip.txt", "whom I mean", "pass-00004", "pass-00005")
    found = failed.json("retry", "list", "--rows", str(rows), code=3)
    assert kinds(found) == {"retried": 1, "delivered": 1}
    assert failed.sent() == {"pass-00004": ["Hi Name 4"]}


def test_rows_that_were_not_sent_yet_wait_unless_they_are_named(desk: Desk) -> None:
    desk.simulator.set_faults(missing=FAILED)
    desk.make_list(12)
    desk.run("run", "list.csv", *MESSAGE, "--limit", "8", "--concurrency", "1", code=5)
    desk.simulator.set_faults(missing=[])
    desk.simulator.reset()
    pending = [row["pass_id"] for row in table(desk.folder / "list.results.csv") if row["delivery_status"] == "pending"]
    assert len(pending) == 4
    rows = write(desk.folder / "vip.csv", "pass_id", FAILED[0], pending[1], "pass-00001")
    found = desk.json("retry", "list", "--rows", rows, code=5)
    assert kinds(found) == {"retried": 1, "pending": 1, "delivered": 1}
    assert set(desk.sent()) == {FAILED[0], pending[1]}
    assert found["by_status"]["pending"] == 3
    # Interrupted or not, the rest of the campaign goes on as ever.
    desk.json("resume", "list", code=3)
    assert set(desk.sent()) == {FAILED[0], *pending}
    assert {len(texts) for texts in desk.sent().values()} == {1}


def test_what_was_begun_goes_on_by_the_same_command(failed: Desk) -> None:
    rows = write(failed.folder / "vip.csv", "pass_id", *FAILED[:3])
    failed.run("retry", "list", "--rows", rows, "--limit", "1", code=5)
    assert len(failed.sent()) == 1
    found = failed.json("retry", "list", "--rows", rows, code=3)
    assert kinds(found) == {"delivered": 1, "pending": 2}
    assert set(failed.sent()) == set(FAILED[:3])
    assert {len(texts) for texts in failed.sent().values()} == {1}


def test_status_and_answer_say_which_of_them(failed: Desk) -> None:
    rows = write(failed.folder / "vip.csv", "pass_id", "pass-00002", "pass-00001")
    found = failed.json("retry", "list", "--rows", rows, "--http-status", "422", code=3)
    assert kinds(found) == {"failed": 1, "delivered": 1}
    assert failed.sent() == {}
    found = failed.json("retry", "list", "--rows", rows, "--http-status", "404", code=3)
    assert kinds(found) == {"retried": 1, "delivered": 1}
    assert set(failed.sent()) == {"pass-00002"}


def test_a_person_is_asked_with_the_number_that_is_sent(failed: Desk) -> None:
    rows = write(failed.folder / "vip.csv", "pass_id", "pass-00004", "pass-00002", "nobody")
    with Terminal(failed, "retry", "list", "--rows", rows, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        assert "This sends 2 messages" in str(terminal.screen)
        assert "  Hi Name 2" in str(terminal.screen)
        terminal.type("n\n")
        assert terminal.end() == 2
    assert "campaign retry list --status failed --rows vip.csv" in " ".join(str(terminal.screen).split())
    assert failed.sent() == {}


@pytest.mark.parametrize(
    ("lines", "words"),
    slow_after(
        1,
        [
            (("name,other", "x,pass-00002"), ("--rows", "vip.csv")),
            (("pass-00002", "pass-00004"), ("--rows", "vip.csv")),
            (("pass_id", "pass-00002"), ("--rows", "gone.csv")),
            (("pass_id", "pass-00002"), ("--rows", "vip.csv", "--status", "invalid")),
        ],
        unpack=True,
    ),
)
def test_what_can_not_be_meant_is_refused(failed: Desk, lines: tuple[str, ...], words: tuple[str, ...]) -> None:
    write(failed.folder / "vip.csv", *lines)
    failed.run("retry", "list", *words, code=2)
    failed.run("retry", "list.results.failed.csv", *words, code=2)
    failed.run("retry", "nothing", *words, code=2)
    assert failed.sent() == {}


def test_a_paused_campaign_sends_nothing(desk: Desk) -> None:
    desk.simulator.set_faults(missing=FAILED)
    desk.make_list(9)
    desk.run("run", "list.csv", *MESSAGE, "--limit", "5", code=5)
    desk.simulator.reset()
    rows = write(desk.folder / "vip.csv", "pass_id", "pass-00002")
    desk.run("pause", "list")
    found = desk.json("retry", "list", "--rows", rows, code=None)
    assert found["by_status"]["failed"] == 2
    assert desk.sent() == {}


def test_who_is_excluded_is_not_sent_to(failed: Desk) -> None:
    rows = write(failed.folder / "vip.csv", "pass_id", "pass-00002", "pass-00004")
    write(failed.folder / "not.csv", "pass_id", "pass-00004")
    failed.json("retry", "list", "--rows", rows, "--exclude", "not.csv", code=3)
    assert set(failed.sent()) == {"pass-00002"}


class TestJob:
    def test_a_job_sends_them_and_has_nothing_to_do_then(self, failed: Desk) -> None:
        (failed.folder / "lists").mkdir()
        write(failed.folder / "lists" / "vip-1.csv", "customer", "pass-00004", "nobody")
        job = write_job(failed, 'command = "retry"\ncampaign = "list"\nrows = "lists/vip-*.csv"\nid_column = "customer"\n')
        assert kinds(failed.json("run", job, code=3)) == {"retried": 1, "not_in_campaign": 1}
        assert set(failed.sent()) == {"pass-00004"}
        failed.run("run", job)
        assert set(failed.sent()) == {"pass-00004"}

    def test_looking_jobs_through_reads_the_list(self, failed: Desk) -> None:
        (failed.folder / "jobs").mkdir()
        write_job(failed, 'command = "retry"\ncampaign = "list"\nrows = "vip.csv"\n', "jobs/again.toml")
        [missing] = json.loads(failed.run("jobs", "check", "jobs", "--json", code=2).stdout)
        assert not missing["ok"]
        write(failed.folder / "jobs" / "vip.csv", "pass_id", "pass-00004")
        [found] = json.loads(failed.run("jobs", "check", "jobs", "--json").stdout)
        assert (found["ok"], Path(found["rows_file"]).name) == (True, "vip.csv")
        assert failed.sent() == {}

    @pytest.mark.parametrize("text", slow_after(1, ['rows = ""', 'rows = "-"', "rows = 3"]))
    def test_what_is_no_file_is_a_mistake(self, failed: Desk, text: str) -> None:
        job = write_job(failed, f'command = "retry"\ncampaign = "list"\n{text}\n')
        failed.run("run", job, code=2)
        run = write_job(failed, 'list = "list.csv"\nmessage = "Hi"\nrows = "vip.csv"\n', "run.toml")
        failed.run("run", run, code=2)
        assert failed.sent() == {}
