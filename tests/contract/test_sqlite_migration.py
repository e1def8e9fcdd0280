"""A ledger of an earlier version is brought to this one with all that stands in it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from campaign.domain.errors import LedgerPlaceError
from campaign.domain.status import Status
from campaign.ledger.process_lock import ProcessLock
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.ledger.sqlite.connection import APPLICATION_ID, SCHEMA_VERSION, prepare
from campaign.ledger.sqlite.integrity import runners_folder
from tests.contract.given import UPGRADED
from tests.errors import raises

OLD = Path(__file__).parent / "data"
RENAMED = 8
"""The version that gave columns and constraints their present names."""


def old_ledger(path: Path, version: int) -> None:
    """A ledger as that version made it, with a campaign of three rows, one of them unknown."""
    db = apsw.Connection(str(path))
    db.execute((OLD / f"schema-{version}.sql").read_text(encoding="utf-8"))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}")
    db.execute(
        "INSERT INTO campaigns (id, name, list_name, list_sha256, message_sha256, columns, id_column, settings, "
        f"{'control' if version < RENAMED else 'desired_state'}, rows, created_at)"
        """ VALUES (1, 'old', 'old.csv', 'a', 'b', '["id"]', 'id', '{"rate": "9"}', 'go', 3, 5.0)"""
    )
    for row, status in ((1, "delivered"), (2, "unknown"), (3, "pending")):
        db.execute(
            "INSERT INTO rows (campaign, row, pass_id, pass_key, message, cells, status, due_at) VALUES (1, ?, ?, ?, 'Hi', '[]', ?, ?)",
            (row, f"p{row}", f"p{row}", status, 0.0 if status == "pending" else None),
        )
    db.close()


def shape(path: Path) -> dict[str, object]:
    """Everything that the schema says, but for the words it is said in."""
    db = apsw.Connection(str(path))
    found: dict[str, object] = {"version": db.pragma("user_version")}
    for kind, name in db.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name").fetchall():
        found[f"{kind} {name}"] = (
            sorted(repr(column[1:]) for column in db.execute(f"PRAGMA table_xinfo({name})")) if kind == "table" else ""
        )
        if kind == "trigger":
            sql = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).get
            found[f"{kind} {name}"] = " ".join(str(sql).split())
    db.close()
    return found


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_an_old_ledger_becomes_as_a_new_one_and_keeps_its_rows(tmp_path: Path, version: int) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    old_ledger(old, version)
    prepare(old)
    prepare(new)
    assert shape(old) == shape(new)
    ledger, reader = SqliteLedger(old), SqliteReader(old)
    record = reader.campaign("old")
    assert record is not None
    assert [row.outcome.status for row in reader.rows(record.id)] == [Status.DELIVERED, Status.UNKNOWN, Status.PENDING]
    runner = await ledger.register_runner(record.id, quiet_seconds=0, api="https://one")
    assert [claim.row for claim in await ledger.claim(runner, 9)] == [3]
    await ledger.close()
    reader.close()


@pytest.mark.parametrize(("statuses", "is_open"), UPGRADED)
def test_a_retry_that_may_be_under_way_is_open_afterwards(tmp_path: Path, statuses: dict[str, int], *, is_open: bool) -> None:
    path = tmp_path / "old.db"
    old_ledger(path, SCHEMA_VERSION - 1)
    db = apsw.Connection(str(path))
    db.execute("DELETE FROM rows")
    for row, (status, attempts) in enumerate(statuses.items(), 1):
        db.execute(
            "INSERT INTO rows (campaign, row, pass_id, pass_key, message, cells, status, due_at, attempts)"
            " VALUES (1, ?, ?, ?, 'Hi', '[]', ?, ?, ?)",
            (row, f"p{row}", f"p{row}", status, 0.0 if status == "pending" else None, attempts),
        )
    db.close()
    prepare(path)
    reader = SqliteReader(path)
    record = reader.campaign("old")
    assert record is not None
    assert record.retry_is_open == is_open
    reader.close()


def test_each_campaign_can_be_told_from_that_of_another_ledger_afterwards(tmp_path: Path) -> None:
    marks = []
    for path in (tmp_path / "one.db", tmp_path / "two.db"):
        old_ledger(path, SCHEMA_VERSION - 1)
        prepare(path)
        reader = SqliteReader(path)
        record = reader.campaign("old")
        assert record is not None
        marks.append(record.spec.mark)
        reader.close()
    assert len(set(marks) - {""}) == 2


def test_a_campaign_that_can_be_told_already_stays_the_same(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old_ledger(path, SCHEMA_VERSION - 1)
    db = apsw.Connection(str(path))
    db.execute("""UPDATE campaigns SET settings = '{"rate": "9", "mark": "a1b2"}'""")
    db.close()
    prepare(path)
    reader = SqliteReader(path)
    record = reader.campaign("old")
    assert record is not None
    assert (record.spec.mark, record.spec.settings) == ("a1b2", {"rate": "9"})
    reader.close()


def test_every_version_before_this_one_is_kept_for_this_test() -> None:
    assert sorted(path.name for path in OLD.glob("schema-*.sql")) == [f"schema-{version}.sql" for version in range(1, SCHEMA_VERSION)]


OLD_CHECKS = {
    "UPDATE campaigns SET desired_state = 'gone'": "desired_state",
    "UPDATE campaigns SET desired_state = 'go'": "sent from elsewhere",
    "UPDATE rows SET status = 'pending', due_at = 0.0 WHERE row = 1": "can not change",
    "INSERT INTO rate_limits VALUES ('key', 0.0, 2.0, 0.0, 0.0)": "rate_factor",
    "UPDATE purged SET rows_deleted = 2": "rows_deleted",
    "UPDATE runners SET hold_unverified = 2": "hold_unverified",
}


@pytest.mark.parametrize("change", OLD_CHECKS)
def test_the_constraints_of_an_old_ledger_follow_the_new_names(tmp_path: Path, change: str) -> None:
    path = tmp_path / "old.db"
    old_ledger(path, RENAMED - 1)
    prepare(path)
    db = apsw.Connection(str(path))
    db.execute(
        "INSERT INTO purged (campaign, purged_at) VALUES (1, 0.0);"
        "INSERT INTO exported (campaign, exported_at, file, previous_state) VALUES (1, 0.0, 'file', 'go');"
        "INSERT INTO runners (campaign, host, pid, started_at, lease_until, activity) VALUES (1, '', 1, 0.0, 0.0, '')"
    )
    with pytest.raises(apsw.ConstraintError, match=OLD_CHECKS[change]):
        db.execute(change)
    db.close()


def test_a_migration_that_is_killed_before_its_end_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old_ledger(path, SCHEMA_VERSION - 1)
    before = shape(path)
    # The version is written last in the transaction.
    killed = (
        "import os, sys; from pathlib import Path; from campaign.ledger.sqlite import connection\n"
        "connection.APPLICATION_ID = type('Kill', (int,), {'__format__': lambda *_: os._exit(9)})(connection.APPLICATION_ID)\n"
        "connection.prepare(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", killed, path], check=False).returncode == 9
    assert shape(path) == before
    prepare(path)
    assert shape(path)["version"] == SCHEMA_VERSION


def test_several_that_open_an_old_ledger_at_once_migrate_it_once(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old_ledger(path, 1)
    with ThreadPoolExecutor(4) as pool:
        for opened in [pool.submit(prepare, path) for _ in range(4)]:
            opened.result()
    assert shape(path)["version"] == SCHEMA_VERSION


def test_an_old_ledger_is_not_migrated_while_an_older_version_sends_from_it(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old_ledger(path, SCHEMA_VERSION - 1)
    before = shape(path)
    sender = ProcessLock(runners_folder(path), 1)
    with raises(LedgerPlaceError, "ledger_used_by_older"):
        prepare(path)
    assert shape(path) == before
    sender.release()
    prepare(path)
    assert shape(path)["version"] == SCHEMA_VERSION
