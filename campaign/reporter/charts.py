"""Charts of a campaign as SVG for pages: without scripts and external resources, light or dark like the reader's system."""

import math
import sys
from collections.abc import Callable
from typing import Any, Final

import pygal
from pygal.style import Style

from campaign.domain.model import Status
from campaign.reporter.timeline import Timeline

# pygal adds a finder for its plugins to `sys.meta_path`. Every later import would use it, and Python warns about it.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]

WIDTH: Final = 920
NARROW: Final = 400
"""The width for phones, where the letters of a wide chart would be too small."""
HEIGHT: Final = 300
_LABEL_WIDTH: Final = 120

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
_MEAN: Final = ("#4548c8", "#a3a7ff")
_MOST: Final = ("#b9bbf0", "#4d5191")

_CSS: Final = """
svg { background: none; }
text { font-family: FONT; fill: #5c5f6b; }
.background { fill: none; }
.axis .line { stroke: none; }
.axis text { font-size: 13px; }
.axis .guide.line, .axis .major.guide.line { stroke: #e4e4df; stroke-width: 1; stroke-dasharray: none; }
.axis.x .guide.line, .axis.x .major.guide.line { stroke: none; }
.axis.x text { text-anchor: middle; }
.axis.y text { text-anchor: end; }
.axis .always_show .guide.line { stroke: #b9bac2; }
.legend text { font-size: 13px; }
text.title { font-size: 13px; text-anchor: middle; }
text.no_data { font-size: 15px; text-anchor: middle; }
.series .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.series .rect { stroke: none; }
.dots circle { stroke: none; }
.tooltip, .text-overlay { display: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #a4a8b5; }
  .axis .guide.line, .axis .major.guide.line { stroke: #30333c; }
  .axis.x .guide.line, .axis.x .major.guide.line { stroke: none; }
  .axis .always_show .guide.line { stroke: #555a67; }
}
"""


def sends_chart(timeline: Timeline, *, title: str, nothing: str, again: str, width: int = WIDTH) -> bytes:
    """Sends a second over time, stacked by outcome; `again` is the label of sends that are tried again."""
    chart = pygal.StackedBar(
        config([status.info.colors for status in timeline.statuses], timeline, timeline.most_per_second, per_second, width),
        no_data_text=nothing,
    )
    for status in timeline.statuses:
        label = again if status is Status.PENDING else status.info.label
        chart.add(label, [stretch.by_status.get(status, 0) / timeline.seconds for stretch in timeline.sends])
    return _drawn(chart, title)


def latency_chart(timeline: Timeline, *, title: str, nothing: str, mean: str, most: str, width: int = WIDTH) -> bytes:
    """The mean and the highest latency over time, in seconds."""
    chart = pygal.Line(
        config([_MOST, _MEAN], timeline, timeline.most_latency_seconds, _seconds, width),
        no_data_text=nothing,
        show_dots=True,
        dots_size=1.25,
        allow_interruptions=True,
    )
    answered = [stretch if stretch.max_latency_seconds else None for stretch in timeline.sends]
    if any(answered):
        chart.add(most, [stretch.max_latency_seconds if stretch else None for stretch in answered])
        chart.add(mean, [stretch.mean_latency_seconds if stretch else None for stretch in answered])
    return _drawn(chart, title)


def ticks(most: float, *, whole: bool = False) -> list[float]:
    """Round numbers from 0 to `most` or a little more; with `whole`, only whole numbers."""
    if most <= 0:
        return [0.0, 1.0]
    magnitude = 10.0 ** max(math.floor(math.log10(most / 4)), 0 if whole else -math.inf)
    steps = (magnitude * times for times in (1, 2, 2.5, 5, 10) if not whole or (magnitude * times).is_integer())
    step = next(step for step in steps if step * 4 >= most)
    return [place * step for place in range(math.ceil(most / step) + 1)]


def config(
    colors: list[tuple[str, str]],
    timeline: Timeline,
    most: float,
    formatter: Callable[[float], str],
    width: int,
) -> pygal.Config:
    """The configuration of the charts; each color is a pair for light and for dark."""
    own = "".join(_coloured(place, light, dark) for place, (light, dark) in enumerate(colors))
    return pygal.Config(
        css=[f"inline:{_CSS.replace('FONT', _FONT)}{own}"],
        style=Style(font_family=_FONT, label_font_size=13, major_label_font_size=13, legend_font_size=13),
        js=[],
        no_prefix=True,
        width=width,
        height=HEIGHT,
        margin=4,
        margin_top=10,
        # The last label is centred below its bar, so half of it needs room to the right.
        margin_right=8 + 4 * len(timeline.clock(timeline.until)),
        spacing=10,
        legend_at_bottom=True,
        legend_at_bottom_columns=min(len(colors), width // 180) or None,
        legend_box_size=11,
        truncate_legend=-1,
        truncate_label=-1,
        include_x_axis=True,
        show_minor_x_labels=False,
        # pygal can't place labels in a chart without values.
        x_labels=[timeline.clock(stretch.at) for stretch in timeline.sends] if most else None,
        x_labels_major_every=max(1, math.ceil(len(timeline.sends) * _LABEL_WIDTH / width)) if most else None,
        y_labels=ticks(most) if most else None,
        value_formatter=formatter,
    )


def _coloured(place: int, light: str, dark: str) -> str:
    """The CSS for the color of one series."""
    of = f".color-{place}"
    return (
        f"{of} .rect, {of} circle, .legend rect{of} {{ fill: {light}; }} {of} .line {{ stroke: {light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ {of} .rect, {of} circle, .legend rect{of} {{ fill: {dark}; }}"
        f" {of} .line {{ stroke: {dark}; }} }}\n"
    )


def _drawn(chart: Any, title: str) -> bytes:
    chart.add_xml_filter(lambda root: plain(root, title))
    drawn: bytes = chart.render()
    return drawn


def plain(root: Any, title: str) -> Any:
    """The chart without the parts that only scripts use, and without comments about when and by what it was made."""
    for parent in root.iter():
        for child in list(parent):
            tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
            if tag == "title" and parent is root:
                child.text = title
            elif tag in {"", "script", "desc", "title"} or "tooltip" in child.get("class", "").split():
                parent.remove(child)
    return root


def per_second(value: float) -> str:
    """A label of the axis of sends."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1000:,.0f} ms"
