"""Every exit code of the design, each caused for real, and what the command then says of going on."""

import json
import signal
import time
from collections.abc import Callable

import pytest

from tests.acceptance.desk import Desk

MESSAGE = ("--message", "Hi {{ first_name }}")


def all_well(desk: Desk) -> int:
    desk.make_list(5)
    return desk.run("run", "list.csv", *MESSAGE, code=None).returncode


def bad_input(desk: Desk) -> int:
    (desk.folder / "list.csv").write_text("name\nAnna\n", encoding="utf-8")
    return desk.run("run", "list.csv", *MESSAGE, code=None).returncode


def bad_usage(desk: Desk) -> int:
    desk.make_list(5)
    return desk.run("run", "list.csv", *MESSAGE, "--no-such-option", code=None).returncode


def some_failed(desk: Desk) -> int:
    desk.simulator.set_faults(faults={"not_found": 0.5})
    desk.make_list(20)
    return desk.run("run", "list.csv", *MESSAGE, code=None).returncode


def some_invalid(desk: Desk) -> int:
    (desk.folder / "list.csv").write_text("pass_id,first_name\na,Anna\nb,\n", encoding="utf-8")
    return desk.run("run", "list.csv", *MESSAGE, code=None).returncode


def some_unknown(desk: Desk) -> int:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.make_list(3)
    return desk.run("run", "list.csv", *MESSAGE, "--on-unknown", "hold", code=None).returncode


def token_refused(desk: Desk) -> int:
    desk.simulator.set_faults(tokens=["another"])
    desk.make_list(100)
    return desk.run("run", "list.csv", *MESSAGE, code=None).returncode


def too_many_fail(desk: Desk) -> int:
    desk.simulator.set_faults(faults={"not_found": 1.0})
    desk.make_list(200)
    return desk.run("run", "list.csv", *MESSAGE, "--halt", "10", "--rate", "50", code=None).returncode


def limit_reached(desk: Desk) -> int:
    desk.make_list(20)
    return desk.run("run", "list.csv", *MESSAGE, "--limit", "5", code=None).returncode


def paused(desk: Desk) -> int:
    desk.make_list(200)
    process = desk.start("run", "list.csv", *MESSAGE, "--rate", "20")
    while_sending(desk, lambda: desk.run("pause", "list"))
    process.communicate(timeout=30)
    return process.returncode


def started_while_paused(desk: Desk) -> int:
    assert paused(desk) == 5
    before = len(desk.sent())
    again = desk.run("run", "list.csv", *MESSAGE, code=None)
    assert desk.json("status", "list", code=None)["state"] == "paused"
    assert len(desk.sent()) == before
    return again.returncode


def interrupted(desk: Desk) -> int:
    return signalled(desk, signal.SIGINT)


def terminated(desk: Desk) -> int:
    return signalled(desk, signal.SIGTERM)


def signalled(desk: Desk, number: signal.Signals) -> int:
    desk.make_list(200)
    process = desk.start("run", "list.csv", *MESSAGE, "--rate", "20")
    while_sending(desk, lambda: process.send_signal(number))
    process.communicate(timeout=30)
    return process.returncode


def while_sending(desk: Desk, act: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while len(desk.sent()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    act()


@pytest.mark.parametrize(
    ("cause", "code", "shown"),
    [
        (all_well, 0, 0),
        (bad_input, 2, None),
        (bad_usage, 2, None),
        (some_failed, 3, 3),
        (some_invalid, 3, 3),
        (some_unknown, 3, 3),
        (token_refused, 4, 4),
        (too_many_fail, 4, 4),
        (limit_reached, 5, 5),
        (paused, 5, 5),
        (started_while_paused, 5, 5),
        (interrupted, 130, 130),
        (terminated, 143, 143),
    ],
)
def test_exit_code(desk: Desk, cause: Callable[[Desk], int], code: int, shown: int | None) -> None:
    """`shown` is the code that `status` tells afterwards; None where nothing was staged."""
    assert cause(desk) == code
    if shown is None:
        assert desk.run("status", "--json").stdout.strip() == "[]"
        assert desk.simulator.requests() == []
        return
    assert desk.json("status", "list")["exit_code"] == shown
    if code in {4, 5, 130, 143}:
        assert "    campaign resume list\n" in desk.run("status", "list").stdout
        desk.simulator.set_faults(faults={}, tokens=[])
        assert desk.json("resume", "list", code=None)["by_status"]["pending"] == 0
    assert {len(texts) for texts in desk.sent().values()} <= {1}


def test_an_interrupted_staging_leaves_nothing_and_says_which_signal(desk: Desk) -> None:
    path = desk.folder / "list.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("pass_id,first_name\n")
        file.writelines(f"pass-{row},Name {row}\n" for row in range(300_000))
    process = desk.start("run", "list.csv", *MESSAGE)
    ledger = desk.folder / "campaign.db"
    deadline = time.monotonic() + 30
    while not ledger.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert json.loads(desk.run("status", "--json").stdout) == []
    assert desk.simulator.requests() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(desk: Desk, number: signal.Signals) -> None:
    desk.simulator.set_faults(faults={"hang_after": 1.0})
    desk.make_list(30)
    process = desk.start("run", "list.csv", *MESSAGE, "--rate", "20")
    while_sending(desk, lambda: process.send_signal(number))
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(number)
    # Long before the requests under way are given up.
    process.communicate(timeout=20)
    assert process.returncode == 128 + number
    desk.simulator.set_faults(faults={})
    seen = desk.json("run", "list.csv", *MESSAGE)
    assert seen["by_status"]["accepted"] >= 3
    assert seen["by_status"]["delivered"] + seen["by_status"]["accepted"] == 30
    assert {len(texts) for texts in desk.sent().values()} == {1}
