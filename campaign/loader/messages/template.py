"""One template, made ready for many rows."""

import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from minijinja import Environment
from minijinja import TemplateError as EngineError

from campaign.domain.errors import InputError, TemplateError
from campaign.domain.model import Invalid
from campaign.loader.columns import shown
from campaign.loader.messages.language import PlainField, RefusedError, translate
from campaign.loader.messages.operations import NOT_SET, OPERATIONS, FailedError, MissingFieldError, TooMuchError
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
    one_line_end,
    refused,
    together,
    unsendable,
)
from campaign.loader.messages.variables import Variables

_CONTROL: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_SUFFIXES: Final = (".txt", ".j2")
_MAX_FILES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`file` is what errors name: the path as it was given, or the option that holds the text itself."""

    text: str
    file: str

    def refused(self, line: int, problem: str, *, column: int | None = None) -> TemplateError:
        return TemplateError(problem, file=self.file, template_line=line, position=column)


def source_of(text: str, file: str, *, max_characters: int) -> Source:
    """A template's text, checked.

    Raises:
        InputError: it is empty, too long, or holds characters that no text has.
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
    """The template in a file, which is UTF-8, with or without a byte order mark.

    Raises:
        InputError: it can't be read, or is no text, or as in `source_of`.
    """
    try:
        with path.open("rb") as file:
            # A character takes up to four bytes; whatever is longer is not read at all.
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
    """The templates in a folder by file name: every `.txt` and `.j2` file in it that is not hidden and no link out of it.

    What a cell says is only ever looked up among these names, so it can't lead to any other file.

    Raises:
        InputError: there is no such folder, nothing in it, too much in it, or a file that `read_source` refuses.
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
    except (OSError, RuntimeError):  # a link that leads nowhere, or in a circle
        return False


def file_key(name: str) -> str:
    """The spelling under which a cell names a file: some file systems take accents apart, spreadsheets don't."""
    return unicodedata.normalize("NFC", name.strip())


FUEL: Final = 10_000
"""Instructions of a template for one row, which take some milliseconds, whatever they are. A loop over sixty words takes some hundred."""
MOST_EXHAUSTED: Final = 100
"""Rows that ask for too much; if there are more, the template is at fault, or a column that it takes for another."""

_MOST_PLAIN_FIELDS: Final = 16
_MOST_PLAIN_TEXT: Final = 7_000
"""Of a template whose texts are made before their length is looked at."""
_PLAINEST: Final = "1"
"""A cell that can be a text and a number, and is small as both."""


class Template:
    """A template that is checked against the columns of a list.

    minijinja runs it row by row, so that one that fails takes no other with it. A template of text and fields, as nearly all are, is joined
    from whole columns, many times as fast; only a row with an empty cell, or one that is long or no text, goes to minijinja.

    Raises:
        InputError: its syntax is wrong, it uses what a message may not, a variable that there is not, or more work than any message needs.
    """

    def __init__(self, source: Source, variables: Variables, limits: MessageLimits) -> None:
        try:
            translated = translate(source.text, variables)
        except RefusedError as error:
            raise source.refused(error.line, error.problem, column=error.column) from None
        self._source = source
        self._columns = variables.columns
        self._fields = translated.fields
        self._limits = limits
        self._braces_meant = translated.braces_meant
        self._exhausted = 0
        self._parts = translated.parts or ()
        self._plain = sum(isinstance(part, PlainField) for part in self._parts)
        size = sum(len(part) for part in self._parts if isinstance(part, str))
        self._is_plain = len(self._parts) > 0 and self._plain <= _MOST_PLAIN_FIELDS and size <= _MOST_PLAIN_TEXT
        # A message is plain text, whatever its template's file is called, so nothing is escaped.
        self._environment = Environment(
            filters=OPERATIONS,
            undefined_behavior="semi_strict",  # type: ignore[call-overload]  # its types don't know it yet
            auto_escape_callback=lambda _: None,
            debug=False,
        )
        # Ordinary cells are some ten times as long as the plainest, so what these take has to fit ten times.
        self._environment.fuel = FUEL // 10
        try:
            self._environment.add_template("", translated.code)
            self._run([_PLAINEST] * len(self._columns))
        except EngineError as error:
            raise source.refused(error.line or 1, f"The template can't be understood: {shown(error.message, 300)}.") from None
        except TooMuchError as error:
            raise source.refused(error.line, f"{error.problem}. No message needs that. Make the template simpler.") from None
        except (FailedError, MissingFieldError):
            pass
        self._environment.fuel = FUEL

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row; InputError if too many rows exhaust the template."""
        for _, _, place in self._fields:
            if place is not None and len(cells[place]) > MAX_CELL:
                return long_cell(self._columns[place], len(cells[place]))
            if place is not None and not cells[place].isprintable() and (half := HALF.search(cells[place])):
                return unsendable(half[0])  # what is no text to minijinja either
        try:
            text = self._run(cells)
        except MissingFieldError as error:
            _, name, place = self._fields[error.field]
            return missing(name, None if place is None else self._columns[place])
        except TooMuchError as error:
            rendered = self._failed(error.line, f"{error.problem}. It is this row's values that ask for so much")
            self._exhausted += 1
            if self._exhausted > MOST_EXHAUSTED:
                problem = f"Too many rows are like this one, so the list was not read to its end. {rendered.error}"
                raise InputError(problem, code="too_much_work") from None
            return rendered
        except FailedError as error:
            return self._failed(error.line, error.problem)
        return finish(text, max_length=self._limits.max_length, braces_meant=self._braces_meant)

    def render_columns(self, columns: Columns) -> RenderedBatch:
        """The messages of many rows; `row` of an InputError counts from 1 in these columns."""
        from campaign.loader.frames import rows_of  # noqa: PLC0415 - it imports pyarrow, which takes a while

        batch, odd = self._all_at_once(columns) if self._is_plain else (RenderedBatch(texts=[""] * columns.rows), range(columns.rows))
        for index, cells in zip(odd, rows_of(columns.frame.iloc[odd]) if len(odd) else (), strict=True):
            batch.refused.pop(index, None)
            try:
                batch.put(index, self.render(cells))
            except InputError as error:
                raise error.at(row=index + 1) from None
        return batch

    def _all_at_once(self, columns: Columns) -> tuple[RenderedBatch, Sequence[int]]:
        """The messages of rows whose cells are plain texts, and which rows are others."""
        import numpy as np  # noqa: PLC0415 - it takes a while to import
        import pyarrow as pa  # noqa: PLC0415 - (same)
        import pyarrow.compute as pc  # noqa: PLC0415 - (same)

        kind = pa.large_string()
        nothing = pa.scalar("", kind)
        rows = columns.rows
        odd = np.zeros(rows, dtype=bool)
        chosen = []
        for part in self._parts:
            if isinstance(part, str):
                chosen.append(pa.scalar(part, kind))
                continue
            (_, _, place), default = part
            cells = columns.arrow(place) if place is not None else pa.nulls(rows, kind).fill_null("")
            wrong = pc.greater(pc.utf8_length(cells), min(self._limits.max_length, MAX_CELL)).to_numpy(zero_copy_only=False)
            if not together(cells).isprintable():
                wrong = wrong | np.fromiter((not cell.isprintable() for cell in cells.to_pylist()), bool, rows)
            blank = pc.equal(pc.ascii_trim(cells, " "), "")
            if default is not None:
                cells = pc.if_else(blank, pa.scalar(default, kind), cells)
            else:
                wrong = wrong | blank.to_numpy(zero_copy_only=False)
            odd |= wrong
            chosen.append(pc.if_else(pa.array(wrong), nothing, cells) if wrong.any() else cells)
        texts = pc.binary_join_element_wise(*chosen, nothing) if self._plain else pa.array(["".join(map(str, self._parts))] * rows, kind)
        written = "".join(part if isinstance(part, str) else part.default or "" for part in self._parts)
        printable = written.replace("\n", "").isprintable()
        batch = finish_all(texts, max_length=self._limits.max_length, braces_meant=self._braces_meant, printable=printable)
        return batch, np.flatnonzero(odd).tolist()

    def _run(self, cells: Sequence[str]) -> str:
        context = {code: "" if place is None or is_empty(cell := cells[place]) else cell for code, _, place in self._fields}
        try:
            text: str = self._environment.render_template("", **context)
        except EngineError as error:
            line = error.line or 1
            if error.kind == "OutOfFuel":
                raise TooMuchError(line, f"It takes more than {self._environment.fuel:,} steps for one row") from None
            problem = re.sub(r"^invalid operation: | \(in .*\)$", "", error.message or str(error.kind))
            raise FailedError(line, NOT_SET if error.kind == "UndefinedError" else shown(problem, 300)) from None
        return text

    def _failed(self, line: int, problem: str) -> Rendered:
        error = f"{self._source.file}, line {line}: {problem.rstrip('.')}. Correct the row, or the template."
        return refused(Invalid.TEMPLATE_FAILED, error)
