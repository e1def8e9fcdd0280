"""Signals at every step, a process that is stopped and goes on, and pipes that nobody reads any more."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.hardship import SHORT_LEASE, finish, start
from tests.acceptance.test_run import MESSAGE, agrees, wait_for
from tests.examples import slow_after

WHEN_CALLED = """
import functools, os, time
def once(owner, name, do, *, after=1):
    whole, calls = getattr(owner, name), []
    @functools.wraps(whole)
    def hooked(*words, **options):
        calls.append(1)
        if len(calls) == after:
            do()
        return whole(*words, **options)
    setattr(owner, name, hooked)
def signals(*numbers):
    def do():
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.2)
    return do
"""

STAGING = f"""{WHEN_CALLED}
from campaign.ledger.sqlite import SqliteLedger
once(SqliteLedger, "stage", signals(%s), after=1)
"""

WAITING = f"""{WHEN_CALLED}
from campaign.loader import source
once(source, "_piped", signals(15))
"""

VERIFYING = f"""{WHEN_CALLED}
from campaign.sender.readback.verify import Verifier
once(Verifier, "round", signals(%s))
"""

REPORTING = f"""{WHEN_CALLED}
from campaign.atomic import AtomicFile
once(AtomicFile, "%s", signals(%s), after=%s)
"""

AS_NOHUP_DOES = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"


def freeze(process: "subprocess.Popen[str]", ledger: Path) -> None:
    """Stop it between two writes: one that is stopped in the middle of a write holds the ledger's lock for as long, and nobody can send."""

    def is_between_writes() -> bool:
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T")
        connection = apsw.Connection(str(ledger))
        try:
            connection.execute("BEGIN IMMEDIATE; ROLLBACK")
        except apsw.BusyError:
            process.send_signal(signal.SIGCONT)
            return False
        finally:
            connection.close()
        return True

    wait_for(is_between_writes)


def goes_on_to_its_end(desk: Desk, words: tuple[str, ...], rows: int) -> None:
    seen = json.loads(desk.run(*words, "--json").stdout)
    assert seen["by_status"]["delivered"] + seen["by_status"]["accepted"] == rows
    sent = desk.sent()
    assert {len(texts) for texts in sent.values()} == {1}
    assert len(sent) == rows
    agrees(desk, desk.folder / "list.results.csv")


@pytest.mark.parametrize("numbers", slow_after(1, [(15,), (2,), (15, 15)]))
def test_while_staging_leaves_nothing_half_staged(desk: Desk, numbers: tuple[int, ...]) -> None:
    words = ("run", str(desk.make_list(5001)), "--message", MESSAGE)
    finish(start(desk, *words, before=STAGING % ", ".join(map(str, numbers))))
    assert desk.simulator.requests() == []
    assert desk.run("status", "--json").stdout.strip() == "[]"
    desk.run(*words, "--limit", "30", code=5)
    assert len(desk.sent()) == 30


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_while_reading_back_leaves_the_rest_for_the_same_command(desk: Desk, number: int, code: int) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.run("run", str(desk.make_list(3)), "--message", MESSAGE, "--on-unknown", "hold", code=3)
    desk.simulator.set_faults(faults={"read_error": 1.0})
    finish(start(desk, "verify", "list", before=VERIFYING % number), code=code)
    desk.simulator.set_faults(faults={})
    assert desk.json("verify", "list")["by_status"]["accepted"] == 3
    assert len(desk.sent()) == 3


@pytest.mark.parametrize("words", [("run", "pipe", "--message", MESSAGE), ("retry", "list", "--rows", "pipe", "--yes")])
def test_while_waiting_for_a_pipe_that_nothing_writes_into(desk: Desk, words: tuple[str, ...]) -> None:
    desk.run("run", str(desk.make_list(2)), "--message", MESSAGE)
    os.mkfifo(desk.folder / "pipe")
    finish(start(desk, *words, before=WAITING), code=143)
    assert len(desk.sent()) == 2


@pytest.mark.parametrize(("step", "turn"), slow_after(1, [("commit", 1), ("commit", 2), ("sync", 1), ("sync", 2)], unpack=True))
def test_while_reporting_the_results_are_whole(desk: Desk, step: str, turn: int) -> None:
    desk.simulator.set_faults(faults={"unprocessable": 0.2})
    out = desk.folder / "list.results.csv"
    words = ("run", str(desk.make_list(60)), "--message", MESSAGE)
    desk.run(*words, "--limit", "20", code=5)
    process = start(desk, *words, before=REPORTING % (step, "15, 15", turn))
    finish(process)
    assert process.returncode in {3, 143, -15}
    agrees(desk, out)
    with out.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 60
    assert not list(desk.folder.glob(".campaign-results-*"))


@pytest.mark.parametrize("step", slow_after(1, ["commit", "sync"]))
def test_killed_while_reporting_the_old_results_stay_or_the_new_ones_are_there(desk: Desk, step: str) -> None:
    out = desk.folder / "list.results.csv"
    words = ("run", str(desk.make_list(60)), "--message", MESSAGE)
    desk.run(*words, "--limit", "20", code=5)
    process = start(desk, *words, before=REPORTING % (step, "9", 1))
    finish(process, code=-9)
    with out.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 60
    goes_on_to_its_end(desk, words, 60)


@pytest.mark.parametrize("numbers", slow_after(1, [(15, 15), (2, 15), (15, 2)]))
def test_twice_while_sending_ends_at_once_and_the_same_command_goes_on(desk: Desk, numbers: tuple[int, int]) -> None:
    desk.simulator.set_faults(latency=2.0)
    # Of the requests that are cut off, the simulator still processes some: they must be read back, not sent again.
    words = ("run", str(desk.make_list(100)), "--message", MESSAGE, "--quiet-period", "3s")
    process = start(desk, *words, "--rate", "50")
    wait_for(lambda: len(desk.simulator.requests()) > 20 or process.poll() is not None)
    process.send_signal(numbers[0])
    time.sleep(0.5)
    process.send_signal(numbers[1])
    finish(process, code=128 + numbers[0])
    desk.simulator.set_faults(latency=0.0)
    goes_on_to_its_end(desk, words, 100)
    # It had not waited for the answers that were under way.
    assert desk.json("status", "list")["by_status"]["accepted"] > 0


def test_a_terminal_that_is_closed_drains_like_any_stop(desk: Desk) -> None:
    desk.simulator.set_faults(latency=0.3)
    words = ("run", str(desk.make_list(200)), "--message", MESSAGE)
    process = start(desk, *words, "--rate", "50")
    wait_for(lambda: len(desk.sent()) > 20)
    process.send_signal(signal.SIGHUP)
    finish(process, code=129)
    agrees(desk, desk.folder / "list.results.csv")
    assert '"unknown"' not in desk.run("status", "list", "--json").stdout.replace('"unknown": 0', "")
    goes_on_to_its_end(desk, words, 200)


def test_under_nohup_a_closed_terminal_is_nothing(desk: Desk) -> None:
    words = ("run", str(desk.make_list(60)), "--message", MESSAGE)
    process = start(desk, *words, "--rate", "40", before=AS_NOHUP_DOES)
    wait_for(lambda: len(desk.sent()) > 10)
    process.send_signal(signal.SIGHUP)
    finish(process, code=0)
    goes_on_to_its_end(desk, words, 60)


def test_stopped_beyond_its_lease_it_sends_nothing_more_of_what_others_took_over(desk: Desk) -> None:
    desk.simulator.set_faults(latency=0.1)
    words = ("run", str(desk.make_list(200)), "--message", MESSAGE)
    sleeper = start(desk, *words, "--rate", "40", before=SHORT_LEASE)
    wait_for(lambda: len(desk.sent()) > 20)
    freeze(sleeper, Path(desk.environment["CAMPAIGN_LEDGER"]))
    try:
        other = start(desk, *words, "--rate", "100", before=SHORT_LEASE)
        wait_for(lambda: len(desk.sent()) > 120)
    finally:
        sleeper.send_signal(signal.SIGCONT)
    finish(other, code=0)
    finish(sleeper)
    assert sleeper.returncode in {0, 4}
    goes_on_to_its_end(desk, words, 200)


class TestPipes:
    @pytest.mark.parametrize("options", slow_after(1, [(), ("--json",)]))
    def test_a_reader_of_stdout_that_went_away_breaks_nothing(self, desk: Desk, options: tuple[str, ...]) -> None:
        words = ("run", str(desk.make_list(60)), "--message", MESSAGE)
        process = start(desk, *words, "--rate", "60", *options)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        said = finish(process)
        assert "Error" not in said
        assert process.returncode in {0, 128 + signal.SIGPIPE, -signal.SIGPIPE}
        agrees(desk, desk.folder / "list.results.csv")
        assert len(desk.sent()) == 60

    @pytest.mark.parametrize("level", slow_after(1, ["info", "debug"]))
    def test_a_reader_of_stderr_that_went_away_breaks_nothing(self, desk: Desk, level: str) -> None:
        words = ("run", str(desk.make_list(100)), "--message", MESSAGE)
        process = start(desk, *words, "--rate", "50", CAMPAIGN_LOG_LEVEL=level)
        assert process.stderr is not None
        wait_for(lambda: len(desk.sent()) > 5)
        process.stderr.close()
        process.stderr = None
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert len(desk.sent()) == 100
        agrees(desk, desk.folder / "list.results.csv")

    @pytest.mark.parametrize("closed", slow_after(1, ["0 1 2", "1", "2", "0"]))
    def test_started_without_standard_streams(self, desk: Desk, closed: str) -> None:
        words = ["run", str(desk.make_list(20)), "--message", MESSAGE]
        redirects = " ".join(f"{number}>&-" for number in closed.split())
        command = ["sh", "-c", f'exec python3 -m campaign "$@" {redirects}', "sh", *words]
        path = f"{Path(sys.executable).parent}{os.pathsep}{desk.environment['PATH']}"
        done = subprocess.run(command, cwd=desk.folder, env=desk.environment | {"PATH": path}, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert len(desk.sent()) == 20
        agrees(desk, desk.folder / "list.results.csv")
