"""The bytes of a list: a file, or a private temporary copy of stdin, a pipe, an object in a store or a packed file's content."""

import bz2
import gzip
import hashlib
import os
import select
import stat
import sys
import tempfile
import time
import weakref
import zlib
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO, Final, Self

from campaign import object_store
from campaign.domain.errors import DiskFullError, InputError, StoppedError
from campaign.domain.lists.locations import Location, ObjectUrl, parse_location

STDIN: Final = "-"
_STDIN_NAME: Final = "stdin"
_BLOCK_BYTES: Final = 1 << 20
_NAMES_COMPARED: Final = 2_000
_MAGIC_BYTES: Final = 4


STOP_CODE: Final[ContextVar[Callable[[], int]]] = ContextVar("STOP_CODE", default=lambda: 0)
"""Returns the exit code for the signal to stop that the process got; 0 if it got none. The signal handler's owner sets it."""

WRITER_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.2


def _unzst(file: BinaryIO) -> BinaryIO:
    import pyarrow as pa  # noqa: PLC0415 - it takes a while to import, and few lists need it

    stream: BinaryIO = pa.CompressedInputStream(file, "zstd")
    return stream


_UNPACKERS: Final[dict[str, tuple[bytes, Callable[[BinaryIO], BinaryIO]]]] = {
    ".gz": (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),  # type: ignore[dict-item,return-value]  # it reads like a BinaryIO
    ".bz2": (b"BZh", bz2.BZ2File),  # type: ignore[dict-item]  # (same)
    ".zst": (b"\x28\xb5\x2f\xfd", _unzst),
}
"""The first bytes of a packed file and how to unpack it, by its extension. Each holds one block at a time in memory."""
PACKED_SUFFIXES: Final = tuple(_UNPACKERS)


def no_room(error: OSError) -> DiskFullError:
    """The error for a disk without room for temporary files."""
    return DiskFullError(
        f"There is no room for temporary files in {tempfile.gettempdir()} ({error.strerror}). Make room there, or name another folder in "
        "TMPDIR; nothing was sent."
    )


class Spool:
    """A temporary file that only its owner can read. It is removed when it is closed, garbage-collected, or at exit."""

    __slots__ = ("__weakref__", "_remove", "path")

    def __init__(self) -> None:
        handle, name = tempfile.mkstemp(prefix="campaign-", suffix=".list")  # mode 0600
        os.close(handle)
        self.path = Path(name)
        self._remove = weakref.finalize(self, self.path.unlink, missing_ok=True)

    def close(self) -> None:
        self._remove()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A list's file as it was when it was found; `check_unchanged` tells whether it still is.

    Attributes:
        name: what a person called it.
        path: the file with the bytes to read.
        given: the file before it was unpacked; the same as `path` if it was not packed.
        suffix: its extension in lower case, without that of a packed file.
        sha256: of the file's bytes before unpacking, in hexadecimal.
        stamp: device, inode, size in bytes and time of last change in ns of `path`.
        spool: the temporary file at `path`, if it is one.
        written_here: this process wrote the file, so its content is trusted.
    """

    name: str
    path: Path
    given: Path
    suffix: str
    sha256: str
    stamp: tuple[int, int, int, int]
    spool: Spool | None = field(default=None, repr=False, compare=False)
    written_here: bool = False

    @classmethod
    def find(cls, given: Location | str, *, file_bytes: int) -> Self:
        """The list at a path or a URL, or on stdin (`-`).

        Raises:
            UsageError: the URL can't be used.
            InputError: there is no such file, it may not be read, it is empty or damaged, or it has more than `file_bytes` bytes.
            StoppedError: the process got a signal to stop while it read a pipe.
        """
        if str(given) == STDIN:
            stream = _stdin()
            return cls.spooled(lambda spool: _copy(stream, spool, file_bytes), name=_STDIN_NAME, suffix="", file_bytes=file_bytes)
        path = parse_location(given)
        name = str(given)
        if isinstance(path, ObjectUrl):
            fetch = partial(object_store.fetch, path, most_bytes=file_bytes)
            return cls.spooled(lambda spool: fetch(spool.path), name=str(path), suffix=path.suffix, file_bytes=file_bytes)
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise InputError("This is a folder. Name the list file in it.", code="is_a_folder", file=name)
            if stat.S_ISFIFO(mode):
                with open(path, "rb", buffering=0, opener=_open_at_once) as pipe:
                    stream = _Pipe(pipe.fileno(), name, has_writer=path.is_relative_to("/dev"))
                    return cls.spooled(lambda spool: _copy(stream, spool, file_bytes), name=name, suffix=path.suffix, file_bytes=file_bytes)
            if not stat.S_ISREG(mode):
                raise InputError("This is a device, not a file. Name a list file, or - for stdin.", code="not_a_file", file=name)
            return cls._read(path, name=name, suffix=path.suffix, file_bytes=file_bytes)
        except FileNotFoundError:
            raise _missing(path, name) from None
        except PermissionError:
            raise InputError(
                "You may not read this file. Change its permissions, or run as someone who may.", code="file_not_readable", file=name
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise InputError(
                f"The file can't be read ({error}). Check the path and the disk.", code="file_not_readable", file=name
            ) from None

    @property
    def is_stdin(self) -> bool:
        return self.spool is not None and self.name == _STDIN_NAME

    @property
    def size_bytes(self) -> int:
        return self.stamp[2]

    def check_unchanged(self) -> None:
        """Raises InputError if the file has changed since it was found."""
        try:
            same = _stamp(self.path) == self.stamp
        except OSError:
            same = False
        if not same:
            raise self.changed()

    def changed(self) -> InputError:
        return InputError(
            "The file was changed while it was being read. Run again when nobody writes to it.", code="changed_file", file=self.name
        )

    def close(self) -> None:
        if self.spool is not None:
            self.spool.close()

    @classmethod
    def spooled(cls, fill: Callable[[Spool], None], *, name: str, suffix: str, file_bytes: int, packed: Self | None = None) -> Self:
        """The source that `fill` writes into a temporary file, which is removed on close; `packed` is the source it is unpacked from."""
        spool = Spool()
        try:
            fill(spool)
            return cls._read(spool.path, name=name, suffix=suffix, file_bytes=file_bytes, spool=spool, packed=packed)
        except OSError as error:
            spool.close()
            raise InputError(
                f"The list can't be copied to {spool.path.parent} ({error.strerror}). Make room there.", code="no_room", file=name
            ) from None
        except BaseException:
            spool.close()
            raise

    @classmethod
    def _read(cls, path: Path, *, name: str, suffix: str, file_bytes: int, spool: Spool | None = None, packed: Self | None = None) -> Self:
        stamp = _stamp(path)
        if stamp[2] == 0:
            raise InputError("The file is empty. Save the list again.", code="empty_file", file=name)
        if stamp[2] > file_bytes:
            raise InputError(f"The file has more than {file_bytes:,} bytes. Split the list into several.", code="file_too_large", file=name)
        suffix = inner_suffix(name).lower() if suffix.lower() in _UNPACKERS else suffix.lower()
        if packed is not None:
            return replace(packed, path=path, suffix=suffix, stamp=stamp, spool=spool)
        with path.open("rb") as file:
            head = file.read(_MAGIC_BYTES)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found = cls(name=name, path=path, given=path, suffix=suffix, sha256=sha256, stamp=stamp, spool=spool)
            unpack = next((unpack for magic, unpack in _UNPACKERS.values() if head.startswith(magic)), None)
            if unpack is None:
                return found
            file.seek(0)
            stream = _Unpacked(unpack(file), name)
            inside = cls.spooled(
                lambda target: _copy(stream, target, file_bytes), name=name, suffix=suffix, file_bytes=file_bytes, packed=found
            )
        try:
            found.check_unchanged()
        except InputError:
            inside.close()
            raise
        found.close()
        return inside


def inner_suffix(name: str) -> str:
    """A file's extension, without that of a packed file: `.csv` of `list.csv.gz`."""
    path = PurePath(name)
    return PurePath(path.stem).suffix if path.suffix.lower() in _UNPACKERS else path.suffix


class _Unpacked:
    """Reads the content of a packed file. Raises InputError if it is damaged."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (OSError, EOFError, ValueError, zlib.error):
            raise InputError(
                "The packed file is damaged or cut off. Copy or pack it again.", code="damaged_file", file=self._name
            ) from None


class _Pipe:
    """Reads a pipe until its writers close it, and checks meanwhile whether the process got a signal to stop.

    A named pipe (`has_writer` is false) may be opened before it has a writer; it must get one within `WRITER_SECONDS`.
    """

    def __init__(self, descriptor: int, name: str, *, has_writer: bool) -> None:
        self._descriptor = descriptor
        self._name = name
        self._has_writer = has_writer
        self._until = time.monotonic() + WRITER_SECONDS

    def read(self, size: int) -> bytes:
        while True:
            if exit_code := STOP_CODE.get()():
                raise StoppedError(
                    "Interrupted while the list was being read; nothing was sent.", exit_code=exit_code, code="interrupted", file=self._name
                )
            ready = select.select([self._descriptor], [], [], LOOK_SECONDS)[0]
            if not ready and os.get_blocking(self._descriptor):
                continue
            with suppress(BlockingIOError):
                block = os.read(self._descriptor, size)
                self._has_writer = self._has_writer or bool(block)
                if self._has_writer:
                    return block
                if time.monotonic() > self._until:
                    problem = f"Nothing has written into this pipe for {WRITER_SECONDS:g} s. Start what writes the list."
                    raise InputError(problem, code="no_writer", file=self._name)
                time.sleep(LOOK_SECONDS if ready else 0)


def _open_at_once(path: str, flags: int) -> int:
    """Open a pipe without waiting for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _stdin() -> BinaryIO | _Pipe:
    try:
        return sys.stdin.buffer if sys.platform == "win32" else _Pipe(sys.stdin.buffer.fileno(), _STDIN_NAME, has_writer=True)
    except OSError:  # a program replaced stdin by an object that is no file
        return sys.stdin.buffer


def _copy(stream: BinaryIO | _Unpacked | _Pipe, spool: Spool, most_bytes: int) -> None:
    """Copy a stream, but at most one byte more than `most_bytes`, which shows that it is too long."""
    left = most_bytes
    with spool.path.open("wb") as file:
        while left >= 0 and (block := stream.read(min(_BLOCK_BYTES, left + 1))):
            file.write(block)
            left -= len(block)


def _stamp(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _missing(path: Path, name: str) -> InputError:
    """The error for a missing file, with files of a similar name."""
    try:
        names = [entry.name for entry in islice(path.parent.iterdir(), _NAMES_COMPARED)]
    except OSError:
        return InputError(f"There is no such file, and no folder {path.parent} either. Check the path.", code="no_file", file=name)
    by_lower = {name.lower(): name for name in names}
    near = [str(path.parent / by_lower[name]) for name in get_close_matches(path.name.lower(), by_lower, n=3, cutoff=0.6)]
    hint = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else f"The folder {path.parent.absolute()} has nothing of a similar name. Check the path."
    )
    return InputError(f"There is no such file. {hint}", code="no_file", file=name, suggestions=near)
