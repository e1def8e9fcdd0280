"""The ledger's file: damaged anywhere, cut short, gone back in time, killed between log and checkpoint, in odd places."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from campaign.domain.errors import CampaignError, DiskFullError, LedgerDamagedError, LedgerError, LedgerPlaceError
from campaign.domain.model import Claim
from campaign.domain.status import Status
from campaign.ledger.clock import LEASE_SECONDS
from campaign.ledger.port import DesiredState
from campaign.ledger.sqlite import SqliteLedger, SqliteReader, connection, writer
from campaign.ledger.sqlite.claims import claim_rows
from campaign.ledger.sqlite.connection import BUSY_SECONDS, LOCK_SECONDS, connect, in_words, prepare
from campaign.ledger.sqlite.integrity import check_not_mounted_alone, latest_in_file, marked
from campaign.ledger.sqlite.staging import CACHE_KIB
from campaign.ledger.sqlite.writer import LONGEST_LOG_PAGES, Writer
from campaign.sender.lease_keeper import HEARTBEAT_SECONDS, MARGIN_SECONDS
from tests.contract.backends import HandClock
from tests.contract.given import campaign_of, ends, spec, staged
from tests.errors import raises
from tests.simulation.disk import VFS_NAME, Disk

PAGE_BYTES = 8192
WAYS_BACK = "campaign run RESULTS"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteLedger]:
    ledger = SqliteLedger(path)
    try:
        yield ledger
    finally:
        await ledger.close()


@contextmanager
def read(path: Path) -> Iterator[SqliteReader]:
    reader = SqliteReader(path)
    try:
        yield reader
    finally:
        reader.close()


async def half_sent(path: Path, rows: int = 200) -> int:
    """A ledger whose first half is delivered, closed, so that all of it is in its one file; returns the campaign."""
    async with opened(path) as ledger:
        record = await campaign_of(ledger, *(staged(row) for row in range(1, rows + 1)))
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, rows // 2)])
        await ledger.deregister_runner(runner, "over")
    return record.id


async def use(path: Path) -> list[int]:
    """What a run, a status and a report would do with the ledger; the rows that would be sent."""
    async with opened(path) as ledger:
        await ledger.reap_dead_runners(quiet_seconds=0)
        runner = await ledger.register_runner(1, quiet_seconds=0)
        claims = await ledger.claim(runner, 1000)
        await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in claims])
        await ledger.deregister_runner(runner, "over")
        with read(path) as reader:
            reader.counts(1)
            list(reader.rows(1))
            list(reader.result_columns(1))
    return [claim.row for claim in claims]


async def test_rubbish_on_any_page_is_told_or_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    whole = path.read_bytes()
    pages = len(whole) // PAGE_BYTES
    told = 0
    generator = random.Random(7)
    for page in range(pages):
        damaged = bytearray(whole)
        damaged[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = generator.randbytes(PAGE_BYTES)
        path.write_bytes(damaged)
        try:
            again = await use(path)
        except LedgerError as error:
            assert WAYS_BACK in str(error)  # noqa: PT017 - some pages are read by nothing here, so that not every one raises
            told += 1
        else:
            # Nothing that was delivered is ever taken for unsent.
            assert set(again) <= set(range(101, 201))
        for left in path.parent.glob("campaign.db?*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    assert told > pages * 0.6


async def test_a_row_that_only_a_damaged_index_calls_pending_is_never_claimed(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    with apsw.Connection(str(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        index = connection.execute("SELECT * FROM sqlite_schema WHERE name = 'rows_by_status'").fetchone()
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'rows_by_status'; PRAGMA writable_schema = RESET")
        connection.execute("UPDATE rows SET status = 'skipped', reason = 'excluded', due_at = NULL WHERE row = 150")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?); PRAGMA writable_schema = RESET", index)
    connection.close()
    async with opened(path) as ledger:
        runner = await ledger.register_runner(1, quiet_seconds=0)
        assert [claim.row for claim in await ledger.claim(runner, 10)] == list(range(101, 111))
        with raises(LedgerError, "ledger_damaged"):
            await ledger.claim(runner, 90)
        with read(path) as reader:
            assert reader.counts(1).by_status[Status.SENDING] == 10


@pytest.mark.parametrize("kept", [1, 50, 99, 100, 5000, PAGE_BYTES, 3 * PAGE_BYTES, 0.5, 0.95])
async def test_a_file_cut_short_is_told_before_anything_is_claimed(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    os.truncate(path, int(path.stat().st_size * kept) if kept < 1 else int(kept))
    with pytest.raises(LedgerDamagedError):
        SqliteLedger(path)
    with pytest.raises(LedgerDamagedError):
        SqliteReader(path)


@pytest.mark.parametrize("left", ["mark", "-wal"])
async def test_an_emptied_file_is_not_taken_for_a_new_ledger(tmp_path: Path, left: str) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    os.truncate(path, 0)
    if left == "-wal":
        shutil.rmtree(tmp_path / "campaign.db.runners")
        (tmp_path / "campaign.db-wal").write_bytes(b"left")
    with raises(LedgerDamagedError, "ledger_emptied"):
        SqliteLedger(path)


async def test_a_ledger_that_lost_its_tables_is_told(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    with apsw.Connection(str(path)) as connection:
        connection.execute("DROP TABLE clock")
    connection.close()
    with raises(LedgerDamagedError, "ledger_damaged"):
        SqliteLedger(path)


async def test_every_commit_of_a_killed_process_is_there_without_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    code = """
import asyncio, os, sys
from pathlib import Path
from campaign.domain.model import Claim
from campaign.domain.status import Status
from campaign.ledger.sqlite import SqliteLedger
from tests.contract.given import campaign_of, ends, staged

async def main():
    ledger = SqliteLedger(Path(sys.argv[1]))
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 101)))
    runner = await ledger.register_runner(record.id, quiet_seconds=0)
    for _ in range(5):
        await ledger.settle(runner, [ends(claim, Status.DELIVERED) for claim in await ledger.claim(runner, 10)])
    await ledger.claim(runner, 7)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""
    process = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(path)], check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "campaign.db-wal").stat().st_size > path.stat().st_size
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    shutil.copytree(tmp_path / "campaign.db.runners", tmp_path / "copy.db.runners")
    with raises(LedgerDamagedError, "ledger_behind"):
        SqliteLedger(copy)
    with read(path) as reader:
        counts = reader.counts(1).by_status
    assert (counts[Status.DELIVERED], counts[Status.SENDING], counts[Status.PENDING]) == (50, 7, 43)
    async with opened(path) as ledger:
        assert await ledger.reap_dead_runners(quiet_seconds=0) == 7


async def test_after_a_checkpoint_a_lost_log_is_noticed_all_the_same(tmp_path: Path) -> None:
    """Where the main file has most of it, only the mark can tell that the last commits are missing."""
    path = tmp_path / "campaign.db"
    await half_sent(path)
    async with opened(path) as ledger:
        runner = await ledger.register_runner(1, quiet_seconds=0)
        await ledger.claim(runner, 5)
        shutil.copy(path, tmp_path / "older")
        await ledger.settle(runner, [])
        await ledger.heartbeat(runner, "sending")
    shutil.copy(tmp_path / "older", path)
    with raises(LedgerDamagedError, "ledger_behind"):
        SqliteReader(path)
    (tmp_path / "campaign.db.runners" / "mark").unlink()
    with read(path) as reader:
        assert reader.counts(1).by_status[Status.DELIVERED] == 100


@pytest.mark.parametrize("since", ["a run that ended", "a long log", "a long log of a killed process"])
async def test_an_older_file_under_the_log_of_the_newer_one_is_told(tmp_path: Path, since: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has the newest times, and brings only the pages that it has: the rest would be of the older file."""
    monkeypatch.setattr(Writer, "begin_move", lambda _: None)
    monkeypatch.setattr(writer, "LONGEST_LOG_PAGES_BEFORE_A_SYNC", LONGEST_LOG_PAGES)
    path, wal = tmp_path / "campaign.db", tmp_path / "campaign.db-wal"
    await half_sent(path)
    older = path.read_bytes()
    if since == "a run that ended":
        async with opened(path) as ledger:
            await ledger.register_runner(1, quiet_seconds=0)
    else:
        async with opened(path) as ledger:
            record = await ledger.create(spec(name="long"))
            await ledger.stage(record.id, [staged(row, message="x" * PAGE_BYTES) for row in range(1, LONGEST_LOG_PAGES + 1)])
            long = {path: path.read_bytes(), wal: wal.read_bytes()}
        if since == "a long log of a killed process":
            # It was killed after the commit, before its log was moved.
            long[path] = older
            (tmp_path / "campaign.db.runners" / "mark").unlink()
        for file, content in long.items():
            file.write_bytes(content)
    async with opened(path) as ledger:
        await ledger.register_runner(1, quiet_seconds=0)
        # As a kill leaves them.
        files = {path: path.read_bytes(), wal: wal.read_bytes()}
    for file, content in files.items():
        file.write_bytes(content)
    SqliteReader(path).close()
    for file, content in files.items():
        file.write_bytes(content)
    path.write_bytes(older)
    for _ in range(2):
        with raises(LedgerDamagedError, "ledger_behind"):
            SqliteLedger(path)
    # The refusal has merged nothing, so that the newer file can be put back.
    path.write_bytes(files[path])
    SqliteReader(path).close()


async def test_staged_rows_are_moved_to_the_file_beside_the_commits(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    async with opened(path) as ledger:
        record = await ledger.create(spec(name="long"))
        await ledger.stage(record.id, [staged(row, message="x" * PAGE_BYTES) for row in range(1, 50)])
        assert ledger._writer._moving is not None
        await ledger._writer._moving
        assert path.stat().st_size > 50 * PAGE_BYTES
        assert marked(path).in_file == latest_in_file(path)
        assert marked(path).in_file > marked(path).latest


async def test_the_log_is_not_moved_to_a_file_that_took_the_ledgers_place(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    shutil.copy(path, tmp_path / "older")
    async with opened(path) as ledger:
        await ledger.register_runner(1, quiet_seconds=0)
        (tmp_path / "older").replace(path)
        older = path.read_bytes()
        ledger._writer._move_aside()
        assert path.read_bytes() == older


async def test_a_mark_that_can_not_be_read_or_written_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    mark = tmp_path / "campaign.db.runners" / "mark"
    mark.write_bytes(b"half")
    assert len(await use(path)) == 100
    mark.unlink()
    mark.mkdir()
    assert await use(path) == []


async def test_a_list_is_staged_in_little_memory_and_sent_with_as_much_as_before(tmp_path: Path) -> None:
    async with opened(tmp_path / "campaign.db") as ledger:

        async def cached() -> tuple[int, int]:
            return await ledger._writer.do(lambda db: (db.status(apsw.SQLITE_DBSTATUS_CACHE_USED)[0], db.pragma("cache_size")))

        _, before = await cached()
        record = await ledger.create(spec())
        await ledger.stage(record.id, [staged(row, f"pass-{row // 2}", message="x" * 200) for row in range(1, 60_001)])
        staging = await cached()
        await ledger.finish_staging(record.id, content_sha256="c")
        for used_bytes, now in (staging, await cached()):
            assert used_bytes < 1200 * CACHE_KIB
            assert now == before


async def test_what_only_looks_leaves_nothing_to_write(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    async with opened(path) as ledger:
        wal = tmp_path / "campaign.db-wal"
        before = wal.stat().st_size
        for _ in range(50):
            await ledger.claim_unverified(1, 10)
            await ledger.reap_dead_runners(quiet_seconds=0)
        assert wal.stat().st_size == before


async def test_many_processes_on_one_ledger_never_fall_behind_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    async with opened(path) as one, opened(path) as other:

        async def work(ledger: SqliteLedger) -> None:
            runner = await ledger.register_runner(1, quiet_seconds=0)
            for _ in range(150):
                await ledger.heartbeat(runner, "sending")

        def look() -> None:
            for _ in range(60):
                SqliteReader(path).close()

        await asyncio.gather(work(one), work(other), asyncio.to_thread(look))


async def test_a_runner_that_was_not_written_leaves_its_number_to_the_next_one(tmp_path: Path) -> None:
    async with opened(tmp_path / "campaign.db") as full, opened(tmp_path / "campaign.db") as other:
        record = await campaign_of(other, staged(1))
        full._writer._connection.set_commit_hook(lambda: True)
        with pytest.raises(LedgerError):
            await full.register_runner(record.id, quiet_seconds=0)
        runner = await other.register_runner(record.id, quiet_seconds=0)
        assert [claim.row for claim in await other.claim(runner, 9)] == [1]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
async def test_a_ledger_whose_file_is_taken_away_takes_no_more_writes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "campaign.db"
    await half_sent(path)
    async with opened(path) as ledger:
        runner = await ledger.register_runner(1, quiet_seconds=0)
        taken = path.with_name(path.name + suffix)
        os.rename(taken, tmp_path / "elsewhere")  # noqa: PTH104 - a rename is quick
        with raises(LedgerError, "ledger_replaced"):
            await ledger.claim(runner, 1)
        (tmp_path / "elsewhere").rename(taken)
        assert len(await ledger.claim(runner, 1)) == 1


async def test_a_ledger_that_another_machine_sends_from_is_not_opened(tmp_path: Path) -> None:
    """As in a folder that both share: SQLite's processes only see each other's writes within one machine."""
    path = tmp_path / "campaign.db"
    await half_sent(path)
    async with opened(path) as ledger:
        runner = await ledger.register_runner(1, quiet_seconds=0)
        with raises(LedgerPlaceError, "ledger_on_two_machines"):
            SqliteLedger(path, clock=HandClock(boot_id="another"))
        assert len(await ledger.claim(runner, 1)) == 1
        await ledger.deregister_runner(runner, "over")
    await SqliteLedger(path, clock=HandClock(boot_id="another")).close()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
async def test_what_is_written_while_a_file_is_taken_away_counts_as_not_written(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have opened the ledger without it, and claim the same rows."""
    path = tmp_path / "campaign.db"
    await half_sent(path)
    async with opened(path) as ledger:
        runner = await ledger.register_runner(1, quiet_seconds=0)
        taken = path.with_name(path.name + suffix)

        def claim(*values: Any, **named: Any) -> list[Claim]:
            os.rename(taken, tmp_path / "elsewhere")  # noqa: PTH104 - a rename is quick
            return claim_rows(*values, **named)

        monkeypatch.setattr("campaign.ledger.sqlite.ledger.claim_rows", claim)
        with raises(LedgerError, "ledger_replaced"):
            await ledger.claim(runner, 1)
        (tmp_path / "elsewhere").rename(taken)


@pytest.mark.parametrize(
    "name",
    [
        "a b.db",
        "100%.db",
        "who?.db",
        "#1.db",
        "Käse 🧀.db",
        "file:x.db",
        "x.db?mode=memory",
        ":memory:",
        "'; DROP--.db",
        "new/er/x.db",
        "x",
    ],
)
async def test_odd_names_are_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    await half_sent(path, 4)
    assert (tmp_path / name).stat().st_size > PAGE_BYTES
    assert sorted(await use(tmp_path / name)) == [3, 4]
    assert not [left for folder, _, files in os.walk(tmp_path) for left in files if left.endswith("-wal")]


def test_a_lock_is_waited_for_less_long_than_a_lease_holds() -> None:
    """A writer that waits for a lock can't renew: it must give up while it still may be sure that nobody takes its rows for lost."""
    assert BUSY_SECONDS < LEASE_SECONDS - MARGIN_SECONDS - HEARTBEAT_SECONDS


@pytest.mark.parametrize(
    ("error", "opening", "running"),
    [
        (apsw.BusyError, LedgerError, LedgerError),
        (apsw.FullError, DiskFullError, DiskFullError),
        (apsw.IOError, DiskFullError, DiskFullError),
        (apsw.ReadOnlyError, LedgerPlaceError, LedgerError),
        (apsw.CantOpenError, LedgerPlaceError, LedgerError),
        (apsw.CorruptError, LedgerDamagedError, LedgerError),
        (apsw.NotADBError, LedgerDamagedError, LedgerError),
        (apsw.ConstraintError, LedgerDamagedError, LedgerError),
    ],
)
def test_only_what_happens_at_opening_says_that_nothing_was_sent(
    error: type[apsw.Error], opening: type[CampaignError], running: type[CampaignError]
) -> None:
    path = Path("here/campaign.db")
    for expected, found in (
        (opening, in_words(error("why"), path, opening=True)),
        (running, in_words(error("why"), path)),
    ):
        assert type(found) is expected
        assert "here/campaign.db" in str(found)
    assert running.exit_code == 4
    assert in_words(apsw.MisuseError("a fault of the program"), path) is None


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_ledger_that_another_process_is_just_making_is_waited_for(tmp_path: Path, begin: str) -> None:
    path = tmp_path / "campaign.db"
    other = apsw.Connection(str(path))
    other.execute(begin)
    other.execute("CREATE TABLE made (a)")
    timer = threading.Timer(0.4, other.execute, ["ROLLBACK"])
    timer.start()
    try:
        prepare(path)
    finally:
        timer.join()
        other.close()
    with read(path) as reader:
        assert reader.campaigns() == []


def test_a_lock_is_tried_again_so_often_that_a_busy_process_leaves_its_turns_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "campaign.db"
    prepare(path)
    waits: list[float] = []
    with closing(connect(path)) as holder, closing(connect(path)) as other:
        holder.execute("BEGIN IMMEDIATE")

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 30:
                holder.execute("ROLLBACK")

        monkeypatch.setattr(connection, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
        other.execute("BEGIN IMMEDIATE; ROLLBACK")
    assert waits == [LOCK_SECONDS] * 30


async def test_a_reader_is_closed_also_while_a_thread_that_nobody_waits_for_still_looks(tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    ledger = SqliteLedger(path)
    record = await campaign_of(ledger, *(staged(row) for row in range(1, 20_001)))
    reader, looks = SqliteReader(path), threading.Event()

    def look() -> None:
        with suppress(LedgerError, apsw.Error):
            while True:
                reader.counts(record.id)
                looks.set()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    looks.wait()
    reader.close()
    thread.join(timeout=30)
    assert not thread.is_alive()
    await ledger.close()


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """Only a machine that loses its power could show it otherwise."""
    prepare(tmp_path / "campaign.db")
    connection = connect(tmp_path / "campaign.db")
    kept = [connection.execute(f"PRAGMA {name}").get for name in ("journal_mode", "synchronous")]
    connection.close()
    assert kept == ["wal", 2]


async def test_a_file_that_is_mounted_alone_is_refused(tmp_path: Path) -> None:
    """Its log would stand in the container, and go with it."""
    folder = tmp_path / "a b"
    folder.mkdir()
    path, mounts = folder / "campaign.db", tmp_path / "mountinfo"
    await half_sent(path)
    line = "36 35 98:0 /host/campaign.db {} rw,noatime shared:1 - ext4 /dev/root rw\n"
    mounts.write_text(line.format(str(path.parent).replace(" ", "\\040")))
    check_not_mounted_alone(path, mounts)
    check_not_mounted_alone(path, tmp_path / "none")
    mounts.write_text(line.format(str(path).replace(" ", "\\040")))
    with raises(LedgerPlaceError, "ledger_mounted_alone"):
        check_not_mounted_alone(path, mounts)


@pytest.mark.parametrize(("moved", "finished"), [(False, False), (False, True), (True, False)])
async def test_a_power_cut_loses_no_staged_campaign_and_makes_no_ledger_seem_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, moved: bool, finished: bool
) -> None:
    monkeypatch.setattr(Writer, "begin_move", Writer._move_aside if moved else lambda _: None)
    path, before = tmp_path / "campaign.db", apsw.vfs_names()[0]
    disk = Disk()
    apsw.set_default_vfs(VFS_NAME)
    try:
        async with opened(path) as ledger:
            record = await ledger.create(spec())
            await ledger.stage(record.id, [staged(row) for row in range(1, 500)])
            if finished:
                await ledger.finish_staging(record.id, content_sha256="c")
            # A process that is cut off moves nothing from the log to the file.
            await ledger._writer.do(lambda db: db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1), durable=finished)
    finally:
        apsw.set_default_vfs(before)
    unsynced = any(contents.dirty for name, contents in disk.contents.items() if name.endswith("-wal"))
    disk.lose_power(random.Random(1))
    (tmp_path / "campaign.db-shm").unlink(missing_ok=True)
    assert unsynced is not (moved or finished)
    with read(path) as reader:
        found = reader.campaign("promo")
        assert found is not None
        assert found.desired_state is (DesiredState.GO if finished else DesiredState.STAGING)
        assert reader.counts(found.id).rows == (499 if moved or finished else 0)
