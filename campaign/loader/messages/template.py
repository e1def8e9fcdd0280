"""One template, made ready for many rows."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from minijinja import Environment, TemplateError

from campaign.domain.errors import InputError
from campaign.domain.model import Invalid
from campaign.loader.messages.functions import FUNCTIONS, FailedError, MissingFieldError
from campaign.loader.messages.result import (
    HALF,
    MAX_CELL,
    Columns,
    MessageLimits,
    Rendered,
    RenderedBatch,
    finish,
    finish_all,
    is_empty,
    long_cell,
    missing,
    refused,
    unsendable,
)
from campaign.loader.messages.source import Source
from campaign.loader.messages.translate import PlainField, RefusedError, Translated, translate
from campaign.loader.messages.values import BUDGET, Boxed, Field, TooMuchError, marked
from campaign.loader.messages.variables import Variables
from campaign.loader.names import shown

MAX_WASTED_UNITS: Final = 50_000_000
"""Of all rows that ask for too much, some seconds. Beyond it the template is at fault, or a column that it takes for another."""

_MAX_PLAIN_FIELDS: Final = 16
_MAX_PLAIN_TEXT: Final = 7_000
"""Of a template whose texts are made before their length is looked at."""
_PLAINEST: Final = "1"
"""A cell that can be a text and a number, and is small as both."""


class Template(Protocol):
    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row; InputError if too many rows exhaust the template."""

    def render_columns(self, columns: Columns) -> RenderedBatch:
        """The messages of many rows; `row` of an InputError counts from 1 in these columns."""


def compile_template(source: Source, variables: Variables, limits: MessageLimits) -> Template:
    """The template, checked against the columns of the list.

    Raises:
        InputError: its syntax is wrong, it uses what a message may not, a variable that there is not, or more work than any message needs.
    """
    try:
        translated = translate(source.text, variables)
    except RefusedError as error:
        raise source.refused(error.line, error.problem, column=error.column) from None
    program = ProgramTemplate(translated, source, variables, limits)
    fields = [part for part in translated.parts or () if isinstance(part, PlainField)]
    size = sum(len(part) for part in translated.parts or () if isinstance(part, str))
    if translated.parts is None or len(fields) > _MAX_PLAIN_FIELDS or size > _MAX_PLAIN_TEXT:
        return program
    return PlainTemplate(translated.parts, program, limits, braces_meant=translated.braces_meant)


class ProgramTemplate:
    """A template that minijinja runs, row by row: each has its own budget, and one that fails takes no other with it."""

    def __init__(self, translated: Translated, source: Source, variables: Variables, limits: MessageLimits) -> None:
        self._braces_meant = translated.braces_meant
        self._columns = variables.columns
        self._limits = limits
        self._source = source
        self._wasted_units = 0
        self._variables = [
            (code, place, Boxed(marked("", Field(name=name, column=None if place is None else variables.columns[place]))))
            for code, name, place in translated.variables
        ]
        # A message is plain text, whatever its template's file is called, so nothing is escaped.
        self._environment = Environment(filters=FUNCTIONS, undefined_behavior="strict", auto_escape_callback=lambda _: None, debug=False)
        try:
            self._environment.add_template("", translated.code)
        except TemplateError as error:
            raise source.refused(error.line or 1, f"The template can't be understood: {shown(error.message, 300)}.") from None
        self._check()

    def _check(self) -> None:
        """Refuse a template that exhausts its budget even with the plainest of rows."""
        # Ordinary cells are some ten times as long, so what they take has to fit ten times.
        self._environment.fuel = units = self._limits.work_units // 10
        try:
            self._run([_PLAINEST] * len(self._columns), units)
        except TooMuchError as error:
            problem = f"{error} No message needs that. Look for a loop or a number that is too large."
            raise self._source.refused(error.line, problem) from None
        except (FailedError, MissingFieldError):
            pass
        self._environment.fuel = self._limits.work_units

    def render(self, cells: Sequence[str]) -> Rendered:
        for _, place, _ in self._variables:
            if place is not None and len(cells[place]) > MAX_CELL:
                return long_cell(self._columns[place], len(cells[place]))
            if place is not None and not cells[place].isprintable() and (half := HALF.search(cells[place])):
                return unsendable(half[0])  # what is no text to minijinja either
        try:
            text = self._run(cells, self._limits.work_units)
        except MissingFieldError as error:
            BUDGET.printed = BUDGET.printed or error.field
            rendered = self._failed(error.line, error.field.lacks)
        except FailedError as error:
            rendered = self._failed(error.line, error.problem)
        except TooMuchError as error:
            self._wasted_units += BUDGET.units - BUDGET.left
            rendered = self._failed(error.line, f"{error} It is this row's values that ask for so much")
            if self._wasted_units > MAX_WASTED_UNITS:
                raise InputError(
                    f"Too many rows are like this one, so the list was not read to its end. {rendered.error}", code="too_much_work"
                ) from None
        else:
            rendered = finish(text, max_length=self._limits.max_length, braces_meant=self._braces_meant)
        # What was printed before anything failed comes first.
        empty = BUDGET.printed
        return rendered if empty is None or empty.lacks else missing(empty.name, empty.column)

    def render_columns(self, columns: Columns) -> RenderedBatch:
        return by_row(self.render, columns)

    def _run(self, cells: Sequence[str], units: int) -> str:
        context = {code: empty if place is None or is_empty(cell := cells[place]) else cell for code, place, empty in self._variables}
        BUDGET.begin(units)
        try:
            return self._environment.render_template("", **context)
        except TemplateError as error:
            line = error.line or 1
            if error.kind == "OutOfFuel":
                BUDGET.exhaust(line)
            raise FailedError(line, _PROBLEMS.get(error.kind) or shown(error.message, 300)) from None

    def _failed(self, line: int, problem: str) -> Rendered:
        error = f"{self._source.file}, line {line}: {problem.rstrip('.')}. Correct the row, or the template."
        return refused(Invalid.TEMPLATE_FAILED, error)


_PROBLEMS: Final = {
    "UndefinedError": "A variable is used that is not set for this row",
    "CannotUnpack": "There are more or fewer values than names to set",
}


class PlainTemplate:
    """A template of text and fields, as nearly all are: one string format for many rows, several times as fast as any engine.

    A row with an empty cell that the message needs, or with one that is long or no text, goes to the program.
    """

    def __init__(self, parts: Sequence[str | PlainField], program: ProgramTemplate, limits: MessageLimits, *, braces_meant: bool) -> None:
        self._fields = [part for part in parts if isinstance(part, PlainField)]
        self._format = "".join(part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts)
        self._longest = min(limits.max_length, MAX_CELL)
        self._finish_all: Callable[[list[str]], RenderedBatch] = lambda texts: finish_all(
            texts, max_length=limits.max_length, braces_meant=braces_meant
        )
        self._program = program
        self.render = program.render

    def render_columns(self, columns: Columns) -> RenderedBatch:
        rows = len(columns[0])
        chosen: list[Sequence[str]] = []
        odd: set[int] = set()
        for (_, _, place), default in self._fields:
            cells = columns[place] if place is not None else [""] * rows
            if max(map(len, cells)) > self._longest or not ("".join(cells).isprintable() and all(map(str.strip, cells))):
                empty = {index for index, cell in enumerate(cells) if is_empty(cell)}
                others = {index for index, cell in enumerate(cells) if len(cell) > self._longest or HALF.search(cell)}
                odd |= others if default is not None else others | empty
                cells = [default or "" if index in empty else "" if index in others else cell for index, cell in enumerate(cells)]
            chosen.append(cells)
        batch = self._finish_all([self._format % values for values in zip(*chosen, strict=True)] if chosen else [self._format % ()] * rows)
        for index in odd:
            batch.refused.pop(index, None)
            batch.put(index, self.render([columns[place][index] for place in range(len(columns))]))
        return batch


def by_row(render: Callable[[Sequence[str]], Rendered], columns: Columns) -> RenderedBatch:
    """The messages of many rows, one after the other."""
    every = [columns[place] for place in range(len(columns))]
    batch = RenderedBatch(texts=[""] * len(every[0]))
    for index, cells in enumerate(zip(*every, strict=True)):
        try:
            batch.put(index, render(cells))
        except InputError as error:
            raise error.at(row=index + 1) from None
    return batch
