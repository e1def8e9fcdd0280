"""Formats statistics over several campaigns as lines of text: in columns for people, with tabs for programs."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from campaign.domain.model import Counts
from campaign.domain.status import BY_OUTCOME, Status
from campaign.domain.text.lines import percent
from campaign.domain.text.sanitize import sanitize_for_terminal
from campaign.reporter.comparison import Rate, Rates
from campaign.reporter.figures import largest

LONGEST_NAME: Final = 40
NOTHING: Final = "-"
"""Shown in place of a missing figure."""
BAR: Final = 20
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_HEAD: Final = ("CAMPAIGN", "BEGUN", "ROWS", "SENT TO", "DELIVERED", "RATE")


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


def percent_of(counts: Counts) -> str:
    """The delivery rate as text, or `NOTHING` if nothing was sent."""
    return percent(counts.by_status[Status.DELIVERED], counts.sent_to) if counts.sent_to else NOTHING


def converted_of(line: Mapping[str, int]) -> str:
    """The converted passes, the passes sent to, and the share, as text; `NOTHING` if nothing was sent."""
    converted, sent_to = line["converted"], line["sent_to"]
    return f"{converted:,} of {sent_to:,} ({percent(converted, sent_to)})" if sent_to else NOTHING


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
