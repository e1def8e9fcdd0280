"""Sends over time for charts and tables, in stretches of a round length such as 5 minutes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import pandas as pd

from campaign.domain.status import BY_OUTCOME, Status
from campaign.ledger.port import CampaignRecord, RunnerRecord
from campaign.reporter.frames import by_status

STRETCHES: Final = 60
"""The most stretches of a timeline."""

_LENGTHS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_LEAST_SECONDS: Final = 20
_OTHER_COUNTS: Final = ("throttled", "throttled_again", "answered", "latency", "longest")


UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
"""Units of time in seconds."""


def unit_of(per_second: float) -> str:
    """The shortest unit of time with at least one send; a day if there is none."""
    return next((unit for unit, seconds in UNITS.items() if per_second * seconds >= 1), "day")


def pace(per_second: float) -> str:
    """`8.6 a second`, `12.0 an hour`."""
    unit = unit_of(per_second)
    return f"{per_second * UNITS[unit]:,.1f} {'an' if unit == 'hour' else 'a'} {unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Sends by stretches of `seconds` each; the first begins at `since`, in Unix seconds.

    `sends` has a line for each stretch. Its columns count the attempts that began in it: by what they came to, one column a status;
    `throttled`, those answered with 429, and `throttled_again`, those of them after which the row was pending again; `answered`, those
    with a latency, with the sum (`latency`) and the maximum (`longest`) of their latencies in seconds.
    """

    since: float
    seconds: int
    sends: pd.DataFrame

    @property
    def statuses(self) -> list[Status]:
        """The statuses that occur, in the order in which charts stack them."""
        return [status for status in BY_OUTCOME if self.sends[status].any()]

    @property
    def of_each(self) -> "pd.Series[int]":
        """The number of attempts of each stretch."""
        return self.sends[[*Status]].sum(axis="columns")

    @property
    def total(self) -> int:
        return int(self.of_each.sum())

    @property
    def most_per_second(self) -> float:
        return max(self.of_each, default=0) / self.seconds

    @property
    def unit(self) -> str:
        """The unit of time in which charts show the sends."""
        return unit_of(self.most_per_second)

    @property
    def begins(self) -> list[float]:
        """When each stretch begins."""
        return [self.since + place * self.seconds for place in range(len(self.sends))]

    def clock(self, at: float) -> str:
        """A moment as text, as short as the length of the timeline allows."""
        moment = datetime.fromtimestamp(at).astimezone()
        if self.seconds >= UNITS["day"]:
            return moment.strftime("%d %b")
        if self.seconds * len(self.sends) > UNITS["day"]:
            return moment.strftime("%d %b %H:%M")
        return moment.strftime("%H:%M" if self.seconds >= UNITS["minute"] else "%H:%M:%S")

    def coarser(self, at_most: int) -> "Timeline":
        """The same sends in at most `at_most` stretches."""
        by = math.ceil(len(self.sends) / at_most)
        groups = self.sends.groupby(lambda place: place // by)
        return Timeline(since=self.since, seconds=self.seconds * by, sends=_together(groups))

    def lines(self) -> list[dict[str, Any]]:
        """The columns of `sends` of each stretch, with `at`, the text `from`, and the `mean` latency in seconds, 0 without answers."""
        sends = self.sends.assign(mean=(self.sends["latency"] / self.sends["answered"]).fillna(0.0))
        named = zip(self.begins, sends.to_dict("records"), strict=True)
        return [{"at": at, "from": self.clock(at), **line} for at, line in named]


def timeline_of(attempts: Iterable[pd.DataFrame], record: CampaignRecord, runners: Iterable[RunnerRecord], *, now: float) -> Timeline:
    """A campaign's sends, from its first run to the end of its last run, or to now if one is alive; in any order and any parts."""
    begins = record.started_at or now
    ended = (now if runner.alive else runner.ended_at or runner.started_at for runner in runners if runner.activity != "staging")
    ends = max(ended, default=record.finished_at or now)
    length = length_of(ends - begins)
    since = float(math.floor(begins / length) * length)
    stretches = max(math.ceil(_LEAST_SECONDS / length), math.floor(max(ends - since, 0.0) / length) + 1)
    none = pd.DataFrame(0, index=range(stretches), columns=[*Status, *_OTHER_COUNTS])
    counted = [by_stretch(part, ((part["sent_at"] - since) // length).rename("stretch")) for part in attempts]
    sends = _together(pd.concat([none, *counted]).groupby(level=0)).reindex(range(stretches))
    return Timeline(since=since, seconds=length, sends=sends)


def _together(groups: Any) -> pd.DataFrame:
    return groups.sum().assign(longest=groups["longest"].max())


def by_stretch(attempts: pd.DataFrame, places: "pd.Series[float]") -> pd.DataFrame:
    """The attempts of each stretch, as in `Timeline.sends`; `places` are the stretches of the attempts."""
    slowed = attempts["http_status"] == HTTPStatus.TOO_MANY_REQUESTS
    again = slowed & (attempts["status"] == Status.PENDING)
    found = pd.DataFrame({"throttled": slowed, "throttled_again": again}).groupby(places).sum()
    latencies = attempts["latency_seconds"].groupby(places).agg(answered="count", latency="sum", longest="max")
    return by_status(attempts, places).join([found, latencies.fillna(0.0)])


def length_of(seconds: float) -> int:
    """The length of a stretch, in seconds, with which `seconds` take at most `STRETCHES` of them."""
    days = math.ceil(seconds / (STRETCHES - 2) / UNITS["day"])
    return next((length for length in _LENGTHS if seconds / length <= STRETCHES - 2), days * UNITS["day"])
