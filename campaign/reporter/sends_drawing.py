"""The page's chart of sends over time, on which pauses and 429s are marked."""

from collections.abc import Iterator
from typing import Any, Final

import pygal

from campaign.domain.model import Status
from campaign.reporter.analysis import Attempts
from campaign.reporter.charts import config, per_second
from campaign.reporter.drawings import PAGE_COLORS, THROTTLED, Drawing, Series, both
from campaign.reporter.pauses import KIND_LABEL, Pauses
from campaign.reporter.standing import LABEL
from campaign.reporter.timeline import Timeline

_MARKS_HEIGHT: Final = 16
_MARK_WIDTH: Final = 10.0


def sends_drawing(timeline: Timeline, attempts: Attempts, pauses: Pauses) -> Drawing:
    """Sends over time, in their unit, those answered with 429 apart; what a stretch lost to pauses stands above, in a paler color."""
    unit, most = timeline.unit, timeline.most_per_second * timeline.unit.seconds
    title = f"Messages over time, at most {per_second(round(most, 1))} in any {unit.name}. The figures are in the table below."
    key = tuple(_series(timeline, attempts, pauses))
    bars = [series for series in key if not series.mark]
    marks = next((series for series in key if series.mark), None)

    def chart(width: int) -> Any:
        look = config([PAGE_COLORS[series.name] for series in bars], timeline, most, per_second, width)
        look.show_legend = False
        if marks is not None:
            look.margin_top = _MARKS_HEIGHT
        drawn = pygal.StackedBar(look)
        for series in bars:
            drawn.add(series.label, series.values)
        if marks is not None:
            drawn.add_xml_filter(lambda root: _marked(root, marks))
        return drawn

    return Drawing(picture=both("sends", chart, title), key=key)


def _series(timeline: Timeline, attempts: Attempts, pauses: Pauses) -> Iterator[Series]:
    slowed = attempts.throttled_again_by_stretch
    units = timeline.seconds / timeline.unit.seconds
    for status in timeline.statuses:
        counts = [stretch.by_status.get(status, 0) for stretch in timeline.sends]
        if status is Status.PENDING:
            # The ledger may have moved on between the two looks at it.
            counts = [max(0, count - slower) for count, slower in zip(counts, slowed, strict=True)]
        if any(counts):
            label = "tried again" if status is Status.PENDING else LABEL[status]
            yield Series(name=status.value, label=label, values=tuple(count / units for count in counts))
    if any(slowed):
        values = tuple(count / units for count in slowed)
        yield Series(name=THROTTLED, label="asked to slow down (HTTP 429), tried again", values=values)
    yield from _paused(timeline, pauses)
    if any(attempts.throttled_by_stretch):
        yield Series(
            name=THROTTLED, label="here PassEntry asked to slow down (HTTP 429)", values=tuple(attempts.throttled_by_stretch), mark=True
        )


def _paused(timeline: Timeline, pauses: Pauses) -> Iterator[Series]:
    """Of each stretch as much of the height as of the time was lost, and never more than is left above its sends."""
    units, most = timeline.seconds / timeline.unit.seconds, timeline.most_per_second * timeline.unit.seconds
    room = [most - sum(stretch.by_status.values()) / units for stretch in timeline.sends]
    for kind in pauses.kinds:
        lost = []
        for place, stretch in enumerate(timeline.sends):
            seconds = sum(pause.seconds_within(stretch.at, stretch.at + timeline.seconds) for pause in pauses.of(kind))
            lost.append(min(room[place], most * seconds / timeline.seconds))
            room[place] -= lost[-1]
        if any(lost):
            yield Series(name=kind.value, label=KIND_LABEL[kind], values=tuple(lost))


def _marked(root: Any, marks: Series) -> Any:
    """A small triangle above each bar whose stretch has a mark."""
    plot = next(element for element in root.iter("g") if element.get("class") == "plot")
    bars = [bar for series in plot.iter("g") if "serie-0" in series.get("class", "").split() for bar in series.iter("rect")]
    for bar, value in zip(bars, marks.values, strict=True):
        if value:
            half = max(_MARK_WIDTH / 4, min(_MARK_WIDTH, float(bar.get("width"))) / 2)
            middle = float(bar.get("x")) + float(bar.get("width")) / 2
            points = f"{middle - half:.1f},-12 {middle + half:.1f},-12 {middle:.1f},-4"
            plot.append(plot.makeelement("polygon", {"points": points, "class": f"is-{marks.name}"}))
    return root
