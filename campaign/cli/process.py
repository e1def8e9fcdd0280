"""Sets up the process: standard streams whose errors can't end a run, the garbage collector, and the event loop."""

import errno
import gc
import io
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TextIO, TypeVar

GONE: Final = frozenset({errno.EPIPE, errno.EIO})
"""The errors after the reader of a pipe has ended, or the terminal was closed."""

OBJECTS_PER_COLLECTION: Final = 20_000
"""More than a run holds at once, in claims and in settlements that wait to be written; and few collections while a command is imported."""


class _Stream(io.FileIO):
    """Writes to a descriptor and never closes it; a write that fails with an ignored error counts as written."""

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


def spare_garbage_collection() -> None:
    """Have the collector look less often: commands make many values, of which few refer to themselves."""
    gc.set_threshold(OBJECTS_PER_COLLECTION)


def ensure_stdio() -> None:
    """Make the standard streams safe; called before anything else.

    stderr ignores every error, such as a full disk, as the ledger records what a run does. stdout ignores only a reader that has ended, as
    after `| head -1`; if results can't be stored, that is an error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Takes the lowest free descriptor. Otherwise the next file opened would get it: the ledger, or a connection to the API.
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
    """Raise the limit of open files: shells often allow 1,024, and a fast run against a slow API needs more."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    _raise_open_files_limit()
    # The collector never looks at what was imported.
    gc.freeze()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
