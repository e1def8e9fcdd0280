"""Writes files and objects in a store atomically: a kill at any line leaves the old file or the new one, never a part of one."""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from campaign import object_store
from campaign.domain.errors import CampaignError, DiskFullError, UsageError
from campaign.domain.lists.locations import Location, ObjectUrl

LEFT_BEHIND_SECONDS: Final = 3600.0
"""A draft that was not changed for so long was left by a killed process."""

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_VANISHED: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})
_FOLDER_CANNOT_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EISDIR})


@contextmanager
def writing(place: Location) -> Iterator[None]:
    """Turn the system's errors while `place` is written into sentences.

    Raises:
        DiskFullError: the disk or the quota is full, or files may not be that long (RLIMIT_FSIZE).
        UsageError: any other error; it names the place and what to do.
    """
    try:
        yield
    except OSError as error:
        raise _in_words(error, place) from error


def _in_words(error: OSError, place: Location) -> CampaignError:
    path = place if isinstance(place, Path) else Path(tempfile.gettempdir()) / place.name
    if error.errno in _NO_SPACE:
        return DiskFullError(
            f"There is no space left to write {path}. What was there before is unchanged, and nothing that was sent is lost: "
            "make room, then run the same command again.",
            file=path,
        )
    if error.errno in _FORBIDDEN:
        return UsageError(
            f"{path} can't be written: {error.strerror}. Close it if another program has it open, "
            f"see that you may write in the folder {path.parent}, or choose another place for the results.",
            code="file_not_writable",
            file=path,
        )
    if error.errno in _VANISHED:
        return UsageError(
            f"{path} can't be written: there is no folder {path.parent}. Create it, or choose another place for the results.",
            code="no_folder",
            file=path,
        )
    return UsageError(
        f"{path} can't be written: {error.strerror or error}. Choose another place for the results.", code="file_not_writable", file=path
    )


class AtomicFile:
    """A draft that replaces `path` at the end. It lies beside `path` under another name, for a URL among the machine's temporary files, and
    only its owner can read it.

    Write to `file`, then `sync`, then `commit`; leaving the context without `commit` removes the draft and keeps the old file.
    For a symbolic link, its target is replaced. The new file gets the mode of the old one and, if the system allows, its owner.

    Raises:
        DiskFullError, UsageError: see `writing`.
    """

    file: BinaryIO
    temp_path: Path
    """A folder for an encoder's temporary files. The encoder creates it if it needs it; it is removed with the draft."""

    def __init__(self, path: Location) -> None:
        self.path = path
        self._target = _Object(path) if isinstance(path, ObjectUrl) else _File(path)
        folder = self._target.folder
        prefix = f".campaign-results-{hashlib.sha256(os.fsencode(self._target.name)).hexdigest()[:12]}-"
        with writing(path):
            _sweep(folder, prefix)
            descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=folder)
        self._draft = Path(name)
        self.temp_path = _scratch(self._draft)
        self.file = os.fdopen(descriptor, "wb", buffering=1 << 20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Closing writes the rest of the buffer, which fails again on a full disk; nobody needs those bytes.
        with suppress(OSError):
            self.file.close()
        shutil.rmtree(self.temp_path, ignore_errors=True)
        with suppress(OSError):
            self._draft.unlink(missing_ok=True)

    def sync(self) -> None:
        """Write every byte to the disk."""
        with writing(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def commit(self) -> None:
        """Replace the target with the file, durably."""
        with writing(self.path):
            self._target.take(self._draft)

    def commit_if_new(self, *, mode: int) -> bool:
        """Give the file this mode and the target's name, durably, if no file has that name; returns whether it did. Only for paths."""
        with writing(self.path):
            self._draft.chmod(mode)
            try:
                # Unlike a rename, a link never replaces a file, and the content is complete from the start.
                os.link(self._draft, self.path)  # type: ignore[arg-type]  # a path
            except FileExistsError:
                return False
            sync_folder(self._target.folder)
        return True

    def remove_target(self) -> None:
        """Remove the file that an earlier run left, as this one has nothing to write."""
        with writing(self.path):
            self._target.remove()


class _File:
    """A path as target; its drafts are in its folder."""

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))
        self.folder = self._path.parent
        self.name = self._path.name

    def take(self, draft: Path) -> None:
        self._hand_down(draft)
        draft.replace(self._path)
        sync_folder(self.folder)

    def remove(self) -> None:
        with suppress(FileNotFoundError):
            self._path.unlink()
            sync_folder(self.folder)

    def _hand_down(self, draft: Path) -> None:
        try:
            old = self._path.stat()
        except FileNotFoundError:
            return
        new = draft.stat()
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            with suppress(PermissionError):
                os.chown(draft, old.st_uid, old.st_gid)
        draft.chmod(stat.S_IMODE(old.st_mode) & 0o777)


class _Object:
    """An object as target; its drafts are among the temporary files."""

    def __init__(self, url: ObjectUrl) -> None:
        self._url = url
        self.folder = Path(tempfile.gettempdir())
        self.name = str(url)

    def take(self, draft: Path) -> None:
        object_store.put(draft, self._url)

    def remove(self) -> None:
        object_store.remove(self._url)


def _scratch(draft: Path) -> Path:
    return draft.with_name(f"{draft.name}.parts")


def _sweep(folder: Path, prefix: str) -> None:
    """Remove the drafts of this target that killed processes left: they contain customers' data, and take space."""
    for draft in folder.glob(f"{prefix}*.tmp"):
        with suppress(OSError):
            if time.time() - draft.stat().st_mtime > LEFT_BEHIND_SECONDS:
                shutil.rmtree(_scratch(draft), ignore_errors=True)
                draft.unlink()


def sync_folder(folder: Path) -> None:
    """Make a rename durable, on file systems that support it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _FOLDER_CANNOT_SYNC:
            raise
