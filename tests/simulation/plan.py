"""What is going to happen in one campaign, drawn from a seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from campaign.sender.attempt import OnUnknown
from campaign.simulator.batches.faults import STEP_FAULTS, BatchFault
from campaign.simulator.faults import Fault
from tests.ambiguous_faults import AMBIGUOUS

LATE_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 10.0
BELIEVED: Final = frozenset({Fault.READ_ERROR, Fault.READ_HANG, Fault.READ_HTML, Fault.READ_CUT, Fault.READ_THROTTLE, Fault.READ_MISSING})
"""Readings that say nothing. One that lies (`read_null`) is left out: the promise rests on what a pass says."""

FROM_LIST: Final = 0.25
"""Of the campaigns; they take twice the time of others."""

BY_BATCHES: Final = 0.2

DAY_SECONDS: Final = 86_400
WINDOW: Final = "14:14-14:17"
"""Every simulation begins 40 seconds before it opens."""

WINDOW_SECONDS: Final = (14 * 3600 + 14 * 60, 14 * 3600 + 17 * 60)
"""The same, of the day."""

REFUSALS: Final = (Fault.NOT_FOUND, Fault.UNPROCESSABLE, Fault.CONFLICT, Fault.GONE)
OTHERS: Final = (Fault.NOT_DELIVERED, Fault.UNKNOWN_STATUS, Fault.THROTTLE)


class Kind(StrEnum):
    """What happens to the machine, to one of its processes, or because a person wants it."""

    START = "start another runner"
    KILL = "kill a process"
    KILL_ALL = "kill every process"
    POWER = "power is lost"
    SUSPEND = "suspend a process"
    SLEEP = "the machine sleeps"
    STEP = "the wall clock is set"
    FULL = "the disk is full"
    DOWN = "the API can't be reached"
    TERM = "SIGTERM"
    TERM_TWICE = "SIGTERM twice"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY_FAILED = "retry the failed rows"
    RETRY_UNKNOWN = "retry the unknown rows"
    RETRY_NOT_DELIVERED = "retry the not delivered rows"
    RETRY_LIST = "retry the rows of a list"
    RETRY_FILE = "retry a results file"
    REPEAT = "the last retry again"
    VERIFY = "verify"
    CORRECT = "correct the failed rows"
    OTHERS = "others write to the same passes"


WEIGHTS: Final[Mapping[Kind, float]] = {
    Kind.START: 4,
    Kind.KILL: 6,
    Kind.KILL_ALL: 1,
    Kind.POWER: 1.5,
    Kind.SUSPEND: 2,
    Kind.SLEEP: 0.7,
    Kind.STEP: 1.5,
    Kind.FULL: 0.7,
    Kind.DOWN: 1.5,
    Kind.TERM: 1.5,
    Kind.TERM_TWICE: 1,
    Kind.PAUSE: 0.7,
    Kind.RESUME: 2,
    Kind.CANCEL: 0.4,
    Kind.RETRY_FAILED: 1.5,
    Kind.RETRY_UNKNOWN: 0.3,
    Kind.RETRY_NOT_DELIVERED: 0.3,
    Kind.VERIFY: 0.7,
    Kind.CORRECT: 1,
    Kind.OTHERS: 0.7,
}


THEMES: Final[tuple[Mapping[Kind, float], ...]] = (
    {},
    {},
    {Kind.SUSPEND: 60, Kind.START: 15},
    {Kind.POWER: 30, Kind.KILL_ALL: 10},
    {Kind.TERM_TWICE: 20, Kind.KILL: 20, Kind.RESUME: 20},
    {Kind.RETRY_FAILED: 15, Kind.CORRECT: 15, Kind.CANCEL: 3, Kind.PAUSE: 6, Kind.RESUME: 10},
)
"""What happens more often in some campaigns: two rare things meet only where one of them is not."""


MANY_RETRIES: Final = 0.25
"""Of the campaigns: many of their rows are not delivered, and people have them sent again and again."""

RETRIES: Final[Mapping[Kind, float]] = {
    Kind.RETRY_NOT_DELIVERED: 6,
    Kind.RETRY_LIST: 3,
    Kind.RETRY_FILE: 3,
    Kind.RETRY_UNKNOWN: 2,
    Kind.RETRY_FAILED: 1,
    Kind.CORRECT: 1,
    Kind.REPEAT: 8,
    Kind.KILL: 8,
    Kind.KILL_ALL: 1,
    Kind.POWER: 0.5,
    Kind.TERM: 2,
    Kind.PAUSE: 0.5,
    Kind.RESUME: 1,
    Kind.VERIFY: 1,
    Kind.CANCEL: 0.4,
    Kind.OTHERS: 0.5,
    Kind.SUSPEND: 0.5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`after` seconds after the one before; `seconds` is how long it lasts, or by how much a clock is set.

    It comes just after the next request has left if it is to come `in_flight`. A process that is suspended `until_taken`
    goes on before, if another one sends what it had claimed.
    """

    kind: Kind
    after: float
    seconds: float = 0.0
    in_flight: bool = False
    until_taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`from_list` is a campaign that begins with a file, which is staged under the same faults, and ends with a results file."""

    seed: int
    from_list: bool
    by_batches: bool
    batch_faults: Mapping[str, float]
    rows: int
    rate: float | None
    concurrency: int | None
    max_attempts: int
    on_unknown: OnUnknown
    baseline: bool
    window: str | None
    duplicates: int
    runners: int
    faults: Mapping[Fault, float]
    missing: int
    forbidden: int
    issued: float
    unreachable: float
    slow: float
    limit_per_second: int
    events: tuple[Event, ...]


def plan(seed: int) -> Plan:
    """Always the same for the same seed."""
    luck = random.Random(f"plan {seed}")
    rows = luck.choice((3, 8, 15, 25, 40))
    rate = luck.choice((None, 2.0, 5.0, 9.0, 9.0, 20.0, 50.0))
    nasty = luck.choice((0.0, 0.02, 0.05, 0.15))
    faults = {fault: nasty * luck.random() for fault in sorted(AMBIGUOUS) if luck.random() < 0.5}
    faults |= {fault: 0.3 * luck.random() for fault in sorted(BELIEVED) if luck.random() < 0.3}
    if luck.random() < 0.2:
        faults[Fault.SLOW] = 0.5
    faults |= {fault: 0.05 * luck.random() for fault in (*REFUSALS, *OTHERS) if luck.random() < 0.4}
    posts = sum(chance for fault, chance in faults.items() if fault.method == "POST")
    faults = {fault: chance / max(1.0, posts / 0.8) if fault.method == "POST" else chance for fault, chance in faults.items()}
    reads = sum(chance for fault, chance in faults.items() if fault.method == "GET")
    faults = {fault: chance / max(1.0, reads / 0.8) if fault.method == "GET" else chance for fault, chance in faults.items()}
    seconds = 3.0 + rows / (rate or 30.0)
    weights = {**WEIGHTS, **luck.choice(THEMES)}
    events = [_event(luck, seconds, weights) for _ in range(luck.choice((0, 2, 4, 8, 16)))]
    from_list = luck.random() < FROM_LIST
    by_batches = luck.random() < BY_BATCHES
    if from_list and luck.random() < 0.5:
        # While the list is staged.
        kind = luck.choice((Kind.KILL, Kind.KILL_ALL, Kind.POWER, Kind.TERM, Kind.SUSPEND, Kind.START))
        events.insert(0, Event(kind=kind, after=luck.uniform(0.0, 0.1), seconds=luck.choice((1.0, 60.0))))
    drawn = Plan(
        seed=seed,
        from_list=from_list,
        by_batches=by_batches,
        batch_faults=_batch_faults(luck) if by_batches else {},
        rows=rows,
        rate=rate,
        concurrency=luck.choice((None, None, 1, 3, 16)),
        max_attempts=luck.choice((1, 3, 5, 100)),
        on_unknown=luck.choices(tuple(OnUnknown), weights=(8, 1, 1))[0],
        baseline=luck.random() < 0.15 and not by_batches,
        window=luck.choice((None, None, None, WINDOW)),
        duplicates=luck.choice((0, 0, 1, 3)),
        runners=luck.choice((1, 1, 2, 3, 4)),
        faults={fault: chance for fault, chance in faults.items() if chance > 0},
        missing=luck.choice((0, 0, 1, 2)),
        forbidden=luck.choice((0, 0, 0, 1)),
        issued=luck.choice((0.0, 0.0, 0.2)),
        unreachable=luck.choice((0.0, 0.0, 0.05)),
        slow=luck.choice((0.0, 0.05, 0.3)),
        limit_per_second=0 if rate is None or rate > 9 else luck.choice((0, 10)),
        events=tuple(events),
    )
    # With luck of its own, so that a seed of any other campaign means the same as before.
    own = random.Random(f"retries {seed}")
    return _with_retries(drawn, own, seconds) if own.random() < MANY_RETRIES else drawn


def _with_retries(drawn: Plan, luck: random.Random, seconds: float) -> Plan:
    """Most of it happens after all has been sent for the first time."""
    calm = Event(kind=Kind.VERIFY, after=seconds + luck.uniform(0.0, 30.0))
    retries = (_event(luck, seconds, RETRIES) for _ in range(luck.choice((3, 6, 10))))
    on_unknown = luck.choices(tuple(OnUnknown), weights=(8, 3, 1))[0]
    return replace(drawn, on_unknown=on_unknown, issued=luck.choice((0.5, 1.0)), events=(*drawn.events[:2], calm, *retries))


def _batch_faults(luck: random.Random) -> dict[str, float]:
    """Some of what can go wrong with batches, and at each step of theirs. There are few of them, so it happens often."""
    nasty = luck.choice((0.0, 0.1, 0.3))
    # Files in another form need a person.
    faults = set(BatchFault) - {BatchFault.DELIVERY_CSV_OTHER_COLUMNS}
    of_batches = {fault.value: nasty * luck.random() for fault in sorted(faults) if luck.random() < 0.3}
    # PassEntry never ends these, so neither does a campaign; drawn all the same, so that a seed means the same campaign as before.
    for endless in (BatchFault.SENDING_STUCK, BatchFault.VALIDATION_STUCK):
        of_batches.pop(endless.value, None)
    # A batch has one fault at most.
    total = max(1.0, sum(of_batches.values()))
    of_batches = {name: share / total for name, share in of_batches.items()}
    of_steps = {name: nasty * luck.random() * (0.4 if name.startswith("create") else 0.1) for name in STEP_FAULTS if luck.random() < 0.2}
    return of_batches | of_steps


def _event(luck: random.Random, seconds: float, weights: Mapping[Kind, float]) -> Event:
    kind = luck.choices(tuple(weights), weights=tuple(weights.values()))[0]
    after = luck.choice((luck.uniform(0.0, 0.3), luck.uniform(0.0, seconds), luck.uniform(0.0, 60.0)))
    match kind:
        case Kind.SUSPEND:
            lasts = luck.choice((1.0, 20.0, 60.0, 300.0))
        case Kind.SLEEP:
            lasts = luck.choice((5.0, 40.0, 3600.0))
        case Kind.STEP:
            lasts = luck.choice((-86_400.0, -3600.0, -1.0, 1.0, 3600.0, 86_400.0))
        case Kind.FULL | Kind.DOWN:
            lasts = luck.uniform(0.5, 90.0)
        case _:
            lasts = 0.0
    return Event(
        kind=kind,
        after=after,
        seconds=lasts,
        in_flight=luck.random() < (0.7 if kind is Kind.SUSPEND else 0.3),
        until_taken=luck.random() < 0.7,
    )
