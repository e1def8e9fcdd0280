"""Charts of pygal as plain SVG, without scripts and external resources: single pictures, or inline in a page.

Single pictures are light or dark like the reader's system. Inline ones have no ids, and each has styles that apply to no other.
"""

import math
import re
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import pygal
from markupsafe import Markup
from pygal.style import Style

# pygal adds a finder for its plugins to `sys.meta_path`. Every later import would use it, and Python warns about it.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]

__all__ = ("NARROW", "WIDTH", "config", "drawn", "in_both_widths", "pygal", "scoped", "ticks")

WIDTH: Final = 920
NARROW: Final = 400
"""The width for phones, where the letters of a wide chart would be too small."""
_LABEL_WIDTH: Final = 120
_RULE: Final = re.compile(r"(?P<media>@media[^{]*)\{|(?P<selectors>[^{}]*)\{")
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
_CSS: Final = files("campaign.reporter").joinpath("templates", "chart.css").read_text(encoding="utf-8")


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
    x_labels: list[str] | None,
    y_labels: list[float] | None,
    formatter: Callable[[float], str],
    width: int,
) -> pygal.Config:
    """The configuration of a chart; each color is a pair for light and for dark."""
    own = "".join(_coloured(place, light, dark) for place, (light, dark) in enumerate(colors))
    return pygal.Config(
        css=[f"inline:{_CSS.replace('FONT', _FONT)}{own}"],
        style=Style(font_family=_FONT, label_font_size=13, major_label_font_size=13, legend_font_size=13),
        js=[],
        no_prefix=True,
        width=width,
        height=300,
        margin=4,
        margin_top=10,
        # The last label is centred below its bar, so half of it needs room to the right.
        margin_right=8 + 4 * len(x_labels[-1] if x_labels else ""),
        spacing=10,
        legend_at_bottom=True,
        legend_at_bottom_columns=min(len(colors), width // 180) or None,
        legend_box_size=11,
        truncate_legend=-1,
        truncate_label=-1,
        include_x_axis=True,
        show_minor_x_labels=False,
        x_labels=x_labels,
        x_labels_major_every=max(1, math.ceil(len(x_labels) * _LABEL_WIDTH / width)) if x_labels else None,
        y_labels=y_labels,
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


def drawn(chart: Any, title: str) -> bytes:
    """The chart as a single picture."""
    chart.add_xml_filter(lambda root: _plain(root, title))
    picture: bytes = chart.render()
    return picture


def _plain(root: Any, title: str) -> Any:
    """The chart without the parts that only scripts use, and without comments about when and by what it was made."""
    for parent in root.iter():
        for child in list(parent):
            tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
            if tag == "title" and parent is root:
                child.text = title
            elif tag in {"", "script", "desc", "title"} or "tooltip" in child.get("class", "").split():
                parent.remove(child)
    return root


def in_both_widths(name: str, chart: Callable[[int], Any], title: str) -> Markup:
    """The chart for wide pages and for phones; the page's styles show one of them."""
    return Markup("").join(
        Markup('<div class="{} chart" id="{}-{}">{}</div>').format(size, name, size, _inline(chart(width), title, f"#{name}-{size}"))
        for size, width in (("wide", WIDTH), ("narrow", NARROW))
    )


def _inline(chart: Any, title: str, scope: str) -> Markup:
    def within(root: Any) -> Any:
        for element in _plain(root, title).iter():
            element.attrib.pop("id", None)
            if element.tag == "style":
                element.text = scoped(element.text, scope)
        root.set("role", "img")
        root.set("aria-label", title)
        return root

    chart.add_xml_filter(within)
    svg = chart.render().decode("utf-8")
    # pygal escapes every text, and the chart has only our own figures and words.
    return Markup(svg[svg.index("<svg") :])  # noqa: S704 - (same)


def scoped(css: str, scope: str) -> str:
    """A chart's CSS, restricted to `scope`. Dark colors apply only to screens, because paper is white."""

    def rule(found: re.Match[str]) -> str:
        if found["media"]:
            return found["media"].replace("@media ", "@media screen and ", 1) + "{"
        return ",".join(f"{scope} {selector.strip()}" for selector in found["selectors"].split(",")) + "{"

    return _RULE.sub(rule, css)
