"""When somebody sent, when nothing was sent, and why: a campaign's runs, the times between them, and the gaps between their sends."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Final

import numpy as np

from campaign.insights import has_sent
from campaign.ledger.port import RunnerRecord

SHORTEST_SECONDS: Final = 1.0
USUAL_TIMES: Final = 10.0
LONGEST_SEND_SECONDS: Final = 600.0
"""Nothing that was sent longer ago can be under way."""

PAUSED: Final = "paused"
"""How the ledger says that a run ended because a person had paused the campaign."""


Numbers = np.ndarray[Any, np.dtype[np.float64]]


class Kind(StrEnum):
    """Why; the values name colors of the page."""

    PERSON = "person"
    NOBODY = "nobody"
    SLOWED = "slowed"
    TROUBLE = "trouble"
    HOURS = "hours"


KIND_LABEL: Final[dict[Kind, str]] = {
    Kind.PERSON: "paused by a person",
    Kind.NOBODY: "nobody was sending",
    Kind.SLOWED: "waited, as PassEntry asked to slow down",
    Kind.TROUBLE: "waited, as PassEntry was in trouble",
    Kind.HOURS: "waited until a row was due",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A time in which there was always somebody who sent, in Unix seconds; `ended` is how the last of them did, as in `Pause.after`."""

    since: float
    until: float
    ended: str

    @property
    def seconds(self) -> float:
        return self.until - self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Unix seconds; `after` is, between runs, the ledger's word or sentence for how the one before ended."""

    since: float
    until: float
    kind: Kind
    after: str = ""

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def seconds_within(self, since: float, until: float) -> float:
        """How much of it is between two moments."""
        return max(0.0, min(self.until, until) - max(self.since, since))


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTimes:
    """When each attempt was sent and ended, in Unix seconds, and its HTTP status, NaN where it had no answer; in any order."""

    sent_at: Numbers
    ended_at: Numbers
    http_status: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Every pause of a campaign, in the order in which they began; those of two kinds may overlap."""

    all: tuple[Pause, ...]

    def of(self, kind: Kind) -> tuple[Pause, ...]:
        return tuple(pause for pause in self.all if pause.kind is kind)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Those that there are."""
        return tuple(kind for kind in Kind if self.of(kind))

    def seconds_within(self, since: float, until: float) -> float:
        """How long it was paused for any reason between two moments."""
        return sum(max(0.0, min(last, until) - max(first, since)) for first, last in _merged((one.since, one.until) for one in self.all))

    @property
    def seconds(self) -> float:
        return sum(last - first for first, last in _merged((one.since, one.until) for one in self.all))

    def longest(self, at_most: int) -> tuple[Pause, ...]:
        """In the order in which they began."""
        return tuple(sorted(sorted(self.all, key=lambda pause: -pause.seconds)[:at_most], key=lambda pause: pause.since))


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


def pauses(spells: Iterable[Spell], sent: SentTimes) -> Pauses:
    """What is between the spells, and the gaps between the sends within each.

    A gap takes at least a second, and ten times what is usual between two sends.
    """
    spells = tuple(spells)
    found = [
        Pause(since=one.until, until=other.since, kind=Kind.PERSON if one.ended == PAUSED else Kind.NOBODY, after=one.ended)
        for one, other in pairwise(spells)
    ]
    if not len(sent.sent_at):
        return Pauses(all=tuple(found))
    order = np.argsort(sent.sent_at)
    sent = SentTimes(sent_at=sent.sent_at[order], ended_at=sent.ended_at[order], http_status=sent.http_status[order])
    between = np.diff(sent.sent_at)
    shortest = max(SHORTEST_SECONDS, USUAL_TIMES * float(np.median(between)) if len(between) else 0.0)
    for spell in spells:
        first, last = np.searchsorted(sent.sent_at, [spell.since, spell.until], side="left")
        moments = np.concatenate([[spell.since], sent.sent_at[first:last], [spell.until]])
        for place in np.flatnonzero(np.diff(moments) >= shortest).tolist():
            kind = _kind(sent, first + place, float(moments[place])) if place else Kind.HOURS
            found.append(Pause(since=float(moments[place]), until=float(moments[place + 1]), kind=kind))
    return Pauses(all=tuple(sorted(found, key=lambda pause: (pause.since, pause.kind))))


def _kind(sent: SentTimes, end: int, since: float) -> Kind:
    """Why a gap began, by the answers to what was under way then: the sends before place `end` that had not ended."""
    begin = int(np.searchsorted(sent.sent_at, since - LONGEST_SEND_SECONDS))
    answers = sent.http_status[begin:end][sent.ended_at[begin:end] >= since]
    if (answers == HTTPStatus.TOO_MANY_REQUESTS).any():
        return Kind.SLOWED
    return Kind.TROUBLE if (np.isnan(answers) | (answers >= HTTPStatus.INTERNAL_SERVER_ERROR)).any() else Kind.HOURS


def _merged(times: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The same times, in their order, none of them overlapping another."""
    last: tuple[float, float] | None = None
    for since, until in sorted(times):
        if last is None or since > last[1]:
            if last is not None:
                yield last
            last = since, until
        else:
            last = last[0], max(last[1], until)
    if last is not None:
        yield last


def _end(runner: RunnerRecord, last_seen: Mapping[int, float]) -> float:
    # One that was killed is signed off by whoever finds it out, perhaps hours later.
    if runner.ended in {"", "lost"}:
        return max(runner.started_at, last_seen.get(runner.id, 0.0))
    return runner.ended_at
