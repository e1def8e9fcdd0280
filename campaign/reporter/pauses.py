"""Finds a campaign's pauses and their causes: the times between its runs, and the gaps between the sends of a run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import numpy as np
import pandas as pd

from campaign.insights import has_sent
from campaign.ledger.port import RunnerRecord

SHORTEST_SECONDS: Final = 1.0
USUAL_TIMES: Final = 10.0
LONGEST_SEND_SECONDS: Final = 600.0
"""A send takes less time than this."""


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


@dataclass(frozen=True, slots=True)
class Pauses:
    """Every pause of a campaign, in the order in which they began. Pauses of different kinds may overlap.

    `each` has the columns `since` and `until` in Unix seconds, `seconds`, `kind`, and `after`: between runs, the ledger's word or sentence
    for how the previous run ended.
    """

    each: pd.DataFrame

    @property
    def by_kind(self) -> pd.DataFrame:
        """For each kind that occurs (index), `times`, `seconds` and `longest`."""
        found = self.each.groupby("kind")["seconds"].agg(times="count", seconds="sum", longest="max")
        return found.reindex([kind for kind in Kind if kind in found.index])

    def seconds(self, since: float = -math.inf, until: float = math.inf, *, kind: str = "") -> float:
        """The time with a pause, or the sum of all pauses of one kind, between two moments."""
        found = self.each[self.each["kind"] == kind] if kind else _merged(self.each)
        return float((found["until"].clip(upper=until) - found["since"].clip(lower=since)).clip(lower=0.0).sum())

    def longest(self, at_most: int) -> list[dict[str, Any]]:
        """The longest pauses, at most `at_most`, in the order in which they began."""
        found: list[dict[str, Any]] = self.each.nlargest(at_most, "seconds").sort_index().to_dict("records")
        return found


def active_intervals(runners: Iterable[RunnerRecord], attempts: pd.DataFrame, *, now: float) -> pd.DataFrame:
    """The times during which a runner was always at work, in order: `since` and `until` in Unix seconds, and how the last runner ended."""
    last_seen = _ended_at(attempts).groupby(attempts["runner"]).max()

    def end(runner: RunnerRecord) -> float:
        if runner.alive:
            return now
        # Another process reaps a killed runner, perhaps hours later, so the recorded end is too late.
        killed = runner.ended in {"", "lost"}
        return max(runner.started_at, float(last_seen.get(runner.id, 0.0))) if killed else runner.ended_at

    sent = sorted(filter(has_sent, runners), key=lambda runner: runner.started_at)
    found = [(runner.started_at, end(runner), "" if runner.ended == "lost" else runner.ended) for runner in sent]
    frame = pd.DataFrame(found, columns=["since", "until", "ended"]).astype({"since": float, "until": float})
    return _merged(frame, SHORTEST_SECONDS)


def _merged(times: pd.DataFrame, least_seconds: float = 0.0) -> pd.DataFrame:
    """Times in the order of their beginning, as one where they overlap or are less than `least_seconds` apart.

    Other columns are those of the time that ends last.
    """
    block = (times["since"] - times["until"].cummax().shift() >= least_seconds).cumsum()
    since = times.groupby(block)["since"].first()
    return times.sort_values("until", kind="stable").groupby(block).last().assign(since=since)


def pauses(active: pd.DataFrame, attempts: pd.DataFrame) -> Pauses:
    """The pauses between the active intervals, and the gaps between sends within each.

    A gap takes at least a second, and at least ten times the median time between two sends.
    """
    ends = active.iloc[:-1]
    kind = np.where(ends["ended"] == "paused", Kind.PERSON, Kind.NOBODY)
    next_since = active["since"].iloc[1:].to_numpy()
    found = [pd.DataFrame({"since": ends["until"], "until": next_since, "kind": kind, "after": ends["ended"]})]
    sent = attempts[["sent_at", "http_status"]].assign(ended_at=_ended_at(attempts)).sort_values("sent_at", ignore_index=True)
    usual = float(sent["sent_at"].diff().median()) if len(sent) > 1 else 0.0
    for since, until in zip(active["since"], active["until"], strict=True) if len(sent) else ():
        first, last = sent["sent_at"].searchsorted([since, until])
        moments = np.concatenate([[since], sent["sent_at"].iloc[first:last], [until]])
        gaps = np.flatnonzero(np.diff(moments) >= max(SHORTEST_SECONDS, USUAL_TIMES * usual))
        kinds = [_kind(sent.iloc[: first + place], moments[place]) if place else Kind.HOURS for place in gaps.tolist()]
        found.append(pd.DataFrame({"since": moments[gaps], "until": moments[gaps + 1], "kind": kinds, "after": ""}))
    each = pd.concat(found, ignore_index=True).astype({"since": float, "until": float}).sort_values(["since", "kind"], ignore_index=True)
    return Pauses(each.assign(seconds=each["until"] - each["since"]))


def _kind(sent: pd.DataFrame, since: float) -> Kind:
    """Why a gap began, by the answers to the sends before it that had not ended."""
    recent = sent.iloc[sent["sent_at"].searchsorted(since - LONGEST_SEND_SECONDS) :]
    answers = recent["http_status"][recent["ended_at"] >= since]
    if (answers == HTTPStatus.TOO_MANY_REQUESTS).any():
        return Kind.SLOWED
    return Kind.TROUBLE if (answers.isna() | (answers >= HTTPStatus.INTERNAL_SERVER_ERROR)).any() else Kind.HOURS


def _ended_at(attempts: pd.DataFrame) -> "pd.Series[float]":
    return attempts["sent_at"] + attempts["latency_seconds"].fillna(0.0)
