"""Two ledgers with one list at the same time: whoever comes second sends nothing, and is told which ledger sends it."""

import json
import shutil
import signal
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.hardship import finish, mode, start, suspended, unprivileged
from tests.acceptance.screen import Terminal
from tests.acceptance.test_found_results import with_row_above
from tests.acceptance.test_wrong_ledger import ROWS, WORDS, events, home, ledger_of, refused, texts
from tests.examples import slow_after

SLOWLY = ("--rate", "4")
KILLED = """
import os, signal
from campaign.ledger.sqlite import SqliteLedger
async def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
SqliteLedger.{before} = die
"""
KILLED_BEFORE_IT_REGISTERS = KILLED.format(before="register_runner")
KILLED_BEFORE_ITS_FIRST_CLAIM = KILLED.format(before="claim")
WAITS = """
import asyncio, os
from campaign.ledger.sqlite import SqliteLedger
register = SqliteLedger.register_runner
async def wait(*values, **named):
    runner = await register(*values, **named) if {registered} else None
    open("waits", "w").close()
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    return runner or await register(*values, **named)
SqliteLedger.register_runner = wait
"""
WAITS_BEFORE_ITS_FIRST_CLAIM = """
import asyncio, os
from campaign.ledger.sqlite import SqliteLedger
claim = SqliteLedger.claim
async def wait(*values):
    open("waits", "w").close()
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    return await claim(*values)
SqliteLedger.claim = wait
"""
WAITS_BEFORE_IT_REMOVES_THE_MARKER = """
import asyncio, os
from campaign.ledger.sqlite import SqliteLedger
alone = SqliteLedger.while_none_registers
async def wait(*values):
    open("waits", "w").close()
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    await alone(*values)
SqliteLedger.while_none_registers = wait
"""
STOPPED_WHILE_IT_READS = """
import asyncio, os
from campaign.app import session
from campaign.domain.errors import SafeguardError
async def skip(*_, **__):
    open("waits", "w").close()
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    raise SafeguardError("Passes can't be read.")
session.skip_unreachable = skip
"""


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """One whose ledger is wherever the user's own data is."""
    desk.make_list(ROWS)
    environment = {name: value for name, value in desk.environment.items() if name != "CAMPAIGN_LEDGER"}
    return replace(desk, environment=environment | {"HOME": home(desk, "anna")})


def marker(desk: Desk, name: str = "list.results.sending") -> Path:
    return desk.folder / name


def markers(desk: Desk) -> list[Path]:
    return sorted(desk.folder.glob("*.sending"))


def is_refused(desk: Desk, *words: str, **environment: str) -> str:
    """Why a command was refused while another run may be sending."""
    event = events(desk.run(*words, code=2, **environment).stderr)["run_broke_off"]
    assert event["code"] == "sent_from_elsewhere"
    return str(event["detail"])


def has_sent(desk: Desk, passes: int) -> bool:
    return len(desk.sent()) >= passes


def all_sent_once(desk: Desk) -> bool:
    return (texts(desk), len(desk.sent())) == ([1], ROWS)


class TestAtTheSameTime:
    def test_the_second_is_told_which_ledger_sends_and_leaves_nothing_behind(self, desk: Desk) -> None:
        first = desk.start(*WORDS, *SLOWLY)
        desk.until(first, lambda: len(desk.sent()) >= 2)
        there = home(desk, "root")
        with suspended(first):
            for words in (WORDS, ("stage", *WORDS[1:]), (*WORDS, "--results", "list.results.xlsx")):
                why = is_refused(desk, *words, HOME=there)
                assert str(ledger_of(desk)) in why
                assert str(marker(desk)) in why
            assert json.loads(desk.run("list", "--json", HOME=there).stdout) == []
            assert marker(desk).stat().st_mode & 0o777 == 0o644, "other users can't read it"
        finish(first, code=0)
        assert all_sent_once(desk)
        assert not marker(desk).exists()

    def test_whoever_was_asked_meanwhile_is_told_too(self, desk: Desk) -> None:
        """Both have looked before either sends; the second agrees while the first sends, or after that."""
        asked = {"HOME": home(desk, "root"), "CAMPAIGN_YES": "false"}
        with Terminal(desk, *WORDS, **asked) as during, Terminal(desk, *WORDS, **asked | {"HOME": home(desk, "mia")}) as after:
            for terminal in (during, after):
                terminal.until(r"Send\? \[y/N\]")
            first = desk.start(*WORDS, *SLOWLY)
            desk.until(first, lambda: len(desk.sent()) >= 2)
            during.type("y\n")
            assert during.end() == 2
            finish(first, code=0)
            after.type("y\n")
            assert after.end() == 2
        assert all_sent_once(desk)
        assert not marker(desk).exists()

    def test_so_is_whoever_has_a_copy_of_the_list_in_another_folder(self, desk: Desk) -> None:
        """Both have looked before either sends; the second one's list is staged already, elsewhere."""
        there = {"HOME": home(desk, "root"), "CAMPAIGN_YES": "false"}
        (desk.folder / "copy").mkdir()
        shutil.move(desk.folder / "list.csv", desk.folder / "copy" / "list.csv")
        desk.run("stage", "copy/list.csv", *WORDS[2:], HOME=there["HOME"])
        shutil.copy(desk.folder / "copy" / "list.csv", desk.folder / "list.csv")
        with Terminal(desk, *WORDS, "--results", "copy/list.results.csv", **there) as asked:
            asked.until(r"Send\? \[y/N\]")
            desk.run(*WORDS)
            asked.type("y\n")
            assert asked.end() == 2
        assert all_sent_once(desk)

    def test_whoever_creates_no_marker_is_told_too(self, desk: Desk) -> None:
        """As a `send` that can't write where the results go."""
        there = home(desk, "root")
        (desk.folder / "shared").mkdir()
        desk.run("stage", *WORDS[1:], "--results", "shared/out.csv", HOME=there)
        (desk.folder / "shared").rmdir()
        with Terminal(desk, "send", "list", HOME=there, CAMPAIGN_YES="false") as asked:
            asked.until(r"Send\? \[y/N\]")
            desk.run(*WORDS)
            asked.type("y\n")
            assert asked.end() == 2
        assert all_sent_once(desk)

    @pytest.mark.parametrize("target", slow_after(1, [(), ("--results", "out.csv")]))
    @pytest.mark.parametrize("killed", [False, True])
    def test_what_was_staged_twice_is_sent_once(self, desk: Desk, *, killed: bool, target: tuple[str, ...]) -> None:
        there = home(desk, "root")
        for owner in (desk.environment["HOME"], there):
            desk.run("stage", *WORDS[1:], *target, HOME=owner)
        first = desk.start("send", "list", "--yes", *SLOWLY)
        desk.until(first, lambda: len(desk.sent()) >= 2)
        with suspended(first):
            is_refused(desk, "send", "list", "--yes", HOME=there)
        if killed:
            first.kill()
            first.communicate()
            is_refused(desk, "send", "list", "--yes", HOME=there)
            desk.run("send", "list", "--yes")
        else:
            finish(first, code=0)
        desk.run("send", "list", "--yes", HOME=there, code=2)
        desk.run("stage", *WORDS[1:], *target, HOME=home(desk, "mia"), code=2)
        assert all_sent_once(desk)

    @pytest.mark.parametrize("runs", slow_after(1, [2, 4]))
    def test_of_several_that_start_at_once_one_sends(self, desk: Desk, runs: int) -> None:
        """As crontabs of several machines do."""
        started = [desk.start(*WORDS, *SLOWLY, HOME=home(desk, f"cron-{number}")) for number in range(runs)]
        codes = []
        for process in started:
            process.communicate(timeout=60)
            codes.append(process.returncode)
        assert sorted(codes) == [0] + [2] * (runs - 1)
        assert all_sent_once(desk)

    def test_the_processes_of_one_ledger_share_it_and_the_last_removes_it(self, desk: Desk) -> None:
        first = start(desk, *WORDS, before=WAITS_BEFORE_ITS_FIRST_CLAIM)
        desk.until(first, (desk.folder / "waits").exists)
        desk.run("resume", "list", "--limit", "2", code=5)
        is_refused(desk, "run", "list.results.csv", HOME=home(desk, "root"))
        (desk.folder / "go").touch()
        finish(first, code=0)
        assert all_sent_once(desk)
        assert not marker(desk).exists()

    def test_one_that_is_about_to_send_while_the_last_removes_it_creates_it_again(self, desk: Desk) -> None:
        second = start(desk, *WORDS, *SLOWLY, before=WAITS.format(registered=False))
        desk.until(second, (desk.folder / "waits").exists)
        desk.run(*WORDS, "--limit", "2", code=5)
        (desk.folder / "go").touch()
        desk.until(second, lambda: len(desk.sent()) >= 3)
        with suspended(second):
            is_refused(desk, "run", "list.results.csv", HOME=home(desk, "root"))
        finish(second, code=0)
        assert all_sent_once(desk)
        assert not marker(desk).exists()

    def test_one_that_is_killed_after_the_last_results_leaves_it(self, desk: Desk) -> None:
        """The results of the process that ends lack what the killed one has sent."""
        ends = start(desk, *WORDS, "--limit", "2", before=WAITS_BEFORE_IT_REMOVES_THE_MARKER)
        desk.until(ends, (desk.folder / "waits").exists)
        killed = desk.start("send", "list", *SLOWLY)
        desk.until(killed, lambda: len(desk.sent()) > 2)
        killed.kill()
        finish(killed, code=-signal.SIGKILL)
        (desk.folder / "go").touch()
        finish(ends, code=5)
        is_refused(desk, *WORDS, HOME=home(desk, "root"))
        desk.run(*WORDS)
        assert (all_sent_once(desk), markers(desk)) == (True, [])

    def test_another_campaign_of_the_list_is_not_held_up(self, desk: Desk) -> None:
        first = desk.start(*WORDS, *SLOWLY)
        desk.until(first, lambda: len(desk.sent()) >= 1)
        desk.run(*WORDS, "--name", "reminder", HOME=home(desk, "root"))
        finish(first, code=0)
        assert texts(desk) == [2]


# Two campaigns whose results have one stem.
ONE = (*WORDS, "--name", "one", "--results", "r.csv")
TWO = ("run", "list.csv", "--message", "Another message", "--name", "two", "--results", "r.xlsx")


class TestSeveralMarkersInAFolder:
    def test_two_campaigns_whose_results_have_one_stem_have_one_each(self, desk: Desk) -> None:
        first = desk.start(*ONE, *SLOWLY)
        desk.until(first, lambda: len(desk.sent()) >= 1)
        second = desk.start(*TWO, *SLOWLY)
        desk.until(second, lambda: texts(desk)[-1] == 2)
        there = home(desk, "root")
        with suspended(first), suspended(second):
            assert len(markers(desk)) == 2
            for words in (ONE, TWO):
                is_refused(desk, *words, HOME=there)
        finish(first, code=0)
        finish(second, code=0)
        assert (texts(desk), markers(desk)) == ([2], [])

    def test_after_a_kill_of_both_each_removes_its_own(self, desk: Desk) -> None:
        desk.run(*TWO, "--limit", "1", code=5)
        self._kill(desk, *ONE, sent=2)
        self._kill(desk, *TWO, sent=5)
        there = home(desk, "root")
        left = markers(desk)
        is_refused(desk, *TWO, HOME=there)
        # What the kills may have left unknown is not sent again.
        desk.run(*ONE, code=None)
        assert marker(desk, "r.sending") not in markers(desk)
        # Also under another name, as the rows are the same.
        for words in (TWO, ("run", "r.xlsx", "--name", "other")):
            is_refused(desk, *words, HOME=there)
        desk.run(*TWO, code=None)
        assert (len(left), markers(desk)) == (2, [])
        assert all(len(got) == len(set(got)) for got in desk.sent().values())

    def _kill(self, desk: Desk, *words: str, sent: int) -> None:
        killed = desk.start(*words, *SLOWLY)
        desk.until(killed, lambda: sum(map(len, desk.sent().values())) >= sent)
        killed.kill()
        killed.communicate()

    def test_of_two_ledgers_that_start_it_at_once_beside_another_campaign_one_sends_at_most(self, desk: Desk) -> None:
        finish(start(desk, *ONE, before=KILLED_BEFORE_ITS_FIRST_CLAIM), code=-signal.SIGKILL)
        started = [desk.start(*TWO, *SLOWLY, HOME=home(desk, f"cron-{number}")) for number in range(2)]
        for process in started:
            process.communicate(timeout=60)
        assert sorted(process.returncode for process in started) == [0, 2]
        assert all_sent_once(desk)

    @pytest.mark.parametrize("beside", [("send", "list", "--results", "out.csv"), ("run", "list.results.csv")])
    def test_the_last_process_removes_those_of_all_results_of_its_campaign(self, desk: Desk, beside: tuple[str, ...]) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        finish(start(desk, *ONE, before=KILLED_BEFORE_ITS_FIRST_CLAIM), code=-signal.SIGKILL)
        last = start(desk, *WORDS, before=WAITS_BEFORE_ITS_FIRST_CLAIM)
        desk.until(last, (desk.folder / "waits").exists)
        desk.run(*beside, "--limit", "1", code=5)
        assert len(markers(desk)) == 3
        (desk.folder / "go").touch()
        finish(last, code=0)
        assert markers(desk) == [marker(desk, "r.sending")], "that of the other campaign stays"
        assert all_sent_once(desk)

    def test_the_results_of_a_killed_run_are_not_gone_on_with_though_another_has_ended_since(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        killed = desk.start(*WORDS, *SLOWLY)
        desk.until(killed, lambda: len(desk.sent()) >= 4)
        killed.kill()
        killed.communicate()
        desk.run("send", "list", "--results", "out.csv")
        for name in ((), ("--name", "other")):
            is_refused(desk, "run", "list.results.csv", *name, HOME=home(desk, "root"))
        desk.run(*WORDS)
        assert (texts(desk), markers(desk)) == ([1], [])


class TestTwoCampaignsOneFile:
    def test_the_later_one_does_not_replace_the_results_of_the_other(self, desk: Desk) -> None:
        two = (*TWO[:-1], "r.csv")
        first = start(desk, *ONE, before=WAITS.format(registered=True))
        desk.until(first, (desk.folder / "waits").exists)
        desk.run(*two)
        (desk.folder / "go").touch()
        results = (desk.folder / "r.csv").read_bytes()
        why = events(finish(first, code=4))["run_broke_off"]
        assert (why["code"], (desk.folder / "r.csv").read_bytes()) == ("results_not_written", results)
        # What it has sent is in its ledger, and goes where nothing else is.
        desk.run(*ONE[:-1], "one.csv")
        assert (desk.folder / "one.csv").exists()
        assert (texts(desk), markers(desk)) == ([2], [])

    def test_nor_does_a_command_that_sends_nothing(self, desk: Desk) -> None:
        """Such as one that the first reading of passes stops."""
        desk.run(*ONE, "--limit", "2", code=5)
        (desk.folder / "r.csv").unlink()
        waiting = start(desk, *ONE, "--only-reachable", before=STOPPED_WHILE_IT_READS)
        desk.until(waiting, (desk.folder / "waits").exists)
        desk.run(*TWO[:-1], "r.csv")
        results = (desk.folder / "r.csv").read_bytes()
        (desk.folder / "go").touch()
        why = events(finish(waiting, code=2))["run_broke_off"]
        assert (why["code"], (desk.folder / "r.csv").read_bytes()) == ("other_results", results)


class TestAfterAKill:
    def test_the_ledger_that_was_to_send_goes_on_and_another_is_told_what_to_do(self, desk: Desk) -> None:
        finish(start(desk, *WORDS, before=KILLED_BEFORE_ITS_FIRST_CLAIM), code=-signal.SIGKILL)
        assert marker(desk).exists()
        there = home(desk, "root")
        assert str(ledger_of(desk)) in refused(desk, *WORDS, HOME=there)
        desk.run(*WORDS)
        assert (all_sent_once(desk), markers(desk)) == (True, [])

    def test_one_that_was_killed_before_leaves_none_and_another_message_takes_its_place(self, desk: Desk) -> None:
        finish(start(desk, *WORDS, before=KILLED_BEFORE_IT_REGISTERS), code=-signal.SIGKILL)
        assert markers(desk) == []
        other = (*WORDS[:-1], "Another message")
        finish(start(desk, *other, before=KILLED.format(before="finish_staging")), code=-signal.SIGKILL)
        desk.run(*other)
        assert all_sent_once(desk)

    def test_results_that_a_killed_run_has_overtaken_are_not_gone_on_with(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        killed = desk.start(*WORDS, "--rate", "1")
        desk.until(killed, lambda: len(desk.sent()) >= 3)
        killed.kill()
        killed.communicate()
        there = home(desk, "root")
        refused(desk, "run", "list.results.csv", HOME=there)
        is_refused(desk, "run", "list.results.csv", "--name", "other", HOME=there)
        refused(desk, "retry", "list.results.csv", "--status", "not_delivered", HOME=there)
        refused(desk, *WORDS, HOME=there)
        desk.run("resume", "list", "--limit", "1", code=5)
        # What the kill may have left unknown is not sent there.
        desk.run("run", "list.results.csv", code=None, HOME=there)
        assert texts(desk) == [1]

    def test_whoever_knows_that_the_ledger_is_lost_removes_it(self, desk: Desk) -> None:
        finish(start(desk, *WORDS, before=KILLED_BEFORE_ITS_FIRST_CLAIM), code=-signal.SIGKILL)
        marker(desk).write_text("not what it was", encoding="utf-8")
        there = home(desk, "root")
        assert f"remove {marker(desk)}" in refused(desk, *WORDS, HOME=there)
        marker(desk).unlink()
        desk.run(*WORDS, HOME=there)
        assert all_sent_once(desk)

    def test_a_second_cancel_keeps_the_marker_beside_older_results(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        killed = desk.start(*WORDS, *SLOWLY)
        desk.until(killed, lambda: len(desk.sent()) >= 5)
        desk.run("cancel", "list", "--yes")
        killed.kill()
        killed.communicate()
        desk.run("cancel", "list", "--yes")
        if marker(desk).exists():
            is_refused(desk, "run", "list.results.csv", HOME=home(desk, "root"))
        else:
            # It has ended before it was killed.
            desk.run("run", "list.results.csv", code=None, HOME=home(desk, "root"))
        assert texts(desk) == [1]

    def test_a_command_that_is_refused_keeps_the_markers_of_others(self, desk: Desk) -> None:
        killed = desk.start(*WORDS, *SLOWLY, "--results", "x.csv")
        desk.until(killed, lambda: len(desk.sent()) >= 3)
        killed.kill()
        killed.communicate()
        assert marker(desk, "x.sending").exists()
        refuses = """
from campaign.app.sending import send
from campaign.domain.errors import UsageError
from campaign.ledger.sqlite import SqliteLedger
async def refused(*_, **__):
    raise UsageError("Refused.", code="refused")
SqliteLedger.register_runner = refused
"""
        finish(start(desk, *WORDS, before=refuses), code=2)
        assert marker(desk, "x.sending").exists()
        is_refused(desk, *WORDS, HOME=home(desk, "root"))


class TestACopy:
    """Somebody copies the ledger to look at it. The copy has the original's mark."""

    @pytest.mark.parametrize("killed", [False, True])
    def test_whatever_is_done_with_it_the_original_keeps_its_marker(self, desk: Desk, *, killed: bool) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        there = home(desk, "root")
        shutil.copytree(ledger_of(desk).parent, ledger_of(desk, "root").parent)
        first = desk.start(*WORDS, *SLOWLY)
        desk.until(first, lambda: len(desk.sent()) >= 4)
        if killed:
            first.kill()
            finish(first, code=-signal.SIGKILL)
        before = (desk.folder / "list.results.csv").read_bytes()
        report = ("report", "list", "--output", "list.results.csv")
        with nullcontext() if killed else suspended(first):
            for words in (("verify", "list"), ("retry", "list"), ("pause", "list"), WORDS, report, ("cancel", "list", "--yes"), WORDS):
                desk.run(*words, code=None, HOME=there)
                assert ((desk.folder / "list.results.csv").read_bytes(), markers(desk)) == (before, [marker(desk)])
            assert events(desk.run("verify", "list", code=2, HOME=there).stderr)["run_broke_off"]["code"] == "ledger_behind_run"
            desk.run("report", "list", "--output", f"{there}/list.csv", HOME=there)
            is_refused(desk, "run", "list.results.csv", HOME=home(desk, "mia"))
        if killed:
            desk.run(*WORDS, code=None)
        else:
            finish(first, code=0)
        assert (texts(desk), markers(desk)) == ([1], [])

    @pytest.mark.parametrize("then", [WORDS, ("retry", "list"), ("cancel", "list", "--yes")])
    def test_one_that_was_moved_after_a_kill_with_nothing_left_to_send_goes_on(self, desk: Desk, then: tuple[str, ...]) -> None:
        """Killed once its last row has its outcome, before its results are written."""
        at_the_end = (
            "import os, signal\nfrom campaign.app.results import write\nwrite.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
        )
        finish(start(desk, *WORDS, before=at_the_end), code=-signal.SIGKILL)
        there = home(desk, "root")
        shutil.copytree(ledger_of(desk).parent, ledger_of(desk, "root").parent)
        shutil.rmtree(ledger_of(desk).parent)
        desk.run(*then, code=None, HOME=there)
        assert "--moved-here" in is_refused(desk, "verify", "list", HOME=there)
        desk.run(*(then if "retry" in then else WORDS), "--moved-here", HOME=there)
        assert (all_sent_once(desk), markers(desk)) == (True, [])
        assert (desk.folder / "list.results.csv").exists()


class TestAnOlderLedger:
    """The marker has its mark, and names a run that it does not know."""

    def _put_back(self, desk: Desk, *, apart: bool) -> dict[str, str]:
        """Puts the ledger back as it was before its run was killed: in its place, or as a copy on another machine."""
        folder, backup = ledger_of(desk).parent, desk.folder / "backup"
        desk.run(*WORDS, "--limit", "2", code=5)
        for sent in (4, 6):
            shutil.rmtree(backup, ignore_errors=True)
            shutil.copytree(folder, backup)
            killed = desk.start(*WORDS, *SLOWLY)
            desk.until(killed, partial(has_sent, desk, sent))
            killed.kill()
            finish(killed, code=-signal.SIGKILL)
        shutil.copytree(folder, desk.folder / "newer")
        if apart:
            shutil.copytree(backup, ledger_of(desk, "root").parent)
            shutil.rmtree(folder)
            return {"HOME": home(desk, "root")}
        for file in [path for path in folder.rglob("*") if path.is_file()]:
            kept = backup / file.relative_to(folder)
            file.write_bytes(kept.read_bytes()) if kept.exists() else file.unlink()
        return {}

    @pytest.mark.parametrize("apart", [False, True])
    def test_is_refused_also_if_it_was_moved_here(self, desk: Desk, *, apart: bool) -> None:
        there = self._put_back(desk, apart=apart)
        moved = ("--moved-here",) if apart else ()
        desk.run("verify", "list", code=None, **there)
        before = len(desk.simulator.requests())
        newer = (desk.folder / "list.results.csv").read_bytes()
        # So is what sends nothing, and would replace the results.
        quiet = [("verify", "list"), ("retry", "list", *moved)]
        for words in (*quiet, (*WORDS, *moved), ("resume", "list", *moved), (*WORDS, "--results", "other.csv", *moved)):
            why = events(desk.run(*words, code=2, **there).stderr)["run_broke_off"]
            assert why["code"] == "ledger_behind_run"
            assert str(marker(desk)) in why["detail"]
        assert len(desk.simulator.requests()) == before
        for words in (("report", "list", "--output", "list.results.csv"), ("cancel", "list", "--yes")):
            desk.run(*words, code=None, **there)
        assert ((desk.folder / "list.results.csv").read_bytes(), marker(desk).exists()) == (newer, True)
        # The newer one is put back.
        shutil.rmtree(ledger_of(desk).parent, ignore_errors=True)
        shutil.copytree(desk.folder / "newer", ledger_of(desk).parent)
        desk.run(*WORDS, "--moved-here", code=None)
        assert (texts(desk), markers(desk)) == ([1], [])

    def test_is_refused_if_it_is_from_before_the_list_was_staged(self, desk: Desk) -> None:
        desk.make_list(1, "earlier.csv")
        desk.run("run", "earlier.csv", "--message", "Hello")
        folder, backup = ledger_of(desk).parent, desk.folder / "backup"
        shutil.copytree(folder, backup)
        killed = desk.start(*WORDS, *SLOWLY)
        desk.until(killed, partial(has_sent, desk, 3))
        killed.kill()
        finish(killed, code=-signal.SIGKILL)
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        before = len(desk.simulator.requests())
        for words in (WORDS, (*WORDS, "--moved-here")):
            assert events(desk.run(*words, code=2).stderr)["run_broke_off"]["code"] == "ledger_behind_run"
        assert len(desk.simulator.requests()) == before


class TestResultsAsList:
    def test_two_ledgers_that_go_on_from_one_file_are_told_of_each_other(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        second = desk.start("run", "list.results.csv", *SLOWLY, HOME=home(desk, "root"))
        desk.until(second, lambda: len(desk.sent()) >= 4)
        with suspended(second):
            assert str(ledger_of(desk, "root")) in is_refused(desk, "run", "list.results.csv", HOME=home(desk, "mia"))
            # The one that it came from, too, in whichever folder.
            elsewhere = replace(desk, folder=Path(home(desk, "anna")))
            is_refused(desk, "resume", "list")
            is_refused(elsewhere, "resume", "list")
            is_refused(desk, *WORDS)
        finish(second, code=0)
        assert "list.resumed.csv" in refused(elsewhere, "resume", "list")
        assert all_sent_once(desk)

    def test_whoever_was_asked_while_the_one_that_it_came_from_goes_on_is_told_too(self, desk: Desk) -> None:
        """The results have another name than the usual one."""
        desk.run(*WORDS, "--limit", "2", "--results", "half.csv", code=5)
        with Terminal(desk, "run", "half.csv", HOME=home(desk, "root"), CAMPAIGN_YES="false") as asked:
            asked.until(r"Send\? \[y/N\]")
            first = desk.start("resume", "list", *SLOWLY)
            desk.until(first, lambda: len(desk.sent()) >= 4)
            with suspended(first):
                asked.type("y\n")
                assert asked.end() == 2
            finish(first, code=0)
        assert all_sent_once(desk)

    def test_one_that_writes_results_of_another_name_into_the_folder_is_seen(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        second = desk.start("run", "list.results.csv", "--results", "other.csv", *SLOWLY, HOME=home(desk, "root"))
        desk.until(second, lambda: len(desk.sent()) >= 4)
        with suspended(second):
            assert str(marker(desk, "other.sending")) in is_refused(desk, "resume", "list")
        finish(second, code=0)

    @pytest.mark.parametrize("message", slow_after(1, [(), WORDS[2:]]))
    @pytest.mark.parametrize("killed", [False, True])
    def test_one_that_goes_on_under_another_name_is_seen(self, desk: Desk, *, killed: bool, message: tuple[str, ...]) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        there = home(desk, "root")
        second = desk.start("run", "list.results.csv", "--name", "bob", *message, *SLOWLY, HOME=there)
        desk.until(second, lambda: len(desk.sent()) >= 4)
        if killed:
            second.kill()
            finish(second, code=-signal.SIGKILL)
        with nullcontext() if killed else suspended(second):
            assert str(marker(desk, "bob.results.sending")) in is_refused(desk, "resume", "list")
        if killed:
            desk.run("resume", "bob", HOME=there)
        else:
            finish(second, code=0)
        assert all_sent_once(desk)

    def test_whoever_has_looked_before_the_one_that_it_came_from_goes_on_is_told_too(self, desk: Desk) -> None:
        """Under another name, with a column of messages."""
        lines = (desk.folder / "list.csv").read_text(encoding="utf-8").splitlines()
        text = "\n".join([f"{lines[0]},message", *(f"{line},Hello" for line in lines[1:]), ""])
        (desk.folder / "list.csv").write_text(text, encoding="utf-8")
        desk.run("run", "list.csv", "--limit", "2", code=5)
        late = start(desk, "run", "list.results.csv", "--name", "bob", before=WAITS.format(registered=False), HOME=home(desk, "root"))
        desk.until(late, (desk.folder / "waits").exists)
        first = desk.start("resume", "list", *SLOWLY)
        desk.until(first, lambda: len(desk.sent()) >= 4)
        with suspended(first):
            (desk.folder / "go").touch()
            assert events(finish(late, code=2))["run_broke_off"]["code"] == "sent_from_elsewhere"
        finish(first, code=0)
        assert all_sent_once(desk)

    def test_another_message_to_the_same_rows_does_not_hold_their_ledger_up(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        words = ("run", "list.results.csv", "--name", "news", "--message", "Something else")
        killed = desk.start(*words, *SLOWLY)
        desk.until(killed, lambda: len(desk.sent()) >= 4)
        killed.kill()
        finish(killed, code=-signal.SIGKILL)
        desk.run("resume", "list")
        desk.run(*words, code=None)
        assert markers(desk) == []

    def test_failed_rows_are_not_sent_while_another_ledger_sends_beside_them(self, desk: Desk) -> None:
        """The ledger of the retry has the campaign from a copy of the results, in another folder."""
        desk.simulator.set_faults(missing=["pass-00001"])
        desk.run(*WORDS, "--limit", "3", code=5)
        desk.simulator.set_faults(missing=[])
        there = home(desk, "root")
        copy = shutil.copy(desk.folder / "list.results.csv", there)
        desk.run("stage", str(copy), code=3, HOME=there)
        first = desk.start("resume", "list", *SLOWLY)
        desk.until(first, lambda: len(desk.sent()) >= 4)
        with suspended(first):
            assert str(marker(desk)) in is_refused(desk, "retry", "list.results.failed.csv", HOME=there)
        finish(first, code=3)
        assert texts(desk) == [1]

    def test_what_another_user_has_gone_on_with_and_nobody_else_may_read_is_seen(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        there = home(desk, "root")
        desk.run("run", "list.results.csv", "--limit", "3", code=5, HOME=there)
        with mode(desk.folder / "list.resumed.csv", 0):
            why = finish(start(desk, "resume", "list", before=unprivileged()), code=2)
            assert events(why)["run_broke_off"]["code"] == "results_not_readable"
            # The ledger that has written it goes on, whoever uses it.
            finish(start(desk, "resume", "list", before=unprivileged(), HOME=there), code=0)
        assert all_sent_once(desk)

    def test_results_that_are_given_as_the_list_and_know_more_than_the_ledger_are_not_sent(self, desk: Desk) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        desk.run("run", "list.results.csv", "--results", "other.csv", "--limit", "3", code=5, HOME=home(desk, "root"))
        why = events(desk.run("run", "other.csv", code=2).stderr)["run_broke_off"]
        assert why["code"] == "ledger_behind_results"
        assert "in other.csv" in why["detail"]
        assert len(desk.sent()) == 5

    @pytest.mark.parametrize(
        ("edit", "code"),
        [
            (lambda _: "", "results_not_readable"),
            (lambda text: text.partition("\n")[0] + "\n", "results_not_readable"),
            (lambda text: text.replace("delivery_campaign", "Campaign"), "results_not_readable"),
            (lambda text: "".join(f"{','.join(line.split(',')[:2])}\n" for line in text.splitlines()), "results_not_readable"),
            (lambda text: f"Spring offer\n{text}", "ledger_behind_results"),
            (with_row_above, "ledger_behind_results"),
            (lambda text: text.replace("delivery_", "Delivery "), "ledger_behind_results"),
        ],
        ids=["emptied", "without_rows", "column_renamed", "columns_removed", "title_above", "customer_added", "other_words"],
    )
    def test_what_another_ledger_has_gone_on_with_is_seen_though_it_was_edited(
        self, desk: Desk, edit: Callable[[str], str], code: str
    ) -> None:
        desk.run(*WORDS, "--limit", "2", code=5)
        there = home(desk, "root")
        desk.run("run", "list.results.csv", "--limit", "3", code=5, HOME=there)
        resumed = desk.folder / "list.resumed.csv"
        resumed.write_text(edit(resumed.read_text(encoding="utf-8-sig")), encoding="utf-8")
        assert events(finish(start(desk, "resume", "list"), code=2))["run_broke_off"]["code"] == code
        # The ledger that has written it goes on.
        desk.run("resume", "list", HOME=there)
        assert all_sent_once(desk)

    def test_a_corrected_file_is_sent_by_one_ledger_alone(self, desk: Desk) -> None:
        """In the other one the rows have other numbers, and this one does not know the new ids before it has read the file."""
        desk.simulator.set_faults(missing=["pass-00003", "pass-00007"])
        desk.run(*WORDS, code=3)
        failed = desk.folder / "list.results.failed.csv"
        failed.write_text(failed.read_text(encoding="utf-8-sig").replace("pass-0000", "new-"), encoding="utf-8")
        words = ("retry", str(failed), *WORDS[2:])
        desk.run(*words, HOME=home(desk, "root"))
        assert "list.resumed.csv" in refused(desk, *words)
        assert all_sent_once(desk)


class TestWhereThereIsNoMarker:
    def test_a_folder_without_hard_links_has_one_too(self, desk: Desk) -> None:
        no_links = "import errno, os\ndef link(*_, **__):\n    raise OSError(errno.EPERM, 'not permitted')\nos.link = link"
        first = start(desk, *WORDS, *SLOWLY, before=no_links)
        desk.until(first, lambda: len(desk.sent()) >= 2)
        with suspended(first):
            assert str(ledger_of(desk)) in is_refused(desk, *WORDS, HOME=home(desk, "root"))
        finish(first, code=0)
        assert all_sent_once(desk)
        assert not [file.name for file in desk.folder.iterdir() if "sending" in file.name or file.name.endswith(".tmp")]

    def test_one_that_can_not_be_created_is_no_reason_to_refuse(self, desk: Desk) -> None:
        refuses = "from campaign.app.results import sending_marker\nfrom campaign.domain.errors import UsageError\n"
        refuses += "def refuse(*_):\n    raise UsageError('It can\\'t be written.', code='x')\nsending_marker._create = refuse"
        finish(start(desk, *WORDS, before=refuses), code=0)
        assert all_sent_once(desk)

    def test_results_that_another_user_may_not_read_are_results_too(self, desk: Desk) -> None:
        desk.run(*WORDS)
        before = len(desk.sent())
        with mode(desk.folder / "list.results.csv", 0):
            finish(start(desk, *WORDS, before=unprivileged(), HOME=home(desk, "mia")), code=2)
        assert len(desk.sent()) == before
        assert texts(desk) == [1]
