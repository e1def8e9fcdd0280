"""Opens a list and its messages, validates them, and makes them ready to be staged."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from campaign.domain.errors import BadValueError, InputError, UsageError
from campaign.domain.lists.columns import Layout, find_message_column
from campaign.domain.lists.locations import Location, parse_location
from campaign.domain.lists.query import Query, is_query, parse_query
from campaign.domain.text.formula_escape import unescape_formula
from campaign.ledger.port import CampaignSpec
from campaign.loader.messages.resolve import Messages, plan_messages
from campaign.loader.messages.template import Template
from campaign.loader.source import Source
from campaign.loader.table import Table, open_table
from campaign.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from campaign.loader.repeats import Repeats
    from campaign.loader.stage import Stager

FileSource = str | Source
"""A path, a URL or `-` from a person; or a list from a program (`loader.in_memory`), which has no file."""

ListSource = FileSource | Query

_NOT_IN_FILE_NAMES: Final = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')
_HEADER_ROW: Final = "use --header-row {line}"
_CAMPAIGN: Final = "delivery_campaign"
_MOST_NAME_BYTES: Final = 200
"""Less than the 255 bytes of a file name, to leave room for its suffixes and those of the drafts beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedList:
    table: Table
    layout: Layout
    messages: Messages | None
    spec: CampaignSpec
    zones_must_be_known: bool
    results_of: str
    """The campaign of a results file; empty if the list is none."""
    repeats: "Repeats" = field(repr=False, compare=False)

    def stager(self, *, duplicates: bool = False) -> "Stager":
        """Makes rows of the list. With `duplicates` it marks these if it can, so that the ledger need not search for them."""
        from campaign.loader.stage import Stager

        return Stager(
            layout=self.layout,
            messages=self.messages,
            zones_must_be_known=self.zones_must_be_known,
            lines=self.table.lines,
            repeated=self.repeats.found() if duplicates else None,
        )

    @property
    def same_messages(self) -> tuple[str, ...]:
        """Each `CampaignSpec.message_sha256` of a campaign that sends these messages."""
        return message_fingerprints(self.spec.id_column, self.messages)

    def own_cells(self) -> Iterator[list[tuple[str, ...]]]:
        """The values of the list's own columns, some rows at a time."""
        from campaign.loader.formats.frames import rows_of

        return (list(map(self.layout.cells, rows_of(frame))) for frame in self.table.frames())


ListCheck = Callable[[CheckedList], None]
"""Raises a `CampaignError` if the list may not be staged."""


@contextmanager
def opened(source: ListSource, settings: Settings) -> Iterator[CheckedList]:
    """Open a list and validate all of it and its messages; nothing is staged.

    Raises:
        InputError: the list or a template can't be used.
        UsageError: a setting can't be used with this list.
    """
    with _read(source, settings) as (table, repeats, named):
        with header_offered(_HEADER_ROW, table.head.header_guess):
            layout = Layout.of(table.columns, id_column=settings.id_column, file=table.name, spreadsheet=table.format.is_spreadsheet)
        messages = _messages(layout, settings, file=table.name)
        results_of = _results_of(named, layout, file=table.name)
        yield CheckedList(
            table=table,
            layout=layout,
            messages=messages,
            repeats=repeats,
            zones_must_be_known=settings.window is not None and settings.time_zone is None,
            results_of=results_of,
            spec=CampaignSpec(
                name=settings.name or results_of or default_name(source),
                list_name=str(source) if isinstance(source, Query) else table.name,
                list_place=str(parse_location(source).absolute()) if isinstance(source, str) and source != "-" else "",
                list_sha256=list_fingerprint(table.source.sha256, settings.header_row),
                message_sha256=message_fingerprint(layout.columns[layout.id_place], messages),
                columns=layout.columns,
                id_column=layout.columns[layout.id_place],
                lines_text=str(table.lines),
                settings={
                    "rate": "" if settings.rate is None else str(settings.rate),
                    "results": str(results_path(source, settings, results_file=layout.results) or ""),
                },
            ),
        )


@contextmanager
def _read(source: ListSource, settings: Settings) -> "Iterator[tuple[Table, Repeats, set[str]]]":
    """Read a list; also returns what finds its repeated passes, and the campaigns that its rows name."""
    from campaign.loader.repeats import Repeats

    repeats = Repeats(settings.id_column)
    named: set[str] = set()

    def add(frame: "pd.DataFrame") -> None:
        repeats.add(frame)
        for place in [place for place, column in enumerate(frame.columns) if column == _CAMPAIGN]:
            named.update(frame.iloc[:, place].unique())

    try:
        with header_offered(_HEADER_ROW):
            table = open_table(_opened(source), header_row=settings.header_row, each=add)
        with table:
            yield table, repeats, named
    finally:
        repeats.close()


def _opened(source: ListSource) -> str | Source:
    if not isinstance(source, Query):
        return source
    from campaign.loader.query import read_query

    return read_query(source)


@contextmanager
def header_offered(advice: str, guess: int | None = None) -> Iterator[None]:
    """If a list can't be used, and its header seems to be in another line, add this to the error.

    `advice` says what to do about it; `{line}` is that line, which is `guess` if the error does not have it.
    """
    try:
        yield
    except InputError as error:
        line = error.header_row or guess
        if line is None:
            raise
        problem = f"{error.problem} The header seems to be in line {line}: {advice.format(line=line)}."
        raise error.at(problem=problem, header_row=line) from error


def list_fingerprint(sha256: str, header_row: int | None) -> str:
    """`CampaignSpec.list_sha256` for a file with this hash: with another header row, the file is another list."""
    return sha256 if header_row is None else hashlib.sha256(f"{sha256} {header_row}".encode()).hexdigest()


def find_list(source: ListSource, settings: Settings, *, folder: Path | None = None) -> ListSource:
    """The list, with `--query` applied; one that is resolved already is returned as it is.

    Relative paths in a query start from `folder`, or else from the current one.

    Raises:
        UsageError: the query is not valid; or the list takes none, and `--query` is given.
        InputError: the file of the query can't be read.
    """
    if not isinstance(source, str):
        return source
    if not is_query(source):
        if settings.query is not None:
            problem = "--query is the SQL of a list that is duckdb: or postgresql://HOST/DATABASE. Name one of them as the list."
            raise UsageError(problem, code="query_of_a_file", option="--query")
        return source
    try:
        sql = None if settings.query is None else settings.query.read_text(encoding="utf-8-sig")
        return parse_query(source, sql=sql, file=settings.query, folder=folder)
    except BadValueError as error:
        raise UsageError(f"The list: {error}.", code=error.code) from None
    except OSError as error:
        problem = f"The query can't be read: {os.strerror(error.errno or 0)}. Check the path."
        raise InputError(problem, code="unreadable_file", file=settings.query) from None
    except UnicodeDecodeError:
        raise InputError("The query is not text in UTF-8. Save it as UTF-8.", code="not_utf8", file=settings.query) from None


def with_some_name(source: ListSource, settings: Settings) -> Settings:
    """The settings, with a name for uses that store no campaign: not every list has one."""
    if settings.name is not None or isinstance(source, str):
        return settings
    return settings.model_copy(update={"name": source.name})


def default_name(source: ListSource) -> str:
    """The campaign's name if none is given: the list's, so that the same list again is the same campaign.

    Raises:
        UsageError: the list is a URL that can't be used, or has no file.
    """
    if isinstance(source, Query) and source.file is not None:
        return source.file.name.split(".")[0] or "campaign"
    if not isinstance(source, str):
        what = "A query" if isinstance(source, Query) else f"A {source.name}"
        raise UsageError(f"{what} has no file name to name its campaign after. Give it one with --name.", code="no_name", option="--name")
    if source == "-":
        return "stdin"
    return parse_location(source).name.split(".")[0] or "campaign"


def _results_of(named: set[str], layout: Layout, *, file: str) -> str:
    """The campaign whose results these are; empty if they are none, or name none.

    Raises:
        InputError: they are of several. Another ledger that sends one of these would not find it in them.
    """
    names = sorted({unescape_formula(name) if layout.neutralised else name for name in named} - {""}) if layout.results else []
    if len(names) > 1:
        problem = (
            f"The file has results of several campaigns, such as “{names[0]}” and “{names[1]}”. Keep those of each in a file of their own."
        )
        raise InputError(problem, file=file, column=_CAMPAIGN, code="other_campaign")
    return names[0] if names else ""


def results_path(source: ListSource, settings: Settings, *, results_file: bool = False) -> Location | None:
    """Where results go: to `--results`, else beside the list, or for a query into the current folder.

    The file is named after the list, or after the campaign if that has another name. None if the list has no file: the ledger has its
    results.
    """
    if settings.results is not None:
        return settings.results.absolute()
    if isinstance(source, Source):
        return None
    if isinstance(source, Query):
        name = settings.name or (default_name(source) if source.file is not None else "")
        return Path(f"{as_file_name(name)}.results.csv").absolute() if name else None
    own = default_name(source)
    beside = parse_location(source)
    if settings.name not in {None, "", own}:
        return beside.with_name(f"{as_file_name(settings.name or own)}.results.csv").absolute()
    return beside.with_name(f"{own}.{'resumed' if results_file else 'results'}.csv").absolute()


def as_file_name(name: str) -> str:
    """A file name that every system accepts. Two names can give the same one; then a run refuses to replace the other's results."""
    safe = _NOT_IN_FILE_NAMES.sub("-", name).lstrip(". ")
    return safe.encode()[:_MOST_NAME_BYTES].decode(errors="ignore").rstrip(". ") or "campaign"


def _messages(layout: Layout, settings: Settings, *, file: str) -> Messages | None:
    given = (settings.message, settings.template, settings.templates) != (None, None, None)
    if layout.results and not given and find_message_column(layout.columns, file=file) is None:
        return None
    return plan_messages(
        layout.columns,
        message=settings.message,
        template=settings.template,
        templates=settings.templates,
        max_length=settings.max_length,
        file=file,
    )


def message_fingerprint(id_column: str, messages: Messages | None) -> str:
    """`CampaignSpec.message_sha256` for these messages."""
    return _hash("results" if messages is None else messages.fingerprint, id_column)


def message_fingerprints(id_column: str, messages: Messages | None) -> tuple[str, ...]:
    """The same, and that of the same text given in the other way."""
    twin = (_hash(messages.twin, id_column),) if isinstance(messages, Template) else ()
    return (message_fingerprint(id_column, messages), *twin)


def _hash(source: str, id_column: str) -> str:
    return hashlib.sha256(json.dumps([source, id_column]).encode()).hexdigest()
