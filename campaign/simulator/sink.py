"""The audit file: every processed notification as one line of JSON, handed to the system before it counts as processed."""

import errno
import os
from pathlib import Path

import orjson

from campaign.domain.errors import UsageError
from campaign.simulator.records import Notification


class AuditFile:
    """Appends to a file that only its owner may read, as it holds ids and messages.

    Raises:
        UsageError: it can't be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(
                f"The audit file {path} can't be written: {error.strerror}; give another one.", code="file_not_writable"
            ) from error
        self._size = os.fstat(self._descriptor).st_size

    def append(self, entry: Notification) -> None:
        """Writes one line whole, or none of it.

        Raises:
            OSError: it could not be written.
        """
        line = orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
        written = os.write(self._descriptor, line)
        if written != len(line):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def close(self) -> None:
        os.close(self._descriptor)
