"""The batches and their state changes. Nothing waits here: every event that is due is applied before the batches are read."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import partial
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Final
from uuid import UUID

from campaign.simulator.batches.faults import BatchFault, BatchFaultTable
from campaign.simulator.batches.requests import NewBatch
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import draw
from campaign.simulator.passes import PassTable
from campaign.simulator.records import BatchRecord

PAGE_SIZE: Final = 25
_PORTIONS: Final = 8
"""A batch's messages are processed in this many parts, so that a read in between finds some of them."""


class BatchStatus(StrEnum):
    VALIDATING = "validating"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    SUCCESSFUL = "successful"
    COMPLETED_WITH_ERRORS = "completedWithErrors"
    FAILED = "failed"
    CANCELLED = "cancelled"


CANCELLABLE: Final = frozenset({BatchStatus.VALIDATING, BatchStatus.SCHEDULED})
SENDABLE: Final = frozenset({BatchStatus.SCHEDULED})
ENDED: Final = frozenset({BatchStatus.SUCCESSFUL, BatchStatus.COMPLETED_WITH_ERRORS, BatchStatus.FAILED})


class Outcome(IntEnum):
    """The outcome of one recipient."""

    WAITING = 0
    DELIVERED = 1
    NOT_DELIVERED = 2
    NO_SUCH_PASS = 3
    FORBIDDEN = 4
    BROKEN = 5


PROCESSED: Final = frozenset({Outcome.DELIVERED, Outcome.NOT_DELIVERED})


@dataclass(slots=True, kw_only=True)
class Batch:
    """A batch. `passes`, `texts` and `outcomes` have one entry for each recipient that validation accepted.

    `passes` and `texts` are numbers of `PassTable`, `outcomes` are values of `Outcome`. `request` and `token` are those of the request that
    created the batch. `done` counts the handled recipients. `variant` selects one of the fault's forms.
    """

    id: str
    name: str
    tag: str | None
    content: str
    scheduled_at: str | None
    release_ns: int | None
    request: int
    token: int
    created_unix_ns: int
    fault: BatchFault | None
    variant: int
    total: int
    passes: "array[int]"
    texts: "array[int]"
    outcomes: bytearray
    refused: list[tuple[str, str]]
    status: BatchStatus = BatchStatus.VALIDATING
    validated: bool = False
    done: int = 0
    completed_unix_ns: int | None = None

    def third(self, row: int) -> bool:
        """Whether a fault of every third row affects this row. Such a fault affects at least one row of each batch."""
        return row % 3 == self.variant % min(3, max(1, len(self.passes)))

    @property
    def processed(self) -> int:
        return sum(self.outcomes.count(outcome) for outcome in PROCESSED)

    def record(self) -> BatchRecord:
        return BatchRecord(
            id=self.id,
            name=self.name,
            tag=self.tag,
            status=self.status.value,
            scheduled_at=self.scheduled_at,
            created_unix_seconds=self.created_unix_ns / 1e9,
            request=self.request,
            total_recipients=self.total,
            refused=len(self.refused),
            processed=self.processed,
            fault=self.fault,
        )


@dataclass(slots=True, kw_only=True, order=True)
class _Event:
    at_ns: int
    order: int
    happen: Callable[[int], None] = field(compare=False)


class Batches:
    """All batches and their future events. Times are in nanoseconds of one clock that never decreases.

    `deliver` processes the recipients of a batch from one row to before another at a given time, and records their outcomes. `unix_ns`
    converts a time to the wall clock's.
    """

    def __init__(
        self, *, passes: PassTable, deliver: Callable[[Batch, int, int, int], None], unix_ns: Callable[[int], int], config: SimulatorConfig
    ) -> None:
        self._passes = passes
        self._deliver = deliver
        self._unix_ns = unix_ns
        self._all: list[Batch] = []
        self._by_id: dict[str, Batch] = {}
        self._files: dict[str, tuple[Batch, bool]] = {}
        self._turns: Counter[tuple[str, str]] = Counter()
        self._events: list[_Event] = []
        self._order = 0
        self.late_pending = 0
        self.configure(config)

    def __len__(self) -> int:
        return len(self._all)

    def configure(self, config: SimulatorConfig) -> None:
        self._config = config
        self._faults = BatchFaultTable(config.batch_faults)

    def next_turn(self, step: str, key: str) -> int:
        """Count a request, and return its turn; the first is 1."""
        self._turns[step, key] += 1
        return self._turns[step, key]

    @property
    def next_ns(self) -> int | None:
        """The time of the next event; None if there is none."""
        return self._events[0].at_ns if self._events else None

    def advance(self, now_ns: int) -> None:
        """Apply the events that are due, in the order of their times."""
        while self._events and self._events[0].at_ns <= now_ns:
            event = heappop(self._events)
            event.happen(event.at_ns)

    def do_late(self, at_ns: int, do: Callable[[int], object]) -> None:
        """Call `do` at a later time. Until then `late_pending` counts it."""

        def due(due_ns: int) -> None:
            self.late_pending -= 1
            do(due_ns)

        self.late_pending += 1
        self._later(at_ns, due)

    def create(self, new: NewBatch, *, request: int, token: int, now_ns: int, reject: Callable[[str], str | None]) -> Batch:
        """Add a batch and start its validation. `reject` returns why a batch can't send to a pass, or None if it can."""
        luck = draw(seed=self._config.seed, method="batch", pass_id=new.name, turn=self.next_turn("batch", new.name))
        batch = Batch(
            id=self._id(new.name),
            name=new.name,
            tag=new.tag,
            content=new.message,
            scheduled_at=new.scheduled_at,
            release_ns=None if new.release_unix_ns is None else now_ns + new.release_unix_ns - self._unix_ns(now_ns),
            request=request,
            token=token,
            created_unix_ns=self._unix_ns(now_ns),
            fault=self._faults.of_batch(luck.chance),
            variant=luck.variant,
            total=len(new.recipients),
            passes=array("I"),
            texts=array("I"),
            outcomes=bytearray(),
            refused=[],
        )
        for recipient in new.recipients:
            refused = recipient.refused or reject(recipient.pass_id)
            if refused is not None:
                batch.refused.append((recipient.pass_id, refused))
            else:
                batch.passes.append(self._passes.number(recipient.pass_id))
                batch.texts.append(self._passes.texts.number(recipient.message))
        batch.outcomes.extend(bytes(len(batch.passes)))
        self._all.append(batch)
        self._by_id[batch.id] = batch
        for delivery in (False, True):
            self._files[self.file_name(batch, delivery=delivery)] = (batch, delivery)
        if batch.fault is not BatchFault.VALIDATION_STUCK:
            self._later(now_ns + round(self._config.validation_seconds * 1e9), partial(self._validated, batch))
        return batch

    def find(self, batch_id: str) -> Batch | None:
        return self._by_id.get(batch_id)

    def file_name(self, batch: Batch, *, delivery: bool) -> str:
        """The name of the errors CSV or the delivery CSV, with a signature that a client can't guess."""
        kind = "delivery" if delivery else "errors"
        signature = blake2b(f"{self._config.seed}\0{kind}\0{batch.id}".encode(), digest_size=20).hexdigest()
        return f"{batch.id}-{kind}.csv?signature={signature}"

    def file(self, name: str) -> tuple[Batch, bool] | None:
        """The batch whose file has this name, and whether it is the delivery CSV; None if there is no such file, or not yet."""
        found = self._files.get(name)
        return found if found is not None and (has_delivery_file(found[0]) if found[1] else has_errors_file(found[0])) else None

    def page(self, number: int) -> list[Batch]:
        """A page of the batches, newest first; pages count from 1."""
        first = len(self._all) - (number - 1) * PAGE_SIZE
        return self._all[max(0, first - PAGE_SIZE) : max(0, first)][::-1]

    def records(self) -> Iterator[BatchRecord]:
        """The records of all batches, in the order of creation."""
        return (batch.record() for batch in self._all)

    def by_status(self) -> dict[str, int]:
        counts = Counter(batch.status for batch in self._all)
        return {status.value: counts[status] for status in BatchStatus if counts[status]}

    def cancel(self, batch: Batch) -> None:
        """Cancel the batch, unless it is sending or has ended."""
        if batch.status in CANCELLABLE:
            batch.status = BatchStatus.CANCELLED

    def send_now(self, batch: Batch, now_ns: int) -> None:
        """Start sending the batch, if it is scheduled."""
        if batch.status in SENDABLE:
            self._start(batch, now_ns)

    def _later(self, at_ns: int, happen: Callable[[int], None]) -> None:
        self._order += 1
        heappush(self._events, _Event(at_ns=at_ns, order=self._order, happen=happen))

    def _id(self, name: str) -> str:
        digest = blake2b(f"{self._config.seed}\0{len(self._all)}\0{name}".encode(), digest_size=16).digest()
        return str(UUID(bytes=digest, version=4))

    def _validated(self, batch: Batch, at_ns: int) -> None:
        if batch.status is not BatchStatus.VALIDATING:
            return
        batch.validated = True
        if not batch.passes:
            self._end(batch, BatchStatus.FAILED, at_ns)
        elif batch.release_ns is None:
            self._start(batch, at_ns)
        else:
            batch.status = BatchStatus.SCHEDULED
            self._later(max(at_ns, batch.release_ns), partial(self.send_now, batch))

    def _start(self, batch: Batch, at_ns: int) -> None:
        batch.status = BatchStatus.SENDING
        config, count = self._config, len(batch.passes)
        seconds = config.sending_seconds + (count / config.batch_messages_per_second if config.batch_messages_per_second else 0.0)
        for portion in range(1, _PORTIONS + 1):
            self._later(at_ns + round(seconds * portion / _PORTIONS * 1e9), partial(self._send, batch, portion))

    def _send(self, batch: Batch, portion: int, at_ns: int) -> None:
        count = len(batch.passes)
        if batch.fault is BatchFault.BATCH_FAILED:
            until = 0
        elif batch.fault is BatchFault.SENDING_STUCK:
            until = min(count * portion // _PORTIONS, count * (batch.variant % 3) // 2)
        else:
            until = count * portion // _PORTIONS
        if until > batch.done:
            first, batch.done = batch.done, until
            self._deliver(batch, first, until, at_ns)
        if portion == _PORTIONS and batch.fault is not BatchFault.SENDING_STUCK:
            self._finish(batch, at_ns)

    def _finish(self, batch: Batch, at_ns: int) -> None:
        for row in range(batch.done, len(batch.passes)):
            batch.outcomes[row] = Outcome.BROKEN
        failed = len(batch.passes) - batch.processed
        if failed == len(batch.passes):
            self._end(batch, BatchStatus.FAILED, at_ns)
        else:
            self._end(batch, BatchStatus.COMPLETED_WITH_ERRORS if failed or batch.refused else BatchStatus.SUCCESSFUL, at_ns)

    def _end(self, batch: Batch, status: BatchStatus, at_ns: int) -> None:
        batch.status = status
        batch.completed_unix_ns = self._unix_ns(at_ns)


def has_errors_file(batch: Batch) -> bool:
    return batch.validated and bool(batch.refused)


def has_delivery_file(batch: Batch) -> bool:
    return batch.status in ENDED and batch.fault is not BatchFault.DELIVERY_CSV_MISSING
