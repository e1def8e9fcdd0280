"""The simulator's records as values, and the audit file with every processed notification as a line of JSON."""

import errno
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import orjson

from campaign.domain.errors import UsageError


class Ending(StrEnum):
    """How a request ended.

    OPEN: not answered yet. ANSWERED: the whole answer was passed to the network. CUT: the simulator ended the connection
    before or within the answer. HUNG: no answer will come. LOST: the client disconnected before the end of its request or of the answer.
    """

    OPEN = "open"
    ANSWERED = "answered"
    CUT = "cut"
    HUNG = "hung"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One processed message. `at_seconds` counts from the simulator's start; `token` is the token's fingerprint.

    `way` is `single` or `batch`. A message of a batch has the batch's id and name, and the number of the request that created it.
    """

    id: str
    message: str
    at_seconds: float
    unix_seconds: float
    token: str
    request: int
    way: str = "single"
    batch_id: str | None = None
    batch_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """The present state of a batch.

    `total_recipients` counts the given recipients, `refused` those that validation refused, and `processed` those in the audit. `fault` is
    the fault of the batch, not of a request.
    """

    id: str
    name: str
    tag: str | None
    status: str
    scheduled_at: str | None
    created_unix_seconds: float
    request: int
    total_recipients: int
    refused: int
    processed: int
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request that arrived; numbers begin at 1 and continue after a reset.

    `id` is None if the path has no pass or is badly encoded, and `token` is None if there was none. `status` is None if no status line
    was sent. `fault` is the fault that occurred, or `storm`.
    """

    number: int
    method: str
    endpoint: str
    id: str | None
    raw_path: str
    at_seconds: float
    unix_seconds: float
    token: str | None
    status: int | None
    ending: Ending
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointUse:
    """The requests of one token to one endpoint and method; `endpoint` names both.

    The two maxima are exact for any window of one second, by arrival times.
    """

    endpoint: str
    token: str
    arrived: int
    admitted: int
    max_arrived_in_a_second: int
    max_admitted_in_a_second: int
    admitted_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of the audit and the requests.

    `duplicates` counts the pairs of pass and message that were processed more than once, `surplus` the messages beyond the first of each
    pair. `late_pending` counts what the fault `late` has not processed yet. `throttled` counts all answers with 429.
    `processed_in_batches` counts the processed messages of batches, and `batches` the batches by status.
    """

    processed: int
    distinct_passes: int
    duplicates: int
    surplus: int
    requests: int
    in_flight: int
    late_pending: int
    throttled: int
    redirects_followed: int
    redirects_followed_with_token: int
    by_status: dict[str, int]
    by_ending: dict[str, int]
    by_fault: dict[str, int]
    endpoints: tuple[EndpointUse, ...]
    up_seconds: float
    processed_in_batches: int = 0
    batches: dict[str, int] = field(default_factory=dict)

    @property
    def max_admitted_in_a_second(self) -> int:
        """The highest over all endpoints and tokens."""
        return max((use.max_admitted_in_a_second for use in self.endpoints), default=0)


class AuditFile:
    """Appends to a file. A new file can be read only by its owner, because it contains ids and messages.

    Raises:
        UsageError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(
                f"The audit file {path} can't be written: {error.strerror}; give another one.", code="file_not_writable"
            ) from error
        self._size = os.fstat(self._descriptor).st_size

    def append(self, *entries: Notification) -> None:
        """Write a line for each entry: all lines or none. Raises OSError if they can't be written."""
        lines = b"".join(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
        written = os.write(self._descriptor, lines)
        if written != len(lines):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def close(self) -> None:
        os.close(self._descriptor)
