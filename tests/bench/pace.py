"""Pace: what arrives second by second, from processes and campaigns that share a rate, beside scripts with AsyncLimiter.

The server's own log of arrivals decides. The script shares a rate as such scripts do: each process has its part of it.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from campaign.sender.settings import MOST_WORKERS
from tests.bench.answering import arrivals, first_arrival, own
from tests.bench.arrivals import average_per_second, most_in_a_second
from tests.bench.children import campaign, environment, module, running
from tests.bench.figures import Figure, Floor, Found, at_least, at_most
from tests.bench.given import Given, staged

SETTLES_SECONDS: Final = 2.0
"""After the first arrival, until the average is taken; the fullest second is looked for from the first arrival on."""
SCRIPT_SECONDS: Final = 6.0
"""For which a script is looked at: what it does wrong it does at its start."""
MOST_AT_ONCE: Final = 4096
FLOOR_AVERAGE: Final = Floor(
    bound=at_least(0.5),
    why="The limiter's script keeps its rate on any machine that is not overloaded; slots that are missed would show here.",
)
FLOOR_MOST: Final = Floor(
    bound=at_most(0.8),
    why="The limiter lets nearly twice its rate into its first second; whoever spaces sends comes to little more than half.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """With `competing`, each process has a campaign of its own to send, and the first of them ends half-way."""

    rate_per_second: float
    processes: int
    latency_seconds: float
    seconds: float
    competing: bool = False

    @property
    def in_words(self) -> str:
        of = f"{self.processes} campaigns" if self.competing else f"{self.processes} process{'es' if self.processes > 1 else ''}"
        return f"{self.rate_per_second:,.0f}/s, {of}, answers of {self.latency_seconds:g} s"

    @property
    def sends(self) -> int:
        """More than can be sent before it ends."""
        return round(self.rate_per_second * (self.seconds + SETTLES_SECONDS + 3) * 1.1 + 20)

    @property
    def at_once(self) -> int:
        """Enough for answers twice as slow."""
        return min(MOST_AT_ONCE, max(8, round(2 * self.rate_per_second * (self.latency_seconds + 0.05))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    average_per_second: float
    most_in_a_second: int


FULL: Final = tuple(
    Asked(rate_per_second=rate, processes=processes, latency_seconds=latency, seconds=30.0)
    for rate in (9.0, 100.0, 1000.0)
    for processes in (1, 4)
    for latency in (0.05, 2.0)
)
COMPETING: Final = tuple(
    Asked(rate_per_second=rate, processes=campaigns, latency_seconds=0.02, seconds=15.0, competing=True)
    for rate in (9.0, 100.0, 1000.0)
    for campaigns in (2, 4, 8)
)
SHORT: Final = (Asked(rate_per_second=100.0, processes=4, latency_seconds=0.05, seconds=2.0),)


def measured(folder: Path, *, short: bool) -> Found:
    figures = [
        figure for asked in (SHORT if short else FULL + COMPETING) for figure in _figures(asked, by_runner(folder, asked), by_script(asked))
    ]
    return Found(figures=figures)


def _figures(asked: Asked, ours: Came, theirs: Came) -> list[Figure]:
    script = f"{'a script' if asked.processes == 1 else f'{asked.processes} scripts'} with AsyncLimiter"
    rate = asked.rate_per_second
    return [
        Figure(
            name=f"{asked.in_words}: average",
            value=ours.average_per_second,
            unit="/s",
            beside=script,
            beside_value=theirs.average_per_second,
            goal=at_least(0.995 * rate),
            floor=FLOOR_AVERAGE,
        ),
        Figure(
            name=f"{asked.in_words}: most in any second",
            value=ours.most_in_a_second,
            unit="",
            beside=script,
            beside_value=theirs.most_in_a_second,
            goal=at_most(rate + max(1.0, 0.01 * rate)),
            # At 9/s the two differ by few, and one more or less is chance.
            floor=FLOOR_MOST if rate >= 100 else None,
        ),
    ]


def by_runner(folder: Path, asked: Asked) -> Came:
    with own(asked.latency_seconds) as url:
        options = ["--yes", "--rate", f"{asked.rate_per_second:g}"]
        # What a process has under way by itself is meant for an API that answers sooner than in 2 s at 1,000 sends a second.
        if asked.at_once > MOST_WORKERS:
            options += ["--concurrency", str(asked.at_once)]
        campaigns = _staged(folder, asked)
        given = environment(campaigns[0].ledger, url=url, CAMPAIGN_LOG_LEVEL="warning")
        return _came([campaign("send", one.name, *options) for one in campaigns], given, url, asked)


def _staged(folder: Path, asked: Asked) -> list[Given]:
    """The campaign of each process."""
    name = f"pace-{asked.rate_per_second:g}-{asked.processes}-{1000 * asked.latency_seconds:.0f}"
    if not asked.competing:
        return [staged(folder, asked.sends, name)] * asked.processes
    half = round(asked.rate_per_second * (SETTLES_SECONDS + asked.seconds / 2) / asked.processes)
    sizes = [half] + [asked.sends] * (asked.processes - 1)
    return [staged(folder, rows, f"{name}-{number}", ledger_name=name) for number, rows in enumerate(sizes)]


def by_script(asked: Asked) -> Came:
    shorter = replace(asked, seconds=min(SCRIPT_SECONDS, asked.seconds))
    with own(asked.latency_seconds) as url:
        part = f"{asked.rate_per_second / asked.processes:g}"
        words = module("peers.limiter", url, str(asked.sends), part, str(asked.at_once))
        return _came([words] * asked.processes, environment(Path("unused")), url, shorter)


def _came(commands: list[list[str]], given: dict[str, str], url: str, asked: Asked) -> Came:
    with ExitStack() as stack:
        processes = [stack.enter_context(running(words, given)) for words in commands]
        began = first_arrival(url, processes)
        ends = began + SETTLES_SECONDS + asked.seconds
        time.sleep(max(0.0, ends - time.monotonic()))
        times = [at for at in arrivals(url) if at <= ends]
    return Came(average_per_second=average_per_second(times, began + SETTLES_SECONDS, ends), most_in_a_second=most_in_a_second(times))
