"""What the console keeps, it keeps whole, durably, and for this user alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from campaign.console.store import Store


async def test_what_is_written_is_durable_and_refers_to_what_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "console.db")
    try:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert await store.do(_asking(pragma)) == [(value,)]
    finally:
        store.close()


async def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "console.db")

    def half(db: apsw.Connection) -> None:
        db.execute("INSERT INTO owners (campaign, person, at) VALUES ('autumn', 'sam', 0)")
        db.execute("INSERT INTO owners (campaign, person, at) VALUES ('autumn', 'ann', 0)")

    try:
        with pytest.raises(apsw.ConstraintError):
            await store.do(half)
        assert await store.do(lambda db: db.execute("SELECT * FROM owners").fetchall()) == []
    finally:
        store.close()


def test_its_file_is_for_this_user_alone(tmp_path: Path) -> None:
    Store(tmp_path / "console.db").close()
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())


def _asking(pragma: str) -> Callable[[apsw.Connection], list[Any]]:
    return lambda db: db.execute(f"PRAGMA {pragma}").fetchall()
