"""What is going to happen, drawn from a seed: the list, the faults, and how each process of a campaign dies."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import cycle
from typing import Final

from campaign.settings import Via
from campaign.simulator.api.routes import STEPS
from campaign.simulator.batches.faults import BatchFault
from campaign.simulator.faults import Fault
from tests.ambiguous_faults import AMBIGUOUS
from tests.chaos.blows import Strike, strikes
from tests.chaos.points import LedgerKind, Phase, moments_of

STAGING_KILLS: Final = 4
REPORTING_KILLS: Final = 6
QUIET_SECONDS: Final = 2.0
LATE_SECONDS: Final = 0.5
"""How late the simulator may still process a request: well within the quiet period, as the promise assumes."""

TIMEOUT_SECONDS: Final = 1.0
LONGEST_LIFE_SECONDS: Final = 6.0
LONGEST_LIFE: Final = 0.15
LONGEST_RANDOM_LIFE: Final = 0.075
"""Of the rows, so that a short list sees as many deaths as a long one."""

USUAL_ROWS: Final = 2000
ROWS_OF_A_STEP: Final = 40
"""So many rows in batches cost as many calls and commits as one that is sent by itself."""

FEWEST_IN_BATCHES: Final = 60
SINGLE_LIVES: Final = 0.15
"""The share of processes that send one by one what others began in batches."""

APART: Final = 0.3


class Death(StrEnum):
    """How a process ends. AFTER_MESSAGES: when so many messages more were processed, by whomever, since it began."""

    AT_MOMENT = "at a moment"
    AFTER_MESSAGES = "random: after messages"
    AFTER_SECONDS = "random: after seconds"
    FREEZE = "frozen beyond its lease"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """One process. `together` is how many may run when it begins, itself counted.

    One that is to die at a moment that does not come is killed after `messages` or `seconds`, whichever is first. With
    `interrupted` it is sent SIGTERM after so many messages, so that the moments of stopping come.
    """

    number: int
    death: Death = Death.NONE
    together: int = 1
    moment: str = ""
    count: int = 0
    messages: int
    seconds: float = LONGEST_LIFE_SECONDS
    interrupted: int | None = None
    strike: Strike | None = None
    via: Via = Via.SINGLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One campaign. `sending` and `reporting` are the processes that die before, and after, the last row is settled.

    Where it is `apart`, each process is as good as alone on its machine: that it is dead is known by the end of its lease only.
    """

    index: int
    seed: str
    rows: int
    rate_per_second: float
    max_attempts: int
    simulator_seed: int
    via: Via
    faults: Mapping[Fault, float]
    batch_faults: Mapping[str, float]
    storms: tuple[tuple[float, float, str | None], ...]
    sending: tuple[Lifecycle, ...]
    reporting: tuple[Lifecycle, ...]
    baseline: bool
    freezes: bool
    apart: bool

    @property
    def has_short_leases(self) -> bool:
        return self.freezes or self.apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks of every campaign; `ambiguous` is the probability of each ambiguous fault.

    `blows` is the share of processes during whose life something befalls a ledger that is kept by a server.
    """

    seed: int
    ledger: LedgerKind = LedgerKind.SQLITE
    via: Via = Via.SINGLE
    rows: int = 2000
    rate_per_second: float = 400.0
    kills: int = 50
    most_together: int = 4
    ambiguous: float = 0.02
    freezes: float = 0.0
    blows: float = 0.3


def plan(wishes: Wishes, index: int) -> Plan:
    """The `index`-th campaign (1-based) of a session: always the same for the same wishes, but for blows the same with every ledger."""
    seed = f"{wishes.seed}/{index}"
    luck = random.Random(seed)
    reporting = min(REPORTING_KILLS, wishes.kills // 6)
    staging = min(STAGING_KILLS, wishes.kills // 6)
    # Of its own, so that the rest is the same with and without.
    server_luck = random.Random(f"{seed} server")
    blows = strikes(server_luck, wishes.blows, _part(wishes.rows, LONGEST_RANDOM_LIFE))
    in_server = wishes.ledger is LedgerKind.POSTGRES
    ways = _ways(wishes.via, random.Random(f"{seed} via"))

    def lived(lives: Iterator[Lifecycle]) -> tuple[Lifecycle, ...]:
        return tuple(replace(life, via=next(ways), strike=next(blows) if in_server else None) for life in lives)

    return Plan(
        index=index,
        seed=seed,
        rows=wishes.rows,
        rate_per_second=wishes.rate_per_second,
        # Mostly enough that a row which dies with its process again and again is sent in the end; else rows run out of attempts, too.
        max_attempts=luck.choice((100, 100, 100, 5)),
        simulator_seed=luck.getrandbits(31),
        via=wishes.via,
        faults=_faults(wishes.ambiguous),
        batch_faults=_batch_faults(wishes.ambiguous),
        storms=tuple(_storm(luck) for _ in range(luck.randint(0, 2))),
        sending=lived(_sending(luck, wishes, staging, wishes.kills - reporting)),
        reporting=lived(_reporting(luck, wishes, reporting)),
        baseline=luck.random() < 0.3 and wishes.via is Via.SINGLE,
        freezes=wishes.freezes > 0,
        apart=in_server and server_luck.random() < APART,
    )


def _faults(ambiguous: float) -> dict[Fault, float]:
    """Everything at once, but for `read_null`: an API that denies what it did is beyond any promise: docs/developers/reliability.md."""
    return dict.fromkeys(AMBIGUOUS, ambiguous) | {
        Fault.NOT_FOUND: 0.01,
        Fault.UNPROCESSABLE: 0.01,
        Fault.CONFLICT: 0.005,
        Fault.GONE: 0.005,
        Fault.NOT_DELIVERED: 0.02,
        Fault.UNKNOWN_STATUS: 0.01,
        Fault.THROTTLE: 0.0005,
        Fault.SLOW: 0.01,
        Fault.REDIRECT: 0.01,
        Fault.READ_ERROR: 0.02,
        Fault.READ_MISSING: 0.01,
        Fault.READ_HANG: 0.005,
        Fault.READ_HTML: 0.01,
        Fault.READ_CUT: 0.02,
        Fault.READ_THROTTLE: 0.0005,
    }


def _batch_faults(ambiguous: float) -> dict[str, float]:
    """Everything that a run gets over by itself. A create that finds no entity, and a report that can't be read, stop it for a person."""
    of_steps: dict[str, float] = {}
    for step in STEPS:
        # What is read is read again and again.
        share = ambiguous if step in {"create", "send_now", "cancel"} else ambiguous / 4 if step == "csv" else ambiguous / 2
        refusals = {Fault.UNPROCESSABLE, Fault.CONFLICT, Fault.GONE} | (set() if step == "create" else {Fault.NOT_FOUND})
        of_steps |= {f"{step}_{fault}": share for fault in AMBIGUOUS}
        of_steps |= {f"{step}_{fault}": 0.005 for fault in refusals} | {f"{step}_{Fault.SLOW}": 0.01, f"{step}_{Fault.REDIRECT}": 0.01}
        of_steps[f"{step}_{Fault.THROTTLE}"] = 0.01
    return of_steps | {
        BatchFault.BATCH_FAILED: 0.02,
        BatchFault.RECIPIENTS_FAILED: 0.05,
        BatchFault.DELIVERY_CSV_LACKS_ROWS: 0.05,
        BatchFault.DELIVERY_CSV_UNKNOWN_STATUS: 0.05,
        BatchFault.DELIVERY_CSV_MISSING: 0.01,
    }


def _ways(via: Via, luck: random.Random) -> Iterator[Via]:
    while True:
        yield Via.SINGLE if via is Via.BATCH and luck.random() < SINGLE_LIVES else via


def _storm(luck: random.Random) -> tuple[float, float, str | None]:
    """When it begins, how long it lasts, and what it says of it."""
    return luck.uniform(1, 20), luck.uniform(0.2, 1.0), luck.choice(("0.3", "1", None, "soon"))


def _sending(luck: random.Random, wishes: Wishes, staging: int, kills: int) -> Iterator[Lifecycle]:
    rows = wishes.rows
    # The messages of a batch come together.
    fewest = FEWEST_IN_BATCHES if wishes.via is Via.BATCH else 0
    most, longest = (max(fewest, _part(rows, share)) for share in (LONGEST_LIFE, LONGEST_RANDOM_LIFE))
    first = _deck(luck, wishes, Phase.STAGING)
    # A process that was told to stop also reports.
    stopping = _deck(luck, wishes, Phase.STOPPING, Phase.REPORTING)
    sending = _deck(luck, wishes, Phase.SENDING)
    for number in range(1, kills + 1):
        if number <= staging:
            moment, count = next(first)
            yield Lifecycle(number=number, death=Death.AT_MOMENT, together=luck.randint(1, 2), moment=moment, count=count, messages=most)
            continue
        together = luck.randint(1, wishes.most_together)
        if luck.random() < wishes.freezes:
            yield Lifecycle(number=number, death=Death.FREEZE, together=max(2, together), messages=luck.randint(1, longest))
            continue
        match luck.choices((0, 1, 2, 3), weights=(6, 2, 1, 1.5))[0]:
            case 0:
                moment, count = next(sending)
                yield Lifecycle(number=number, death=Death.AT_MOMENT, together=together, moment=moment, count=count, messages=most)
            case 1:
                yield Lifecycle(number=number, death=Death.AFTER_MESSAGES, together=together, messages=luck.randint(1, longest))
            case 2:
                yield Lifecycle(number=number, death=Death.AFTER_SECONDS, together=together, messages=most, seconds=luck.uniform(0, 3))
            case _:
                moment, count = next(stopping)
                interrupted = luck.randint(1, longest)
                yield Lifecycle(
                    number=number,
                    death=Death.AT_MOMENT,
                    together=together,
                    moment=moment,
                    count=count,
                    messages=most,
                    interrupted=interrupted,
                )


def _reporting(luck: random.Random, wishes: Wishes, kills: int) -> Iterator[Lifecycle]:
    deck = _deck(luck, wishes, Phase.REPORTING)
    for number in range(1, kills + 1):
        moment, count = next(deck)
        yield Lifecycle(number=1000 + number, death=Death.AT_MOMENT, moment=moment, count=count, messages=wishes.rows)


def _deck(luck: random.Random, wishes: Wishes, *phases: Phase) -> Iterator[tuple[str, int]]:
    """Moments of these phases with the pass at which to die, each moment once before any comes again."""
    rows = wishes.rows if wishes.via is Via.SINGLE else wishes.rows // ROWS_OF_A_STEP
    moments = [(moment, point.most) for moment, point in moments_of(wishes.via).items() if point.phase in phases]
    luck.shuffle(moments)
    for moment, most in cycle(moments):
        # Those that are passed often are passed the more often the longer the list is.
        yield moment, luck.randint(1, most if most <= 4 else _part(rows, most / USUAL_ROWS))


def _part(rows: int, share: float) -> int:
    return max(4, round(rows * share))
