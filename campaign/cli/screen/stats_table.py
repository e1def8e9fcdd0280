"""Formats statistics over several campaigns, and a comparison of two, as lines of text: in columns for people, with tabs for programs."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from typing import Any, Final

import pandas as pd

from campaign.domain.model import Counts
from campaign.domain.status import BY_OUTCOME, Status
from campaign.domain.text.durations import words as duration
from campaign.domain.text.lines import brief, capitalized, local_time, percent, sanitize_for_terminal
from campaign.domain.text.reasons import NO_REASON, reason_in_words
from campaign.reporter.comparison import PERCENTILES, WITH_REASONS, Comparison, Rate, Rates
from campaign.reporter.conversions import Conversions
from campaign.reporter.figures import Figures, largest
from campaign.reporter.pauses import KIND_LABEL, Kind

LONGEST_NAME: Final = 40
NOTHING: Final = "-"
"""Shown in place of a missing figure."""
BAR: Final = 20
_LEAST_COLUMN: Final = 16
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_HEAD: Final = ("CAMPAIGN", "BEGUN", "ROWS", "SENT TO", "DELIVERED", "RATE")


def lines_of_rates(found: Rates, *, bars: bool) -> list[str]:
    """A line for each campaign, oldest first, and one for all together."""
    left_out = f"{found.unsent:,} {'campaign' if found.unsent == 1 else 'campaigns'} without sends left out."
    if not found.campaigns:
        return ["No campaign was sent in this period." if not found.unsent else f"No campaign was sent in this period; {left_out}"]
    counted = [_cells(shortened(one), local_time(one.record.started_at), one.counts) for one in found.campaigns]
    total = _cells(f"all {len(found.campaigns):,}", "", found.total)
    widths = [max(len(line[place]) for line in (_HEAD, *counted, total)) for place in range(len(_HEAD))]
    told = [_HEAD, *counted, total]
    of_each = [None, *(one.counts for one in found.campaigns), found.total]
    lines = [
        "  ".join(
            text.ljust(width) if place < 2 else text.rjust(width) for place, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        + (f"  {bar(counts)}" if bars and counts is not None else "")
        for line, counts in zip(told, of_each, strict=True)
    ]
    return [line.rstrip() for line in lines] + ([left_out] if found.unsent else []) + list(_conversions_of_all(found))


def _conversions_of_all(found: Rates) -> Iterator[str]:
    """The conversions of each campaign, of all campaigns by status, and by the requested column."""
    if (total := found.conversions) is None:
        return
    told: list[tuple[str, Mapping[str, Any] | None]] = [("CONVERTED", None)]
    told += [(shortened(one), one.conversions.total) for one in found.campaigns if one.conversions is not None]
    told += [(f"all {len(found.campaigns):,}", total.total), ("BY STATUS", None)]
    by_status = total.by_status.to_dict("index")
    told += [(status.info.label, by_status[status]) for status in BY_OUTCOME if status in by_status]
    if total.by_value is not None:
        told += [(f"BY {sanitize_for_terminal(found.column)}", None)]
        lines = largest(total.by_value, "sent_to", least=2)
        told += [("others" if line["value"] is None else sanitize_for_terminal(line["value"]) or "empty", line) for line in lines]
    width = max(len(what) for what, _ in told)
    for what, one in told:
        if one is None:
            yield from ("", what)
        elif one["sent_to"]:
            yield f"  {what:<{width}}  {converted_of(one)}"


def percent_of(counts: Counts) -> str:
    """The delivery rate as text, or `NOTHING` if nothing was sent."""
    return percent(counts.by_status[Status.DELIVERED], counts.sent_to) if counts.sent_to else NOTHING


def converted_of(line: Mapping[str, int]) -> str:
    """The converted passes, the passes sent to, and the share, as text; `NOTHING` if nothing was sent."""
    converted, sent_to = line["converted"], line["sent_to"]
    return f"{converted:,} of {sent_to:,} ({percent(converted, sent_to)})" if sent_to else NOTHING


def shortened(one: Rate) -> str:
    return sanitize_for_terminal(one.record.spec.name, LONGEST_NAME)


def bar(counts: Counts) -> str:
    """The delivery rate as a bar, to an eighth of a character."""
    eighths = round((counts.delivery_rate or 0.0) * BAR * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _cells(name: str, begun: str, counts: Counts) -> tuple[str, str, str, str, str, str]:
    delivered = counts.by_status[Status.DELIVERED]
    return name, begun, f"{counts.rows:,}", f"{counts.sent_to:,}", f"{delivered:,}", percent_of(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure of both campaigns; `heading` marks the title of the lines that follow."""

    what: str
    values: tuple[str, str] = ("", "")
    heading: bool = False


def lines_side_by_side(found: Comparison, *, width: int) -> list[str]:
    """Three columns: the label, and the figures of both campaigns; longer text is wrapped within its column."""
    names = tuple(sanitize_for_terminal(one.view.record.spec.name) for one in found.both)
    lines = [Line(what="", values=(names[0], names[1])), *lines_of(found)]
    first = min(max(len(line.what) for line in lines if not line.heading), max(_LEAST_COLUMN, width // 2))
    other = max(_LEAST_COLUMN, (width - first - 4) // 2)
    return [text for line in lines for text in _in_columns(line, first, other)]


def lines_with_tabs(found: Comparison) -> list[str]:
    """A line for each figure: heading and label, tab, the first campaign's figure, tab, the second's."""
    names = (sanitize_for_terminal(one.view.record.spec.name) for one in found.both)
    lines, heading = ["\t".join(("", *names))], ""
    for line in lines_of(found):
        if line.heading:
            heading = f"{line.what}: "
        else:
            lines.append("\t".join((f"{heading}{line.what}", *line.values)).rstrip("\t"))
    return lines


def _in_columns(line: Line, first: int, other: int) -> Iterator[str]:
    if line.heading:
        yield from ("", line.what)
        return
    cells = [textwrap.wrap(text, width) for text, width in zip((line.what, *line.values), (first, other, other), strict=True)]
    for what, one, another in zip_longest(*cells, fillvalue=""):
        yield f"{what:<{first}}  {one:<{other}}  {another}".rstrip()


def lines_of(compared: Comparison) -> Iterator[Line]:
    """Yield every figure, the most important first."""
    yield _line(compared, "State", lambda found: found.view.state.value)
    yield _line(compared, "Rows", lambda found: f"{found.view.counts.rows:,}")
    yield _line(compared, "Sent to", lambda found: f"{found.view.counts.sent_to:,}")
    yield _line(compared, "Delivery rate", lambda found: percent_of(found.view.counts))
    yield Line(what="Rows by what became of them", heading=True)
    for status in BY_OUTCOME:
        if any(found.view.counts.by_status[status] for found in compared.both):
            yield _line(compared, status.info.label.capitalize(), partial(_rows_of, status=status))
    yield from _reasons(compared)
    yield from _conversions(compared)
    yield Line(what="Times", heading=True)
    yield _line(compared, "First sent", lambda found: local_time(found.first_sent_at or 0.0) or NOTHING)
    yield _line(compared, "Finished", lambda found: local_time(found.view.record.finished_at) or NOTHING)
    yield _line(compared, "Time at work", lambda found: duration(found.working_seconds) if found.working_seconds else NOTHING)
    yield _line(compared, "Sends", lambda found: _unless_forgotten(found, found.sends))
    yield _line(compared, "Sends a second", _per_second)
    yield _line(compared, "Asked to slow down", lambda found: _unless_forgotten(found, found.throttled))
    for kind in Kind:
        if any(kind in found.pauses.by_kind.index for found in compared.both):
            yield _line(compared, f"Pauses: {KIND_LABEL[kind]}", partial(_paused, kind=kind))
    for part in PERCENTILES:
        what = "Slowest answer" if part == 100 else f"{part} in 100 answered within"
        yield _line(compared, what, partial(_milliseconds, part=part))
    yield from _settings(compared)
    yield Line(what="Message", heading=True)
    yield _line(compared, "Text", lambda found: next((sanitize_for_terminal(text) for text, _ in found.shared_texts()), NOTHING))


def _line(compared: Comparison, what: str, value: Callable[[Figures], str]) -> Line:
    one, other = compared.both
    return Line(what=what, values=(value(one), value(other)))


def _reasons(compared: Comparison) -> Iterator[Line]:
    for status in WITH_REASONS:
        reasons = dict.fromkeys(chain.from_iterable(found.view.counts.reasons(status) for found in compared.both))
        if reasons:
            yield Line(what=f"{status.info.label.capitalize()}, by reason", heading=True)
        for reason in reasons:
            words = reason_in_words(reason) if reason else NO_REASON
            yield _line(compared, capitalized(words), partial(_rows_of, status=status, reason=reason))


def _conversions(compared: Comparison) -> Iterator[Line]:
    if compared.conversions is None:
        return
    one, other = compared.conversions
    yield Line(what="Converted", heading=True)
    yield Line(what="All that it was sent to", values=(converted_of(one.total), converted_of(other.total)))
    for status in BY_OUTCOME:
        yield from _converted(status.info.label.capitalize(), (one.by_status, other.by_status), status.value)
    if compared.column:
        yield Line(what=f"Converted, by “{sanitize_for_terminal(compared.column)}”", heading=True)
        together = Conversions.together(compared.conversions).by_value
        for line in [] if together is None else largest(together, "sent_to", least=2):
            if line["value"] is not None:
                what = sanitize_for_terminal(line["value"]) or "empty"
                yield from _converted(what, (one.by_value, other.by_value), line["value"])


def _converted(what: str, sides: tuple[pd.DataFrame | None, pd.DataFrame | None], line: str) -> Iterator[Line]:
    one, other = (NOTHING if side is None or line not in side.index else converted_of(side.loc[line]) for side in sides)
    if (one, other) != (NOTHING, NOTHING):
        yield Line(what=what, values=(one, other))


def _settings(compared: Comparison) -> Iterator[Line]:
    yield Line(what="Settings that differ", heading=True)
    if not compared.different:
        yield Line(what="None")
    for name, values in compared.different.items():
        one, other = (sanitize_for_terminal(value) or NOTHING for value in values)
        yield Line(what=sanitize_for_terminal(name.replace("_", " ").capitalize()), values=(one, other))


def _rows_of(found: Figures, *, status: Status, reason: str | None = None) -> str:
    count = found.view.counts.by_status[status] if reason is None else found.view.counts.by_reason.get((status, reason), 0)
    return f"{count:,} ({percent(count, found.view.counts.rows)})"


def _unless_forgotten(found: Figures, count: int) -> str:
    return NOTHING if found.view.record.purged_at else f"{count:,}"


def _milliseconds(found: Figures, *, part: int) -> str:
    return f"{found.latencies.percentile_ms(part):,} ms" if found.latencies.count else NOTHING


def _paused(found: Figures, *, kind: Kind) -> str:
    by_kind = found.pauses.by_kind.T
    return f"{by_kind[kind]['times']:,.0f} ({brief(by_kind[kind]['seconds'])})" if kind in by_kind else "0"


def _per_second(found: Figures) -> str:
    rate = found.sends_per_second
    return NOTHING if not rate else f"{rate:.1f}" if rate >= 0.1 else f"{rate:.2g}"
