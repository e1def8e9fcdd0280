"""The page's charts: SVG that stands within HTML, several on one page, each with styles that reach no other and no id."""

import re
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

_THROTTLED: Final = ("#c2611f", "#f0945a")
_NOBODY: Final = ("#e9e9e4", "#2b2e37")
_ANSWERS: Final = ("#4548c8", "#a3a7ff")
_RULE: Final = re.compile(r"(?P<media>@media[^{]*)\{|(?P<selectors>[^{}]*)\{")


def sends_drawing(timeline: Timeline, attempts: Attempts, rests: tuple[Rest, ...], *, title: str) -> Markup:
    """Sends a second over time: those answered with 429 apart, and grey where nobody sent for a whole stretch."""
    throttled = attempts.throttled_by_stretch
    most = timeline.most_per_second
    series: list[tuple[str, tuple[str, str], list[float]]] = []
    for status in timeline.statuses:
        counts = [stretch.by_status.get(status, 0) for stretch in timeline.sends]
        if status is Status.PENDING:
            counts = [max(0, count - slowed) for count, slowed in zip(counts, throttled, strict=True)]
            if not any(counts):
                continue
        label = "tried again" if status is Status.PENDING else LABEL[status]
        series.append((label, COLORS[status], [count / timeline.seconds for count in counts]))
    if any(throttled):
        series.append(("asked to slow down (429), tried again", _THROTTLED, [count / timeline.seconds for count in throttled]))
    if any(resting := resting_stretches(timeline, rests)):
        series.append(("nobody was sending", _NOBODY, [most if rest else 0.0 for rest in resting]))
    return _both("sends", lambda width: _sends(timeline, series, most, width), title)


def latency_drawing(latencies: Latencies, timeline: Timeline, *, title: str) -> Markup:
    """How many answers took how long."""
    bands = latencies.bands()
    most = max((band.count for band in bands), default=0)

    def chart(width: int) -> Any:
        look = config([_ANSWERS], timeline, most, lambda value: f"{value:,.0f}", width)
        look.x_labels = [band_in_words(band) for band in bands]
        look.x_labels_major_every = 2 if len(bands) > 4 and width == NARROW else 1
        look.show_legend = False
        drawn = pygal.Bar(look)
        drawn.add("answers", [band.count for band in bands])
        return drawn

    return _both("answers", chart, title)


def band_in_words(band: Band) -> str:
    """`50-100 ms`, `1-2 s`, `over 30 s`."""
    if band.high_ms is None:
        return f"over {band.low_ms // 1000} s"
    if band.high_ms <= 1000:
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


def _sends(timeline: Timeline, series: list[tuple[str, tuple[str, str], list[float]]], most: float, width: int) -> Any:
    look = config([colors for _, colors, _ in series] or [_NOBODY], timeline, most, per_second, width)
    look.legend_at_bottom_columns = max(1, min(len(series), 3)) if width == WIDTH else 1
    look.height = 300 if width == WIDTH else 300 + 18 * max(0, len(series) - 1)
    look.no_data_text = "Nothing was sent"
    chart = pygal.StackedBar(look)
    for label, _, values in series:
        chart.add(label, values)
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
