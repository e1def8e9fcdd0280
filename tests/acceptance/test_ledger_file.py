"""A ledger file that is damaged, gone back in time, locked, of another program, in an odd place: told, and nothing is sent on a guess."""

import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import apsw
import pytest

from tests.acceptance.desk import Desk, broke_off
from tests.acceptance.hardship import SHORT_LEASE, finish, start, start_python
from tests.acceptance.test_run import MESSAGE, wait_for

ROWS = 60

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute(sys.argv[2])
print("held", flush=True)
time.sleep(float(sys.argv[3]))
"""


IMPATIENT = "import campaign.ledger.sqlite.connection as connection; connection.BUSY_SECONDS = 1.5"
"""How long a lock is waited for is held against the lease in the ledger's own tests."""


def words_for(desk: Desk, rows: int = ROWS) -> tuple[str, ...]:
    return ("run", str(desk.make_list(rows)), "--message", MESSAGE)


def ledger_of(desk: Desk) -> Path:
    return Path(desk.environment["CAMPAIGN_LEDGER"])


def begun(desk: Desk) -> tuple[str, ...]:
    """A campaign of which 20 rows are sent; the words that began it."""
    words = words_for(desk)
    desk.run(*words, "--limit", "20", code=5)
    return words


def killed_while_sending(desk: Desk) -> tuple[str, ...]:
    words = words_for(desk)
    process = start(desk, *words, "--rate", "40", before=SHORT_LEASE)
    wait_for(lambda: len(desk.sent()) > 25)
    process.kill()
    process.communicate(timeout=10)
    return words


def refused(desk: Desk, *words: str, code: int = 2) -> str:
    """What the command says that must not send a thing."""
    before = len(desk.simulator.requests())
    said = finish(start(desk, *words), code=code)
    assert len(desk.simulator.requests()) == before
    return said


def goes_on_to_its_end(desk: Desk, words: tuple[str, ...], rows: int = ROWS) -> None:
    seen = json.loads(desk.run(*words, "--json").stdout)
    assert seen["by_status"]["delivered"] + seen["by_status"]["accepted"] == rows
    sent = desk.sent()
    assert {len(texts) for texts in sent.values()} == {1}
    assert len(sent) == rows


class TestDamage:
    def test_another_programs_database_is_left_alone(self, desk: Desk) -> None:
        with sqlite3.connect(ledger_of(desk)) as connection:
            connection.execute("CREATE TABLE theirs (a)")
        connection.close()
        before = ledger_of(desk).read_bytes()
        assert "--ledger" in refused(desk, *words_for(desk))
        assert ledger_of(desk).read_bytes() == before

    @pytest.mark.parametrize("content", [b"not a database, though long enough to be one" * 100, b"\0" * 8192, b"S"])
    def test_a_file_that_is_no_database_is_left_alone(self, desk: Desk, content: bytes) -> None:
        ledger_of(desk).write_bytes(content)
        assert "not a ledger" in refused(desk, *words_for(desk))
        assert ledger_of(desk).read_bytes() == content

    def test_a_newer_ledger_is_left_alone(self, desk: Desk) -> None:
        words = begun(desk)
        with apsw.Connection(str(ledger_of(desk))) as connection:
            connection.pragma("user_version", 99)
        connection.close()
        said = refused(desk, *words)
        assert "version 99" in said
        assert "Upgrade" in said

    def test_an_emptied_ledger_is_not_taken_for_a_new_one(self, desk: Desk) -> None:
        words = begun(desk)
        os.truncate(ledger_of(desk), 0)
        assert "campaign run RESULTS" in refused(desk, *words)

    def test_an_empty_file_that_never_was_a_ledger_becomes_one(self, desk: Desk) -> None:
        ledger_of(desk).touch()
        goes_on_to_its_end(desk, words_for(desk))

    def test_a_ledger_that_was_removed_starts_over_once_its_results_are_gone_too(self, desk: Desk) -> None:
        words = begun(desk)
        ledger_of(desk).unlink()
        assert "--name" in refused(desk, *words)
        desk.simulator.reset()
        (desk.folder / "list.results.csv").unlink()
        goes_on_to_its_end(desk, words)

    def test_the_results_file_is_the_way_back(self, desk: Desk) -> None:
        begun(desk)
        ledger_of(desk).write_bytes(b"gone" * 5000)
        goes_on_to_its_end(desk, ("run", str(desk.folder / "list.results.csv"), "--ledger", str(desk.folder / "other.db")))


class TestLostWrites:
    def test_without_its_wal_a_ledger_is_not_believed(self, desk: Desk) -> None:
        words = killed_while_sending(desk)
        wal = Path(f"{ledger_of(desk)}-wal")
        kept = wal.rename(desk.folder / "kept")
        said = refused(desk, *words)
        assert broke_off(said) == "ledger_behind"
        for told in (said, refused(desk, "status", "list")):
            assert wal.name in told
        kept.rename(wal)
        goes_on_to_its_end(desk, words)

    def test_without_its_shm_a_ledger_is_whole(self, desk: Desk) -> None:
        words = killed_while_sending(desk)
        Path(f"{ledger_of(desk)}-shm").unlink()
        goes_on_to_its_end(desk, words)

    def test_an_older_copy_is_not_believed_and_may_be_on_purpose(self, desk: Desk) -> None:
        words = begun(desk)
        copy = desk.folder / "copy.db"
        shutil.copy(ledger_of(desk), copy)
        desk.run(*words, "--limit", "20", code=5)
        shutil.copy(copy, ledger_of(desk))
        assert broke_off(refused(desk, *words)) == "ledger_behind"
        Path(f"{ledger_of(desk)}.runners/mark").unlink()
        (desk.folder / "list.results.csv").unlink()
        desk.run(*words, "--limit", "1", code=5)

    def test_a_row_that_the_results_call_under_way_and_the_ledger_never_began_is_not_sent(self, desk: Desk) -> None:
        words = begun(desk)
        results = desk.folder / "list.results.csv"
        results.write_text(results.read_text("utf-8").replace(",pending,", ",sending,", 1), "utf-8")
        for command in (words, ("resume", "list")):
            assert broke_off(refused(desk, *command)) == "ledger_behind_results"

    def test_an_older_copy_that_is_put_back_with_its_mark_is_not_believed_where_the_results_know_more(self, desk: Desk) -> None:
        words = begun(desk)
        files = {path: path.read_bytes() for path in (ledger_of(desk), Path(f"{ledger_of(desk)}.runners/mark"))}
        results = desk.folder / "list.results.csv"
        desk.run(*words, "--limit", "20", code=5)
        newer = results.read_bytes()
        for path, content in files.items():
            path.write_bytes(content)
        for command in (words, ("resume", "list"), ("send", "list")):
            assert broke_off(refused(desk, *command)) == "ledger_behind_results"
        # Nor is the proof written over where nothing is to be sent.
        for command in (("verify", "list"), ("retry", "list")):
            assert broke_off(refused(desk, *command)) == "ledger_behind_results"
        refused(desk, "report", "list", "--output", str(results))
        desk.run("pause", "list")
        assert broke_off(refused(desk, *words)) == "ledger_behind_results"
        # What is to be done is said, and is right.
        assert results.read_bytes() == newer
        desk.run("run", str(results), "--ledger", "new.db")
        assert {len(texts) for texts in desk.sent().values()} == {1}
        assert len(desk.sent()) == ROWS

    @pytest.mark.slow
    def test_neither_is_one_whose_folder_has_moved(self, desk: Desk) -> None:
        words = begun(desk)
        files = {path: path.read_bytes() for path in (ledger_of(desk), Path(f"{ledger_of(desk)}.runners/mark"))}
        desk.run(*words, "--limit", "20", code=5)
        moved = desk.folder / "moved"
        moved.mkdir()
        for name in ("list.csv", "list.results.csv"):
            (desk.folder / name).rename(moved / name)
        for path, content in files.items():
            path.write_bytes(content)
        assert broke_off(refused(desk, "run", str(moved / "list.csv"), *words[2:], "--moved-here")) == "ledger_behind_results"

    @pytest.mark.parametrize("again", [True, False])
    def test_one_that_was_renamed_without_its_wal_is_not_believed(self, desk: Desk, *, again: bool) -> None:
        """Also one whose only run was killed, so that next to nothing stands in the file itself."""
        if again:
            begun(desk)
        words = killed_while_sending(desk)
        ledger, renamed = ledger_of(desk), desk.folder / "renamed.db"
        ledger.rename(renamed)
        # A command that still has the old name must leave what shows that something is missing.
        for _ in range(2):
            assert broke_off(refused(desk, *words)) == "ledger_emptied"
        there = (*words, "--ledger", str(renamed))
        said = refused(desk, *there)
        assert broke_off(said) == "ledger_behind"
        assert f"{ledger.name}-wal" in said
        Path(f"{ledger}-wal").rename(f"{renamed}-wal")
        goes_on_to_its_end(desk, there)

    @pytest.mark.parametrize("again", [True, False])
    def test_one_that_was_copied_without_its_wal_is_not_believed_also_if_it_was_moved_here(self, desk: Desk, *, again: bool) -> None:
        """With the list, as the results beside it would show what was sent."""
        if again:
            begun(desk)
        words = killed_while_sending(desk)
        ledger = ledger_of(desk)
        (desk.folder / "there").mkdir()
        copy = str(shutil.copy(ledger, desk.folder / "there"))
        there = ("run", str(shutil.copy(words[1], desk.folder / "there")), *words[2:], "--ledger", copy)
        for more in ((), ("--moved-here",), ("--moved-here",)):
            said = refused(desk, *there, *more)
            assert broke_off(said) == "ledger_behind"
            assert str(ledger) in said
        # To look at it is free.
        desk.run("status", "--ledger", copy)
        goes_on_to_its_end(desk, words)

    def test_one_that_was_copied_with_its_wal_goes_on_there(self, desk: Desk) -> None:
        words = killed_while_sending(desk)
        (desk.folder / "there").mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{ledger_of(desk)}{suffix}", desk.folder / "there")
        goes_on_to_its_end(desk, (*words, "--ledger", str(desk.folder / "there" / ledger_of(desk).name), "--moved-here"))

    @pytest.mark.parametrize("killed", [False, True])
    def test_one_that_was_copied_alone_after_a_clean_end_goes_on_there(self, desk: Desk, *, killed: bool) -> None:
        """The last one to close the ledger has moved its log to the file."""
        words = killed_while_sending(desk) if killed else begun(desk)
        desk.run("status", "list")
        assert not Path(f"{ledger_of(desk)}-wal").exists()
        (desk.folder / "there").mkdir()
        copy = str(shutil.copy(ledger_of(desk), desk.folder / "there"))
        there = (*words, "--ledger", copy)
        assert broke_off(refused(desk, *there)) == "ledger_displaced"
        goes_on_to_its_end(desk, (*there, "--moved-here"))

    def test_one_that_has_two_names_is_not_used_by_the_other(self, desk: Desk) -> None:
        """As a backup that links has it: two processes would not see what the other claims."""
        words = begun(desk)
        ledger, linked = ledger_of(desk), desk.folder / "linked.db"
        linked.hardlink_to(ledger)
        there = (*words, "--ledger", str(linked))
        assert broke_off(refused(desk, *there)) == "ledger_has_two_names"
        killed_while_sending(desk)
        assert broke_off(refused(desk, *there)) == "ledger_has_two_names"
        ledger.unlink()
        assert broke_off(refused(desk, *there)) == "ledger_behind"
        ledger.hardlink_to(linked)
        goes_on_to_its_end(desk, words)

    def test_a_ledger_that_is_moved_away_whole_goes_on_there(self, desk: Desk) -> None:
        words = begun(desk)
        (desk.folder / "there").mkdir()
        moved = ledger_of(desk).rename(desk.folder / "there" / "moved.db")
        goes_on_to_its_end(desk, (*words, "--ledger", str(moved)))

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
    def test_a_ledger_that_is_taken_away_while_sending_stops_the_run(self, desk: Desk, suffix: str) -> None:
        process = start(desk, *words_for(desk), "--rate", "20")
        wait_for(lambda: len(desk.sent()) > 10)
        Path(f"{ledger_of(desk)}{suffix}").unlink()
        assert broke_off(finish(process, code=4)) == "ledger_replaced"
        assert len(desk.sent()) < 60


class TestLocks:
    def test_a_lock_of_three_seconds_is_waited_for(self, desk: Desk) -> None:
        words = words_for(desk)
        process = start(desk, *words, "--rate", "60")
        wait_for(lambda: len(desk.sent()) > 10)
        holder = start_python(desk, HOLD, str(ledger_of(desk)), "BEGIN IMMEDIATE", "3")
        finish(process, code=0)
        finish(holder, code=0)
        goes_on_to_its_end(desk, words)

    def test_a_lock_that_stays_stops_the_run(self, desk: Desk) -> None:
        words = words_for(desk)
        process = start(desk, *words, "--rate", "20", before=IMPATIENT)
        wait_for(lambda: len(desk.sent()) > 10)
        holder = start_python(desk, HOLD, str(ledger_of(desk)), "BEGIN IMMEDIATE", "60")
        try:
            assert broke_off(finish(process, code=4)) == "ledger_busy"
        finally:
            holder.kill()
            holder.communicate()
        goes_on_to_its_end(desk, words)

    def test_a_lock_that_was_there_first_is_told(self, desk: Desk) -> None:
        words = begun(desk)
        holder = start_python(desk, HOLD, str(ledger_of(desk)), "BEGIN IMMEDIATE", "60")
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            before = len(desk.simulator.requests())
            assert broke_off(finish(start(desk, *words, before=IMPATIENT), code=4)) == "ledger_busy"
            assert len(desk.simulator.requests()) == before
        finally:
            holder.kill()
            holder.communicate()
        goes_on_to_its_end(desk, words)


class TestTogether:
    def test_two_runs_of_the_same_instant_make_one_ledger_and_one_campaign(self, desk: Desk) -> None:
        """Real time is the thing tested: both wait for the same moment."""
        words = words_for(desk, 12)
        before = f"import time, campaign.app.run\nwhile time.time() < {time.time() + 1.5}: pass"
        both = [start(desk, *words, before=before) for _ in range(2)]
        for process in both:
            finish(process, code=0)
        sent = desk.sent()
        assert len(sent) == 12
        assert {len(texts) for texts in sent.values()} == {1}

    @pytest.mark.slow
    def test_many_that_make_one_ledger_at_once_all_find_it(self, desk: Desk) -> None:
        code = (
            "import sys, time; from pathlib import Path; from campaign.ledger.sqlite import SqliteLedger\n"
            "at = float(sys.argv[1])\n"
            "for turn in range(20):\n"
            "    while time.time() < at + turn * 0.1: pass\n"
            "    ledger = SqliteLedger(Path(f'{turn}.db'))\n"
        )
        at = str(time.time() + 1.5)
        processes = [start_python(desk, code, at) for _ in range(3)]
        for process in processes:
            finish(process, code=0)


class TestPlaces:
    def test_a_link_leads_to_its_ledger(self, desk: Desk) -> None:
        (desk.folder / "there").mkdir()
        link = desk.folder / "link.db"
        link.symlink_to(desk.folder / "there" / "real.db")
        (desk.folder / "there" / "real.db").touch()
        words = (*words_for(desk, 20), "--ledger", str(link))
        desk.run(*words, "--limit", "5", code=5)
        goes_on_to_its_end(desk, words, 20)

    def test_what_was_sent_through_a_link_is_missed_in_an_older_copy(self, desk: Desk) -> None:
        words = begun(desk)
        older = ledger_of(desk).read_bytes()
        link = desk.folder / "link.db"
        link.symlink_to(ledger_of(desk))
        desk.run(*words, "--limit", "20", "--ledger", str(link), code=5)
        ledger_of(desk).write_bytes(older)
        assert broke_off(refused(desk, *words)) == "ledger_behind"

    @pytest.mark.parametrize(("name", "says"), [(".", "is a folder"), ("/dev/null", "device"), ("list.csv/x.db", "list.csv")])
    def test_what_can_be_no_file_is_told(self, desk: Desk, name: str, says: str) -> None:
        said = refused(desk, *words_for(desk, 20), "--ledger", name)
        assert says in said
        assert "--ledger" in said

    def test_a_pipe_is_told(self, desk: Desk) -> None:
        os.mkfifo(desk.folder / "pipe.db")
        assert "pipe" in refused(desk, *words_for(desk, 20), "--ledger", "pipe.db")

    def test_a_data_folder_that_can_not_be_made_is_told(self, desk: Desk) -> None:
        (desk.folder / "home").write_bytes(b"")
        said = finish(start(desk, *words_for(desk, 20), CAMPAIGN_LEDGER="", HOME=str(desk.folder / "home"), XDG_DATA_HOME=""), code=2)
        assert "--ledger" in said
        assert desk.simulator.requests() == []
