"""Disks that fill, folders that can't be written, processes with less than they are used to: with what any account may set up."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import prefork
from tests.acceptance.desk import Desk

WITHOUT_PRIVILEGE = """
import ctypes
libc, header, capabilities = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
libc.capget(header, capabilities)
for place in (0, 1):
    capabilities[place] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: without them root, too, has to heed the mode of its own files
assert libc.capset(header, capabilities) == 0
"""
WITH_LIMITED_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
IN_NAMESPACES = """
import ctypes, os
folder = os.getcwd()
for kind in ("user", "mnt"):
    with open(f"/proc/{0}/ns/{{kind}}") as namespace:
        assert ctypes.CDLL(None).setns(namespace.fileno(), 0) == 0
os.chdir(folder)
"""
SHORT_LEASE = """
import campaign.ledger.sqlite.ledger as ledger, campaign.ledger.sqlite.base as store, campaign.sender.lease_keeper as heart
ledger.LEASE_SECONDS = store.LEASE_SECONDS = 3.0
heart.HEARTBEAT_SECONDS, heart.MARGIN_SECONDS = 0.4, 1.0
"""


def start_python(desk: Desk, code: str, *words: str) -> "subprocess.Popen[str]":
    """Python that does `code`, as the desk would start the command."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(desk: Desk, *words: str, before: str = "", **environment: str) -> "subprocess.Popen[str]":
    """The command, with something done in its process before it begins."""
    return prefork.start(words, cwd=desk.folder, env=desk.environment | environment, before=before)


def finish(process: "subprocess.Popen[str]", *, code: int | None = None, seconds: float = 60.0) -> str:
    """What it said, in words, on stderr; it has ended with that code, and never with a traceback."""
    try:
        _, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert "Traceback" not in err, err
    assert code is None or process.returncode == code, f"exit {process.returncode}\n{err}"
    return err


@contextmanager
def suspended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """So that it has not ended yet, however long others take; they use another ledger, as it may hold a lock of its own."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def unprivileged() -> str:
    """What to do before a command so that the modes of files hold for it, whoever runs the tests."""
    return WITHOUT_PRIVILEGE if os.geteuid() == 0 else ""


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


class Disk(ABC):
    """A place that can be full. `folder` is where the desk's commands find it, `before` is what they do before they begin."""

    folder: Path
    before: str

    @abstractmethod
    def leave(self, kilobytes: int, process: "subprocess.Popen[str] | None" = None) -> None:
        """So much still fits: for this process, or for whatever comes."""

    @abstractmethod
    def free(self) -> None:
        """Everything fits again."""

    @abstractmethod
    def read(self, name: str) -> bytes: ...

    @abstractmethod
    def write(self, name: str, content: bytes) -> None: ...


class LimitedFiles(Disk):
    """RLIMIT_FSIZE, which any account may set: no file can grow beyond it, which is what a program sees of a full disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = ""

    def leave(self, kilobytes: int, process: "subprocess.Popen[str] | None" = None) -> None:
        if process is None:
            self.before = WITH_LIMITED_FILES.format(kilobytes * 1024)
        else:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (kilobytes * 1024, resource.RLIM_INFINITY))

    def free(self) -> None:
        self.before = ""

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)


class SmallDisk(Disk):
    """A file system in memory, mounted for these processes alone."""

    def __init__(self, folder: Path, kilobytes: int) -> None:
        self.folder = folder
        command = f"mount -t tmpfs -o size={kilobytes}k none '{folder}' && echo ready && exec sleep 600"
        self._keeper = subprocess.Popen(["unshare", "-rm", "sh", "-c", command], stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n"
        self._within = ("nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self._keeper.pid), "--")
        self.before = IN_NAMESPACES.format(self._keeper.pid)

    def leave(self, kilobytes: int, process: "subprocess.Popen[str] | None" = None) -> None:
        del process
        # What the command itself writes meanwhile may fill the disk first.
        count = f"$((($(df -k --output=avail '{self.folder}' | tail -1) - {kilobytes}) * 1024))"
        self._do(f"head -c {count} /dev/zero >> '{self.folder}/ballast' || true")

    def free(self) -> None:
        self._do(f"rm -f '{self.folder}/ballast'")

    def read(self, name: str) -> bytes:
        return self._do(f"cat '{self.folder / name}'")

    def write(self, name: str, content: bytes) -> None:
        self._do(f"cat > '{self.folder / name}'", content)

    def unmount(self) -> None:
        self._keeper.kill()
        self._keeper.communicate()

    def _do(self, command: str, given: bytes = b"") -> bytes:
        return subprocess.run([*self._within, "sh", "-c", command], check=True, input=given, capture_output=True).stdout


def can_mount() -> bool:
    """Whether this account may have a file system of its own; containers often forbid it."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    words = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def disk(kind: str, folder: Path, kilobytes: int) -> Iterator[Disk]:
    """A `tmpfs` where one can be had, `limit` anywhere."""
    folder.mkdir(exist_ok=True)
    if kind == "limit":
        yield LimitedFiles(folder)
        return
    small = SmallDisk(folder, kilobytes)
    try:
        yield small
    finally:
        with suppress(OSError):
            small.unmount()


DISKS = ("limit", "tmpfs") if can_mount() else ("limit",)
