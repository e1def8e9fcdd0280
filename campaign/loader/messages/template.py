"""Compiles a template for many rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from jinja2 import nodes
from minijinja import Environment
from minijinja import TemplateError as EngineError

from campaign.domain.errors import InputError
from campaign.domain.lists.columns import same_name
from campaign.domain.model import Invalid
from campaign.domain.text.lines import shown
from campaign.loader.messages.functions import FUNCTIONS
from campaign.loader.messages.result import (
    HALF,
    MAX_CELL,
    Rendered,
    RenderedBatch,
    finish,
    finish_all,
    is_empty,
    long_cell,
    missing,
    refused,
    together,
    unsendable,
)
from campaign.loader.messages.translate import Source, code_of, translate
from campaign.loader.messages.values import BUDGET, Boxed, FailedError, Field, TooMuchError, marked
from campaign.loader.messages.variables import Variables

if TYPE_CHECKING:
    import pandas as pd

WORK_UNITS: Final = 500_000
"""The most work for one row: instructions of the template and, counted separately, characters and items that its functions process."""
MAX_WASTED_UNITS: Final = 50_000_000
"""The most work for all rows that exceed their budget, some seconds. Beyond it the template, or a column that it uses, is at fault."""

_MAX_PLAIN_FIELDS: Final = 16
_MAX_PLAIN_TEXT: Final = 7_000
"""The most constant text of a template whose texts are joined before their length is checked."""
_PLAINEST: Final = "1"
"""A cell that is valid as a text and as a number, and small as both."""


_PROBLEMS: Final = {
    "UndefinedError": "A variable is used that is not set for this row",
    "CannotUnpack": "There are more or fewer values than names to set",
}


class PlainField(NamedTuple):
    """`{{ name }}` or `{{ name | default("...") }}`; `place` is the position of its column, None without a column."""

    place: int | None
    default: str | None


class Template:
    """A template for the columns of a list.

    Most have only texts and fields (`parts`): whole columns are joined, which is many times as fast as an engine. minijinja runs the others
    row by row, and rows with a cell that is empty though it is needed, long or not printable. Each row has its own budget, and a row that
    fails doesn't affect the others.

    `twin` is the fingerprint of the same text given in the other way, by --message or in a file.

    Raises:
        InputError: the syntax is wrong; the template uses a forbidden construct or an unknown variable; or it takes more work than any
            message needs.
    """

    def __init__(self, source: Source, variables: Variables, max_length: int, *, fingerprint: str = "", twin: str = "") -> None:
        translated = translate(source, variables)
        self.parts = _parts(translated.tree, variables)
        self._braces_meant = any("{{" in text.data or "{%" in text.data for text in translated.tree.find_all(nodes.TemplateData))
        self._columns = variables.columns
        self._max_length = max_length
        self.fingerprint = fingerprint
        self.twin = twin
        self._source = source
        self._wasted_units = 0
        self._variables = [
            (code_of(name), place, Boxed(marked("", Field(name=name, column=None if place is None else variables.columns[place]))))
            for name, place in translated.variables.items()
        ]
        # A message is plain text, whatever the template's file name, so nothing is escaped.
        self._environment = Environment(globals=FUNCTIONS, undefined_behavior="strict", auto_escape_callback=lambda _: None, debug=False)
        try:
            self._environment.add_template("", translated.code)
        except EngineError as error:
            raise source.refused(error.line or 1, f"The template can't be understood: {shown(error.message, 300)}.") from None
        # Ordinary cells are about ten times as long as the smallest, which may take a tenth of the budget.
        self._environment.fuel = units = WORK_UNITS // 10
        try:
            self._run([_PLAINEST] * len(self._columns), units)
        except TooMuchError as error:
            problem = f"{error} No message needs that. Look for a loop or a number that is too large."
            raise source.refused(error.line, problem) from None
        except FailedError:
            pass
        self._environment.fuel = WORK_UNITS

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row. Raises InputError if too many rows exhaust the template's budget."""
        for _, place, _ in self._variables:
            if place is not None and len(cells[place]) > MAX_CELL:
                return long_cell(self._columns[place], len(cells[place]))
            if place is not None and not cells[place].isprintable() and (half := HALF.search(cells[place])):
                return unsendable(half[0])  # minijinja can't take it either
        try:
            text = self._run(cells, WORK_UNITS)
        except TooMuchError as error:
            self._wasted_units += BUDGET.units - BUDGET.left
            rendered = self._failed(error.line, f"{error} It is this row's values that ask for so much")
            if self._wasted_units > MAX_WASTED_UNITS:
                problem = f"Too many rows are like this one, so the list was not read to its end. {rendered.error}"
                raise InputError(problem, code="too_much_work") from None
            return rendered
        except FailedError as error:
            empty = error.field
            return missing(empty.name, empty.column) if empty and not empty.lacks else self._failed(error.line, str(error))
        return finish(text, max_length=self._max_length, braces_meant=self._braces_meant)

    def _run(self, cells: Sequence[str], units: int) -> str:
        context = {code: empty if place is None or is_empty(cell := cells[place]) else cell for code, place, empty in self._variables}
        BUDGET.begin(units)
        try:
            return self._environment.render_template("", **context)
        except EngineError as error:
            if error.kind == "OutOfFuel":
                BUDGET.exhaust(error.line or 1)
            raise FailedError(_PROBLEMS.get(error.kind) or shown(error.message, 300), error.line or 1) from None

    def _failed(self, line: int, problem: str) -> Rendered:
        error = f"{self._source.file}, line {line}: {problem.rstrip('.')}. Correct the row, or the template."
        return refused(Invalid.TEMPLATE_FAILED, error)

    def render_columns(self, frame: "pd.DataFrame") -> RenderedBatch:
        from campaign.loader.formats.frames import rows_of  # noqa: PLC0415 - it imports pyarrow, which takes a while

        if self.parts:
            batch, rows = self._joined(frame)
        else:
            batch, rows = RenderedBatch(texts=[""] * len(frame)), list(range(len(frame)))
        for index, cells in zip(rows, rows_of(frame.iloc[rows]) if rows else (), strict=True):
            batch.refused.pop(index, None)
            try:
                batch.put(index, self.render(cells))
            except InputError as error:
                raise error.at(row=index + 1) from None
        return batch

    def _joined(self, frame: "pd.DataFrame") -> tuple[RenderedBatch, list[int]]:
        """The messages joined from columns, and the rows that `render` has to make."""
        import numpy as np  # noqa: PLC0415 - it takes a while to import
        import pyarrow as pa  # noqa: PLC0415 - (same)
        import pyarrow.compute as pc  # noqa: PLC0415 - (same)

        kind, rows = pa.large_string(), len(frame)
        nothing = pa.scalar("", kind)
        longest = min(self._max_length, MAX_CELL)
        odd = np.zeros(rows, dtype=bool)
        chosen = []
        for part in self.parts:
            if isinstance(part, str):
                chosen.append(pa.scalar(part, kind))
                continue
            cells = pa.array(frame.iloc[:, part.place]) if part.place is not None else pa.nulls(rows, kind).fill_null("")
            wrong = pc.greater(pc.utf8_length(cells), longest).to_numpy(zero_copy_only=False)
            if not together(cells).isprintable():
                wrong = wrong | np.fromiter((not cell.isprintable() for cell in cells.to_pylist()), bool, rows)
            blank = pc.equal(pc.ascii_trim(cells, " "), "")
            if part.default is not None:
                cells = pc.if_else(blank, pa.scalar(part.default, kind), cells)
            else:
                wrong = wrong | blank.to_numpy(zero_copy_only=False)
            odd |= wrong
            chosen.append(pc.if_else(pa.array(wrong), nothing, cells) if wrong.any() else cells)
        written = "".join(part if isinstance(part, str) else part.default or "" for part in self.parts)
        any_field = any(isinstance(part, PlainField) for part in self.parts)
        texts = pc.binary_join_element_wise(*chosen, nothing) if any_field else pa.array([written] * rows, kind)
        printable = written.replace("\n", "").isprintable()
        batch = finish_all(texts, max_length=self._max_length, braces_meant=self._braces_meant, printable=printable)
        return batch, np.flatnonzero(odd).tolist()


def _parts(tree: nodes.Template, variables: Variables) -> tuple[str | PlainField, ...]:
    """The parts of a template that has only texts and fields, and not too many; none of any other."""
    outputs = [inner for node in tree.body for inner in (node.nodes if isinstance(node, nodes.Output) else [node])]
    parts = [part for node in outputs if (part := _part(node, variables)) is not None]
    texts = [part for part in parts if isinstance(part, str)]
    plain = len(parts) == len(outputs) and len(parts) - len(texts) <= _MAX_PLAIN_FIELDS and sum(map(len, texts)) <= _MAX_PLAIN_TEXT
    return tuple(parts) if plain else ()


def _part(node: nodes.Node, variables: Variables) -> str | PlainField | None:
    match node:
        case nodes.TemplateData():
            return node.data
        case nodes.Name(name=name):
            return PlainField(variables.places.get(same_name(name)), None)
        case nodes.Filter(name="default" | "d", node=nodes.Name(name=name), args=[] | [nodes.Const(value=str())], kwargs=[]):
            return PlainField(variables.places.get(same_name(name)), node.args[0].as_const() if node.args else "")
        case _:
            return None
