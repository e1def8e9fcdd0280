"""The moments of a run at which it can be killed, by name, and how a process is made to notice that it passes one.

The product has no hooks for this: its own functions are wrapped from outside, so what is killed is what people run.
"""

import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from functools import wraps
from typing import Any, Final

from campaign.settings import Via


class LedgerKind(StrEnum):
    """What a campaign's ledger is kept in; also the name of the package that does it."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


class Phase(Enum):
    """When in the life of a campaign a moment is passed."""

    STAGING = auto()
    SENDING = auto()
    STOPPING = auto()  # only by a process that was told to stop
    REPORTING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One function of the product, with a moment before its call, one after it, or both.

    `most` is how often a process that is to die here may pass before it does. `delay_seconds` lets the process go on for so long.
    `via` is the one way of sending that passes it, None is every way.
    """

    name: str
    module: str
    target: str
    phase: Phase
    most: int = 1
    before: bool = True
    after: bool = True
    delay_seconds: float = 0.0
    via: Via | None = None

    @property
    def moments(self) -> tuple[str, ...]:
        return tuple(f"{self.name}.{side}" for side, wanted in (("before", self.before), ("after", self.after)) if wanted)


_LEDGERS: Final = {LedgerKind.SQLITE: "SqliteLedger", LedgerKind.POSTGRES: "PostgresLedger"}
_WRITERS: Final = {
    LedgerKind.SQLITE: ("campaign.ledger.sqlite.writer", "Writer._commit", "Writer._one"),
    LedgerKind.POSTGRES: ("campaign.ledger.postgres.writer", "SerialConnection._transaction", "_worked"),
}
"""By ledger: the module in which it writes, what is a whole transaction there, and what makes the changes within it."""

_SENDER: Final = "campaign.sender"
_GATEWAY: Final = f"{_SENDER}.api.gateway"
_WIRE: Final = f"{_SENDER}.api.http"
_ATOMIC: Final = "campaign.atomic"


def _points(kind: LedgerKind) -> tuple[Point, ...]:
    return (*_of_ledger(kind), *_of_writer(*_WRITERS[kind]), *_OF_ANY_LEDGER)


def _of_ledger(kind: LedgerKind) -> Iterator[Point]:
    for method, phase, most, via in _METHODS:
        target = f"{_LEDGERS[kind]}.{method}"
        yield Point(name=method, module=f"campaign.ledger.{kind}.ledger", target=target, phase=phase, most=most, via=via)


def _of_writer(module: str, whole: str, within: str) -> Iterator[Point]:
    """Before the transaction begins; within it, with a change made; when it is durable and nobody was told; when all were told."""
    yield Point(name="commit", module=module, target=whole, phase=Phase.SENDING, most=60)
    yield Point(name="within_commit", module=module, target=within, phase=Phase.SENDING, most=120, before=False)
    yield Point(name="durable", module=module, target="_answer", phase=Phase.SENDING, most=60, after=False)


_METHODS: Final = (
    ("create", Phase.STAGING, 1, None),
    ("stage", Phase.STAGING, 1, None),
    ("finish_staging", Phase.STAGING, 1, None),
    ("abort_staging", Phase.STAGING, 1, None),
    ("register_runner", Phase.SENDING, 1, None),
    ("reap_dead_runners", Phase.SENDING, 4, None),
    ("claim", Phase.SENDING, 8, Via.SINGLE),
    ("claim_batch", Phase.SENDING, 60, Via.BATCH),
    ("adopt_batches", Phase.SENDING, 2, Via.BATCH),
    ("record_batch", Phase.SENDING, 150, Via.BATCH),
    ("settle_batch", Phase.SENDING, 60, Via.BATCH),
    ("reserve_slots", Phase.SENDING, 20, None),
    ("heartbeat", Phase.SENDING, 2, None),
    ("settle", Phase.SENDING, 20, Via.SINGLE),
    ("claim_unverified", Phase.SENDING, 8, Via.SINGLE),
    ("record_verification", Phase.SENDING, 60, Via.SINGLE),
    # Only where passes are read before their send.
    ("record_baseline", Phase.SENDING, 100, Via.SINGLE),
    ("release", Phase.STOPPING, 1, Via.SINGLE),
    ("release_batch", Phase.STOPPING, 2, Via.BATCH),
    ("deregister_runner", Phase.STOPPING, 1, None),
)
_STEPS: Final = (
    ("create", Phase.SENDING, 150),
    ("look", Phase.SENDING, 150),
    ("page", Phase.SENDING, 60),
    ("send_now", Phase.SENDING, 60),
    ("download", Phase.SENDING, 60),
    ("cancel", Phase.STOPPING, 2),
)
"""Requests about batches."""

_OF_ANY_LEDGER: Final = (
    # Before the bytes of a request are handed over; right after; and a moment later, when they have left.
    Point(name="write", module=_WIRE, target="SingleUseBody.write", phase=Phase.SENDING, most=150),
    Point(name="left", module=_WIRE, target="SingleUseBody.write", phase=Phase.SENDING, most=150, before=False, delay_seconds=0.015),
    # The head of an answer came; all of it was read.
    Point(name="answer", module=_WIRE, target="receive", phase=Phase.SENDING, most=150),
    Point(name="send", module=_GATEWAY, target="HttpGateway.send", phase=Phase.SENDING, most=150, via=Via.SINGLE),
    Point(name="read_back", module=_GATEWAY, target="HttpGateway.read", phase=Phase.SENDING, most=60, via=Via.SINGLE),
    *(
        Point(
            name=f"batch_{method}",
            module=f"{_SENDER}.batches.gateway",
            target=f"HttpBatchGateway.{method}",
            phase=phase,
            most=most,
            via=Via.BATCH,
        )
        for method, phase, most in _STEPS
    ),
    Point(name="report", module="campaign.app.results.write", target="write", phase=Phase.REPORTING),
    # The file of results, and that of failed rows, each pass these; drafts are also made to see whether they can be.
    Point(name="draft", module=_ATOMIC, target="AtomicFile.__init__", phase=Phase.REPORTING, most=4),
    Point(name="file_sync", module=_ATOMIC, target="AtomicFile.sync", phase=Phase.REPORTING, most=2),
    Point(name="file_commit", module=_ATOMIC, target="AtomicFile.commit", phase=Phase.REPORTING, most=2),
    Point(name="renamed", module=_ATOMIC, target="sync_folder", phase=Phase.REPORTING, most=2, after=False),
)
POINTS: Final = {kind: _points(kind) for kind in LedgerKind}
MOMENTS: Final = {moment: point for point in POINTS[LedgerKind.SQLITE] for moment in point.moments}
"""The same with every ledger; where in the code each is passed stands in `POINTS`."""


def moments_of(via: Via) -> dict[str, Point]:
    """Those that a process passes which sends this way."""
    return {moment: point for moment, point in MOMENTS.items() if point.via in {None, via}}


def install(kind: LedgerKind, passing: Callable[[str], None]) -> None:
    """Have `passing` called with the name of each moment when it is passed, on whichever thread that is.

    Raises:
        AttributeError: the product no longer has a function that is named here.
    """
    for point in POINTS[kind]:
        owner: Any = importlib.import_module(point.module)
        *path, name = point.target.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, name, _watched(getattr(owner, name), point, passing))


def _watched(original: Callable[..., Any], point: Point, passing: Callable[[str], None]) -> Callable[..., Any]:
    before = f"{point.name}.before" if point.before else None
    after = f"{point.name}.after" if point.after else None

    async def then(result: Awaitable[Any]) -> Any:
        value = await result
        if after is not None:
            passing(after)
        return value

    @wraps(original)
    def watched(*args: Any, **named: Any) -> Any:
        if before is not None:
            passing(before)
        result = original(*args, **named)
        if inspect.isawaitable(result):
            return then(result)
        if after is not None:
            passing(after)
        return result

    return watched
