"""The page's charts: inline SVG without ids, several on one page, each with styles that apply to no other chart."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pygal
from markupsafe import Markup

from campaign.domain.model import Status
from campaign.reporter.analysis import Attempts, Band, Latencies
from campaign.reporter.charts import NARROW, WIDTH, config, per_second, plain, ticks
from campaign.reporter.pauses import KIND_LABEL, Kind, Pauses
from campaign.reporter.timeline import Timeline

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
_ANSWERS: Final = ("#4548c8", "#a3a7ff")
_RULE: Final = re.compile(r"(?P<media>@media[^{]*)\{|(?P<selectors>[^{}]*)\{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """An entry of a chart's key; `name` is the color's name in the page's styles.

    A `mark` is not a bar, but a sign above each stretch with a value.
    """

    name: str
    label: str
    values: tuple[float, ...]
    mark: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart in two widths, and its key."""

    picture: Markup
    key: tuple[Series, ...] = ()


def latency_drawing(latencies: Latencies, timeline: Timeline, *, title: str) -> Drawing:
    """The number of rows by latency band."""
    bands = latencies.bands()
    most = max((band.count for band in bands), default=0)

    def chart(width: int) -> Any:
        look = config([_ANSWERS], timeline, most, lambda value: f"{value:,.0f}", width)
        look.x_labels = [band_in_words(band) for band in bands]
        look.x_labels_major_every = 2 if len(bands) > 4 and width == NARROW else 1
        look.y_labels = ticks(most, whole=True)
        look.show_legend = False
        drawn = pygal.Bar(look)
        drawn.add("rows", [band.count for band in bands])
        return drawn

    return Drawing(picture=both("answers", chart, title))


def band_in_words(band: Band) -> str:
    """`50-100 ms`, `1-2 s`, `over 30 s`."""
    if band.high_ms is None:
        return f"over {band.low_ms // 1000} s"
    if band.high_ms == 1000:
        return f"{band.low_ms} ms\N{EN DASH}1 s"
    if band.high_ms < 1000:
        return f"{band.low_ms}\N{EN DASH}{band.high_ms} ms"
    return f"{band.low_ms // 1000}\N{EN DASH}{band.high_ms // 1000} s"


def scoped(css: str, scope: str) -> str:
    """A chart's CSS, restricted to `scope`. Dark colors apply only to screens, because paper is white."""

    def rule(found: re.Match[str]) -> str:
        if found["media"]:
            return found["media"].replace("@media ", "@media screen and ", 1) + "{"
        return ",".join(f"{scope} {selector.strip()}" for selector in found["selectors"].split(",")) + "{"

    return _RULE.sub(rule, css)


def both(name: str, chart: Callable[[int], Any], title: str) -> Markup:
    """The chart in two widths, for wide pages and for phones; the page's styles show one of them."""
    return Markup("").join(
        Markup('<div class="{} chart" id="{}-{}">{}</div>').format(size, name, size, _inline(chart(width), title, f"#{name}-{size}"))
        for size, width in (("wide", WIDTH), ("narrow", NARROW))
    )


def _inline(chart: Any, title: str, scope: str) -> Markup:
    def within(root: Any) -> Any:
        for element in plain(root, title).iter():
            element.attrib.pop("id", None)
            if element.tag == "style":
                element.text = scoped(element.text, scope)
        root.set("role", "img")
        root.set("aria-label", title)
        return root

    chart.add_xml_filter(within)
    drawn = chart.render().decode("utf-8")
    # pygal escapes every text, and the chart has only our own figures and words.
    return Markup(drawn[drawn.index("<svg") :])  # noqa: S704 - (same)


_MARKS_HEIGHT: Final = 16
_MARK_WIDTH: Final = 10.0


def sends_drawing(timeline: Timeline, attempts: Attempts, pauses: Pauses) -> Drawing:
    """Sends over time in the timeline's unit. Sends answered with 429 are a separate series, and pauses are in a paler color above."""
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
            # The ledger may have changed between the two reads.
            counts = [max(0, count - slower) for count, slower in zip(counts, slowed, strict=True)]
        if any(counts):
            label = "tried again" if status is Status.PENDING else status.info.label
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
    """For each stretch, the part of the height that equals the paused part of its time, but at most the room above its sends."""
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
