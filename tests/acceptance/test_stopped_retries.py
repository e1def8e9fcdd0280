"""A retry that was killed or stopped goes on by the same command, and sends nobody its message twice. The simulator's audit judges."""

import shutil
import signal
from collections import Counter
from typing import Any

import pytest

from campaign.simulator.config import ENTITY
from tests.acceptance.desk import Desk
from tests.acceptance.test_reruns import MESSAGE, table, write
from tests.examples import slow_after

ROWS = 12
BY_BATCH = ("list", "--via", "batch", "--entity", ENTITY)
KILLED_AT_THE_END = """
import os, signal
from campaign.app.results import write
write.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from campaign.__main__ import main
main()
"""
"""The command, killed once its last row has its outcome, before its results are written."""

OVERTAKEN = """
import subprocess, sys
from campaign.app import retry
check = retry.check_same_ledger
async def overtaken(*words, **named):
    subprocess.run([sys.executable, '-m', 'campaign', *sys.argv[1:]], check=True, capture_output=True)
    await check(*words, **named)
retry.check_same_ledger = overtaken
from campaign.__main__ import main
main()
"""
"""The command; once it has selected its rows, and before it takes them, another process begins and ends the same command."""


@pytest.fixture
def undelivered(desk: Desk) -> Desk:
    """All rows of a campaign are `not_delivered`, and stay so."""
    desk.simulator.set_faults(undelivered_when_issued=True)
    for row in range(1, ROWS + 1):
        desk.simulator.set_pass(f"pass-{row:05}", status="issued")
    desk.make_list(ROWS)
    found = desk.json("run", "list.csv", "--message", MESSAGE)
    assert found["by_status"]["not_delivered"] == ROWS
    desk.simulator.reset()
    (desk.folder / "vip.csv").write_text("pass_id\n" + "".join(f"pass-{row:05}\n" for row in range(1, ROWS + 1)), encoding="utf-8")
    return desk


def times(desk: Desk) -> Counter[int]:
    """How many passes got how many messages."""
    return Counter(len(texts) for texts in desk.sent().values())


def warnings(found: dict[str, Any]) -> dict[str, int]:
    return {warning["kind"]: warning["count"] for warning in found.get("warnings", ())}


def stopped(desk: Desk, *words: str, how: signal.Signals = signal.SIGKILL) -> None:
    """Begin a retry, and stop it after some messages."""
    process = desk.start("retry", *words, "--rate", "10", "--concurrency", "1")
    desk.until(process, lambda: sum(request.method == "POST" for request in desk.simulator.requests()) >= 4)
    process.send_signal(how)
    process.communicate()
    assert len(desk.simulator.audit()) < ROWS


@pytest.mark.parametrize(
    ("words", "how"),
    slow_after(
        1,
        [
            (("list",), signal.SIGKILL),
            (("list", "--rows", "vip.csv"), signal.SIGKILL),
            (("list.results.csv",), signal.SIGKILL),
            (("list",), signal.SIGINT),
        ],
        unpack=True,
    ),
)
def test_the_same_command_goes_on_with_what_is_left_and_selects_anew_once_it_has_ended(
    undelivered: Desk, words: tuple[str, ...], how: signal.Signals
) -> None:
    command = (*words, "--status", "not_delivered")
    stopped(undelivered, *command, how=how)
    found = undelivered.json("retry", *command, code=None)
    # What was under way may have arrived, and the pass holds the same text from before.
    unknown, sent = found["by_status"]["unknown"], found["by_status"]["not_delivered"]
    assert sent == ROWS - unknown >= 6
    assert max(times(undelivered)) == 1
    assert times(undelivered)[1] >= sent
    assert warnings(found)["already_retried"] >= 2
    again = undelivered.json("retry", *command, code=None)
    assert warnings(again) == {}
    assert times(undelivered)[2] == sent


@pytest.mark.parametrize("words", slow_after(2, [("list",), BY_BATCH, ("list", "--rows", "vip.csv"), ("list.results.csv",)]))
def test_one_that_is_killed_after_its_last_message_has_nothing_left(undelivered: Desk, words: tuple[str, ...]) -> None:
    command = ("retry", *words, "--status", "not_delivered")
    killed = Desk(undelivered.folder, undelivered.simulator, undelivered.environment, program=("-c", KILLED_AT_THE_END))
    killed.run(*command, code=-signal.SIGKILL)
    assert times(undelivered) == {1: ROWS}
    found = undelivered.json(*command)
    assert times(undelivered) == {1: ROWS}
    assert warnings(found) == {"already_retried": ROWS}
    undelivered.json(*command)
    assert times(undelivered) == {2: ROWS}


def test_as_long_as_rows_are_left_that_were_never_sent_the_same_command_sends_nobody_twice(undelivered: Desk) -> None:
    undelivered.make_list(ROWS, "half.csv")
    undelivered.run("run", "half.csv", "--message", MESSAGE, "--limit", "5", code=5)
    undelivered.simulator.reset()
    undelivered.make_list(5, "few.csv")
    command = ("retry", "half", "--status", "not_delivered", "--rows", "few.csv")
    undelivered.run(*command, code=5)
    undelivered.run(*command, code=5)
    assert times(undelivered) == {1: 5}
    undelivered.json("resume", "half")
    assert times(undelivered) == {1: ROWS}
    undelivered.json(*command)
    assert times(undelivered) == {1: ROWS - 5, 2: 5}


def test_rows_that_wait_for_a_stopped_retry_are_sent_by_no_other_ledger(undelivered: Desk) -> None:
    undelivered.make_list(5, "both.csv")
    there = str(undelivered.folder / "there.db")
    undelivered.run("stage", "both.csv", "--message", MESSAGE, CAMPAIGN_LEDGER=there)
    undelivered.run("run", "both.csv", "--message", MESSAGE)
    undelivered.simulator.set_faults(tokens=["another"])
    undelivered.run("retry", "both", "--status", "not_delivered", code=4)
    undelivered.simulator.set_faults(tokens=[])
    undelivered.simulator.reset()
    assert "attempts: 1" in undelivered.run("resume", "both", code=2, CAMPAIGN_LEDGER=there).stderr
    undelivered.run("retry", "both", "--status", "not_delivered")
    assert times(undelivered) == {1: 5}


def test_unknown_rows_that_wait_for_a_person_too(desk: Desk) -> None:
    # As few rows as get no more than one pause of all senders.
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.make_list(5)
    desk.run("run", "list.csv", "--message", MESSAGE, "--on-unknown", "hold", code=3)
    desk.simulator.reset()
    command = ("list", "--status", "unknown", "--on-unknown", "hold")
    stopped(desk, *command)
    desk.simulator.set_faults(faults={})
    desk.json("retry", *command, code=3)
    assert max(times(desk)) == 1


def test_one_whose_rows_are_only_to_be_read_back_asks_for_no_agreement_to_send(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.make_list(2)
    desk.run("run", "list.csv", "--message", MESSAGE, "--on-unknown", "hold", code=3)
    command = ("retry", "list", "--status", "unknown", "--on-unknown", "verify", "--quiet-period", "1h")
    for agreed in ("true", "false"):
        process = desk.start(*command, CAMPAIGN_YES=agreed)
        desk.until(process, lambda: times(desk) == {2: 2} and desk.json("status", "list")["state"] != "stopped")
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 130


def test_two_at_once_send_each_row_once(undelivered: Desk) -> None:
    command = ("retry", "list", "--status", "not_delivered", "--rate", "10")
    first = undelivered.start(*command)
    undelivered.until(first, lambda: len(undelivered.simulator.audit()) >= 3)
    undelivered.run(*command)
    first.communicate()
    assert first.returncode == 0
    assert times(undelivered) == {1: ROWS}


@pytest.mark.parametrize("words", slow_after(1, [("list",), ("list", "--rows", "vip.csv"), ("copy.csv",)]))
@pytest.mark.parametrize("is_stopped_before", [True, False])
def test_one_that_another_overtakes_sends_nothing_of_it(undelivered: Desk, words: tuple[str, ...], *, is_stopped_before: bool) -> None:
    shutil.copy(undelivered.folder / "list.results.csv", undelivered.folder / "copy.csv")
    command = (*words, "--status", "not_delivered")
    if is_stopped_before:
        stopped(undelivered, *command, how=signal.SIGINT)
    late = Desk(undelivered.folder, undelivered.simulator, undelivered.environment, program=("-c", OVERTAKEN))
    assert late.json("retry", *command)["by_status"]["not_delivered"] == ROWS
    assert times(undelivered) == {1: ROWS}
    undelivered.run("retry", *command)
    assert times(undelivered) == {2: ROWS}


def test_another_selection_joins_it_and_what_it_has_sent_is_said_to_be_left(undelivered: Desk) -> None:
    undelivered.simulator.set_faults(missing=[f"pass-{row:05}" for row in range(1, ROWS + 1)])
    stopped(undelivered, "list", "--status", "not_delivered", how=signal.SIGINT)
    undelivered.simulator.set_faults(missing=[])
    tried = undelivered.json("status", "list")["by_status"]["failed"]
    found = undelivered.json("retry", "list", code=3)
    assert warnings(found) == {"already_retried": tried, "retry_goes_on": ROWS - tried}
    assert times(undelivered) == {1: ROWS - tried}


def test_a_corrected_file_goes_on_with_its_corrections(desk: Desk) -> None:
    desk.simulator.set_faults(missing=[f"pass-{row:05}" for row in range(1, ROWS + 1)])
    desk.make_list(ROWS)
    desk.run("run", "list.csv", "--message", MESSAGE, code=3)
    rows = table(desk.folder / "list.results.failed.csv")
    for row in rows:
        row["first_name"] = row["first_name"].replace("Name", "Ms")
    command = (write(desk.folder / "corrected.csv", rows), "--message", MESSAGE)
    desk.simulator.set_faults(missing=[f"pass-{row:05}" for row in range(1, 4)])
    desk.simulator.reset()
    stopped(desk, *command)
    desk.simulator.set_faults(missing=[])
    desk.json("retry", *command, code=3)
    assert desk.sent() == {f"pass-{row:05}": [f"Hi Ms {row}"] for row in range(4, ROWS + 1)}
    posted = Counter(request.raw_path for request in desk.simulator.requests() if request.method == "POST")
    assert [count for path, count in posted.items() if path.split("/")[-2] < "pass-00004"] == [1, 1, 1]


def test_one_of_a_file_whose_corrected_rows_are_left_is_not_ended_by_another(undelivered: Desk) -> None:
    (undelivered.folder / "other.csv").write_text("pass_id,first_name\npass-00001,Name 1\n,Name 2\n", encoding="utf-8")
    undelivered.run("run", "other.csv", "--message", MESSAGE, code=3)
    undelivered.simulator.reset()
    rows = table(undelivered.folder / "other.results.csv")
    rows[1]["pass_id"] = "pass-00002"
    command = ("retry", write(undelivered.folder / "corrected.csv", rows), "--status", "not_delivered,invalid", "--message", MESSAGE)
    undelivered.run(*command, "--limit", "1", code=5)
    assert warnings(undelivered.json("retry", "other", code=None)) == {}
    undelivered.run(*command)
    assert undelivered.sent() == {"pass-00001": ["Hi Name 1"], "pass-00002": ["Hi Name 2"]}


def test_once_resume_has_ended_it_the_next_one_selects_anew(undelivered: Desk) -> None:
    command = ("retry", "list", "--status", "not_delivered")
    undelivered.run(*command, "--limit", "5", code=5)
    undelivered.run("resume", "list")
    assert times(undelivered) == {1: ROWS}
    undelivered.run(*command)
    assert times(undelivered) == {2: ROWS}


def test_the_ledger_that_it_was_stopped_on_sends_nothing_that_another_has_gone_on_with(undelivered: Desk) -> None:
    undelivered.run("retry", "list", "--status", "not_delivered", "--limit", "4", code=5)
    undelivered.run("run", "list.results.csv", "--ledger", "two.db")
    undelivered.run("retry", "list", "--status", "not_delivered", code=2)
    undelivered.run("resume", "list", code=2)
    assert times(undelivered) == {1: ROWS}


@pytest.mark.parametrize("is_killed", [False, True])
def test_on_another_ledger_its_results_go_on_with_what_is_left(undelivered: Desk, *, is_killed: bool) -> None:
    undelivered.run("retry", "list", "--status", "not_delivered", "--limit", "4", code=5)
    command = ("retry", "list.results.csv", "--status", "not_delivered", "--ledger", "two.db")
    if is_killed:
        process = undelivered.start(*command, "--rate", "10", "--concurrency", "1")
        undelivered.until(process, lambda: len(undelivered.simulator.audit()) >= 7)
        process.kill()
        process.communicate()
    found = undelivered.json(*command, code=None)
    assert max(times(undelivered)) == 1
    # What was under way at the kill: its passes hold the same text from before.
    unknown = found["by_status"]["unknown"]
    assert is_killed or not unknown
    assert found["by_status"]["not_delivered"] == ROWS - unknown
    assert warnings(found)["already_retried"] >= 4
    undelivered.run(*command, code=None)
    assert times(undelivered)[2] == ROWS - unknown


def test_on_another_ledger_rows_that_were_never_sent_keep_it_open_too(undelivered: Desk) -> None:
    undelivered.make_list(ROWS, "half.csv")
    undelivered.run("run", "half.csv", "--message", MESSAGE, "--limit", "5", code=5)
    undelivered.simulator.reset()
    undelivered.make_list(5, "few.csv")
    undelivered.run("retry", "half", "--status", "not_delivered", "--rows", "few.csv", code=5)
    command = ("retry", "half.results.csv", "--status", "not_delivered", "--ledger", "two.db")
    assert warnings(undelivered.json(*command, code=5))["already_retried"] == 5
    assert times(undelivered) == {1: 5}
    undelivered.run("resume", "half", "--ledger", "two.db")
    assert times(undelivered) == {1: ROWS}
    undelivered.run(*command)
    assert times(undelivered) == {2: ROWS}


def test_on_another_ledger_a_pass_that_shows_the_text_from_before_proves_nothing_either(undelivered: Desk) -> None:
    undelivered.make_list(5, "few.csv")
    undelivered.run("run", "few.csv", "--message", MESSAGE, "--name", "few")
    undelivered.simulator.set_faults(faults={"cut_before": 1.0})
    undelivered.run("retry", "few", "--status", "not_delivered", "--on-unknown", "hold", code=3)
    undelivered.simulator.set_faults(faults={})
    undelivered.run("run", "few.results.csv", "--ledger", "two.db", code=3)
    for ledger in ((), ("--ledger", "two.db")):
        undelivered.run("verify", "few", *ledger, code=3, CAMPAIGN_QUIET_PERIOD="0.1s")
        assert undelivered.json("status", "few", *ledger, code=None)["by_status"]["unknown"] == 5
    assert times(undelivered) == {1: 5}


@pytest.mark.parametrize("again", ["by a person", "by --on-unknown resend"])
def test_on_another_ledger_a_refusal_does_not_hide_that_an_earlier_attempt_may_have_arrived(desk: Desk, again: str) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.make_list(2)
    run = ("run", "list.csv", "--message", MESSAGE, "--on-unknown")
    if again == "by a person":
        desk.run(*run, "hold", code=3)
        desk.simulator.set_faults(faults={"throttle": 1.0}, retry_after="60")
        process = desk.start("retry", "list", "--status", "unknown")
        desk.until(process, lambda: any(request.status == 429 for request in desk.simulator.requests()))
        process.send_signal(signal.SIGINT)
        process.communicate()
    else:
        desk.run(*run, "resend", "--limit", "2", code=5)
    assert {row["delivery_status"] for row in table(desk.folder / "list.results.csv")} == {"pending"}
    desk.simulator.set_faults(faults={}, missing=["pass-00001", "pass-00002"])
    desk.run("run", "list.results.csv", "--ledger", "two.db", code=3)
    desk.simulator.set_faults(missing=[])
    desk.run("retry", "list", "--ledger", "two.db", code=3)
    assert times(desk) == {1: 2}


def test_a_run_that_was_stopped_goes_on_on_another_ledger_as_usual(undelivered: Desk) -> None:
    undelivered.make_list(ROWS, "half.csv")
    undelivered.run("run", "half.csv", "--message", MESSAGE, "--limit", "5", code=5)
    for _ in range(2):
        undelivered.run("run", "half.results.csv", "--ledger", "two.db")
        assert times(undelivered) == {1: ROWS}
    found = undelivered.json("retry", "half.results.csv", "--status", "not_delivered", "--ledger", "two.db")
    assert warnings(found).keys() <= {"new_ledger"}
    assert times(undelivered) == {2: ROWS}


def test_a_corrected_file_that_is_given_again_after_its_retry_keeps_its_corrections(desk: Desk) -> None:
    desk.simulator.set_faults(missing=["pass-00001", "pass-00002"])
    desk.make_list(2)
    desk.run("run", "list.csv", "--message", MESSAGE, code=3)
    rows = table(desk.folder / "list.results.failed.csv")
    rows[0]["first_name"] = "Ms 1"
    rows[1]["delivery_message"] = "Hi Ms 2"
    command = ("retry", write(desk.folder / "corrected.csv", rows), "--message", MESSAGE)
    desk.run(*command, code=3)
    desk.simulator.set_faults(missing=["pass-00002"])
    desk.run(*command, code=3)
    assert desk.sent() == {"pass-00001": ["Hi Ms 1"]}
    desk.simulator.set_faults(missing=[])
    fresh = [row | {"delivery_message": "Hi Name 2"} for row in table(desk.folder / "list.results.failed.csv")]
    desk.run("retry", write(desk.folder / "corrected.csv", fresh))
    assert desk.sent()["pass-00002"] == ["Hi Name 2"], "a person can take a correction back"


@pytest.mark.parametrize("is_invalid_first", [True, False])
def test_so_does_one_whose_rows_this_ledger_had_not_sent_before(desk: Desk, *, is_invalid_first: bool) -> None:
    (desk.folder / "list.csv").write_text(f"pass_id,first_name\n{'' if is_invalid_first else 'pass-00001'},Name 1\n", encoding="utf-8")
    desk.simulator.set_faults(missing=["pass-00001"])
    desk.run("run", "list.csv", "--message", MESSAGE, code=3)
    ledger = () if is_invalid_first else ("--ledger", "two.db")
    if ledger:
        desk.run("run", "list.results.csv", *ledger, code=3)
    [row] = table(desk.folder / "list.results.csv")
    corrected = write(desk.folder / "corrected.csv", [row | {"pass_id": "pass-00001", "first_name": "Ms 1"}])
    desk.run("retry", corrected, "--message", MESSAGE, *ledger, code=3)
    desk.simulator.set_faults(missing=[])
    assert "newest failed-rows file" in desk.run("retry", corrected, *ledger, code=2).stderr
    assert not desk.sent()
    desk.run("retry", corrected, "--message", MESSAGE, *ledger)
    assert desk.sent() == {"pass-00001": ["Hi Ms 1"]}
