"""What befalls a ledger that is kept by a server, drawn from a seed: it is stopped, it crashes, its connections are killed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle
from typing import Final

LONGEST_AWAY_SECONDS: Final = 2.0
"""Well within the 4 s for which a command that begins waits for the server."""

LONGEST_WAIT_SECONDS: Final = 1.5


class Blow(StrEnum):
    RESTART = "stopped and started"
    CRASH = "stopped in immediate mode and started"
    PROCESS = "one of its processes killed, so that it starts anew"
    CUT = "every connection killed"


_DECK: Final = (Blow.RESTART, Blow.CRASH, Blow.PROCESS, Blow.CUT, Blow.CUT, Blow.CUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A blow during the life of a process, once so many messages were processed or so many seconds passed since it began.

    A server that is stopped stays away for `away_seconds`.
    """

    blow: Blow
    messages: int
    seconds: float
    away_seconds: float


def strikes(luck: random.Random, share: float, most_messages: int) -> Iterator[Strike | None]:
    """For one process after the other what befalls the ledger meanwhile; each blow comes once before any comes again."""
    deck = list(_DECK)
    luck.shuffle(deck)
    for blow in cycle(deck):
        while luck.random() >= share:
            yield None
        yield Strike(
            blow=blow,
            messages=luck.randint(0, most_messages),
            seconds=luck.uniform(0, LONGEST_WAIT_SECONDS),
            away_seconds=luck.uniform(0, LONGEST_AWAY_SECONDS),
        )
