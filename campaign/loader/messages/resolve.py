"""Decides which source the messages of a list come from, and reads templates."""

import hashlib
import re
import stat
import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from campaign.domain.errors import InputError, TemplateError, UsageError
from campaign.domain.lists.columns import find_message_column, find_template_column
from campaign.domain.model import Invalid
from campaign.domain.text.lines import one_line_end, shown
from campaign.loader.messages.result import Rendered, RenderedBatch, finish, finish_all, refused
from campaign.loader.messages.template import Template
from campaign.loader.messages.translate import Source
from campaign.loader.messages.variables import Variables

if TYPE_CHECKING:
    import pandas as pd

_CONTROL: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_SUFFIXES: Final = (".txt", ".j2")
_MAX_FILES: Final = 1_000
MAX_SOURCE: Final = 32_768
"""The most characters of a template."""
_PROBLEMS: Final = 256
"""How many wrong names are cached. Comparing a name with a thousand templates takes milliseconds, and many rows have the same one."""


def source_of(text: str, file: str) -> Source:
    """Check a template's text.

    Raises:
        InputError: it is empty, too long, or contains control characters or half a character.
    """
    text = one_line_end(text)
    if not text.strip():
        raise InputError("The template is empty. Write the message into it.", code="empty_file", file=file)
    if len(text) > MAX_SOURCE:
        problem = f"The template has more than {MAX_SOURCE:,} characters. Check that it is a template, and make it shorter."
        raise InputError(problem, code="long_template", file=file)
    source = Source(text=text, file=file)
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        raise source.refused(line, f"There is a character that no text has (U+{ord(found[0]):04X}). Remove it.", column=column)
    return source


def read_source(path: Path) -> Source:
    """The template in a file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: the file can't be read, is not UTF-8, or as in `source_of`.
    """
    # A character takes up to four bytes, so a valid template is never longer.
    most = 4 * MAX_SOURCE + 4
    try:
        with path.open("rb") as file:
            content = file.read(most)
    except IsADirectoryError:
        problem = "This is a folder. Name one file with --template, or use --templates with a “template” column."
        raise InputError(problem, code="is_a_folder", file=path) from None
    except OSError as error:
        problem = f"The template can't be read: {error.strerror}. Check its name and its permissions."
        raise InputError(problem, code="file_not_readable", file=path) from error
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(content, final=len(content) < most)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TemplateError("The template is not in UTF-8. Save it as UTF-8 text.", file=path, template_line=line) from None
    return source_of(text, str(path))


def read_folder(folder: Path) -> dict[str, Source]:
    """The templates in a folder by file name: every `.txt` and `.j2` file that is neither hidden nor a link to a file outside.

    A cell can only name one of these, so it can't lead to any other file.

    Raises:
        InputError: there is no such folder, it has no templates or more than 1,000, or `read_source` refuses a file.
    """
    try:
        root = folder.resolve(strict=True)
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."))
    except OSError as error:
        problem = f"The folder of templates can't be read: {error.strerror}. Check --templates."
        raise InputError(problem, code="no_folder", file=folder) from error
    paths = [path for path in paths if _is_inside(path, root)]
    if not paths:
        problem = "The folder has no templates: none of its files ends in .txt or .j2. Check --templates."
        raise InputError(problem, code="no_file", file=folder)
    if len(paths) > _MAX_FILES:
        problem = f"The folder has more than {_MAX_FILES:,} templates. Keep only those of this campaign in it."
        raise InputError(problem, code="too_many_files", file=folder)
    return {file_key(path.name): read_source(path) for path in paths}


def _is_inside(path: Path, root: Path) -> bool:
    try:
        real = path.resolve(strict=True)
        return real.is_relative_to(root) and stat.S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError):  # a broken or circular link
        return False


def file_key(name: str) -> str:
    """The normalised spelling of a file name. Some file systems store accents as separate characters, spreadsheets don't."""
    return unicodedata.normalize("NFC", name.strip())


class ColumnMessages:
    """Each row's message is the text of its cell."""

    def __init__(self, place: int, column: str, max_length: int) -> None:
        self.fingerprint = _fingerprint("column", column)
        self._place = place
        self._max_length = max_length

    def render(self, cells: Sequence[str]) -> Rendered:
        return finish(cells[self._place], max_length=self._max_length)

    def render_columns(self, frame: "pd.DataFrame") -> RenderedBatch:
        import pyarrow as pa  # noqa: PLC0415 - it takes a while to import

        return finish_all(pa.array(frame.iloc[:, self._place]), max_length=self._max_length)


class FolderMessages:
    """Each row uses the template that its cell names, with or without the extension."""

    def __init__(self, place: int, sources: dict[str, Source], variables: Variables, max_length: int) -> None:
        texts = [part for name, source in sorted(sources.items()) for part in (name, source.text)]
        self.fingerprint = _fingerprint("templates", variables.columns[place], *texts)
        self._place = place
        self._column = variables.columns[place]
        self._templates = {name: Template(source, variables, max_length) for name, source in sources.items()}
        self._stems: dict[str, list[str]] = {}
        for name in sources:
            self._stems.setdefault(name.rpartition(".")[0], []).append(name)
        for stem, names in self._stems.items():
            if len(names) == 1:
                self._templates.setdefault(stem, self._templates[names[0]])
        self._problem = lru_cache(maxsize=_PROBLEMS)(self._find_problem)

    def render(self, cells: Sequence[str]) -> Rendered:
        name = file_key(cells[self._place])
        template = self._templates.get(name)
        return refused(Invalid.NO_TEMPLATE, self._problem(name)) if template is None else template.render(cells)

    def render_columns(self, frame: "pd.DataFrame") -> RenderedBatch:
        names = list(map(file_key, frame.iloc[:, self._place].tolist()))
        batch = RenderedBatch(texts=[""] * len(names))
        rows: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            rows.setdefault(name, []).append(index)
        for name, indexes in rows.items():
            if (template := self._templates.get(name)) is None:
                batch.refused.update(dict.fromkeys(indexes, refused(Invalid.NO_TEMPLATE, self._problem(name))))
                continue
            try:
                found = template.render_columns(frame.iloc[indexes])
            except InputError as error:
                raise error.at(row=indexes[(error.row or 1) - 1] + 1) from None
            for at, index in enumerate(indexes):
                batch.texts[index] = found.texts[at]
            batch.refused.update({indexes[at]: rendered for at, rendered in found.refused.items()})
        return batch

    def _find_problem(self, name: str) -> str:
        column = f"The column “{shown(self._column)}”"
        if not name:
            return f"{column} is empty, so the row has no template. Name one of the files in the folder of templates."
        if names := self._stems.get(name):
            return f"{column} says “{shown(name)}”, which could be {' or '.join(names)}. Write the suffix too."
        close = get_close_matches(name.casefold(), {known.casefold(): known for known in self._templates}, n=1)
        near = f" Did you mean “{shown(close[0])}”?" if close else ""
        return (
            f"{column} says “{shown(name)}”, and the folder of templates has no such .txt or .j2 file.{near} "
            "Correct the name, or add the file."
        )


Messages = Template | ColumnMessages | FolderMessages
"""One message per row; safe to share between threads."""


def plan_messages(
    columns: Sequence[str],
    *,
    message: str | None,
    template: Path | None,
    templates: Path | None,
    max_length: int = 350,
    file: str | None = None,
) -> Messages:
    """Return the source of each row's message, checked as far as possible without a row.

    An option takes precedence over a column: `message` is a template, `template` a file with one, `templates` the folder with the files
    that the `template` column names. A `message` column holds the texts to send, as they are; braces in data are never run as a template.
    `max_length` is in characters as a person counts them; `file` is the list, for error messages.

    Raises:
        UsageError: no source is given, or more than one.
        InputError: a template can't be read, understood or filled from these columns.
    """
    variables = Variables(columns)
    match message, template, templates:
        case str(), None, None:
            source, kinds = source_of(message, "--message"), ("message", "template")
        case None, Path(), None:
            source, kinds = read_source(template), ("template", "message")
        case None, None, Path():
            return _from_folder(templates, variables, max_length, file)
        case None, None, None:
            return _from_column(variables, max_length, file)
        case _:
            given = [("--message", message), ("--template", template), ("--templates", templates)]
            names = " and ".join(name for name, value in given if value is not None)
            raise UsageError(f"{names} each say what the messages are. Give only one of them.", code="several_messages")
    fingerprint, twin = (_fingerprint(kind, source.text) for kind in kinds)
    return Template(source, variables, max_length, fingerprint=fingerprint, twin=twin)


def _from_folder(folder: Path, variables: Variables, max_length: int, file: str | None) -> Messages:
    place = find_template_column(variables.columns, file=file)
    if place is None:
        problem = f"--templates needs a column “template” that names each row's file. The list has: {variables.offered()}."
        raise UsageError(problem, code="missing_column", column="template")
    return FolderMessages(place, read_folder(folder), variables, max_length)


def _from_column(variables: Variables, max_length: int, file: str | None) -> Messages:
    place = find_message_column(variables.columns, file=file)
    named = find_template_column(variables.columns, file=file)
    if place is not None and named is not None:
        raise UsageError(
            f"The list has both a column “{shown(variables.columns[place])}” and a column “{shown(variables.columns[named])}”. Say which "
            'one the messages come from: --templates with the folder of the templates, or --message "{{ message }}".',
            code="several_messages",
        )
    if named is not None:
        problem = f"The column “{shown(variables.columns[named])}” names templates. Say with --templates which folder they are in."
        raise UsageError(problem, code="no_folder", option="--templates")
    if place is None:
        problem = "Nothing says what the messages are. Give --message or --template, or add a column “message” to the list."
        raise UsageError(f"{problem} It has: {variables.offered()}.", code="no_message")
    return ColumnMessages(place, variables.columns[place], max_length)


def _fingerprint(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in (part.encode("utf-8", "surrogatepass") for part in parts):
        # The length before each part keeps the parts apart.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
