"""Decides which source the messages of a list come from."""

import hashlib
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from campaign.domain.errors import InputError, UsageError
from campaign.domain.model import Invalid
from campaign.loader.columns import find_message_column, find_template_column, shown
from campaign.loader.messages.result import MessageLimits, Messages, Rendered, RenderedBatch, cells_in, finish, finish_all, refused
from campaign.loader.messages.template import Source, Template, file_key, read_folder, read_source, source_of
from campaign.loader.messages.variables import Variables

if TYPE_CHECKING:
    import pandas as pd

_DEFAULT_LIMITS: Final = MessageLimits()
_PROBLEMS: Final = 256
"""How many wrong names are cached. Comparing a name with a thousand templates takes milliseconds, and many rows have the same one."""


def plan_messages(
    columns: Sequence[str],
    *,
    message: str | None,
    template: Path | None,
    templates: Path | None,
    limits: MessageLimits = _DEFAULT_LIMITS,
    file: str | None = None,
) -> Messages:
    """Return the source of each row's message, checked as far as possible without a row.

    An option takes precedence over a column: `message` is a template, `template` a file with one, `templates` the folder with the files
    that the `template` column names. A `message` column holds the texts to send, as they are; braces in data are never run as a template.
    `file` is the list, for error messages.

    Raises:
        UsageError: no source is given, or more than one.
        InputError: a template can't be read, understood or filled from these columns.
    """
    variables = Variables.of(columns)
    match message, template, templates:
        case str(), None, None:
            return TemplateMessages(source_of(message, "--message", max_characters=limits.max_source), "message", variables, limits)
        case None, Path(), None:
            return TemplateMessages(read_source(template, max_characters=limits.max_source), "template", variables, limits)
        case None, None, Path():
            return _from_folder(templates, variables, limits, file)
        case None, None, None:
            return _from_column(variables, limits, file)
        case _:
            given = [("--message", message), ("--template", template), ("--templates", templates)]
            names = " and ".join(name for name, value in given if value is not None)
            raise UsageError(f"{names} each say what the messages are. Give only one of them.", code="several_messages")


class TemplateMessages:
    """The same template for each row."""

    def __init__(self, source: Source, kind: str, variables: Variables, limits: MessageLimits) -> None:
        self.fingerprint = _fingerprint(kind, source.text)
        template = Template(source, variables, limits)
        self.render = template.render
        self.render_columns = template.render_columns


class ColumnMessages:
    """Each row's message is the text of its cell."""

    def __init__(self, place: int, column: str, limits: MessageLimits) -> None:
        self.fingerprint = _fingerprint("column", column)
        self._place = place
        self._max_length = limits.max_length

    def render(self, cells: Sequence[str]) -> Rendered:
        return finish(cells[self._place], max_length=self._max_length)

    def render_columns(self, frame: "pd.DataFrame") -> RenderedBatch:
        import pyarrow as pa  # noqa: PLC0415 - it takes a while to import

        return finish_all(pa.array(frame.iloc[:, self._place]), max_length=self._max_length)


class FolderMessages:
    """Each row uses the template that its cell names, with or without the extension."""

    def __init__(self, place: int, sources: dict[str, Source], variables: Variables, limits: MessageLimits) -> None:
        texts = [part for name, source in sorted(sources.items()) for part in (name, source.text)]
        self.fingerprint = _fingerprint("templates", variables.columns[place], *texts)
        self._place = place
        self._column = variables.columns[place]
        self._templates = {name: Template(source, variables, limits) for name, source in sources.items()}
        stems: dict[str, list[str]] = {}
        for name in sources:
            stems.setdefault(name.rpartition(".")[0], []).append(name)
        self._ambiguous = {stem: names for stem, names in stems.items() if len(names) > 1}
        for stem, names in stems.items():
            if len(names) == 1:
                self._templates.setdefault(stem, self._templates[names[0]])
        self._problem = lru_cache(maxsize=_PROBLEMS)(self._find_problem)

    def render(self, cells: Sequence[str]) -> Rendered:
        name = file_key(cells[self._place])
        template = self._templates.get(name)
        return refused(Invalid.NO_TEMPLATE, self._problem(name)) if template is None else template.render(cells)

    def render_columns(self, frame: "pd.DataFrame") -> RenderedBatch:
        names = list(map(file_key, cells_in(frame, self._place)))
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
        if names := self._ambiguous.get(name):
            return f"{column} says “{shown(name)}”, which could be {' or '.join(names)}. Write the suffix too."
        close = get_close_matches(name.casefold(), {known.casefold(): known for known in self._templates}, n=1)
        near = f" Did you mean “{shown(close[0])}”?" if close else ""
        return (
            f"{column} says “{shown(name)}”, and the folder of templates has no such .txt or .j2 file.{near} "
            "Correct the name, or add the file."
        )


def _from_folder(folder: Path, variables: Variables, limits: MessageLimits, file: str | None) -> Messages:
    place = find_template_column(variables.columns, file=file)
    if place is None:
        raise UsageError(
            f"--templates needs a column “template” that names each row's file. The list has: {variables.offered()}.",
            code="missing_column",
            column="template",
        )
    return FolderMessages(place, read_folder(folder, max_characters=limits.max_source), variables, limits)


def _from_column(variables: Variables, limits: MessageLimits, file: str | None) -> Messages:
    place = find_message_column(variables.columns, file=file)
    named = find_template_column(variables.columns, file=file)
    if place is not None and named is not None:
        raise UsageError(
            f"The list has both a column “{shown(variables.columns[place])}” and a column “{shown(variables.columns[named])}”. Say which "
            'one the messages come from: --templates with the folder of the templates, or --message "{{ message }}".',
            code="several_messages",
        )
    if named is not None:
        raise UsageError(
            f"The column “{shown(variables.columns[named])}” names templates. Say with --templates which folder they are in.",
            code="no_folder",
            option="--templates",
        )
    if place is None:
        raise UsageError(
            "Nothing says what the messages are. Give --message or --template, or add a column “message” to the list. "
            f"It has: {variables.offered()}.",
            code="no_message",
        )
    return ColumnMessages(place, variables.columns[place], limits)


def _fingerprint(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in (part.encode("utf-8", "surrogatepass") for part in parts):
        # The length before each part keeps the parts apart.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
