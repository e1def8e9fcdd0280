"""The bytes of a list: a file, or a private temporary copy of stdin, a pipe, an object in a store or a packed file's content."""

import hashlib
import os
import select
import stat
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import IO, Final, Self

from campaign import object_store
from campaign.domain.errors import DiskFullError, InputError, StoppedError
from campaign.domain.lists.locations import Location, ObjectUrl, parse_location
from campaign.loader import limits

STOP_CODE: Final[ContextVar[Callable[[], int]]] = ContextVar("STOP_CODE", default=lambda: 0)
"""Returns the exit code for the signal to stop that the process got; 0 if it got none. The signal handler's owner sets it."""

WRITER_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.2
PACKED_SUFFIXES: Final = (".gz", ".bz2", ".zst")

_STDIN: Final = "-"
_STDIN_NAME: Final = "stdin"
_BLOCK_BYTES: Final = 1 << 20
_NAMES_COMPARED: Final = 2_000
_PACKED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
"""The first bytes of a packed file, and pyarrow's name for how it is packed."""


@contextmanager
def temporary_room() -> Iterator[None]:
    """Raises DiskFullError if there is no room for temporary files."""
    try:
        yield
    except OSError as error:
        raise DiskFullError(
            f"There is no room for temporary files in {tempfile.gettempdir()} ({error.strerror}). Make room there, or name another folder "
            "in TMPDIR; nothing was sent."
        ) from error


class TempCopy:
    """A temporary file that only its owner can read. It is removed when it is closed, garbage-collected, or at exit.

    `fill` writes it; `name` is what the list is called. Raises InputError if there is no room for it.
    """

    def __init__(self, fill: Callable[[Path], None], name: str) -> None:
        handle, path = tempfile.mkstemp(prefix="campaign-", suffix=".list")  # mode 0600
        os.close(handle)
        self.path = Path(path)
        self.close = weakref.finalize(self, self.path.unlink, missing_ok=True)
        try:
            fill(self.path)
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError):
                raise
            raise InputError(
                f"The list can't be copied to {self.path.parent} ({error.strerror}). Make room there.", code="no_room", file=name
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A list's file as it was when it was found; `check_unchanged` tells whether it still is.

    Attributes:
        name: what a person called it.
        path: the file with the bytes to read.
        original: the file before it was unpacked; the same as `path` if it was not packed.
        suffix: its extension in lower case, without that of a packed file.
        sha256: of the file's bytes before unpacking, in hexadecimal.
        stamp: device, inode, size in bytes and time of last change in ns of `path`.
        copy: the temporary file at `path`, if it is one.
        written_here: this process wrote the file, so its content is trusted.
    """

    name: str
    path: Path
    original: Path
    suffix: str
    sha256: str
    stamp: tuple[int, int, int, int]
    copy: TempCopy | None = field(default=None, repr=False, compare=False)
    written_here: bool = False

    @classmethod
    def find(cls, given: Location | str) -> Self:
        """The list at a path or a URL, or on stdin (`-`).

        Raises:
            UsageError: the URL can't be used.
            InputError: there is no such file, it may not be read, it is empty, damaged or too large.
            StoppedError: the process got a signal to stop while it read a pipe.
        """
        if str(given) == _STDIN:
            return cls.copied(partial(_copy, _stdin()), name=_STDIN_NAME)
        path = parse_location(given)
        name = str(given)
        if isinstance(path, ObjectUrl):
            return cls.copied(lambda copy: object_store.fetch(path, copy, most_bytes=limits.FILE_BYTES), name=str(path))
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise InputError("This is a folder. Name the list file in it.", code="is_a_folder", file=name)
            if stat.S_ISFIFO(mode):
                # Opened without waiting for its writer.
                with open(path, "rb", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as pipe:
                    blocks = _piped(pipe.fileno(), name, has_writer=path.is_relative_to("/dev"))
                    return cls.copied(partial(_copy, blocks), name=name)
            if not stat.S_ISREG(mode):
                raise InputError("This is a device, not a file. Name a list file, or - for stdin.", code="not_a_file", file=name)
            return cls._read(path, name=name)
        except FileNotFoundError:
            raise _missing(path, name) from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            why = f"The file can't be read ({error}). Check the path and the disk."
            if isinstance(error, PermissionError):
                why = "You may not read this file. Change its permissions, or run as someone who may."
            raise InputError(why, code="file_not_readable", file=name) from None

    @classmethod
    def copied(cls, fill: Callable[[Path], None], *, name: str) -> Self:
        """The source that `fill` writes into a temporary file, which is removed on close."""
        copy = TempCopy(fill, name)
        try:
            return cls._read(copy.path, name=name, copy=copy)
        except BaseException:
            copy.close()
            raise

    @classmethod
    def _read(cls, path: Path, *, name: str, copy: TempCopy | None = None) -> Self:
        stamp = _sized_stamp(path, name)
        with path.open("rb") as file:
            head = file.read(max(map(len, _PACKED)))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            suffix = inner_suffix(name).lower()
            found = cls(name=name, path=path, original=path, suffix=suffix, sha256=sha256, stamp=stamp, copy=copy)
            if (codec := next((codec for magic, codec in _PACKED.items() if head.startswith(magic)), None)) is None:
                return found
            file.seek(0)
            inside = TempCopy(partial(_copy, _unpacked(file, codec, name)), name)
        try:
            unpacked = replace(found, path=inside.path, stamp=_sized_stamp(inside.path, name), copy=inside)
            found.check_unchanged()
        except BaseException:
            inside.close()
            raise
        found.close()
        return unpacked

    @property
    def is_stdin(self) -> bool:
        return self.copy is not None and self.name == _STDIN_NAME

    def check_unchanged(self) -> None:
        """Raises InputError if the file has changed since it was found."""
        with suppress(OSError):
            if _stamp(self.path) == self.stamp:
                return
        problem = "The file was changed while it was being read. Run again when nobody writes to it."
        raise InputError(problem, code="changed_file", file=self.name)

    def close(self) -> None:
        if self.copy is not None:
            self.copy.close()


def inner_suffix(name: str) -> str:
    """A file's extension, without that of a packed file: `.csv` of `list.csv.gz`."""
    path = PurePath(name)
    return PurePath(path.stem).suffix if path.suffix.lower() in PACKED_SUFFIXES else path.suffix


def _unpacked(file: IO[bytes], codec: str, name: str) -> Iterator[bytes]:
    """Yield the content of a packed file. Raises InputError if it is damaged."""
    import pyarrow as pa  # noqa: PLC0415 - it takes a while to import, and few lists are packed

    stream = pa.CompressedInputStream(file, codec)
    try:
        while block := stream.read(_BLOCK_BYTES):
            yield block
    except (OSError, ValueError):
        raise InputError("The packed file is damaged or cut off. Copy or pack it again.", code="damaged_file", file=name) from None


def _piped(descriptor: int, name: str, *, has_writer: bool) -> Iterator[bytes]:
    """Yield what is in a pipe, until its writers close it. Raises StoppedError when the process gets a signal to stop.

    A named pipe (`has_writer` is false) may be opened before it has a writer; InputError is raised if it gets none in `WRITER_SECONDS`.
    """
    until = time.monotonic() + WRITER_SECONDS
    while True:
        if exit_code := STOP_CODE.get()():
            problem = "Interrupted while the list was being read; nothing was sent."
            raise StoppedError(problem, exit_code=exit_code, code="interrupted", file=name)
        ready = select.select([descriptor], [], [], LOOK_SECONDS)[0]
        if not ready and os.get_blocking(descriptor):
            continue
        with suppress(BlockingIOError):
            if block := os.read(descriptor, _BLOCK_BYTES):
                has_writer = True
                yield block
            elif has_writer:
                return
            elif time.monotonic() > until:
                problem = f"Nothing has written into this pipe for {WRITER_SECONDS:g} s. Start what writes the list."
                raise InputError(problem, code="no_writer", file=name)
            else:
                time.sleep(LOOK_SECONDS if ready else 0)


def _stdin() -> Iterator[bytes]:
    with suppress(OSError):  # a program replaced stdin by an object that is no file
        if sys.platform != "win32":
            return _piped(sys.stdin.buffer.fileno(), _STDIN_NAME, has_writer=True)
    return iter(partial(sys.stdin.buffer.read, _BLOCK_BYTES), b"")


def _copy(blocks: Iterator[bytes], path: Path) -> None:
    """Write a stream to a file, up to the first block beyond what a list may have, which shows that it is too long."""
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)
            if file.tell() > limits.FILE_BYTES:
                break


def _stamp(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _sized_stamp(path: Path, name: str) -> tuple[int, int, int, int]:
    """The stamp of a file. Raises InputError if it is empty or too large."""
    stamp = _stamp(path)
    if stamp[2] == 0:
        raise InputError("The file is empty. Save the list again.", code="empty_file", file=name)
    if stamp[2] > limits.FILE_BYTES:
        problem = f"The file has more than {limits.FILE_BYTES:,} bytes. Split the list into several."
        raise InputError(problem, code="file_too_large", file=name)
    return stamp


def _missing(path: Path, name: str) -> InputError:
    try:
        names = [entry.name for entry in islice(path.parent.iterdir(), _NAMES_COMPARED)]
    except OSError:
        return InputError(f"There is no such file, and no folder {path.parent} either. Check the path.", code="no_file", file=name)
    by_lower = {name.lower(): name for name in names}
    near = [str(path.parent / by_lower[name]) for name in get_close_matches(path.name.lower(), by_lower, n=3, cutoff=0.6)]
    nothing = f"The folder {path.parent.absolute()} has nothing of a similar name. Check the path."
    hint = f"Did you mean {' or '.join(near)}?" if near else nothing
    return InputError(f"There is no such file. {hint}", code="no_file", file=name, suggestions=near)
