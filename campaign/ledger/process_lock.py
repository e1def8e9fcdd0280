"""Whether a process of this machine is alive: each process holds a lock on its own file, and the kernel releases it when the process dies.

Unlike a process number, a lock is never reused, and it works between containers that share the ledger's folder.
"""

import errno
from contextlib import suppress
from pathlib import Path
from typing import Final

from campaign.domain.errors import DiskFullError, LedgerPlaceError

WAIT_SECONDS: Final = 1.0
"""How long a process may hold the lock of a runner that it could not write."""


class ProcessLock:
    """A runner's lock file; held until `release_and_delete`, `release` or the end of the process.

    Raises:
        LedgerPlaceError: the file can't be made or locked, so that nobody could know whether the runner is alive.
        DiskFullError: not even an empty file fits.
    """

    def __init__(self, folder: Path, runner: int) -> None:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - slow to load, and who only looks at a ledger seldom needs a lock

        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = FileLock(_path(folder, runner), mode=0o600, thread_local=False)
            self._lock.acquire(timeout=WAIT_SECONDS)
        except Timeout as error:
            raise LedgerPlaceError(f"The ledger's lock {_path(folder, runner)} is held by another program; remove the file.") from error
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFullError(f"No space is left in {folder}. Free some, then run the same command again.") from error
            raise LedgerPlaceError(
                f"The ledger's folder {folder} can't be written: {error.strerror or error}. "
                "Check who may write to it, or choose another ledger with --ledger or CAMPAIGN_LEDGER."
            ) from error

    def release(self) -> None:
        """Release the lock as the end of the process would: others then find the runner dead."""
        self._lock.release()

    def release_and_delete(self) -> None:
        """Release the lock of a deregistered runner, and delete its file."""
        self._lock.release()
        # If the file stays, it does no harm: nobody looks for the lock of a deregistered runner.
        with suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)


def is_owner_dead(folder: Path, runner: int) -> bool | None:
    """True if the runner's process is certainly dead, False if it is certainly alive, None if unknown (no file, or it can't be opened)."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - (same)

    path = _path(folder, runner)
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        if not path.exists():
            return None
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError:
        return None
    lock.release()
    return True


def held_by_any(folder: Path) -> bool:
    """Whether a runner whose lock is in the folder is certainly alive."""
    return any(is_owner_dead(folder, int(path.stem)) is False for path in folder.glob("*.lock") if path.stem.isdecimal())


def delete_stale(folder: Path, runner: int) -> None:
    """Remove the lock file of a deregistered runner."""
    with suppress(OSError):
        _path(folder, runner).unlink(missing_ok=True)


def _path(folder: Path, runner: int) -> Path:
    return folder / f"{runner}.lock"
