"""When somebody sent, and when nobody did: a campaign's runs, and the times between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from campaign.insights import has_sent
from campaign.ledger.port import RunnerRecord

SHORTEST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Unix seconds; `after` is the ledger's word, or sentence, for how the run before it ended, empty if it was killed."""

    since: float
    until: float
    after: str

    @property
    def seconds(self) -> float:
        return self.until - self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A time in which there was always somebody who sent, in Unix seconds; `ended` is how the last of them did, as in `Rest.after`."""

    since: float
    until: float
    ended: str

    @property
    def seconds(self) -> float:
        return self.until - self.since


def spells(runners: Iterable[RunnerRecord], *, last_seen: Mapping[int, float], now: float) -> tuple[Spell, ...]:
    """The spells of a campaign, in their order; runs may overlap.

    `last_seen` is until when each runner is known to have sent, for those that left no end.
    """
    found: list[Spell] = []
    for runner in sorted(filter(has_sent, runners), key=lambda runner: runner.started_at):
        end = now if runner.alive else _end(runner, last_seen)
        spell = Spell(since=runner.started_at, until=end, ended="" if runner.ended == "lost" else runner.ended)
        if not found or runner.started_at - found[-1].until >= SHORTEST_SECONDS:
            found.append(spell)
        elif end >= found[-1].until:
            found[-1] = replace(spell, since=found[-1].since)
    return tuple(found)


def rests(found: Iterable[Spell]) -> tuple[Rest, ...]:
    """What is between the spells."""
    return tuple(Rest(since=before.until, until=after.since, after=before.ended) for before, after in pairwise(found))


def _end(runner: RunnerRecord, last_seen: Mapping[int, float]) -> float:
    # One that was killed is signed off by whoever finds it out, perhaps hours later.
    if runner.ended in {"", "lost"}:
        return max(runner.started_at, last_seen.get(runner.id, 0.0))
    return runner.ended_at
