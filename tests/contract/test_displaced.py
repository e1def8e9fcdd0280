"""Whether a ledger is where it was sent from: a file may be a copy, and a database a restored dump."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from campaign.domain.ledger_identity import Difference, Displaced
from campaign.ledger import machine
from campaign.ledger.port import Ledger, LedgerReader
from campaign.ledger.postgres import PostgresLedger, PostgresReader
from campaign.ledger.postgres.connection import parse
from campaign.ledger.postgres.schema import prepare
from campaign.ledger.sql_loader import script
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from tests.contract.backends import Backend, HandClock
from tests.contract.given import campaign_of, spec, staged
from tests.contract.postgres_server import ASKED_FOR_A_PASSWORD, Server
from tests.contract.test_sqlite_migration import old_ledger

ROLE = "displaced_campaign_runner"


@asynccontextmanager
async def opened(path: Path, clock: HandClock | None = None) -> AsyncIterator[SqliteLedger]:
    ledger = SqliteLedger(path, clock=clock)
    try:
        yield ledger
    finally:
        await ledger.close()


def displaced(path: Path, clock: HandClock | None = None) -> Displaced | None:
    reader = SqliteReader(path, clock=clock)
    try:
        return reader.displaced()
    finally:
        reader.close()


def newer_mark(path: Path) -> str | None:
    found = displaced(path)
    return None if found is None else found.newer_mark


def mark_of(path: Path) -> Path:
    return Path(f"{path}.runners") / "mark"


def put_away(path: Path) -> None:
    for file in (path, Path(f"{path}.runners")):
        file.rename(f"{file}.away")


def replace(path: Path, copy: Path) -> None:
    path.unlink()
    shutil.copy2(copy, path)


def renamed(path: Path, to: Path, *, link: Path) -> Path:
    link.symlink_to(to)
    return path.rename(to)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A ledger that was staged from, and its machine, which is no container."""
    path = tmp_path / "campaign.db"
    async with opened(path) as ledger:
        await campaign_of(ledger, staged(1))
    return path


@pytest.fixture(autouse=True)
def become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes this machine another one: its id, and the address of its adapter."""

    def become(machine_id: str, adapter: str) -> None:
        (tmp_path / "machine-id").write_text(machine_id, encoding="ascii")
        folder = tmp_path / "net" / "eth0"
        (folder / "device").mkdir(parents=True, exist_ok=True)
        (folder / "address").write_text(adapter, encoding="ascii")
        if not (folder / "device" / "subsystem").exists():
            (folder / "device" / "subsystem").symlink_to(tmp_path)

    monkeypatch.setattr(machine, "CONTAINER_MARKS", ())
    monkeypatch.setattr(machine, "MACHINE_IDS", (tmp_path / "machine-id",))
    monkeypatch.setattr(machine, "ADAPTERS", tmp_path / "net")
    become("one", "52:54:00:00:00:01")
    return become


async def test_a_ledger_is_where_it_is_staged_and_can_be_named(backend: Backend, ledger: Ledger, reader: LedgerReader) -> None:
    assert reader.displaced() is None
    await campaign_of(ledger, staged(1))
    assert reader.displaced() is None
    await ledger.move_here()
    assert reader.displaced() is None
    assert reader.place.endswith("campaign.db") or reader.place.startswith("postgresql://")
    assert backend.reader().place == reader.place


async def test_a_copy_is_told_until_it_is_said_to_be_the_one(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy2(path, copy)
    assert displaced(path) is None
    found = displaced(copy)
    assert found is not None
    assert (found.difference, found.before.path) == (Difference.COPIED_FILE, str(path))
    async with opened(copy) as ledger:
        # What is staged into it does not make it the one.
        await ledger.create(spec("another"))
        assert displaced(copy) is not None
        await ledger.move_here()
    assert displaced(copy) is None
    # Put back in the first one's place, it is a copy again.
    replace(path, copy)
    assert displaced(path) is not None


def test_a_restored_file_of_the_same_name_is_a_copy_too(path: Path, tmp_path: Path) -> None:
    """Number and name are the same: many file systems use a number again at once."""
    if not machine.created_ns(path):
        pytest.skip("this file system keeps no time of creation")
    shutil.copy2(path, tmp_path / "backup.db")
    replace(path, tmp_path / "backup.db")
    assert displaced(path) is not None


async def test_renaming_linking_and_working_on_it_make_no_other_ledger(path: Path, tmp_path: Path) -> None:
    moved = renamed(path, tmp_path / "moved.db", link=tmp_path / "link.db")
    assert displaced(moved) is None
    assert displaced(tmp_path / "link.db") is None
    async with opened(moved) as ledger:
        await campaign_of(ledger, staged(1), name="another")
    os.utime(moved, (1, 1))
    assert displaced(moved) is None


async def test_another_machine_is_told_and_a_container_of_the_same_is_not(
    path: Path, become: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become("two", "52:54:00:00:00:01")
    assert displaced(path) is None
    become("two", "52:54:00:00:00:02")
    found = displaced(path)
    assert found is not None
    assert found.difference is Difference.OTHER_MACHINE
    become("one", "52:54:00:00:00:02")
    found = displaced(path)
    assert found is not None
    assert found.difference is Difference.CLONED_MACHINE
    monkeypatch.setattr(machine, "CONTAINER_MARKS", (tmp_path,))
    assert displaced(path) is None
    # What the container can't know is not forgotten.
    async with opened(path) as ledger:
        await ledger.move_here()
    monkeypatch.setattr(machine, "CONTAINER_MARKS", ())
    assert displaced(path) is not None
    become("one", "52:54:00:00:00:01")
    assert displaced(path) is None


async def test_when_it_was_last_used_is_known(path: Path, tmp_path: Path) -> None:
    clock = HandClock()
    path = tmp_path / "other.db"
    async with opened(path, clock) as ledger:
        record = await campaign_of(ledger, staged(1))
        clock.advance(50)
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        clock.advance(5)
        await ledger.deregister_runner(runner, "over")
        ended = clock.wall()
    clock.advance(1000)
    copy = tmp_path / "copy.db"
    shutil.copy2(path, copy)
    found = displaced(copy, clock)
    assert found is not None
    assert ended <= found.last_run_at < ended + 60


async def test_a_ledger_of_an_earlier_version_is_where_it_is_used_first(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    old_ledger(old, 4)
    copy = tmp_path / "copy.db"
    shutil.copy2(old, copy)
    assert displaced(copy) is None
    async with opened(copy) as ledger:
        await ledger.move_here()
    shutil.copy2(copy, tmp_path / "again.db")
    assert displaced(tmp_path / "again.db") is not None


def test_a_file_number_may_be_larger_than_an_integer_of_sqlite(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("UPDATE identity SET inode = ?", (str(2**64 - 1),))
    db.close()
    found = displaced(path)
    assert found is not None
    assert found.before.inode == 2**64 - 1


async def test_a_copy_that_was_opened_and_put_back_in_place_is_a_copy(path: Path, tmp_path: Path) -> None:
    """Its mark and its file's number are those of the ledger; to open it elsewhere has only made it seem newer."""
    copy = tmp_path / "copy.db"
    shutil.copy2(path, copy)
    async with opened(path) as ledger:
        await campaign_of(ledger, staged(1), name="later")
    async with opened(copy):
        pass
    shutil.copyfile(copy, path)
    async with opened(path) as ledger:
        found = displaced(path)
        assert found is not None
        assert found.difference is Difference.COPIED_FILE
        await ledger.move_here()
        assert displaced(path) is None


class TestWhatACopyLacks:
    """The mark beside the ledger, where it was until now, shows whether something was written to it since."""

    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        (tmp_path / "there").mkdir()
        return tmp_path / "there" / "campaign.db"

    async def test_a_copy_that_came_without_its_log_lacks_something_however_often_it_is_opened(self, path: Path, copy: Path) -> None:
        async with opened(path) as ledger:
            await campaign_of(ledger, staged(1), name="later")
            # As a kill leaves it.
            shutil.copy2(path, copy)
        for name in ("one", "two", "three"):
            async with opened(copy) as ledger:
                await campaign_of(ledger, staged(1), name=name)
                assert newer_mark(copy) == str(mark_of(path))
        # Who knows that nothing was sent in that time removes it.
        mark_of(path).unlink()
        assert newer_mark(copy) == ""

    async def test_a_copy_that_was_opened_before_the_ledger_went_on_lacks_something(self, path: Path, copy: Path) -> None:
        if not machine.created_ns(path):
            pytest.skip("this file system keeps no time of creation")
        shutil.copy2(path, copy)
        async with opened(copy):
            assert newer_mark(copy) == ""
        async with opened(path) as ledger:
            await campaign_of(ledger, staged(1), name="later")
        async with opened(copy):
            assert newer_mark(copy) == str(mark_of(path))

    @pytest.mark.parametrize("ended", [True, False])
    async def test_a_whole_copy_lacks_nothing(self, path: Path, copy: Path, *, ended: bool) -> None:
        async with opened(path) as ledger:
            await campaign_of(ledger, staged(1), name="later")
            for suffix in () if ended else ("", "-wal"):
                shutil.copy2(f"{path}{suffix}", f"{copy}{suffix}")
        if ended:
            shutil.copy2(path, copy)
        for _ in range(2):
            async with opened(copy):
                assert displaced(copy) is not None
                assert newer_mark(copy) == ""

    @pytest.mark.parametrize("at", ["the same path", "another machine"])
    async def test_the_mark_of_another_ledger_shows_nothing(
        self, path: Path, copy: Path, become: Callable[[str, str], None], *, at: str
    ) -> None:
        shutil.copy2(path, copy)
        if at == "another machine":
            become("two", "52:54:00:00:00:02")
        else:
            put_away(path)
        async with opened(path) as ledger:
            await campaign_of(ledger, staged(1), name="later")
            await ledger.move_here()
        assert mark_of(path).exists()
        for _ in range(2):
            async with opened(copy):
                assert displaced(copy) is not None
                assert newer_mark(copy) == ""


class TestDatabase:
    @pytest.fixture
    def databases(self, server: Server) -> Iterator[tuple[str, str]]:
        """A ledger that was sent from, and its dump, restored."""
        first = server.database()
        prepare(parse(server.url(first)))
        server.run(
            "INSERT INTO campaign.runners (campaign, host, pid, started_at, lease_until, activity) VALUES (1, 'a', 1, 5.0, 35.0, '')",
            database=first,
        )
        asyncio.run(moved(server.url(first)))
        copy = server.restored(first)
        yield first, copy
        for name in (first, copy):
            server.drop(name)

    def test_a_restored_dump_is_told_until_it_is_said_to_be_the_one(self, server: Server, databases: tuple[str, str]) -> None:
        first, copy = map(server.url, databases)
        assert found_in(first) is None
        found = found_in(copy)
        assert found is not None
        assert (found.difference, found.before.path, found.last_run_at) == (Difference.COPIED_FILE, parse(first).name, 35.0)
        asyncio.run(moved(copy))
        assert found_in(copy) is None

    def test_a_dump_that_is_restored_into_its_own_database_is_told(self, server: Server, databases: tuple[str, str]) -> None:
        first, _ = databases
        server.restore(server.dump(first), first)
        found = found_in(server.url(first))
        assert found is not None
        assert found.difference is Difference.COPIED_FILE
        asyncio.run(moved(server.url(first)))
        assert found_in(server.url(first)) is None

    def test_another_server_is_told(self, server: Server, databases: tuple[str, str]) -> None:
        first, _ = databases
        server.run("UPDATE campaign.place SET system = '7'", database=first)
        found = found_in(server.url(first))
        assert found is not None
        assert (found.difference, found.before.host) == (Difference.OTHER_MACHINE, "the server 7")

    def test_a_server_that_does_not_say_which_it_is_decides_nothing(self, server: Server, databases: tuple[str, str]) -> None:
        first, _ = databases
        server.run("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC", database=first)
        server.run(re.sub(r':"role"', ROLE, script("postgres_role.sql")), database=first)
        server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret' IN ROLE {ROLE}")
        try:
            url = server.url(first, user=f"{ASKED_FOR_A_PASSWORD}:S3cret")
            known = server.run("SELECT system FROM campaign.place", database=first)
            assert known != [("",)]
            assert found_in(url) is None
            asyncio.run(moved(url))
            assert server.run("SELECT system FROM campaign.place", database=first) == known
        finally:
            server.run(f"DROP OWNED BY {ROLE}", database=first)
            server.run(f"DROP ROLE {ASKED_FOR_A_PASSWORD}; DROP ROLE {ROLE}")


async def moved(url: str) -> None:
    ledger = PostgresLedger(url)
    await ledger.move_here()
    await ledger.close()


def found_in(url: str) -> Displaced | None:
    reader = PostgresReader(url)
    try:
        return reader.displaced()
    finally:
        reader.close()
