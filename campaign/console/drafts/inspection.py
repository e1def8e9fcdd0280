"""The tasks of the process that reads lists, and its results, which are stored beside a draft's list."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from campaign.domain.lists.sheet import place
from campaign.domain.status import Status

PREVIEW: Final = "looked.json"
CHECKED: Final = "checked.json"
PROBLEMS: Final = "problems.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A row to show. `line` is its line in the sheet, if known; `cells` are its values, cut if they are long."""

    row: int
    line: int | None = None
    cells: tuple[str, ...]

    @property
    def place(self) -> str:
        return place(self.row, self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPreview:
    """A first look at a list.

    Attributes:
        key: `Draft.list_key`.
        error: why the list can't be used; empty if it can.
        header_guess: the line that the header seems to be in, if that may be the reason; else 0.
        samples: the first rows, then some with the longest and with empty values, in the list's order.
        first: how many of the samples are the first rows.
        suggested: the column of the passes, if exactly one has a name for it.
        candidates: all columns with a name for it.
        message_column: the column with each row's message, if there is one.
        own_zones: whether the list has a column of time zones.
    """

    key: str
    error: str = ""
    header_guess: int = 0
    description: str = ""
    rows: int = 0
    columns: tuple[str, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    first: int = 0
    suggested: str = ""
    candidates: tuple[str, ...] = ()
    message_column: str = ""
    own_zones: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of problem, or lint finding: in words, with its count, the places of the first rows, and an example."""

    kind: str
    words: str
    count: int
    places: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    place: str
    message: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCheck:
    """The result of a check.

    `key` is `Draft.checkable`; `content_sha256` and `messages` are as in `app.preflight.check.Checked`; `problem_rows` is the number of
    rows in the file `PROBLEMS`.
    """

    key: str
    error: str = ""
    rows: int = 0
    sendable: int = 0
    by_status: dict[Status, int]
    problems: tuple[Finding, ...] = ()
    concerns: tuple[Finding, ...] = ()
    samples: tuple[Specimen, ...] = ()
    content_sha256: str = ""
    messages: tuple[str, ...] = ()
    problem_rows: int = 0


T = TypeVar("T", ListPreview, ListCheck)
_PREVIEW: Final = TypeAdapter(ListPreview)
_FOUND: Final = TypeAdapter(ListCheck)


def kept_preview(folder: Path, key: str) -> ListPreview | None:
    """The stored preview with this key; None if there is none."""
    return _kept(_PREVIEW, folder / PREVIEW, key)


def kept_check(folder: Path, key: str) -> ListCheck | None:
    """The stored check with this key; None if there is none."""
    return _kept(_FOUND, folder / CHECKED, key)


def _kept(kind: TypeAdapter[T], file: Path, key: str) -> T | None:
    try:
        found = kind.validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return found if found.key == key else None


def as_json(found: ListPreview | ListCheck) -> bytes:
    return orjson.dumps(TypeAdapter(type(found)).dump_python(found, mode="json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """A task: `look` at a list, `check` it with its message, read a corrected file (`corrected`), or read a list of excluded passes.

    `flags` are settings on top of the environment's; `names` are the names that people gave the files, by path.
    """

    task: str
    folder: str
    source: str
    key: str
    flags: Mapping[str, Any]
    names: Mapping[str, str]


_FIELDS: Final = {
    "--id-column": "the step “Pass column”",
    "--header-row": "“Line of the header”",
    "--message": "the message",
    "--template": "the message",
    "--time-zone": "“Time zone”",
    "--start-at": "“Start at”",
    "--not-after": "“Not after”",
    "--window": "“Send between”",
    "--name": "name",
    "--to": "Your pass",
}
_FLAG: Final = re.compile("|".join(sorted(map(re.escape, _FIELDS), key=len, reverse=True)) + r"(?![a-z-])")


def without_paths(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence with people's names for files instead of paths; `names` has them by path."""
    for path, name in names.items():
        sentence = sentence.replace(path, name)
    return in_the_forms_words(sentence)


def in_the_forms_words(sentence: str) -> str:
    """A sentence with the names of the form's fields instead of the command's options."""
    return _FLAG.sub(lambda found: _FIELDS.get(found[0], found[0]), sentence.removeprefix("--message: "))
