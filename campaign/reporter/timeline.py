"""Sends over time for charts and tables, in stretches of a round length such as 5 minutes."""

import math
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaign.domain.model import BY_OUTCOME, Status
from campaign.ledger.port import CampaignRecord, LedgerReader, Sends

STRETCHES: Final = 60
"""The most stretches of a timeline."""

_LENGTHS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_MINUTE: Final = 60
_DAY: Final = 86400
_LEAST_SECONDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    name: str
    seconds: int


UNITS: Final = (
    Unit(name="second", seconds=1),
    Unit(name="minute", seconds=60),
    Unit(name="hour", seconds=3600),
    Unit(name="day", seconds=86_400),
)


def unit_of(per_second: float) -> Unit:
    """The shortest unit of time with at least one send; a day if there is none."""
    return next((unit for unit in UNITS if per_second * unit.seconds >= 1), UNITS[-1])


def pace(per_second: float) -> str:
    """`8.6 a second`, `12.0 an hour`."""
    unit = unit_of(per_second)
    return f"{per_second * unit.seconds:,.1f} {'an' if unit.name == 'hour' else 'a'} {unit.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Sends by stretches of `seconds` each; the first begins at `since`, in Unix seconds."""

    since: float
    seconds: int
    sends: tuple[Sends, ...]

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses that occur, in the order in which charts stack them."""
        return tuple(status for status in BY_OUTCOME if any(status in stretch.by_status for stretch in self.sends))

    @property
    def total(self) -> int:
        return sum(sum(stretch.by_status.values()) for stretch in self.sends)

    @property
    def most_per_second(self) -> float:
        return max((sum(stretch.by_status.values()) for stretch in self.sends), default=0) / self.seconds

    @property
    def unit(self) -> Unit:
        """The unit of time in which charts show the sends."""
        return unit_of(self.most_per_second)

    @property
    def most_latency_seconds(self) -> float:
        return max((stretch.max_latency_seconds for stretch in self.sends), default=0.0)

    @property
    def until(self) -> float:
        return self.since + self.seconds * len(self.sends)

    def clock(self, at: float) -> str:
        """A moment as text, as short as the length of the timeline allows."""
        moment = datetime.fromtimestamp(at).astimezone()
        if self.seconds >= _DAY:
            return moment.strftime("%d %b")
        if self.until - self.since > _DAY:
            return moment.strftime("%d %b %H:%M")
        return moment.strftime("%H:%M" if self.seconds >= _MINUTE else "%H:%M:%S")

    def together(self, at_most: int) -> int:
        """How many stretches to merge into one, so that at most `at_most` are left."""
        return math.ceil(len(self.sends) / at_most)

    def coarser(self, at_most: int) -> "Timeline":
        """The same sends in at most `at_most` stretches."""
        by = self.together(at_most)
        groups = [self.sends[place : place + by] for place in range(0, len(self.sends), by)]
        return Timeline(since=self.since, seconds=self.seconds * by, sends=tuple(map(_together, groups)))


def timeline(reader: LedgerReader, record: CampaignRecord, *, now: float | None = None) -> Timeline:
    """A campaign's sends, from its first run to the end of its last run, or to now if one is alive."""
    now = time.time() if now is None else now
    runners = [runner for runner in reader.runners(record.id) if runner.activity != "staging"]
    begins = record.started_at or now
    ends = max((now if runner.alive else runner.ended_at or runner.started_at for runner in runners), default=record.finished_at or now)
    length = length_of(ends - begins)
    since = math.floor(begins / length) * length
    stretches = max(math.ceil(_LEAST_SECONDS / length), math.floor(max(ends - since, 0.0) / length) + 1)
    found = reader.sends_over_time(record.id, since=since, until=since + stretches * length, buckets=stretches)
    return Timeline(since=since, seconds=length, sends=tuple(found))


def length_of(seconds: float) -> int:
    """The length of a stretch, in seconds, with which `seconds` take at most `STRETCHES` of them."""
    for length in _LENGTHS:
        if seconds / length <= STRETCHES - 2:
            return length
    return math.ceil(seconds / (STRETCHES - 2) / _DAY) * _DAY


def _together(some: tuple[Sends, ...]) -> Sends:
    by_status: dict[Status, int] = {}
    for stretch in some:
        for status, count in stretch.by_status.items():
            by_status[status] = by_status.get(status, 0) + count
    # The weights are attempts, because the number of answers is not known here; nearly all attempts get one.
    weights = [sum(stretch.by_status.values()) if stretch.mean_latency_seconds else 0 for stretch in some]
    weighed = sum(weight * stretch.mean_latency_seconds for weight, stretch in zip(weights, some, strict=True))
    return Sends(
        at=some[0].at,
        by_status=by_status,
        mean_latency_seconds=weighed / sum(weights) if sum(weights) else 0.0,
        max_latency_seconds=max(stretch.max_latency_seconds for stretch in some),
    )
