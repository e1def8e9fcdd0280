"""The keys of a job file: every setting of a run under its own name, and the few keys that only jobs have.

A setting that is added to `Settings` becomes a key of jobs; its type says which values it takes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from campaign.domain.errors import BadValueError, UsageError
from campaign.domain.lists.locations import ObjectUrl
from campaign.domain.text.lines import as_sentence
from campaign.settings import Settings

NOTIFY: Final = "notify"
_TABLES: Final = {"notify": (NOTIFY, "urls"), "notify_on": (NOTIFY, "on")}
"""Settings that have their own table."""

_SEVERAL: Final = (tuple, list, frozenset)
_REFUSED: Final = {
    "yes": "a job is sent without being asked about, so it needs no such key; take it out",
    "moved_here": "it is said once, and a job is started again and again; take it out, and add --moved-here to the command once",
    "api_url": "where PassEntry is, the machine says: put it into PASSENTRY_API_URL, and take it out of the job",
    "api_key_file": "where the token is, the machine says: put it into PASSENTRY_API_KEY_FILE, and take it out of the job",
    "ca_file": "the machine decides which certificates to trust: put it into CAMPAIGN_CA_FILE, and take it out of the job",
}
_NOT_IN_A_JOB: Final = {*_REFUSED, "api_key"}
_TOKEN: Final = re.compile(r"(^|_)(token|api_?key|key|secret|password|passwd|bearer|authorization)($|_)")
REFUSAL: Final = (
    "a job never holds the token; put it into PASSENTRY_API_KEY, or its file's name into PASSENTRY_API_KEY_FILE, take it out of here, "
    "and have a new one made if others could read this file"
)


class Kind(Enum):
    """The kind of TOML value that a key takes, in words."""

    FLAG = "true or false"
    WHOLE = "a whole number without quotes, such as 100"
    TEXT = 'a text in quotes: "…"'
    WRITTEN = 'a number, or a text in quotes: "…"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of job files. `field` is the setting's name, empty for a key that only jobs have; `many` allows a list of values."""

    path: tuple[str, ...]
    kind: Kind
    field: str = ""
    many: bool = False
    is_path: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def taken(self, value: object) -> Any:
        """The value as text, as in the environment; but flags and whole numbers stay as they are.

        Raises:
            BadValueError: it is of another kind.
        """
        if self.many:
            return tuple(self._one(one) for one in value) if isinstance(value, list) else (self._one(value),)
        return self._one(value)

    def _one(self, value: object) -> Any:
        match self.kind, value:
            case (Kind.FLAG, bool()):
                return value
            case (Kind.WHOLE, int()) if not isinstance(value, bool):
                return value
            case (Kind.TEXT | Kind.WRITTEN, str()):
                return value
            case (Kind.TEXT | Kind.WRITTEN, time()) if value.second == value.microsecond == 0:
                return f"{value:%H:%M}"
            case (Kind.TEXT | Kind.WRITTEN, date() | time()):
                return value.isoformat()
            case (Kind.WRITTEN, int() | float()) if not isinstance(value, bool):
                return str(value)
            case _:
                wanted = f"{self.kind.value}{', or several of them in brackets' if self.many else ''}"
                raise BadValueError(f"this has to be {wanted}", code="wrong_type")


COMMAND: Final = Key(path=("command",), kind=Kind.TEXT)
LIST: Final = Key(path=("list",), kind=Kind.TEXT)
MAX_AGE: Final = Key(path=("max_age",), kind=Kind.TEXT)
CAMPAIGN: Final = Key(path=("campaign",), kind=Kind.TEXT)
STATUS: Final = Key(path=("status",), kind=Kind.TEXT, many=True)
REASON: Final = Key(path=("reason",), kind=Kind.TEXT, many=True)
HTTP_STATUS: Final = Key(path=("http_status",), kind=Kind.WRITTEN, many=True)
ROWS: Final = Key(path=("rows",), kind=Kind.TEXT, is_path=True)
OF_JOBS: Final = (COMMAND, LIST, MAX_AGE, CAMPAIGN, STATUS, REASON, HTTP_STATUS, ROWS)
ZONE: Final = ("time_zone",)

OF_A_RUN: Final = frozenset(
    {"list", "max_age", "name", "message", "template", "templates", "id_column", "header_row", "query", "max_length", "dry_run"}
)
OF_A_RETRY: Final = frozenset({"campaign", "status", "reason", "http_status", "rows"})
"""Keys that the other command does not have."""

MESSAGES: Final = ("message", "template", "templates")
"""A job can have only one of these."""


@cache
def known_keys() -> dict[tuple[str, ...], Key]:
    return {key.path: key for key in (*OF_JOBS, *keys_of(Settings.model_fields))}


def keys_of(fields: Mapping[str, FieldInfo]) -> Iterator[Key]:
    for name, field in fields.items():
        if name in _NOT_IN_A_JOB:
            continue
        alias = field.validation_alias
        own = alias.removeprefix("CAMPAIGN_").lower() if isinstance(alias, str) else name
        kinds = list(_flat(field.annotation))
        yield Key(
            path=_TABLES.get(name, (own,)),
            field=name,
            kind=_kind(kinds),
            many=any(get_origin(kind) in _SEVERAL for kind in _alternatives(field.annotation)),
            is_path=Path in kinds or name == "ledger",
        )


def problem_of_unknown(path: tuple[str, ...]) -> BadValueError:
    """The error for an unknown key; it never repeats a value, which may be a token."""
    last = path[-1]
    if last in _REFUSED:
        return BadValueError(_REFUSED[last], code="not_in_a_job")
    if any(map(is_token, path)):
        return token_refused()
    names = {normalize_key(name): key for key in known_keys().values() for name in (key.field, key.path[-1]) if name}
    if (meant := names.get(normalize_key(last))) is not None:
        if len(path) > 1:
            problem = f"it is in the table [{path[0]}]; write it above all tables, as {meant.name}"
            return BadValueError(problem, code="misplaced_key", suggestion=meant.name)
        return _no_key(meant.name)
    near = get_close_matches(normalize_key(last), names, n=1, cutoff=0.6)
    return _no_key(names[near[0]].name if near else "")


def token_refused() -> BadValueError:
    return BadValueError(REFUSAL, code="token_in_a_job")


def is_token(name: str) -> bool:
    """Whether a key's name looks as if its value were a secret."""
    return _TOKEN.search(normalize_key(name)) is not None


def _no_key(meant: str) -> BadValueError:
    hint = f"did you mean {meant}?" if meant else "docs/operations/jobs.md tells which there are"
    return BadValueError(f"there is no such key; {hint}", code="unknown_key", suggestion=meant)


def normalize_key(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The types that a value may have, unwrapped from unions and annotations."""
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for inner in get_args(annotation):
            yield from _alternatives(inner)
    elif annotation is not NoneType:
        yield annotation


def _flat(annotation: Any) -> Iterator[Any]:
    for kind in _alternatives(annotation):
        if get_origin(kind) in _SEVERAL:
            for inner in get_args(kind):
                if inner is not Ellipsis:
                    yield from _flat(inner)
        else:
            yield kind


def _kind(kinds: list[Any]) -> Kind:
    if kinds == [bool]:
        return Kind.FLAG
    if kinds == [int]:
        return Kind.WHOLE
    return Kind.TEXT if set(kinds) <= {str, Path, ObjectUrl} else Kind.WRITTEN


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class JobMistake:
    """A mistake in a job file.

    `line` counts from 1; it is 0 if the mistake is about the whole file. `key` may be empty. `problem` is the end of a sentence.
    `suggestion` is the key or the value that was probably meant.
    """

    line: int
    key: str
    problem: str
    code: str
    suggestion: str = ""

    @classmethod
    def of(cls, error: BadValueError, *, line: int, key: str) -> "JobMistake":
        return cls(line=line, key=key, problem=str(error), code=error.code, suggestion=error.suggestion)

    def __str__(self) -> str:
        place = ", ".join([*([f"line {self.line}"] if self.line else []), *([f"“{self.key}”"] if self.key else [])])
        return f"{place}: {as_sentence(self.problem)}" if place else as_sentence(self.problem)

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line or None, "key": self.key or None, "code": self.code, "problem": self.problem}


class JobError(UsageError):
    """A job file with mistakes; `lines` has one sentence for each."""

    code = "job_mistakes"

    def __init__(self, file: str, mistakes: Iterable[JobMistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        count = len(self.mistakes)
        found = "is a mistake" if count == 1 else f"are {count} mistakes"
        self.lines = (f"{file}: there {found} in this job; nothing was sent.", *(f"  {mistake}" for mistake in self.mistakes))
        super().__init__(" ".join(self.lines), file=file)
