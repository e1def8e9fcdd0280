"""The command on a terminal, as a person sees it."""

import io
import re
import signal
import threading
import time

import pytest
from rich.console import Console

from campaign.cli.logs import setup
from campaign.cli.screen import run_monitor
from campaign.domain.text.reasons import ended_in_words
from tests.acceptance.desk import Desk
from tests.acceptance.screen import Screen, Terminal

MESSAGE = "Hi {{ first_name }}"
BAR = re.compile(r"^list +\S+ +(\d+)/120 +([\d.]+)/s, about \d+ s left$", re.MULTILINE)
COUNTS = re.compile(r"^ +\d+ delivered(, \d+ [a-z ]+)*$", re.MULTILINE)


def test_the_bar_shows_rate_counts_and_time_left(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"not_delivered": 0.2})
    desk.make_list(120)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, "--rate", "40") as terminal:
        assert terminal.end() == 0
    shown = [found for screen in terminal.seen if (found := BAR.search(screen))]
    done = [int(found[1]) for found in shown]
    assert done == sorted(done)
    assert len(set(done)) > 5
    assert 30 <= float(shown[-1][2]) <= 45
    assert all(COUNTS.search(screen) for screen in terminal.seen if BAR.search(screen) and "delivered" in screen)
    # One bar at the end, and none left over above it.
    assert str(terminal.screen).count("/120") == 1
    assert "120/120" in str(terminal.screen)
    assert "Campaign list is finished." in str(terminal.screen)


def test_log_lines_stand_above_the_bar_and_neither_tears_the_other(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"cut_after": 0.1})
    desk.make_list(120)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, "--rate", "60", "--log-level", "info") as terminal:
        assert terminal.end() == 0
    lines = str(terminal.screen).splitlines()
    logged = [line for line in lines if re.match(r"\d\d:\d\d:\d\d \[", line)]
    assert sum("settled" in line for line in logged) >= 120
    assert sum("read_back" in line for line in logged) > 2
    whole = re.compile(r"\d\d:\d\d:\d\d \[info +\] settled +row=\d+ status=\w+ reason=\w* http_status=\w+ latency_ms=\d+")
    assert [line for line in logged if "settled" in line and not whole.fullmatch(line)] == []
    bars = [line for line in lines if "/120" in line]
    assert len(bars) == 1
    assert lines.index(bars[0]) > lines.index(logged[-2])
    for screen in terminal.seen:
        assert sum("/120 " in line for line in screen.splitlines()) <= 1


def test_log_lines_of_another_thread_do_not_tear_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    terminal = Console(file=printed, force_terminal=True, width=120, height=50)
    for module in (setup, run_monitor):
        monkeypatch.setattr(module, "console", lambda: terminal)
    bar = run_monitor.new_bar()
    task = bar.add_task("list", total=1, pace="")
    bar.start()

    def log() -> None:
        for number in range(300):
            setup.TerminalLogger().info(f"line {number}")

    logging = threading.Thread(target=log)
    logging.start()
    drawn = 0
    while logging.is_alive():
        drawn += 1
        bar.below = ("waiting",) * (drawn % 3)
        bar.refresh()
    bar.update(task, completed=1)
    bar.stop()
    screen = Screen()
    screen.feed(printed.getvalue())
    lines = str(screen).splitlines()
    assert [line for line in lines if line.startswith("line")] == [f"line {number}" for number in range(300)]
    assert sum("/1" in line for line in lines) == 1


def test_a_run_says_what_it_leaves_out_of_the_list_and_a_retry_does_not(desk: Desk) -> None:
    (desk.folder / "list.csv").write_text("pass_id,first_name\nP1,Ann\nP2,\n", encoding="utf-8")
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        terminal.type("y\n")
        assert terminal.end() == 3
    assert "leaves out 1 of the list's rows" in " ".join(str(terminal.screen).split())
    file = desk.folder / "list.results.failed.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("P2,,", "P2,Bo,"), encoding="utf-8")
    with Terminal(desk, "retry", str(file), "--message", MESSAGE, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        terminal.type("n\n")
        assert terminal.end() == 2
    # Without its message the file would be refused.
    assert f"list.results.failed.csv --message '{MESSAGE}'" in str(terminal.screen)
    with Terminal(desk, "retry", str(file), "--message", MESSAGE, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        assert "This sends 1 message to a pass" in str(terminal.screen)
        assert "leaves out" not in str(terminal.screen)
        terminal.type("y\n")
        assert terminal.end() == 0


def test_it_asks_first_and_no_sends_nothing(desk: Desk) -> None:
    desk.make_list(3)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        assert "  Hi Name 1" in str(terminal.screen)
        terminal.type("n\n")
        assert terminal.end() == 2
    assert "campaign resume list" in str(terminal.screen)
    assert desk.simulator.requests() == []
    with Terminal(desk, "resume", "list", CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert len(desk.sent()) == 3


def test_the_question_counts_what_may_be_sent_after_it_was_read_back(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"hang_before": 1.0})
    desk.make_list(30)
    killed = desk.start("run", "list.csv", "--message", MESSAGE, "--concurrency", "4")
    desk.until(killed, lambda: len(desk.simulator.requests()) >= 4)
    killed.kill()
    killed.communicate()
    desk.simulator.set_faults(faults={})
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, "--quiet-period", "1s", CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        [counted] = re.findall(
            r"This sends (\d+) messages to the passes of list.csv, and up to (\d+) more", " ".join(str(terminal.screen).split())
        )
        terminal.type("y\n")
        assert terminal.end() == 0
    assert sum(map(int, counted)) == len(desk.sent()) == 30


def test_ctrl_c_at_the_question_ends_at_once_with_nothing_sent(desk: Desk) -> None:
    desk.make_list(3)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.raw
    # Nothing is under way that a person would have to wait for.
    assert "Stopping" not in str(terminal.screen)
    assert re.search(r"^campaign: .*campaign resume list", str(terminal.screen), re.MULTILINE)
    assert desk.simulator.requests() == []


def test_cancel_asks_first_and_ctrl_c_or_no_changes_nothing(desk: Desk) -> None:
    desk.make_list(3)
    desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
    for typed, code, state in (("\x03", 1, "stopped"), ("n\n", 2, "stopped"), ("y\n", 0, "cancelled")):
        with Terminal(desk, "cancel", "list", CAMPAIGN_YES="false") as terminal:
            terminal.until(r"for good\? .*\[y/N\]")
            terminal.type(typed)
            assert terminal.end() == code
        assert "Traceback" not in terminal.raw
        assert desk.json("status", "list", code=None)["state"] == state


def test_ctrl_c_while_sending_settles_what_is_under_way_and_says_how_to_go_on(desk: Desk) -> None:
    desk.make_list(300)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, "--rate", "40") as terminal:
        terminal.until(r"\d\d/300")
        terminal.type("\x03")
        assert terminal.end(20) == 130
    shown = str(terminal.screen)
    assert " left\n" not in shown.partition("/300")[2].partition("Campaign list")[0]
    assert ended_in_words("interrupted") in shown
    assert "    campaign resume list\n" in shown
    assert "unknown" not in shown


def test_the_bar_of_a_resumed_run_begins_where_the_last_one_stopped(desk: Desk) -> None:
    desk.make_list(30)
    desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "10", code=5)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE) as terminal:
        assert terminal.end() == 0
    assert " 0/30" not in terminal.raw
    assert "10/30" in terminal.raw


def test_after_the_last_send_it_says_that_passes_are_read_back(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.make_list(3)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, "--quiet-period", "2s") as terminal:
        terminal.until("3/3 reading back")
        assert terminal.end(30) == 0
    assert "reading back" not in str(terminal.screen)


def test_a_second_ctrl_c_ends_at_once_and_nothing_is_doubled(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"hang_before": 0.5, "hang_after": 0.5})
    desk.make_list(40)
    with Terminal(desk, "run", "list.csv", "--message", MESSAGE, "--rate", "20") as terminal:
        while not desk.simulator.requests():
            time.sleep(0.05)
        terminal.type("\x03")
        terminal.until("Press Ctrl-C again")
        terminal.type("\x03")
        # Long before the requests under way are given up.
        assert terminal.end(20) == 130
    desk.simulator.set_faults(faults={})
    seen = desk.json("resume", "list")
    assert seen["by_status"]["delivered"] + seen["by_status"]["accepted"] == 40
    assert {len(texts) for texts in desk.sent().values()} == {1}
    assert len(desk.sent()) == 40


def test_watching_redraws_in_place_and_ends_with_the_campaign(desk: Desk) -> None:
    desk.make_list(90)
    sending = desk.start("run", "list.csv", "--message", MESSAGE, "--rate", "15")
    while not desk.sent():
        time.sleep(0.05)
    with Terminal(desk, "status", "list", "--watch") as terminal:
        assert terminal.end() == 0
    assert sending.wait(30) == 0
    sending.communicate()
    left = [int(found[1]) for screen in terminal.seen if (found := re.search(r"is being sent: (\d+) rows left", screen))]
    assert len(set(left)) > 2
    assert left == sorted(left, reverse=True)
    assert str(terminal.screen).count("Campaign list") == 1
    assert "Campaign list is finished." in str(terminal.screen)


def test_ctrl_c_ends_watching_alone(desk: Desk) -> None:
    desk.make_list(1500)
    sending = desk.start("run", "list.csv", "--message", MESSAGE, "--rate", "20")
    while not desk.sent():
        time.sleep(0.05)
    with Terminal(desk, "status", "list", "--watch") as terminal:
        terminal.until("is being sent")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.raw
    assert sending.poll() is None
    sending.send_signal(signal.SIGTERM)
    sending.communicate(timeout=20)
