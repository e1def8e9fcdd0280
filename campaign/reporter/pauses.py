"""Finds a campaign's pauses and their causes: the times between its runs, and the gaps between the sends of a run."""

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
"""A send takes less time than this."""

PAUSED: Final = "paused"
"""The ledger's word for a run that ended because a person paused the campaign."""


Numbers = np.ndarray[Any, np.dtype[np.float64]]


class Kind(StrEnum):
    """The cause of a pause; the values name colors of the page."""

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
    """A time during which a runner was always at work, in Unix seconds. `ended` is how the last runner ended, as in `Pause.after`."""

    since: float
    until: float
    ended: str

    @property
    def seconds(self) -> float:
        return self.until - self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause, in Unix seconds. Between runs, `after` is the ledger's word or sentence for how the previous run ended."""

    since: float
    until: float
    kind: Kind
    after: str = ""

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def seconds_within(self, since: float, until: float) -> float:
        """The part of the pause between two moments, in seconds."""
        return max(0.0, min(self.until, until) - max(self.since, since))


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTimes:
    """When each attempt was sent and ended, in Unix seconds, and its HTTP status (NaN without an answer); in any order."""

    sent_at: Numbers
    ended_at: Numbers
    http_status: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Every pause of a campaign, in the order in which they began. Pauses of different kinds may overlap."""

    all: tuple[Pause, ...]

    def of(self, kind: Kind) -> tuple[Pause, ...]:
        return tuple(pause for pause in self.all if pause.kind is kind)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that occur."""
        return tuple(kind for kind in Kind if self.of(kind))

    def seconds_within(self, since: float, until: float) -> float:
        """The time between two moments with a pause of any kind, in seconds."""
        return sum(max(0.0, min(last, until) - max(first, since)) for first, last in _merged((one.since, one.until) for one in self.all))

    @property
    def seconds(self) -> float:
        return sum(last - first for first, last in _merged((one.since, one.until) for one in self.all))

    def longest(self, at_most: int) -> tuple[Pause, ...]:
        """The longest pauses, at most `at_most`, in the order in which they began."""
        return tuple(sorted(sorted(self.all, key=lambda pause: -pause.seconds)[:at_most], key=lambda pause: pause.since))


def spells(runners: Iterable[RunnerRecord], *, last_seen: Mapping[int, float], now: float) -> tuple[Spell, ...]:
    """The spells of a campaign, in order; runs may overlap.

    `last_seen` is the end of each runner's last attempt, for runners without a recorded end.
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
    """The pauses between the spells, and the gaps between sends within each spell.

    A gap takes at least a second, and at least ten times the median time between two sends.
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
    """Why a gap began, by the answers to the sends in flight at that time: those before position `end` that had not ended."""
    begin = int(np.searchsorted(sent.sent_at, since - LONGEST_SEND_SECONDS))
    answers = sent.http_status[begin:end][sent.ended_at[begin:end] >= since]
    if (answers == HTTPStatus.TOO_MANY_REQUESTS).any():
        return Kind.SLOWED
    return Kind.TROUBLE if (np.isnan(answers) | (answers >= HTTPStatus.INTERNAL_SERVER_ERROR)).any() else Kind.HOURS


def _merged(times: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the same times in order, with overlapping ones merged."""
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
    # Another process reaps a killed runner, perhaps hours later, so the recorded end is too late.
    if runner.ended in {"", "lost"}:
        return max(runner.started_at, last_seen.get(runner.id, 0.0))
    return runner.ended_at
