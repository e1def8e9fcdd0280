"""Opens a ledger file: settings, schema, clock, and SQLite's errors as sentences."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import apsw

from campaign.domain.errors import DiskFullError, LedgerDamagedError, LedgerError, LedgerPlaceError, LedgerVersionError
from campaign.ledger.clock import Clock, anchor_for
from campaign.ledger.ledger_errors import used_by_older
from campaign.ledger.process_lock import held_by_any
from campaign.ledger.sql_loader import schema_version, script, statements
from campaign.ledger.sqlite.integrity import (
    WAY_BACK,
    Mark,
    RollbackGuard,
    check_log_has_file,
    check_not_behind,
    check_not_emptied,
    check_not_linked,
    check_not_mounted_alone,
    check_nothing_left_behind,
    check_whole_pages,
    forget_mark,
    has_log,
    is_another,
    latest_in_file,
    marked,
    runners_folder,
)

APPLICATION_ID: Final = 0x43414D50  # "CAMP"
SCHEMA_VERSION: Final = schema_version("to-")
"""The version of `schema.sql`. `to-N.sql` migrates a ledger from version N - 1 to N."""

# Before this version, several connections that checkpoint a WAL can lose committed writes.
OLDEST_SQLITE: Final = (3, 51, 3)
BUSY_SECONDS: Final = 15.0
LOCK_SECONDS: Final = 0.001
"""How often a locked ledger is tried again. SQLite's own waits grow to 0.1 s, in which another process takes the lock many times."""

SQL: Final = statements("sqlite.sql")


def connect(path: Path, *, read_only: bool = False) -> apsw.Connection:
    """A connection with the ledger's settings. Requires `prepare`.

    Raises:
        LedgerError: the file can't be opened; also as a subclass.
    """
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        raise LedgerVersionError(f"SQLite {version} can lose committed writes; install apsw 3.51.3 or newer.", code="sqlite_too_old")
    with errors_as_sentences(path, opening=True):
        # Absolute, as some names mean something else to SQLite, such as “:memory:”.
        connection = apsw.Connection(str(path.absolute()), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_handler(_patience())
        # Any commit invalidates a reader's cache, and a reader reads most pages once.
        cache_kib = 4_000 if read_only else 32_000
        connection.execute(f"PRAGMA cache_size = -{cache_kib}; PRAGMA temp_store = FILE; PRAGMA mmap_size = 0")
        # Only `move_log` moves the log, as it records that.
        connection.pragma("wal_autocheckpoint", 0)
        # Otherwise statements about unverified rows are prepared again for other values, which takes longer than a claim.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.execute("PRAGMA query_only = ON" if read_only else "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON")
    return connection


def _patience() -> Callable[[int], bool]:
    """Waits for another process's lock, for BUSY_SECONDS at most."""
    deadline = 0.0

    def wait(tries: int) -> bool:
        nonlocal deadline
        if not tries:
            deadline = time.monotonic() + BUSY_SECONDS
        time.sleep(LOCK_SECONDS)
        return time.monotonic() < deadline

    return wait


def prepare(path: Path) -> None:
    """Create the ledger file if it is missing, and migrate it to this version.

    Raises:
        LedgerDamagedError: the file is not a ledger, or is damaged, or lacks its last writes.
        LedgerPlaceError: the file can't be created or written at this path, or an older version is still sending from it.
        LedgerVersionError: a newer Campaign made it.
    """
    _make(path)
    mark = marked(path)
    connection = connect(path)
    try:
        with errors_as_sentences(path, opening=True):
            # The close must not merge the log into a file that may not be its own: the next command would see nothing of it.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            if connection.readonly("main"):
                raise _no_place(path, "it may only be read")
            _migrate(connection, path, mark)
            check_whole_pages(path, page_bytes=int(connection.pragma("page_size") or 1))
            latest = latest_time(connection)
            check_not_behind(path, mark=mark.latest, latest=latest)
            _check_file(path, mark=mark, latest=latest)
            for before in _earlier_places(connection, path):
                # Read before the ledger: a process that has it open under the other name may write meanwhile.
                mark = marked(before)
                check_not_linked(path, before=before)
                check_nothing_left_behind(path, before=before, mark=mark.latest, latest=latest_time(connection))
    finally:
        connection.close()


def _check_file(path: Path, *, mark: Mark, latest: float) -> None:
    """Check that the file itself, without its log, is not an older one; raises as `check_not_behind` does."""
    if not has_log(path):
        with closing(RollbackGuard(path)) as guard:
            guard.note(latest, in_file=True)
    elif mark.in_file and (in_file := latest_in_file(path)) is not None:
        check_not_behind(path, mark=mark.in_file, latest=in_file)


def move_log(connection: apsw.Connection, guard: RollbackGuard, *, mode: int = apsw.SQLITE_CHECKPOINT_PASSIVE) -> None:
    """Move the ledger's log to the file itself, as far as its readers allow, and record it if all of it was moved."""
    latest = latest_time(connection)
    pages, moved = connection.wal_checkpoint(mode=mode)
    if moved == pages:
        guard.note(latest, in_file=True)


def latest_time(connection: apsw.Connection) -> float:
    """The time of the last commit."""
    return float(connection.execute("SELECT max(latest) FROM clock").get or 0.0)


def _earlier_places(connection: apsw.Connection, path: Path) -> list[Path]:
    """The other paths that this file has, or had, without those that another file has now."""
    places = [Path(stored) for (stored,) in connection.execute("SELECT path FROM identity")]
    return [place for place in places if place != path.absolute() and not is_another(place, path)]


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        check_log_has_file(path)
        if not path.exists():
            forget_mark(path)
        # SQLite would make the file readable for everyone, and it holds personal data.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if path.is_dir():
            raise LedgerPlaceError(
                f"The ledger {path} is a folder. Name a file with --ledger or CAMPAIGN_LEDGER.", code="ledger_is_a_folder"
            )
        if path.exists() and not path.is_file():
            raise LedgerPlaceError(
                f"The ledger {path} is a device or a pipe. Name a file with --ledger or CAMPAIGN_LEDGER.", code="ledger_is_a_device"
            )
    except OSError as error:
        raise refused(error, path) from error
    check_not_mounted_alone(path)
    check_not_emptied(path)


def _migrate(connection: apsw.Connection, path: Path, mark: Mark) -> None:
    version = _version(connection, path)
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        check_not_behind(path, mark=mark.latest, latest=0.0)
    # This page size fits the rows. It can only be set before the first write. WAL mode stays set in the file.
    connection.execute("PRAGMA page_size = 8192")
    _use_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated the file while this one waited for the lock.
        version = _version(connection, path)
        if version == 0:
            connection.execute(script("schema.sql"))
        elif version < SCHEMA_VERSION:
            _check_not_used_by_older(path)
        for step in range(max(version, 1) + 1, SCHEMA_VERSION + 1):
            if version:
                connection.execute(script(f"to-{step}.sql"))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _check_not_used_by_older(path: Path) -> None:
    """Check that no runner is alive: one of an older version would not find its columns any more, and take the ledger for damaged."""
    if held_by_any(runners_folder(path)):
        raise used_by_older(str(path))


def _use_wal(connection: apsw.Connection) -> None:
    """Set WAL mode. SQLite ignores the busy timeout here, so two processes that create one ledger would make each other fail."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: apsw.Connection, path: Path) -> int:
    # In one transaction, as another process may be creating the file.
    with connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        application = connection.pragma("application_id")
        version = int(connection.pragma("user_version") or 0)
    if application not in {0, APPLICATION_ID} or (application == 0 and (tables or version)):
        raise LedgerDamagedError(
            f"{path} is a database of another program, not a ledger. Choose another file with --ledger.", code="not_a_ledger"
        )
    if version > SCHEMA_VERSION:
        raise LedgerVersionError(
            f"The ledger {path} is of a newer Campaign (version {version}, this one knows {SCHEMA_VERSION}). Upgrade to go on.",
            code="ledger_newer",
        )
    return version


class SqliteClock:
    """The ledger's time, from the anchor in the file, which all processes of one boot share."""

    def __init__(self, connection: apsw.Connection, clock: Clock) -> None:
        known: Any = connection.execute(SQL["clock"]).fetchone()
        self._clock = clock
        self._anchor = anchor_for(known=known, boot=clock.boot(), ticks=clock.ticks(), wall=clock.wall())
        self.is_of_another_boot = known is not None and "" not in {known[0], clock.boot()} and known[0] != clock.boot()
        """Whether the ledger was last written in another boot, of this machine or of another one."""

    def now(self) -> float:
        return self._anchor + self._clock.ticks()

    def wall(self) -> float:
        return self._clock.wall()

    def stamp(self, connection: apsw.Connection) -> float:
        """Store the latest time, so that the ledger's time never goes back after another boot; returns it."""
        values = {"boot": self._clock.boot(), "anchor": self._anchor, "now": self.now()}
        return float(connection.execute(SQL["set_clock"], values).get)


@contextmanager
def errors_as_sentences(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Turn SQLite's exceptions into those of the error tree.

    With `opening`, the ledger is only being opened, so that nothing was sent: damage and bad paths then exit with 2.
    """
    try:
        yield
    except apsw.Error as error:
        found = in_words(error, path, opening=opening)
        if found is None:
            raise
        raise found from error


def in_words(error: apsw.Error, path: Path, *, opening: bool = False) -> LedgerError | DiskFullError | None:
    """An exception of SQLite as an error for people; None if it is a fault of the program."""
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return LedgerError(
                f"The ledger {path} is locked by another program. Close it, or end it if it is stopped; then run the same command again.",
                code="ledger_busy",
            )
        case apsw.FullError():
            return DiskFullError(f"No space is left for the ledger {path}. Free some, then run the same command again.")
        # After a short read the fault is the file's, not the disk's: a page is missing.
        case apsw.IOError() if getattr(error, "extendedresult", None) != apsw.SQLITE_IOERR_SHORT_READ:
            return DiskFullError(
                f"The ledger {path} can't be read or written ({error}). Check the disk and its quota, then run the same command again."
            )
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError() | apsw.AuthError():
            return _no_place(path, str(error)) if opening else LedgerError(f"{_no_place(path, str(error))}", code=LedgerPlaceError.code)
        case apsw.IOError() | apsw.CorruptError() | apsw.NotADBError() | apsw.FormatError() | apsw.SQLError() | apsw.ConstraintError():
            sentence = f"{path} is not a ledger, or is damaged ({error}). Put a copy of it back, if you have one. {WAY_BACK}"
            return LedgerDamagedError(sentence) if opening else LedgerError(sentence, code=LedgerDamagedError.code)
        case _:
            return None


def refused(error: OSError, path: Path) -> LedgerError | DiskFullError:
    """The system's refusal to make a file of the ledger, as an error for people."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DiskFullError(f"No space is left for the ledger {path}. Free some, then run the same command again.")
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return _no_place(path, f"{path.parent} is not a folder")
    return _no_place(path, error.strerror or str(error))


def _no_place(path: Path, why: str) -> LedgerPlaceError:
    return LedgerPlaceError(
        f"The ledger {path} can't be made or written: {why}. "
        "Check who may write to it and to its folder, or choose another place with --ledger or CAMPAIGN_LEDGER."
    )
