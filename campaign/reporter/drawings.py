"""The page's charts: SVG that stands within HTML, several on one page, each with styles that reach no other and no id."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pygal
from markupsafe import Markup

from campaign.domain.model import Status
from campaign.reporter.charts import COLORS, NARROW, WIDTH, config, per_second, plain
from campaign.reporter.figures import Attempts
from campaign.reporter.latencies import Band, Latencies
from campaign.reporter.rests import Rest
from campaign.reporter.standing import LABEL
from campaign.reporter.timeline import Timeline

THROTTLED: Final = "throttled"
NOBODY: Final = "nobody"
PAGE_COLORS: Final = {status.value: pair for status, pair in COLORS.items()} | {
    THROTTLED: ("#b3531a", "#f0945a"),
    NOBODY: ("#e3e3dd", "#474c5a"),
}
"""Each for the light and for the dark."""
_ANSWERS: Final = ("#4548c8", "#a3a7ff")
_RULE: Final = re.compile(r"(?P<media>@media[^{]*)\{|(?P<selectors>[^{}]*)\{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a color stands for, which is told beside the chart; `name` is the color's in the page's styles."""

    name: str
    label: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart in two widths, and its key."""

    picture: Markup
    key: tuple[Series, ...] = ()


def sends_drawing(timeline: Timeline, attempts: Attempts, rests: tuple[Rest, ...], *, title: str) -> Drawing:
    """Sends a second over time: those answered with 429 apart, and grey where nobody sent for a whole stretch."""
    key = tuple(_series(timeline, attempts, rests))
    return Drawing(picture=_both("sends", lambda width: _sends(timeline, key, width), title), key=key)


def latency_drawing(latencies: Latencies, timeline: Timeline, *, title: str) -> Drawing:
    """How many rows took how long."""
    bands = latencies.bands()
    most = max((band.count for band in bands), default=0)

    def chart(width: int) -> Any:
        look = config([_ANSWERS], timeline, most, lambda value: f"{value:,.0f}", width)
        look.x_labels = [band_in_words(band) for band in bands]
        look.x_labels_major_every = 2 if len(bands) > 4 and width == NARROW else 1
        look.show_legend = False
        drawn = pygal.Bar(look)
        drawn.add("rows", [band.count for band in bands])
        return drawn

    return Drawing(picture=_both("answers", chart, title))


def band_in_words(band: Band) -> str:
    """`50-100 ms`, `1-2 s`, `over 30 s`."""
    if band.high_ms is None:
        return f"over {band.low_ms // 1000} s"
    if band.high_ms == 1000:
        return f"{band.low_ms} ms\N{EN DASH}1 s"
    if band.high_ms < 1000:
        return f"{band.low_ms}\N{EN DASH}{band.high_ms} ms"
    return f"{band.low_ms // 1000}\N{EN DASH}{band.high_ms // 1000} s"


def resting_stretches(timeline: Timeline, rests: tuple[Rest, ...]) -> list[bool]:
    """Of each stretch, whether nothing was sent in it and nobody was sending for most of it."""
    return [
        not stretch.by_status
        and sum(max(0.0, min(rest.until, stretch.at + timeline.seconds) - max(rest.since, stretch.at)) for rest in rests)
        > timeline.seconds / 2
        for stretch in timeline.sends
    ]


def scoped(css: str, scope: str) -> str:
    """The rules of a chart for what is within `scope` alone; the dark is for screens, as paper is white."""

    def rule(found: re.Match[str]) -> str:
        if found["media"]:
            return found["media"].replace("@media ", "@media screen and ", 1) + "{"
        return ",".join(f"{scope} {selector.strip()}" for selector in found["selectors"].split(",")) + "{"

    return _RULE.sub(rule, css)


def _series(timeline: Timeline, attempts: Attempts, rests: tuple[Rest, ...]) -> Iterator[Series]:
    throttled = attempts.throttled_by_stretch
    for status in timeline.statuses:
        counts = [stretch.by_status.get(status, 0) for stretch in timeline.sends]
        if status is Status.PENDING:
            # The ledger may have moved on between the two looks at it.
            counts = [max(0, count - slowed) for count, slowed in zip(counts, throttled, strict=True)]
        if any(counts):
            label = "tried again" if status is Status.PENDING else LABEL[status]
            yield Series(name=status.value, label=label, values=tuple(count / timeline.seconds for count in counts))
    if any(throttled):
        values = tuple(count / timeline.seconds for count in throttled)
        yield Series(name=THROTTLED, label="asked to slow down (HTTP 429), tried again", values=values)
    if any(resting := resting_stretches(timeline, rests)):
        yield Series(name=NOBODY, label="nobody was sending", values=tuple(timeline.most_per_second if rest else 0.0 for rest in resting))


def _sends(timeline: Timeline, key: tuple[Series, ...], width: int) -> Any:
    look = config([PAGE_COLORS[series.name] for series in key], timeline, timeline.most_per_second, per_second, width)
    look.show_legend = False
    chart = pygal.StackedBar(look)
    for series in key:
        chart.add(series.label, series.values)
    return chart


def _both(name: str, chart: Any, title: str) -> Markup:
    """The chart for wide pages and the one for phones, of which styles show one."""
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
    # pygal has escaped every text in it, and what it draws are figures and words of our own.
    return Markup(drawn[drawn.index("<svg") :])  # noqa: S704 - (same)
