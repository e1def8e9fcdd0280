"""Detects a ledger file that was emptied, rolled back, or removed, by a mark beside the file.

SQLite alone can't detect it. A ledger without its `-wal`, or from an old copy, opens as if the last sends had never been made, and the same
command would make them again. So the time of each commit is recorded in a separate file, `<ledger>.runners/mark`: a ledger that is behind
its mark has lost something. The mark is written after the ledger and never synced, so that no crash puts it ahead of the ledger.

An old copy under the `-wal` of a newer ledger has the newest time, as each commit writes it. So the mark has a second time: that of the
last commit that was moved from the `-wal` to the file itself.
"""

import os
import struct
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import apsw

from campaign.domain.errors import LedgerDamagedError, LedgerError, LedgerPlaceError

_TIME: Final = struct.Struct(">d")
_MARK: Final = struct.Struct(">dd")
ROUNDING_SECONDS: Final = 1e-6
HEADER_BYTES: Final = 100
MOUNTS: Final = Path("/proc/self/mountinfo")
"""On a system without this file, single files are not mounted."""

WAY_BACK: Final = (
    "Your results file still is a list: `campaign run RESULTS --ledger ANOTHER-FILE` goes on from it, but it knows only "
    "what was sent until it was written."
)


def runners_folder(ledger: Path) -> Path:
    """The folder of the lock files of the ledger's runners, and of its mark; the same for every link to the ledger."""
    return _beside(ledger, ".runners")


def _beside(ledger: Path, suffix: str) -> Path:
    # SQLite, too, keeps its files beside the real file, not beside a link.
    return Path(os.path.realpath(ledger) + suffix)


def mark_path(ledger: Path) -> Path:
    return runners_folder(ledger) / "mark"


class Mark(NamedTuple):
    """The times of the last recorded commit, and of the last one that is in the file itself; 0 if none."""

    latest: float = 0.0
    in_file: float = 0.0


def marked(ledger: Path) -> Mark:
    """The mark. Read it before the ledger itself, which others may write meanwhile."""
    with suppress(OSError, struct.error):
        written = mark_path(ledger).read_bytes()
        # Earlier versions wrote one time.
        return Mark(*_MARK.unpack(written)) if len(written) > _TIME.size else Mark(*_TIME.unpack(written))
    return Mark()


def has_log(ledger: Path) -> bool:
    """Whether commits may be in the ledger's `-wal`, and not in the file itself."""
    try:
        return _beside(ledger, "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True


def latest_in_file(ledger: Path) -> float | None:
    """The time of the last commit that is in the file itself, whatever its `-wal` has; None if that can't be read."""
    with suppress(apsw.Error):
        connection = apsw.Connection(str(ledger.absolute()), flags=apsw.SQLITE_OPEN_READONLY, vfs=_WITHOUT_LOG.name)
        with closing(connection):
            return float(connection.execute("SELECT max(latest) FROM clock").get or 0.0)
    return None


class _WithoutLog(apsw.VFS):
    """SQLite's own way to files, on which a ledger seems to have no log. It keeps SQLite's locks, unlike `immutable` and other readers."""

    name: Final = "ledger-without-log"

    def __init__(self) -> None:
        super().__init__(self.name, "")

    def xAccess(self, _pathname: str, _flags: int) -> bool:  # noqa: N802 - apsw's name
        return False

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return _WithoutLogFile("", name, flags)


class _WithoutLogFile(apsw.VFSFile):
    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - apsw's name
        read = super().xRead(amount, offset)
        # The versions of the format: 2 says that there is a log.
        return read[:18] + b"\x01\x01" + read[20:] if offset == 0 else read


# SQLite finds it by its name, so there is only one, which stays.
_WITHOUT_LOG: Final = _WithoutLog()


def forget_mark(ledger: Path) -> None:
    """Remove the mark of an earlier ledger at this path, before a new one is created."""
    with suppress(OSError):
        mark_path(ledger).unlink(missing_ok=True)


def check_not_emptied(ledger: Path) -> None:
    """Check that an empty file is a new ledger: one with a mark or a WAL beside it was emptied.

    The file is never opened here: closing it would release the locks that SQLite holds on it for this process.

    Raises:
        LedgerDamagedError: the ledger was emptied, or the file is so short that SQLite would take it for an empty one and overwrite it.
    """
    size = _size(ledger)
    if 0 < size < HEADER_BYTES:
        raise LedgerDamagedError(
            f"{ledger} is not a ledger: it has {size} bytes. Choose another file with --ledger. {WAY_BACK}", code="not_a_ledger"
        )
    wal = _beside(ledger, "-wal")
    # The size is read again after the others were found: another process may be creating the ledger at this moment.
    if not size and (mark_path(ledger).exists() or wal.exists()) and not _size(ledger):
        raise LedgerDamagedError(
            f"The ledger {ledger} is empty, and it was not: what was sent is known to it no longer. Put a copy of it back, if you "
            f"have one. {WAY_BACK} To start over, and send to everyone again, remove {ledger}* first.",
            code="ledger_emptied",
        )


def check_log_has_file(ledger: Path) -> None:
    """Check that a log is not there alone: then its ledger was moved or removed, and a new one at its path would take its log and mark.

    Raises:
        LedgerDamagedError: it is.
    """
    # In this order: another process may be creating the ledger at this moment, the file first.
    if _beside(ledger, "-wal").exists() and not ledger.exists():
        raise LedgerDamagedError(
            f"The ledger {ledger} is not there, but its {ledger.name}-wal is, with what was last sent. Put the ledger back, or move the "
            f"{ledger.name}-wal to where it is now, and name that place with --ledger. Remove neither. {WAY_BACK}",
            code="ledger_emptied",
        )


def check_not_mounted_alone(ledger: Path, mounts: Path = MOUNTS) -> None:
    """Check that the file is not mounted into a container by itself: its log would be in the container, and be lost with it.

    Raises:
        LedgerPlaceError: the file is mounted without its folder.
    """
    here = os.path.realpath(ledger).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    with suppress(OSError):
        if any(line.split(" ", 5)[4] == here for line in mounts.read_text(errors="replace").splitlines() if line.count(" ") > 5):
            raise LedgerPlaceError(
                f"The ledger {ledger} is mounted here as a single file. What was last written is beside it, in "
                f"{ledger.name}-wal, and would be lost with this container. Mount the ledger's folder instead.",
                code="ledger_mounted_alone",
            )


def _size(ledger: Path) -> int:
    try:
        return ledger.stat().st_size
    except OSError:
        return HEADER_BYTES


def check_whole_pages(ledger: Path, *, page_bytes: int) -> None:
    """Check that the last page is complete: SQLite detects missing pages, but not a cut one.

    Raises:
        LedgerDamagedError: the last page is cut.
    """
    size = _size(ledger)
    if size % page_bytes:
        raise LedgerDamagedError(
            f"The ledger {ledger} is damaged: it was cut short. Put a copy of it back, if you have one. {WAY_BACK}", code="ledger_cut_short"
        )


def is_another(before: Path, ledger: Path) -> bool:
    """Whether another file is now at a ledger's earlier path: then the ledger is a copy, and the mark there is not its mark."""
    with suppress(OSError):
        return not before.samefile(ledger)
    return False


def check_not_behind(ledger: Path, *, mark: float, latest: float) -> None:
    """Check that the ledger has the last recorded commit; raises LedgerDamagedError if not."""
    if latest < mark - ROUNDING_SECONDS:
        raise LedgerDamagedError(
            f"The ledger {ledger} lacks what was last written to it: its {ledger.name}-wal was removed, or an "
            f"older copy was put in its place. It would send again what was sent then. Put the missing file back. {WAY_BACK} "
            f"Only if you know that nothing was sent in that time: remove {mark_path(ledger)}, then run the same command again.",
            code="ledger_behind",
        )


def check_not_linked(ledger: Path, *, before: Path) -> None:
    """A file that has two names (hard links) has a log for each: two processes would claim the same rows.

    Raises:
        LedgerPlaceError: the ledger is used by another name, which still is one.
    """
    here, there = Path(os.path.realpath(ledger)), Path(os.path.realpath(before))
    with suppress(OSError):
        # A folder that is mounted twice has one log only.
        same_entry = here.name == there.name and here.parent.samefile(there.parent)
        if not same_entry and here.stat().st_nlink > 1 and here.samefile(there):
            raise LedgerPlaceError(
                f"The ledger {ledger} is a second name (a hard link) of {before}, by which it was used until now. Each name has a log of "
                f"its own, so both would send the same. Use --ledger {before}, or remove that name once nothing uses it.",
                code="ledger_has_two_names",
            )


def check_nothing_left_behind(ledger: Path, *, before: Path, mark: float, latest: float) -> None:
    """The same for a ledger that was renamed, or has two names: its mark is at the other path, and so may be its log.

    Raises:
        LedgerDamagedError: the ledger was moved without its log.
    """
    if latest < mark - ROUNDING_SECONDS:
        raise LedgerDamagedError(
            f"The ledger {ledger} lacks what was last written to it: it was {before}, and came without its {before.name}-wal. It would "
            f"send again what was sent then. Move that file, too, and name it {ledger}-wal; or give the ledger its old name back. "
            f"{WAY_BACK} "
            f"Only if you know that nothing was sent in that time: remove {mark_path(before)}, then run the same command again.",
            code="ledger_behind",
        )


class RollbackGuard:
    """Watches one open ledger: records its commits, and checks that its files are still those that were opened."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        # Through `-shm` processes see each other's writes: a process that finds none creates another, and claims what this one claims.
        self._watched = (ledger, *(_beside(ledger, suffix) for suffix in ("-wal", "-shm")))
        self._files: dict[Path, tuple[int, int]] = {}
        self._mark: BinaryIO | None = None

    def check_in_place(self) -> None:
        """Check the files. Call it inside each transaction, when SQLite has them open, and after its commit.

        Raises:
            LedgerError: a file was removed or replaced, so that nobody would find what is written now.
        """
        for path in self._watched:
            try:
                found = path.stat()
            except FileNotFoundError:
                found = None
            except OSError:
                continue
            identity = (found.st_dev, found.st_ino) if found else (0, 0)
            if identity != self._files.setdefault(path, identity):
                # SQLite itself makes `-shm` again.
                way = "Run the same command again." if path == self._watched[-1] else f"Put it back if you can. {WAY_BACK}"
                raise LedgerError(
                    f"The ledger's file {path} was removed or replaced while it was in use; nothing more is sent. {way}",
                    code="ledger_replaced",
                )

    def note(self, latest: float, *, in_file: bool = False) -> None:
        """Record a durable commit, perhaps as one in the file itself. An error is ignored, as the ledger itself is complete."""
        with suppress(OSError):
            if self._mark is None:
                runners_folder(self._ledger).mkdir(mode=0o700, exist_ok=True)
                descriptor = os.open(mark_path(self._ledger), os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
                self._mark = os.fdopen(descriptor, "r+b", buffering=0)
            self._mark.seek(_TIME.size if in_file else 0)
            self._mark.write(_TIME.pack(latest))

    def close(self) -> None:
        if self._mark is not None:
            self._mark.close()
            self._mark = None
