"""A corrected file on a ledger that does not know its campaign: what was corrected is sent, or nothing. The simulator's audit judges."""

import signal

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.test_reruns import MESSAGE, table, write

KILLED_ONCE_STAGED = """
import os, signal
from campaign.app import retry
async def killed(*words, **named):
    os.kill(os.getpid(), signal.SIGKILL)
retry.check_same_ledger = killed
from campaign.__main__ import main
main()
"""
"""The command, killed once a file of a campaign that its ledger did not know is staged, before it takes its rows."""

CORRECTED = {"pass-00001": ["Hi Ms 1"], "pass-00002": ["Hi Name 2"]}


def failed_and_corrected(desk: Desk, **cells: str) -> str:
    """Two failed rows, of which the first is corrected, in a file that no other ledger knows."""
    desk.simulator.set_faults(missing=["pass-00001", "pass-00002"])
    desk.make_list(2)
    desk.run("run", "list.csv", "--message", MESSAGE, code=3)
    desk.simulator.set_faults(missing=[])
    first, *others = table(desk.folder / "list.results.failed.csv")
    return write(desk.folder / "corrected.csv", [first | cells, *others])


def test_a_corrected_file_is_sent_as_corrected_from_a_ledger_that_does_not_know_its_campaign(desk: Desk) -> None:
    command = ("retry", failed_and_corrected(desk, first_name="Ms 1"), "--ledger", "two.db")
    why = desk.run(*command, code=2).stderr
    assert "texts_not_known" in why
    assert "--message" in why
    assert not desk.sent()
    desk.run(*command, "--message", MESSAGE)
    assert desk.sent() == CORRECTED


def test_one_whose_messages_alone_were_corrected_is_sent_as_it_is_by_two_commands(desk: Desk) -> None:
    corrected = failed_and_corrected(desk, delivery_message="Good day")
    desk.run("run", corrected, "--ledger", "two.db", code=3)
    assert not desk.sent()
    desk.run("retry", "list", "--ledger", "two.db")
    assert desk.sent() == {"pass-00001": ["Good day"], "pass-00002": ["Hi Name 2"]}


@pytest.mark.parametrize("refused", [True, False])
def test_so_is_one_that_is_given_again_after_it_was_stopped(desk: Desk, *, refused: bool) -> None:
    command = ("retry", failed_and_corrected(desk, first_name="Ms 1"), "--message", MESSAGE, "--ledger", "two.db")
    if refused:
        desk.simulator.set_faults(missing=["pass-00001", "pass-00002"])
        desk.run(*command, code=3)
        desk.simulator.set_faults(missing=[])
    else:
        killed = Desk(desk.folder, desk.simulator, desk.environment, program=("-c", KILLED_ONCE_STAGED))
        killed.run(*command, code=-signal.SIGKILL)
        assert not desk.sent()
    desk.run(*command)
    assert desk.sent() == CORRECTED


def test_a_failed_rows_file_in_which_nothing_but_the_message_can_be_corrected_is_sent_from_any_ledger(desk: Desk) -> None:
    (desk.folder / "list.csv").write_text("pass_id\npass-00001\n", encoding="utf-8")
    desk.simulator.set_faults(missing=["pass-00001"])
    desk.run("run", "list.csv", "--message", "Hello", code=3)
    desk.simulator.set_faults(missing=[])
    [row] = table(desk.folder / "list.results.failed.csv")
    desk.run("retry", write(desk.folder / "corrected.csv", [row | {"delivery_message": "Good day"}]), "--ledger", "two.db")
    assert desk.sent() == {"pass-00001": ["Good day"]}


@pytest.mark.parametrize(
    ("cells", "sent"),
    [
        ({"message": "Dear 1"}, None),
        ({"delivery_message": "Dear 1"}, None),
        ({"message": "Dear 1", "delivery_message": "Dear 1"}, "Dear 1"),
        ({"message": "Dear 1", "delivery_message": ""}, "Dear 1"),
        ({}, "Hi 1"),
    ],
)
def test_where_it_is_not_known_whether_a_message_or_its_column_was_corrected_nothing_is_sent(
    desk: Desk, cells: dict[str, str], sent: str | None
) -> None:
    (desk.folder / "list.csv").write_text("pass_id,message\npass-00001,Hi 1\n", encoding="utf-8")
    desk.simulator.set_faults(missing=["pass-00001"])
    desk.run("run", "list.csv", code=3)
    desk.simulator.set_faults(missing=[])
    [row] = table(desk.folder / "list.results.failed.csv")
    corrected = write(desk.folder / "corrected.csv", [row | cells])
    found = desk.run("retry", corrected, "--ledger", "two.db", code=0 if sent else 2)
    assert ("texts_not_known" in found.stderr) == (sent is None)
    assert desk.sent() == ({"pass-00001": [sent]} if sent else {})
