"""One template, made ready for many rows."""

import re
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Protocol

import jinja2
from jinja2 import nodes

from campaign.domain.errors import InputError
from campaign.loader.messages import refusals
from campaign.loader.messages.bounds import MAX_CELL, TooMuchError
from campaign.loader.messages.fields import Fields
from campaign.loader.messages.grammar import RefusedError, check_grammar
from campaign.loader.messages.instrument import instrument
from campaign.loader.messages.lacking import MissingFieldError
from campaign.loader.messages.plain import PlainTemplate
from campaign.loader.messages.rendered import MessageLimits, Rendered
from campaign.loader.messages.sandbox import ENVIRONMENT, LongCellError, Names, RowContext
from campaign.loader.messages.scopes import check_names
from campaign.loader.messages.source import Source
from campaign.loader.messages.text import finish
from campaign.loader.names import shown

_CODE_NAME: Final = "<message template>"
_PRINTED: Final = re.compile(r"\{\{([^{}]*)\}\}")
_PLAINEST: Final = "1"
"""A cell that can be a text and a number, and is small as both."""
_ROW_ERRORS: Final = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError)
"""What the functions of the sandbox raise when a row's values don't suit them."""


class Template(Protocol):
    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row; InputError if no row can be rendered."""

    def texts(self, rows: Sequence[Sequence[str]]) -> Sequence[str]:
        """Many messages; empty for each row of which only `render` can tell."""


def compile_template(source: Source, fields: Fields, limits: MessageLimits) -> Template:
    """The template, checked against the columns of the list.

    Raises:
        InputError: its syntax is wrong, it uses what a message may not, or a variable that there is not.
    """
    try:
        tree = ENVIRONMENT.parse(source.text)
        check_grammar(tree)
        excused = check_names(tree, fields)
        plain = PlainTemplate.of(tree, fields, limits)
        return plain or JinjaTemplate(tree, source, fields, excused, limits)
    except RefusedError as error:
        raise source.refused(error.line, error.problem) from None
    except jinja2.TemplateSyntaxError as error:
        raise source.refused(error.lineno, _syntax_problem(error, source, fields)) from None
    except SyntaxError:
        # What Jinja2 lets through and Python doesn't: the same value named twice in one pair of brackets.
        raise InputError(
            "The template can't be understood: a value is named twice. Check what stands in brackets.", file=source.file
        ) from None
    except RecursionError:
        raise InputError("The template is nested too deeply. Write it in simpler parts.", file=source.file) from None
    except ValueError:
        # Only Python's own limit on the digits of a number gets here: the lexer reads numbers before anything can check them.
        raise InputError("A number in the template has too many digits. Write it as a text, in quotes.", file=source.file) from None


class JinjaTemplate:
    """A template that Jinja2 has compiled. The tree given is used up."""

    __slots__ = ("_braces_meant", "_columns", "_compiled", "_hopeless", "_limits", "_names", "_root", "_source")

    def __init__(self, tree: nodes.Template, source: Source, fields: Fields, excused: frozenset[str], limits: MessageLimits) -> None:
        self._braces_meant = any("{{" in data.data or "{%" in data.data for data in tree.find_all(nodes.TemplateData))
        self._columns = fields.columns
        self._hopeless: bool | None = None
        self._limits = limits
        self._names = Names.of(fields, excused)
        self._source = source
        code = ENVIRONMENT.compile(instrument(tree), filename=_CODE_NAME)
        self._compiled = jinja2.Template.from_code(ENVIRONMENT, code, {})
        self._root = self._compiled.root_render_func

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row.

        Raises:
            InputError: the template takes more work than any message needs, and it is not for this row's cells.
        """
        context = RowContext(cells, self._names, self._limits)
        try:
            text = "".join(self._root(context))
        except MissingFieldError as error:
            return refusals.missing(error.field)
        except LongCellError as error:
            return refusals.long_cell(self._columns[error.place], len(cells[error.place]), MAX_CELL)
        except TooMuchError as error:
            line = self._line_of(error.__traceback__)
            if not self._is_hopeless():
                return refusals.asks_too_much(self._source.file, line, str(error), self._limits.work_units - context.left)
            problem = f"{error} No message needs that, so no row was rendered. Look for a loop or a number that is too large."
            raise self._source.refused(line, problem) from None
        except _ROW_ERRORS as error:
            return refusals.failed(self._source.file, self._line_of(error.__traceback__), _in_words(error))
        return finish(text, max_length=self._limits.max_length, braces_meant=self._braces_meant)

    def texts(self, rows: Sequence[Sequence[str]]) -> Sequence[str]:
        """Nothing: here each row is bounded by itself."""
        return [""] * len(rows)

    def _is_hopeless(self) -> bool:
        """Whether the template runs away with the plainest of rows, too, so that no row's cells are to blame."""
        if self._hopeless is None:
            # Ordinary cells are some ten times as long, so what they take has to fit ten times.
            limits = replace(self._limits, work_units=self._limits.work_units // 10)
            try:
                "".join(self._root(RowContext([_PLAINEST] * len(self._columns), self._names, limits)))
            except (TooMuchError, MissingFieldError, *_ROW_ERRORS) as error:
                self._hopeless = isinstance(error, TooMuchError)
            else:
                self._hopeless = False
        return self._hopeless

    def _line_of(self, traceback: TracebackType | None) -> int:
        line = 1
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == _CODE_NAME:
                line = self._compiled.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


def _in_words(error: Exception) -> str:
    problem = shown(str(error), 300)
    if isinstance(error, TypeError) and "not supported between" in problem:
        return f"{problem}. Every column is text; to compare with a number, write | int or | float after it"
    return problem


def _syntax_problem(error: jinja2.TemplateSyntaxError, source: Source, fields: Fields) -> str:
    line = source.text.split("\n")[error.lineno - 1 : error.lineno]
    for printed in _PRINTED.findall("".join(line)):
        written = printed.split("|")[0].strip(" -")
        if not written.isidentifier() and (name := fields.meant(written)):
            return f"“{shown(written)}” is not a name that a template can use. Write {{{{ {name} }}}} for this column."
    return f"The template can't be understood: {shown((error.message or '').rstrip('.'), 300)}. Check the braces and tags here."
