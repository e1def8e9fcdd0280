"""The page's charts: SVG that stands within HTML, several on one page, each with styles that reach no other and no id."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pygal
from markupsafe import Markup

from campaign.reporter.analysis import Band, Latencies
from campaign.reporter.charts import COLORS, NARROW, WIDTH, config, plain, ticks
from campaign.reporter.pauses import Kind
from campaign.reporter.timeline import Timeline

THROTTLED: Final = "throttled"
PAGE_COLORS: Final = {status.value: pair for status, pair in COLORS.items()} | {
    THROTTLED: ("#b3531a", "#f0945a"),
    Kind.PERSON: ("#cfdaf0", "#3c4a6b"),
    Kind.NOBODY: ("#e3e3dd", "#474c5a"),
    Kind.SLOWED: ("#f6d8c1", "#6b4527"),
    Kind.TROUBLE: ("#f3cfd0", "#6a3437"),
    Kind.HOURS: ("#ddd5ee", "#4d4166"),
}
"""Each for the light and for the dark."""
_ANSWERS: Final = ("#4548c8", "#a3a7ff")
_RULE: Final = re.compile(r"(?P<media>@media[^{]*)\{|(?P<selectors>[^{}]*)\{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a color stands for, which is told beside the chart; `name` is the color's in the page's styles.

    A `mark` is no bar, but a sign above those places that have a value.
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
    """How many rows took how long."""
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
    """The rules of a chart for what is within `scope` alone; the dark is for screens, as paper is white."""

    def rule(found: re.Match[str]) -> str:
        if found["media"]:
            return found["media"].replace("@media ", "@media screen and ", 1) + "{"
        return ",".join(f"{scope} {selector.strip()}" for selector in found["selectors"].split(",")) + "{"

    return _RULE.sub(rule, css)


def both(name: str, chart: Callable[[int], Any], title: str) -> Markup:
    """The chart of a width, for wide pages and for phones; styles show one of them."""
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
