"""Compares two campaigns, and collects the delivery rates of all campaigns of a ledger: as values and in words."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final

import pandas as pd

from campaign.domain.model import BY_OUTCOME, Counts, Status
from campaign.domain.text.durations import words as duration
from campaign.domain.text.lines import brief, percent
from campaign.domain.text.reasons import NO_REASON, reason_in_words
from campaign.domain.text.sanitize import sanitize_for_terminal
from campaign.insights import iso
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.conversions import Conversions, Redemptions
from campaign.reporter.figures import Figures, largest
from campaign.reporter.pauses import KIND_LABEL, Kind

PERCENTILES: Final = (50, 90, 99, 100)
NOTHING: Final = "-"
"""Shown in place of a missing figure."""
_WITH_REASONS: Final = (Status.FAILED, Status.NOT_DELIVERED, Status.UNKNOWN)
_OF_ITS_OWN: Final = frozenset({"results"})
"""Settings that always differ between two campaigns, so the difference means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure of both campaigns; `heading` marks the title of the lines that follow."""

    what: str
    values: tuple[str, str] = ("", "")
    heading: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two campaigns, in the order in which they were named."""

    both: tuple[Figures, Figures]
    redemptions: Redemptions | None = None
    conversions: tuple[Conversions, Conversions] | None = None
    column: str = ""

    @property
    def different(self) -> dict[str, tuple[str, str]]:
        """The settings that differ, with an empty text for a missing one."""
        one, other = (found.view.record.spec.settings for found in self.both)
        names = sorted((one.keys() | other.keys()) - _OF_ITS_OWN)
        return {name: (one.get(name, ""), other.get(name, "")) for name in names if one.get(name, "") != other.get(name, "")}

    def as_json(self) -> dict[str, Any]:
        """The output of `compare --json`; scripts rely on its keys."""
        sides = [_as_json(found) for found in self.both]
        found: dict[str, Any] = {
            "campaigns": sides,
            "settings_that_differ": {name: list(values) for name, values in self.different.items()},
        }
        if self.redemptions is not None and self.conversions is not None:
            for side, conversions in zip(sides, self.conversions, strict=True):
                side["conversions"] = conversions.as_json()
            found["conversions"] = {**self.redemptions.as_json(), "column": self.column or None}
        return found

    def lines(self) -> Iterator[Line]:
        """Yield every figure, the most important first."""
        yield self._line("State", lambda found: found.view.state.value)
        yield self._line("Rows", lambda found: f"{found.counts.rows:,}")
        yield self._line("Sent to", lambda found: f"{found.counts.sent_to:,}")
        yield self._line("Delivery rate", lambda found: percent_of(found.counts))
        yield Line(what="Rows by what became of them", heading=True)
        for status in BY_OUTCOME:
            if any(found.counts.by_status[status] for found in self.both):
                yield self._line(status.info.label.capitalize(), partial(_rows_of, status=status))
        yield from self._reasons()
        yield from self._conversions()
        yield Line(what="Times", heading=True)
        yield self._line("First sent", lambda found: _when(found.first_sent_at or 0.0))
        yield self._line("Finished", lambda found: _when(found.view.record.finished_at))
        yield self._line("Time at work", lambda found: duration(found.working_seconds) if found.working_seconds else NOTHING)
        yield self._line("Sends", lambda found: _unless_forgotten(found, found.sends))
        yield self._line("Sends a second", _per_second)
        yield self._line("Asked to slow down", lambda found: _unless_forgotten(found, found.throttled))
        for kind in Kind:
            if any(kind in found.pauses.by_kind.index for found in self.both):
                yield self._line(f"Pauses: {KIND_LABEL[kind]}", partial(_paused, kind=kind))
        for part in PERCENTILES:
            what = "Slowest answer" if part == 100 else f"{part} in 100 answered within"
            yield self._line(what, partial(_milliseconds, part=part))
        yield from self._settings()
        yield Line(what="Message", heading=True)
        yield self._line("Text", lambda found: next((sanitize_for_terminal(text) for text, _ in found.shared_texts()), NOTHING))

    def _line(self, what: str, value: Callable[[Figures], str]) -> Line:
        one, other = self.both
        return Line(what=what, values=(value(one), value(other)))

    def _reasons(self) -> Iterator[Line]:
        for status in _WITH_REASONS:
            reasons = dict.fromkeys(chain.from_iterable(found.counts.reasons(status) for found in self.both))
            if reasons:
                yield Line(what=f"{status.info.label.capitalize()}, by reason", heading=True)
            for reason in reasons:
                words = reason_in_words(reason) if reason else NO_REASON
                yield self._line(f"{words[:1].upper()}{words[1:]}", partial(_rows_of, status=status, reason=reason))

    def _conversions(self) -> Iterator[Line]:
        if self.conversions is None:
            return
        one, other = self.conversions
        yield Line(what="Converted", heading=True)
        yield Line(what="All that it was sent to", values=(converted_of(one.total), converted_of(other.total)))
        for status in BY_OUTCOME:
            yield from self._converted(status.info.label.capitalize(), (one.by_status, other.by_status), status.value)
        if self.column:
            yield Line(what=f"Converted, by “{sanitize_for_terminal(self.column)}”", heading=True)
            together = Conversions.together(self.conversions).by_value
            for line in [] if together is None else largest(together, "sent_to", least=2):
                if line["value"] is not None:
                    what = sanitize_for_terminal(line["value"]) or "empty"
                    yield from self._converted(what, (one.by_value, other.by_value), line["value"])

    def _converted(self, what: str, sides: tuple[pd.DataFrame | None, pd.DataFrame | None], line: str) -> Iterator[Line]:
        one, other = (NOTHING if side is None or line not in side.index else converted_of(side.loc[line]) for side in sides)
        if (one, other) != (NOTHING, NOTHING):
            yield Line(what=what, values=(one, other))

    def _settings(self) -> Iterator[Line]:
        yield Line(what="Settings that differ", heading=True)
        if not self.different:
            yield Line(what="None")
        for name, values in self.different.items():
            one, other = (sanitize_for_terminal(value) or NOTHING for value in values)
            yield Line(what=sanitize_for_terminal(name.replace("_", " ").capitalize()), values=(one, other))


def percent_of(counts: Counts) -> str:
    """The delivery rate as text, or `NOTHING` if nothing was sent."""
    return percent(counts.by_status[Status.DELIVERED], counts.sent_to) if counts.sent_to else NOTHING


def converted_of(line: Mapping[str, int]) -> str:
    """The converted passes, the passes sent to, and the share, as text; `NOTHING` if nothing was sent."""
    converted, sent_to = line["converted"], line["sent_to"]
    return f"{converted:,} of {sent_to:,} ({percent(converted, sent_to)})" if sent_to else NOTHING


def _rows_of(found: Figures, *, status: Status, reason: str | None = None) -> str:
    count = found.counts.by_status[status] if reason is None else found.counts.by_reason.get((status, reason), 0)
    return f"{count:,} ({percent(count, found.counts.rows)})"


def _unless_forgotten(found: Figures, count: int) -> str:
    return NOTHING if found.view.record.forgotten_at else f"{count:,}"


def _milliseconds(found: Figures, *, part: int) -> str:
    return f"{found.latencies.percentile_ms(part):,} ms" if found.latencies.count else NOTHING


def _paused(found: Figures, *, kind: Kind) -> str:
    by_kind = found.pauses.by_kind.T
    return f"{by_kind[kind]['times']:,.0f} ({brief(by_kind[kind]['seconds'])})" if kind in by_kind else "0"


def _per_second(found: Figures) -> str:
    rate = found.sends_per_second
    return NOTHING if not rate else f"{rate:.1f}" if rate >= 0.1 else f"{rate:.2g}"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}" if seconds else NOTHING


def _as_json(found: Figures) -> dict[str, Any]:
    record, counts, latencies = found.view.record, found.counts, found.latencies
    return {
        "campaign": record.spec.name,
        "state": found.view.state.value,
        "list": record.spec.list_name,
        "rows": counts.rows,
        "sent_to": counts.sent_to,
        "delivery_rate": _rounded(counts.delivery_rate),
        "by_status": {status.value: counts.by_status[status] for status in Status},
        "by_reason": {status.value: counts.reasons(status) for status in _WITH_REASONS},
        "started_at": iso(record.started_at),
        "first_sent_at": iso(found.first_sent_at or 0.0),
        "finished_at": iso(record.finished_at),
        "working_seconds": round(found.working_seconds, 1),
        "sends": found.sends,
        "sends_per_second": round(found.sends_per_second, 3),
        "throttled": found.throttled,
        "paused_seconds": {kind.value: round(found.pauses.seconds_of(kind), 1) for kind in Kind},
        "latency_ms": {str(part): latencies.percentile_ms(part) for part in PERCENTILES} if latencies.count else None,
        "settings": record.spec.settings,
        "messages": [text for text, _ in found.shared_texts()],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A campaign that was sent, and its rows by status; a purged campaign keeps its counts."""

    record: CampaignRecord
    counts: Counts
    conversions: Conversions | None = None

    def as_json(self) -> dict[str, Any]:
        conversions = {} if self.conversions is None else {"conversions": self.conversions.as_json()}
        return {
            "campaign": self.record.spec.name,
            "started_at": iso(self.record.started_at),
            "finished_at": iso(self.record.finished_at),
            **_figures(self.counts),
            "by_status": {status.value: count for status, count in self.counts.by_status.items()},
            **conversions,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """`campaigns` are in the order in which their sending began. `unsent` counts the campaigns that have not begun."""

    campaigns: tuple[Rate, ...]
    unsent: int
    redemptions: Redemptions | None = None
    column: str = ""

    @property
    def total(self) -> Counts:
        return Counts(by_status={status: sum(one.counts.by_status[status] for one in self.campaigns) for status in Status})

    @property
    def conversions(self) -> Conversions | None:
        """The conversions of all campaigns together; a pass counts once for each campaign that was sent to it."""
        found = [one.conversions for one in self.campaigns if one.conversions is not None]
        return Conversions.together(found) if self.redemptions is not None else None

    def as_json(self) -> dict[str, Any]:
        """The output of `stats --json`; scripts rely on its keys."""
        return {
            "campaigns": [one.as_json() for one in self.campaigns],
            "total": _figures(self.total),
            "unsent_campaigns": self.unsent,
            **self._conversions(),
        }

    def _conversions(self) -> dict[str, Any]:
        if self.redemptions is None or self.conversions is None:
            return {}
        return {"conversions": {**self.redemptions.as_json(), "column": self.column or None, **self.conversions.as_json()}}


def rates(
    reader: LedgerReader,
    *,
    since: float = 0.0,
    until: float = math.inf,
    redemptions: Redemptions | None = None,
    converted: Callable[[CampaignRecord], Conversions | None] = lambda _: None,
    column: str = "",
) -> Rates:
    """The rates of the campaigns whose sending began from `since` to before `until`, in Unix seconds, with their conversions."""
    records = reader.campaigns()
    chosen = sorted(
        (record for record in records if record.started_at and since <= record.started_at < until),
        key=lambda record: (record.started_at, record.id),
    )
    found = tuple(Rate(record=record, counts=reader.counts(record.id), conversions=converted(record)) for record in chosen)
    unsent = sum(not record.started_at for record in records)
    return Rates(campaigns=found, unsent=unsent, redemptions=redemptions, column=column)


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "rows": counts.rows,
        "sent_to": counts.sent_to,
        "delivered": counts.by_status[Status.DELIVERED],
        "delivery_rate": _rounded(counts.delivery_rate),
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 6)
