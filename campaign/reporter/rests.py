"""When nobody sent: the times between a campaign's runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


def rests(runners: Iterable[RunnerRecord], *, last_seen: Mapping[int, float], now: float) -> tuple[Rest, ...]:
    """The rests of a campaign, in their order; runs may overlap.

    `last_seen` is until when each runner is known to have sent, for those that left no end.
    """
    found: list[Rest] = []
    until, ended = 0.0, ""
    for runner in sorted(filter(has_sent, runners), key=lambda runner: runner.started_at):
        if until and runner.started_at - until >= SHORTEST_SECONDS:
            found.append(Rest(since=until, until=runner.started_at, after=ended))
        end = now if runner.alive else _end(runner, last_seen)
        if end >= until:
            until, ended = end, "" if runner.ended == "lost" else runner.ended
    return tuple(found)


def _end(runner: RunnerRecord, last_seen: Mapping[int, float]) -> float:
    # One that was killed is signed off by whoever finds it out, perhaps hours later.
    if runner.ended in {"", "lost"}:
        return max(runner.started_at, last_seen.get(runner.id, 0.0))
    return runner.ended_at
