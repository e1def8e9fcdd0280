"""Reads templates, and compiles each for many rows."""

import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from minijinja import Environment
from minijinja import TemplateError as EngineError

from campaign.domain.errors import InputError, TemplateError
from campaign.domain.model import Invalid
from campaign.loader.columns import shown
from campaign.loader.messages.functions import FUNCTIONS
from campaign.loader.messages.result import (
    HALF,
    MAX_CELL,
    MessageLimits,
    Rendered,
    RenderedBatch,
    finish,
    finish_all,
    is_empty,
    long_cell,
    missing,
    one_line_end,
    refused,
    together,
    unsendable,
)
from campaign.loader.messages.translate import PlainField, translate
from campaign.loader.messages.values import BUDGET, Boxed, FailedError, Field, TooMuchError, marked
from campaign.loader.messages.variables import Variables

if TYPE_CHECKING:
    import pandas as pd

_CONTROL: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_SUFFIXES: Final = (".txt", ".j2")
_MAX_FILES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A template's text. `file` is its name in errors: the path as it was given, or the option that holds the text."""

    text: str
    file: str

    def refused(self, line: int, problem: str, *, column: int | None = None) -> TemplateError:
        return TemplateError(problem, file=self.file, template_line=line, position=column)


def source_of(text: str, file: str, *, max_characters: int) -> Source:
    """Check a template's text.

    Raises:
        InputError: it is empty, too long, or contains control characters or half a character.
    """
    text = one_line_end(text)
    if not text.strip():
        raise InputError("The template is empty. Write the message into it.", code="empty_file", file=file)
    if len(text) > max_characters:
        raise _too_long(file, max_characters)
    source = Source(text=text, file=file)
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        raise source.refused(line, f"There is a character that no text has (U+{ord(found[0]):04X}). Remove it.", column=column)
    return source


def read_source(path: Path, *, max_characters: int) -> Source:
    """The template in a file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: the file can't be read, is not UTF-8, or as in `source_of`.
    """
    try:
        with path.open("rb") as file:
            # A character takes up to four bytes, so a valid template is never longer.
            content = file.read(4 * max_characters + 4)
    except IsADirectoryError:
        raise InputError(
            "This is a folder. Name one file with --template, or use --templates with a “template” column.", code="is_a_folder", file=path
        ) from None
    except OSError as error:
        raise InputError(
            f"The template can't be read: {error.strerror}. Check its name and its permissions.", code="file_not_readable", file=path
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) > 4 * max_characters:
            raise _too_long(path, max_characters) from None
        line = content.count(b"\n", 0, error.start) + 1
        raise TemplateError("The template is not in UTF-8. Save it as UTF-8 text.", file=path, template_line=line) from None
    return source_of(text, str(path), max_characters=max_characters)


def _too_long(file: Path | str, max_characters: int) -> InputError:
    return InputError(
        f"The template has more than {max_characters:,} characters. Check that it is a template, and make it shorter.",
        code="long_template",
        file=file,
    )


def read_folder(folder: Path, *, max_characters: int) -> dict[str, Source]:
    """The templates in a folder by file name: every `.txt` and `.j2` file that is neither hidden nor a link to a file outside.

    A cell can only name one of these, so it can't lead to any other file.

    Raises:
        InputError: there is no such folder, it has no templates or more than 1,000, or `read_source` refuses a file.
    """
    try:
        root = folder.resolve(strict=True)
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"The folder of templates can't be read: {error.strerror}. Check --templates.", code="no_folder", file=folder
        ) from error
    paths = [path for path in paths if _is_inside(path, root)]
    if not paths:
        raise InputError(
            "The folder has no templates: none of its files ends in .txt or .j2. Check --templates.", code="no_file", file=folder
        )
    if len(paths) > _MAX_FILES:
        raise InputError(
            f"The folder has more than {_MAX_FILES:,} templates. Keep only those of this campaign in it.",
            code="too_many_files",
            file=folder,
        )
    return {file_key(path.name): read_source(path, max_characters=max_characters) for path in paths}


def _is_inside(path: Path, root: Path) -> bool:
    try:
        real = path.resolve(strict=True)
        return real.is_relative_to(root) and stat.S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError):  # a broken or circular link
        return False


def file_key(name: str) -> str:
    """The normalised spelling of a file name. Some file systems store accents as separate characters, spreadsheets don't."""
    return unicodedata.normalize("NFC", name.strip())


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


class Template:
    """A template for the columns of a list.

    Most have only texts and fields (`parts`): whole columns are joined, which is many times as fast as an engine. minijinja runs the others
    row by row, and rows with a cell that is empty though it is needed, long or not printable. Each row has its own budget, and a row that
    fails doesn't affect the others.

    Raises:
        InputError: the syntax is wrong; the template uses a forbidden construct or an unknown variable; or it takes more work than any
            message needs.
    """

    def __init__(self, source: Source, variables: Variables, limits: MessageLimits) -> None:
        translated = translate(source.text, source.file, variables)
        texts = [part for part in translated.parts if isinstance(part, str)]
        plain = len(translated.parts) - len(texts) <= _MAX_PLAIN_FIELDS and sum(map(len, texts)) <= _MAX_PLAIN_TEXT
        self.parts = translated.parts if plain else ()
        self._braces_meant = translated.braces_meant
        self._columns = variables.columns
        self._limits = limits
        self._source = source
        self._wasted_units = 0
        self._variables = [
            (code, place, Boxed(marked("", Field(name=name, column=None if place is None else variables.columns[place]))))
            for code, name, place in translated.variables
        ]
        # A message is plain text, whatever the template's file name, so nothing is escaped.
        self._environment = Environment(globals=FUNCTIONS, undefined_behavior="strict", auto_escape_callback=lambda _: None, debug=False)
        try:
            self._environment.add_template("", translated.code)
        except EngineError as error:
            raise source.refused(error.line or 1, f"The template can't be understood: {shown(error.message, 300)}.") from None
        # Ordinary cells are about ten times as long as the smallest, which may take a tenth of the budget.
        self._environment.fuel = units = limits.work_units // 10
        try:
            self._run([_PLAINEST] * len(self._columns), units)
        except TooMuchError as error:
            problem = f"{error} No message needs that. Look for a loop or a number that is too large."
            raise source.refused(error.line, problem) from None
        except FailedError:
            pass
        self._environment.fuel = limits.work_units

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row. Raises InputError if too many rows exhaust the template's budget."""
        for _, place, _ in self._variables:
            if place is not None and len(cells[place]) > MAX_CELL:
                return long_cell(self._columns[place], len(cells[place]))
            if place is not None and not cells[place].isprintable() and (half := HALF.search(cells[place])):
                return unsendable(half[0])  # minijinja can't take it either
        try:
            text = self._run(cells, self._limits.work_units)
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
        return finish(text, max_length=self._limits.max_length, braces_meant=self._braces_meant)

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
        longest = min(self._limits.max_length, MAX_CELL)
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
        batch = finish_all(texts, max_length=self._limits.max_length, braces_meant=self._braces_meant, printable=printable)
        return batch, np.flatnonzero(odd).tolist()
