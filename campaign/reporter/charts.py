"""The charts of a campaign: single pictures for the console, inline ones for the page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from campaign.domain.status import Status
from campaign.reporter.figures import Latencies
from campaign.reporter.pauses import KIND_LABEL, Kind, Pauses
from campaign.reporter.svg import NARROW, WIDTH, config, drawn, in_both_widths, pygal, ticks
from campaign.reporter.timeline import UNITS, Timeline

_MARKS_HEIGHT: Final = 16
_MARK_WIDTH: Final = 10.0

THROTTLED: Final = "throttled"
PAGE_COLORS: Final = {status.value: status.info.colors for status in Status} | {
    THROTTLED: ("#b3531a", "#f0945a"),
    Kind.PERSON: ("#cfdaf0", "#3c4a6b"),
    Kind.NOBODY: ("#e3e3dd", "#474c5a"),
    Kind.SLOWED: ("#f6d8c1", "#6b4527"),
    Kind.TROUBLE: ("#f3cfd0", "#6a3437"),
    Kind.HOURS: ("#ddd5ee", "#4d4166"),
}
"""Each color is a pair for light and for dark."""
_MEAN: Final = ("#4548c8", "#a3a7ff")
_MOST: Final = ("#b9bbf0", "#4d5191")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """An entry of a chart's key; `name` is a color of the page. A `mark` is not a bar, but a sign above each stretch with a value."""

    name: str
    label: str
    values: tuple[float, ...]
    mark: bool = False


def sends_chart(timeline: Timeline, *, title: str, nothing: str, again: str, width: int = WIDTH) -> bytes:
    """Sends a second over time, stacked by outcome; `again` is the label of sends that are tried again."""
    colors = [status.info.colors for status in timeline.statuses]
    chart = pygal.StackedBar(_over_time(timeline, colors, timeline.most_per_second, per_second, width), no_data_text=nothing)
    for status in timeline.statuses:
        label = again if status is Status.PENDING else status.info.label
        chart.add(label, (timeline.sends[status] / timeline.seconds).tolist())
    return drawn(chart, title)


def latency_chart(timeline: Timeline, *, title: str, nothing: str, mean: str, most: str, width: int = WIDTH) -> bytes:
    """The mean and the highest latency over time, in seconds."""
    chart = pygal.Line(
        _over_time(timeline, [_MOST, _MEAN], timeline.sends["longest"].max(), _seconds, width),
        no_data_text=nothing,
        show_dots=True,
        dots_size=1.25,
        allow_interruptions=True,
    )
    if timeline.sends["answered"].any():
        lines = timeline.lines()
        chart.add(most, [line["longest"] if line["answered"] else None for line in lines])
        chart.add(mean, [line["mean"] if line["answered"] else None for line in lines])
    return drawn(chart, title)


def sends_series(timeline: Timeline, pauses: Pauses) -> Iterator[Series]:
    """The key of the page's chart of sends: one series a status, those answered with 429, and the kinds of pauses."""
    units = timeline.seconds / UNITS[timeline.unit]
    # A send that was answered with 429 is a separate series.
    sends = timeline.sends.assign(pending=timeline.sends["pending"] - timeline.sends["throttled_again"])
    for status in timeline.statuses:
        if sends[status].any():
            label = "tried again" if status is Status.PENDING else status.info.label
            yield Series(name=status.value, label=label, values=tuple(sends[status] / units))
    if sends["throttled_again"].any():
        yield Series(name=THROTTLED, label="asked to slow down (HTTP 429), tried again", values=tuple(sends["throttled_again"] / units))
    yield from _paused(timeline, pauses)
    if sends["throttled"].any():
        yield Series(name=THROTTLED, label="here PassEntry asked to slow down (HTTP 429)", values=tuple(sends["throttled"]), mark=True)


def _paused(timeline: Timeline, pauses: Pauses) -> Iterator[Series]:
    """For each stretch, the part of the height that equals the paused part of its time, but at most the room above its sends."""
    most = timeline.most_per_second * UNITS[timeline.unit]
    room = most - timeline.of_each.to_numpy() * UNITS[timeline.unit] / timeline.seconds
    for kind in map(Kind, pauses.by_kind.index):
        seconds = np.array([pauses.seconds(at, at + timeline.seconds, kind=kind) for at in timeline.begins])
        lost = np.minimum(room, most * seconds / timeline.seconds)
        room -= lost
        if lost.any():
            yield Series(name=kind.value, label=KIND_LABEL[kind], values=tuple(lost.tolist()))


def sends_picture(timeline: Timeline, key: Sequence[Series]) -> Markup:
    """The series over time, in the timeline's unit, in two widths."""
    most = timeline.most_per_second * UNITS[timeline.unit]
    bars = [series for series in key if not series.mark]
    marks = next((series for series in key if series.mark), None)

    def chart(width: int) -> Any:
        look = _over_time(timeline, [PAGE_COLORS[series.name] for series in bars], most, per_second, width)
        if marks is not None:
            look.margin_top = _MARKS_HEIGHT
        bar_chart = pygal.StackedBar(look, show_legend=False)
        for series in bars:
            bar_chart.add(series.label, series.values)
        if marks is not None:
            bar_chart.add_xml_filter(lambda root: _marked(root, marks))
        return bar_chart

    title = f"Messages over time, at most {per_second(round(most, 1))} in any {timeline.unit}. The figures are in the table below."
    return in_both_widths("sends", chart, title)


def latency_picture(latencies: Latencies) -> Markup:
    """The number of rows by latency band, in two widths."""
    bands = latencies.bands()
    labels, counts = [band_in_words(low_ms, high_ms) for low_ms, high_ms, _ in bands], [count for _, _, count in bands]

    def chart(width: int) -> Any:
        look = config([_MEAN], labels, ticks(max(counts, default=0), whole=True), lambda value: f"{value:,.0f}", width)
        look.x_labels_major_every = 2 if len(bands) > 3 and width == NARROW else 1
        bar_chart = pygal.Bar(look, show_legend=False)
        bar_chart.add("rows", counts)
        return bar_chart

    return in_both_widths("answers", chart, "How many rows took how long with their last send. The figures are in the table below.")


def band_in_words(low_ms: int, high_ms: int | None) -> str:
    """`50-100 ms`, `1-2 s`, `over 30 s`."""
    if high_ms is None:
        return f"over {low_ms // 1000} s"
    if high_ms == 1000:
        return f"{low_ms} ms\N{EN DASH}1 s"
    return f"{low_ms}\N{EN DASH}{high_ms} ms" if high_ms < 1000 else f"{low_ms // 1000}\N{EN DASH}{high_ms // 1000} s"


def per_second(value: float) -> str:
    """A label of the axis of sends."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1000:,.0f} ms"


def _over_time(
    timeline: Timeline, colors: list[tuple[str, str]], most: float, formatter: Callable[[float], str], width: int
) -> pygal.Config:
    # pygal can't place labels in a chart without values.
    labels, steps = (list(map(timeline.clock, timeline.begins)), ticks(most)) if most > 0 else (None, None)
    return config(colors, labels, steps, formatter, width)


def _marked(root: Any, marks: Series) -> Any:
    """Draw a small triangle above each bar whose stretch has a mark."""
    plot = next(element for element in root.iter("g") if element.get("class") == "plot")
    bars = [bar for series in plot.iter("g") if "serie-0" in series.get("class", "").split() for bar in series.iter("rect")]
    for bar, value in zip(bars, marks.values, strict=True):
        if value:
            half = max(_MARK_WIDTH / 4, min(_MARK_WIDTH, float(bar.get("width"))) / 2)
            middle = float(bar.get("x")) + float(bar.get("width")) / 2
            points = f"{middle - half:.1f},-12 {middle + half:.1f},-12 {middle:.1f},-4"
            plot.append(plot.makeelement("polygon", {"points": points, "class": f"is-{marks.name}"}))
    return root
