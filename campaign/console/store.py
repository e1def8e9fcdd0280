"""The console's store: users, sessions and the audit log, in an SQLite file in a folder that only this user may read."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeVar

import apsw

from campaign.domain.errors import UsageError

T = TypeVar("T")
BUSY_MILLISECONDS: Final = 10_000


class Store:
    """One connection, used by one thread. `do` runs a function on it as one durable transaction."""

    def __init__(self, file: Path) -> None:
        # The file has password hashes: nobody else may read it, not even for the moment between its creation and a chmod.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="console-store")
        self._db = self._thread.submit(_connected, file).result()

    async def do(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` on the connection, completely or not at all."""
        return await asyncio.wrap_future(self._thread.submit(self._whole, work))

    def close(self) -> None:
        """Finish pending work, and close the file."""
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()

    def _whole(self, work: Callable[[apsw.Connection], T]) -> T:
        with self._db:
            done = work(self._db)
        return done  # noqa: RET504 - for mypy a return inside may be swallowed by the context manager


def _connected(file: Path) -> apsw.Connection:
    db = apsw.Connection(str(file))
    db.set_busy_timeout(BUSY_MILLISECONDS)
    # Without fetchall, only the statements up to the first result run.
    db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON").fetchall()
    db.execute(files("campaign.console").joinpath("schema.sql").read_text(encoding="utf-8"))
    return db


def open_store(folder: Path) -> Store:
    """The store in this folder, which is created if missing.

    Raises:
        UsageError: the folder or the store can't be used, or other users may read the folder.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if hasattr(os, "getuid") and found.st_mode & 0o077:
            raise UsageError(
                f"Other users can read {folder}, where users and lists are kept. Restrict it: chmod 700 {folder}", code="open_to_others"
            )
        return Store(folder / "console.db")
    except OSError as error:
        raise UsageError(
            f"The console can't write to {folder}: {os.strerror(error.errno or 0)}. Choose another with --folder.",
            code="folder_not_writable",
        ) from error
    except apsw.Error as error:
        raise UsageError(
            f"{folder / 'console.db'} can't be used ({error}). Repair it, or choose another folder with --folder.", code="console_damaged"
        ) from error
