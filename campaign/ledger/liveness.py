"""Whether a process of this machine still lives: it holds a lock on a file of its own, which the kernel lets go of when it dies.

Unlike a process number, a lock is never re-used, and it works between containers that share the ledger's folder.
"""

from pathlib import Path

from filelock import FileLock, Timeout


class Lifeline:
    """A runner's lock file; held until `cut`, `let_go` or the end of the process."""

    def __init__(self, folder: Path, runner: int) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._lock = FileLock(_path(folder, runner), mode=0o600, thread_local=False)
        self._lock.acquire(timeout=1)

    def let_go(self) -> None:
        """As the end of the process would: others find the runner dead."""
        self._lock.release()

    def cut(self) -> None:
        """For a runner that is signed off."""
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def is_cut(folder: Path, runner: int) -> bool | None:
    """True if the runner's process is surely dead, False if it surely lives, None if its lock can't tell (no file)."""
    path = _path(folder, runner)
    if not path.exists():
        return None
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError:
        return None
    lock.release()
    return True


def sweep(folder: Path, runner: int) -> None:
    """Remove the lock file of a runner that is signed off."""
    _path(folder, runner).unlink(missing_ok=True)


def _path(folder: Path, runner: int) -> Path:
    return folder / f"{runner}.lock"
