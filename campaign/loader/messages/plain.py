"""Templates of only text and `{{ field }}`, which is nearly all of them: one string format in Jinja2's place, several times faster."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, Self

from jinja2 import nodes

from campaign.loader.messages import refusals
from campaign.loader.messages.bounds import MAX_CELL
from campaign.loader.messages.fields import Fields
from campaign.loader.messages.lacking import Field, is_empty
from campaign.loader.messages.rendered import MessageLimits, Rendered
from campaign.loader.messages.text import finish, is_sendable

MOST_FIELDS: Final = 16
"""Of a template whose text is made before its cells are looked at: so many of the longest cells are two megabytes."""


class PlainTemplate:
    """Renders exactly as `JinjaTemplate` would."""

    __slots__ = ("_at_once", "_braces_meant", "_columns", "_format", "_max_length", "_names", "_pick", "_places")

    def __init__(self, names: Sequence[str], parts: Sequence[str], fields: Fields, limits: MessageLimits) -> None:
        self._names = names
        self._places = [fields.places[name] for name in names]
        self._columns = fields.columns
        self._pick = _picker(self._places)
        self._format = "%s".join(part.replace("%", "%%") for part in parts)
        self._max_length = limits.max_length
        self._braces_meant = any("{{" in part or "{%" in part for part in parts)
        self._at_once = 0 < len(names) <= MOST_FIELDS and all(map(is_sendable, parts))

    @classmethod
    def of(cls, template: nodes.Template, fields: Fields, limits: MessageLimits) -> Self | None:
        """The template, or None if it has more than text and fields in it."""
        names: list[str] = []
        parts = [""]
        for output in template.body:
            if not isinstance(output, nodes.Output):
                return None
            for node in output.nodes:
                if isinstance(node, nodes.TemplateData):
                    parts[-1] += node.data
                elif isinstance(node, nodes.Name) and node.name in fields.places:
                    names.append(node.name)
                    parts.append("")
                else:
                    return None
        return cls(names, parts, fields, limits)

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row."""
        values = self._pick(cells)
        # Before the text is made: a template may name a long cell thousands of times.
        if max(map(len, values), default=0) > MAX_CELL:
            place, value = next((place, value) for place, value in zip(self._places, values, strict=True) if len(value) > MAX_CELL)
            return refusals.long_cell(self._columns[place], len(value), MAX_CELL)
        text = self._format % values
        # Only then a cell can be empty to the eye.
        if not (all(map(str.strip, values)) and all(map(str.isprintable, values))):
            for name, place, value in zip(self._names, self._places, values, strict=True):
                if is_empty(value):
                    return refusals.missing(Field(name=name, column=self._columns[place]))
        return finish(text, max_length=self._max_length, braces_meant=self._braces_meant)

    def texts(self, rows: Sequence[Sequence[str]]) -> Sequence[str]:
        """The messages of many rows; empty where `render` has to look closer.

        Cells that all have something to see in them, and nothing else, make a text of which only the length and braces are in question.
        """
        if not self._at_once:
            return [""] * len(rows)
        pick, form, strip, braces_meant = self._pick, self._format, str.strip, self._braces_meant
        # A text that is no longer than a cell may be has no cell in it that is.
        longest = min(self._max_length, MAX_CELL)
        texts = []
        for cells in rows:
            values = pick(cells)
            text = form % values
            seen = "".join(values).isprintable() and all(map(strip, values))
            texts.append(text.strip() if seen and len(text) <= longest and (braces_meant or "{" not in text) else "")
        return texts


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    match places:
        case []:
            return lambda _: ()
        case [place]:
            return lambda cells: (cells[place],)
        case _:
            return itemgetter(*places)
