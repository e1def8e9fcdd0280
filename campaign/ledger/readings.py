"""The readings of passes, with their times, in an SQLite file beside the ledger, from which an interrupted check goes on.

The file may be removed at any time: then passes are read again.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import apsw

from campaign.domain.errors import LedgerError
from campaign.domain.reach import FRESH_SECONDS, Reach

FILE: Final = "readings.db"
KEPT_SECONDS: Final = 86400.0
BUSY_MILLISECONDS: Final = 10_000
_AT_ONCE: Final = 1000

_SCHEMA: Final = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA temp_store = FILE;
CREATE TABLE IF NOT EXISTS readings (
    account  TEXT NOT NULL, -- fingerprint of the API and the token
    pass_key TEXT NOT NULL,
    reach    TEXT NOT NULL,
    read_at  REAL NOT NULL,
    PRIMARY KEY (account, pass_key)
) WITHOUT ROWID;
-- The pages of the account's list of passes that were read for the passes of one campaign list.
CREATE TABLE IF NOT EXISTS pages (
    account TEXT NOT NULL,
    wanted  TEXT NOT NULL, -- hash of these passes
    page    INTEGER NOT NULL,
    read_at REAL NOT NULL,
    PRIMARY KEY (account, wanted, page)
) WITHOUT ROWID;
CREATE TEMP TABLE wanted (pass_key TEXT PRIMARY KEY, pass_id TEXT NOT NULL, row INTEGER NOT NULL, reach TEXT) WITHOUT ROWID;
"""


class Readings:
    """The readings of the passes of one list, in the ledger's folder; a context manager.

    `account` is that of the passes, see `account_key`. Readings that are older than FRESH_SECONDS at `now`, in Unix seconds, are
    read again.

    Raises:
        LedgerError: the file can't be used. Every method may raise it.
    """

    def __init__(self, folder: Path, *, account: str, now: float) -> None:
        self._file = folder / FILE
        self._account = account
        self._since = now - FRESH_SECONDS
        self._wanted = ""
        self.passes = 0
        self.left = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._db = apsw.Connection(str(self._file.absolute()))
            self._db.set_busy_timeout(BUSY_MILLISECONDS)
            self._db.execute(_SCHEMA).fetchall()
        except (OSError, apsw.Error) as error:
            raise self._unusable(error) from error
        for table in ("readings", "pages"):
            self._rows(f"DELETE FROM {table} WHERE read_at < ?", now - KEPT_SECONDS)  # noqa: S608 - names of ours

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def want(self, passes: Iterable[tuple[str, str, int]]) -> None:
        """Set the wanted passes, each as (key, id, row); of equal keys the first counts. Known fresh readings are taken over."""
        fingerprint = hashlib.sha256()

        def each() -> Iterator[tuple[str, str, int]]:
            for key, pass_id, row in passes:
                fingerprint.update(f"{key}\n".encode())
                yield key, pass_id, row

        try:
            with self._db:
                self._db.executemany("INSERT OR IGNORE INTO wanted (pass_key, pass_id, row) VALUES (?, ?, ?)", each())
        except apsw.Error as error:
            raise self._unusable(error) from error
        self._wanted = fingerprint.hexdigest()
        self._rows(
            "UPDATE wanted SET reach = r.reach FROM readings AS r "
            "WHERE r.account = ? AND r.pass_key = wanted.pass_key AND r.read_at >= ? AND r.reach <> ?",
            *(self._account, self._since, Reach.UNREADABLE),
        )
        [(self.passes, self.left)] = self._rows("SELECT count(*), count(*) - count(reach) FROM wanted")

    def unread(self, after: str = "") -> list[tuple[str, str]]:
        """The next passes that are not read yet, as (key, id) in the order of keys after `after`; empty if none are left."""
        query = "SELECT pass_key, pass_id FROM wanted WHERE reach IS NULL AND pass_key > ? ORDER BY pass_key LIMIT ?"
        return self._rows(query, after, _AT_ONCE)

    def keep(self, key: str, reach: Reach, *, now: float) -> bool:
        """Store the reading of a pass if it is a wanted one; returns whether it is."""
        found = self._rows("SELECT reach FROM wanted WHERE pass_key = ?", key)
        if not found:
            return False
        if found[0][0] is None:
            self.left -= 1
            self._rows("UPDATE wanted SET reach = ? WHERE pass_key = ?", reach, key)
            self._rows("INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?)", self._account, key, reach, now)
        return True

    def keep_page(self, page: int, passes: Iterable[tuple[str, Reach]], *, now: float) -> int:
        """Store the readings of one page of the list of passes; returns how many of them are of wanted passes."""
        try:
            with self._db:
                found = sum(self.keep(key, reach, now=now) for key, reach in passes)
                self._rows("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)", self._account, self._wanted, page, now)
        except apsw.Error as error:
            raise self._unusable(error) from error
        return found

    def pages(self) -> set[int]:
        """The numbers of the pages that were read for the wanted passes."""
        query = "SELECT page FROM pages WHERE account = ? AND wanted = ? AND read_at >= ?"
        return {page for (page,) in self._rows(query, self._account, self._wanted, self._since)}

    def counts(self) -> dict[Reach, int]:
        """How many passes have which reach; a pass that was not read is UNREADABLE."""
        found = dict(self._rows("SELECT coalesce(reach, ?), count(*) FROM wanted GROUP BY 1", Reach.UNREADABLE))
        return {reach: found.get(reach, 0) for reach in Reach}

    def rows(self, reaches: Iterable[Reach]) -> Iterator[list[int]]:
        """The rows whose passes have one of these reaches, a part at a time."""
        values, after = tuple(reaches), ""
        marks = ",".join("?" * len(values))
        query = f"SELECT pass_key, row FROM wanted WHERE pass_key > ? AND reach IN ({marks}) ORDER BY pass_key LIMIT ?"  # noqa: S608 - marks
        while found := self._rows(query, after, *values, _AT_ONCE):
            yield [row for _, row in found]
            after = found[-1][0]

    def _rows(self, query: str, *values: Any) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except apsw.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> LedgerError:
        return LedgerError(
            f"{self._file} can't be used ({error}). It only holds what was read of passes: remove it, or make its folder writable. "
            "Then give the same command again.",
            code="readings_not_usable",
        )
