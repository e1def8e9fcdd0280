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
    """

    name: str
    module: str
    target: str
    phase: Phase
    most: int = 1
    before: bool = True
    after: bool = True
    delay_seconds: float = 0.0

    @property
    def moments(self) -> tuple[str, ...]:
        return tuple(f"{self.name}.{side}" for side, wanted in (("before", self.before), ("after", self.after)) if wanted)


_LEDGERS: Final = {LedgerKind.SQLITE: "SqliteLedger", LedgerKind.POSTGRES: "PostgresLedger"}
_WRITERS: Final = {
    LedgerKind.SQLITE: ("campaign.ledger.sqlite.writer", "Writer._commit", "Writer._one"),
    LedgerKind.POSTGRES: ("campaign.ledger.postgres.writer", "SerialConnection._transaction", "_worked"),
}
"""By ledger: the module in which it writes, what is a whole transaction there, and what makes the changes within it."""

_GATEWAY: Final = "campaign.sender.gateway"
_WIRE: Final = "campaign.sender.http"
_ATOMIC: Final = "campaign.atomic"


def _points(kind: LedgerKind) -> tuple[Point, ...]:
    return (*_of_ledger(kind), *_of_writer(*_WRITERS[kind]), *_OF_ANY_LEDGER)


def _of_ledger(kind: LedgerKind) -> Iterator[Point]:
    for method, phase, most in _METHODS:
        yield Point(name=method, module=f"campaign.ledger.{kind}.ledger", target=f"{_LEDGERS[kind]}.{method}", phase=phase, most=most)


def _of_writer(module: str, whole: str, within: str) -> Iterator[Point]:
    """Before the transaction begins; within it, with a change made; when it is durable and nobody was told; when all were told."""
    yield Point(name="commit", module=module, target=whole, phase=Phase.SENDING, most=60)
    yield Point(name="within_commit", module=module, target=within, phase=Phase.SENDING, most=120, before=False)
    yield Point(name="durable", module=module, target="_answer", phase=Phase.SENDING, most=60, after=False)


_METHODS: Final = (
    ("create", Phase.STAGING, 1),
    ("stage", Phase.STAGING, 1),
    ("finish_staging", Phase.STAGING, 1),
    ("discard", Phase.STAGING, 1),
    ("register_runner", Phase.SENDING, 1),
    ("reap_dead_runners", Phase.SENDING, 4),
    ("claim", Phase.SENDING, 8),
    ("lease", Phase.SENDING, 20),
    ("heartbeat", Phase.SENDING, 2),
    ("settle", Phase.SENDING, 20),
    ("claim_unverified", Phase.SENDING, 8),
    ("record_verification", Phase.SENDING, 60),
    # Only where passes are read before their send.
    ("record_baseline", Phase.SENDING, 100),
    ("release", Phase.STOPPING, 1),
    ("deregister_runner", Phase.STOPPING, 1),
)
_OF_ANY_LEDGER: Final = (
    # Before the bytes of a request are handed over; right after; and a moment later, when they have left.
    Point(name="write", module=_WIRE, target="SingleUseBody.write", phase=Phase.SENDING, most=150),
    Point(name="left", module=_WIRE, target="SingleUseBody.write", phase=Phase.SENDING, most=150, before=False, delay_seconds=0.015),
    # The head of an answer came; all of it was read.
    Point(name="answer", module=_WIRE, target="receive", phase=Phase.SENDING, most=150),
    Point(name="send", module=_GATEWAY, target="HttpGateway.send", phase=Phase.SENDING, most=150),
    Point(name="read_back", module=_GATEWAY, target="HttpGateway.read", phase=Phase.SENDING, most=60),
    Point(name="report", module="campaign.app.session", target="report", phase=Phase.REPORTING),
    # The file of results, and that of failed rows, each pass these; drafts are also made to see whether they can be.
    Point(name="draft", module=_ATOMIC, target="AtomicFile.__init__", phase=Phase.REPORTING, most=4),
    Point(name="file_sync", module=_ATOMIC, target="AtomicFile.sync", phase=Phase.REPORTING, most=2),
    Point(name="file_commit", module=_ATOMIC, target="AtomicFile.commit", phase=Phase.REPORTING, most=2),
    Point(name="renamed", module=_ATOMIC, target="sync_folder", phase=Phase.REPORTING, most=2, after=False),
)
POINTS: Final = {kind: _points(kind) for kind in LedgerKind}
MOMENTS: Final = {moment: point for point in POINTS[LedgerKind.SQLITE] for moment in point.moments}
"""The same with every ledger; where in the code each is passed stands in `POINTS`."""


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
