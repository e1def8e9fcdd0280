"""Which one source the messages of a list come from."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from campaign.domain.errors import UsageError
from campaign.loader.messages.fields import Fields
from campaign.loader.messages.folder import FolderMessages, read_folder
from campaign.loader.messages.rendered import MessageLimits, Messages, Rendered
from campaign.loader.messages.source import Source, read_source, source_of
from campaign.loader.messages.template import compile_template
from campaign.loader.messages.text import finish, is_ordinary
from campaign.loader.names import find_message_column, find_template_column, shown

_DEFAULT_LIMITS: Final = MessageLimits()


def plan_messages(
    columns: Sequence[str],
    *,
    message: str | None,
    template: Path | None,
    templates: Path | None,
    limits: MessageLimits = _DEFAULT_LIMITS,
    file: str | None = None,
) -> Messages:
    """Where each row's message comes from, checked as far as it can be without a row.

    An option wins over a column. A `message` column is the text to send, as it stands: whoever has it in the list wants to see there what
    is sent, and braces in data are never run. A `template` column needs the folder.

    Args:
        columns: the list's columns, in the order of each row's cells.
        message: `--message`, a template.
        template: `--template`, a file with one.
        templates: `--templates`, the folder with the files that the `template` column names.
        limits: what messages and templates may take.
        file: the list, for messages.

    Raises:
        UsageError: no source is given, or more than one.
        InputError: a template can't be read, understood or filled from these columns.
    """
    fields = Fields.of(columns)
    match message, template, templates:
        case str(), None, None:
            return _from_one(source_of(message, "--message", max_characters=limits.max_source), "message", fields, limits)
        case None, Path(), None:
            return _from_one(read_source(template, max_characters=limits.max_source), "template", fields, limits)
        case None, None, Path():
            return _from_folder(templates, fields, limits, file)
        case None, None, None:
            return _from_column(fields, limits, file)
        case _:
            given = [("--message", message), ("--template", template), ("--templates", templates)]
            names = " and ".join(name for name, value in given if value is not None)
            raise UsageError(f"{names} each say what the messages are. Give only one of them.")


class OneTemplate:
    """The same template for each row."""

    def __init__(self, source: Source, kind: str, fields: Fields, limits: MessageLimits) -> None:
        self.fingerprint = _fingerprint(kind, source.text)
        template = compile_template(source, fields, limits)
        self.render = template.render
        self.texts = template.texts


class ColumnMessages:
    """Each row's message as its cell has it."""

    def __init__(self, place: int, column: str, limits: MessageLimits) -> None:
        self.fingerprint = _fingerprint("column", column)
        self._place = place
        self._max_length = limits.max_length

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row."""
        return finish(cells[self._place], max_length=self._max_length)

    def texts(self, rows: Sequence[Sequence[str]]) -> Sequence[str]:
        """The messages of many rows; empty where `render` has to tell what is wrong."""
        texts = [cells[self._place].strip() for cells in rows]
        return [text if is_ordinary(text, max_length=self._max_length) else "" for text in texts]


def _from_one(source: Source, kind: str, fields: Fields, limits: MessageLimits) -> Messages:
    return OneTemplate(source, kind, fields, limits)


def _from_folder(folder: Path, fields: Fields, limits: MessageLimits, file: str | None) -> Messages:
    place = find_template_column(fields.columns, file=file)
    if place is None:
        raise UsageError(f"--templates needs a column “template” that names each row's file. The list has: {fields.offered()}.")
    sources = read_folder(folder, limits)
    texts = [part for name, source in sorted(sources.items()) for part in (name, source.text)]
    return FolderMessages(place, sources, fields, limits, fingerprint=_fingerprint("templates", fields.columns[place], *texts))


def _from_column(fields: Fields, limits: MessageLimits, file: str | None) -> Messages:
    place = find_message_column(fields.columns, file=file)
    named = find_template_column(fields.columns, file=file)
    if place is not None and named is not None:
        raise UsageError(
            f"The list has both a column “{shown(fields.columns[place])}” and a column “{shown(fields.columns[named])}”. Say which one the "
            'messages come from: --templates with the folder of the templates, or --message "{{ message }}".'
        )
    if named is not None:
        raise UsageError(f"The column “{shown(fields.columns[named])}” names templates. Say with --templates which folder they are in.")
    if place is None:
        raise UsageError(
            "Nothing says what the messages are. Give --message or --template, or add a column “message” to the list. "
            f"It has: {fields.offered()}."
        )
    return ColumnMessages(place, fields.columns[place], limits)


def _fingerprint(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in _encoded(parts):
        # With its length before it, no part can be taken for the end of another.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _encoded(parts: Iterable[str]) -> Iterable[bytes]:
    return (part.encode("utf-8", "surrogatepass") for part in parts)
