"""Formats statistics over several campaigns as lines of text: in columns for people, with tabs for programs."""

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any, Final

from campaign.domain.model import BY_OUTCOME, Counts, Status
from campaign.domain.text.sanitize import sanitize_for_terminal
from campaign.reporter.comparison import Comparison, Line, Rate, Rates, converted_of, percent_of
from campaign.reporter.figures import largest

LONGEST_NAME: Final = 40
BAR: Final = 20
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_HEAD: Final = ("CAMPAIGN", "BEGUN", "ROWS", "SENT TO", "DELIVERED", "RATE")
_LEAST_COLUMN: Final = 16


def lines_of_rates(found: Rates, *, bars: bool) -> list[str]:
    """A line for each campaign, oldest first, and one for all together."""
    left_out = f"{found.unsent:,} {'campaign' if found.unsent == 1 else 'campaigns'} without sends left out."
    if not found.campaigns:
        return ["No campaign was sent in this period." if not found.unsent else f"No campaign was sent in this period; {left_out}"]
    counted = [_cells(shortened(one), _day(one.record.started_at), one.counts) for one in found.campaigns]
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
    return [line.rstrip() for line in lines] + ([left_out] if found.unsent else []) + list(_conversions(found))


def _conversions(found: Rates) -> Iterator[str]:
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


def lines_side_by_side(found: Comparison, *, width: int) -> list[str]:
    """Three columns: the label, and the figures of both campaigns; longer text is wrapped within its column."""
    names = tuple(sanitize_for_terminal(one.view.record.spec.name) for one in found.both)
    lines = [Line(what="", values=(names[0], names[1])), *found.lines()]
    first = min(max(len(line.what) for line in lines if not line.heading), max(_LEAST_COLUMN, width // 2))
    other = max(_LEAST_COLUMN, (width - first - 4) // 2)
    return [text for line in lines for text in _in_columns(line, first, other)]


def lines_with_tabs(found: Comparison) -> list[str]:
    """A line for each figure: heading and label, tab, the first campaign's figure, tab, the second's."""
    names = (sanitize_for_terminal(one.view.record.spec.name) for one in found.both)
    lines, heading = ["\t".join(("", *names))], ""
    for line in found.lines():
        if line.heading:
            heading = f"{line.what}: "
        else:
            lines.append("\t".join((f"{heading}{line.what}", *line.values)).rstrip("\t"))
    return lines


def shortened(one: Rate) -> str:
    name = sanitize_for_terminal(one.record.spec.name)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def bar(counts: Counts) -> str:
    """The delivery rate as a bar, to an eighth of a character."""
    eighths = round((counts.delivery_rate or 0.0) * BAR * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _cells(name: str, begun: str, counts: Counts) -> tuple[str, str, str, str, str, str]:
    delivered = counts.by_status[Status.DELIVERED]
    return name, begun, f"{counts.rows:,}", f"{counts.sent_to:,}", f"{delivered:,}", percent_of(counts)


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


def _in_columns(line: Line, first: int, other: int) -> Iterator[str]:
    if line.heading:
        yield from ("", line.what)
        return
    cells = [textwrap.wrap(text, width) for text, width in zip((line.what, *line.values), (first, other, other), strict=True)]
    for what, one, another in zip_longest(*cells, fillvalue=""):
        yield f"{what:<{first}}  {one:<{other}}  {another}".rstrip()
