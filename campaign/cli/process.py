"""The process itself: standard streams that can't break a run, and the event loop."""

import errno
import io
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TextIO, TypeVar

GONE: Final = frozenset({errno.EPIPE, errno.EIO})
"""Nobody reads the pipe any more; the terminal was closed."""


class _Stream(io.FileIO):
    """A descriptor to write to, that stays open; what fails for a reason to be ignored is taken for written."""

    def __init__(self, descriptor: int, ignored: frozenset[int] | None) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._ignored = ignored

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if self._ignored is not None and error.errno not in self._ignored:
                raise
            return memoryview(data).nbytes


def ensure_stdio() -> None:
    """To be called first of all.

    What a run says on stderr may get lost for any reason, such as a log on a full disk: what it does is in the ledger. Of stdout only a
    reader that went away is ignored, as after `| head -1`; results that were to be kept and could not be are an error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken. Otherwise the next thing opened would get it: the ledger, or a connection to the API.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the whole life of the process
    if sys.platform != "win32":
        sys.stdout = _text(sys.stdout, 1, GONE)
        sys.stderr = _text(sys.stderr, 2, None)


def _text(before: TextIO | None, descriptor: int, ignored: frozenset[int] | None) -> TextIO:
    raw = _Stream(descriptor, ignored)
    encoding, errors = (before.encoding, before.errors) if before is not None else ("utf-8", "backslashreplace")
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=descriptor == 2 or raw.isatty())


T = TypeVar("T")


def _raise_open_files_limit() -> None:
    """Shells often allow 1,024 open files, which a fast run against a slow API would need more than."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    _raise_open_files_limit()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
