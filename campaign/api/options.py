"""Converts keyword arguments, which have the names of the flags, to `Settings`."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from difflib import get_close_matches
from os import PathLike, fspath
from typing import Any, Final, TypedDict

from pydantic import SecretStr

from campaign.domain.errors import UsageError
from campaign.domain.lists.query import POSTGRES
from campaign.settings import Settings

_FIELDS: Final = {"token": "api_key"}

Span = str | float | timedelta
"""A duration: `10s`, `5m`, seconds, or a timedelta."""

Moment = str | date
"""`18:00`, `2026-12-24`, `2026-12-24T18:00`, or a date or datetime. Without a zone it is in `time_zone`, or else in the machine's zone."""

File = str | PathLike[str]


class LedgerOptions(TypedDict, total=False):
    ledger: File


class VerifyOptions(LedgerOptions, total=False):
    budget: str
    proxy: str
    ca_file: File
    results: File
    token: str
    api_url: str


class ResumeOptions(VerifyOptions, total=False):
    window: str
    time_zone: str
    start_at: Moment
    not_after: Moment
    no_wait: bool
    exclude: object
    only_reachable: bool
    daily_cap: int
    sample: int
    seed: int
    canary: int
    via: str
    entity: str
    rate: float | str
    limit: int
    yes: bool
    moved_here: bool
    halt: str | int
    baseline: bool
    on_unknown: str
    quiet_period: Span
    timeout: Span
    max_attempts: int
    concurrency: int


class RetryOptions(ResumeOptions, total=False):
    message: str
    template: File
    templates: File
    id_column: str
    max_length: int


class RunOptions(RetryOptions, total=False):
    query: File
    header_row: int
    lock_screen: int
    engine: str
    address: str
    workers: int


class CheckOptions(LedgerOptions, total=False):
    query: File
    header_row: int
    message: str
    template: File
    templates: File
    id_column: str
    max_length: int
    lock_screen: int
    rate: float | str
    exclude: object
    results: File
    budget: str
    proxy: str
    ca_file: File
    token: str
    api_url: str


ACCESS: Final = ("token", "api_url")
CONTROL: Final = ("ledger", "budget", "proxy", "ca_file", *ACCESS)
LEDGER: Final = tuple(LedgerOptions.__annotations__)
CHECK: Final = ("name", *CheckOptions.__annotations__)
RUN: Final = ("name", *RunOptions.__annotations__)
RESUME: Final = tuple(ResumeOptions.__annotations__)
RETRY: Final = tuple(RetryOptions.__annotations__)
VERIFY: Final = tuple(VerifyOptions.__annotations__)
ALL: Final = frozenset((*CHECK, *RUN))

_ARGUMENTS: Final = ALL | {"status", "reason", "http_status", "rows", "reach"}
_COMMAND_OR_FLAG: Final = re.compile(r"campaign (?:run|resume|retry|verify|report|pause|cancel)\b(?:(?!\. )[^,\n])*|--([a-z][a-z-]+)")


def with_arguments(sentence: str) -> str:
    """A sentence with arguments in place of the flags of their names: `id_column` for --id-column. Whole commands stay as they are."""

    def argument(found: re.Match[str]) -> str:
        name = (found[1] or "").replace("-", "_")
        return f"`{name}`" if name in _ARGUMENTS else found[0]

    return _COMMAND_OR_FLAG.sub(argument, sentence)


def check_options(options: Mapping[str, Any], known: Sequence[str], *, function: str) -> None:
    """Check that a function has these options.

    Raises:
        UsageError: it lacks one. The text suggests the nearest.
    """
    for option in options:
        if option not in known:
            near = [name for name in known if name.startswith(option)] or get_close_matches(option, known, n=1, cutoff=0.7)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."
            raise UsageError(
                f"{function} has no option {option}. {hint}", code="unknown_option", option=option, suggestion=near[0] if near else ""
            )


def settings_of(options: Mapping[str, Any], known: Sequence[str], *, function: str) -> Settings:
    """The settings from the arguments, and for missing ones from the environment and `.env`, as for the command.

    Raises:
        UsageError: there is no such option, or a value is not valid.
    """
    check_options(options, known, function=function)
    given = {_FIELDS.get(name, name): _value(name, value) for name, value in options.items() if value is not None}
    # A URL with a password is allowed here: everyone on the machine can read a command line, but not a call.
    database = given.pop("ledger") if str(given.get("ledger", "")).strip().startswith(POSTGRES) else ""
    settings = Settings.read(**given)
    return settings.model_copy(update={"ledger": database.strip()}) if database else settings


def _value(name: str, value: Any) -> Any:
    match value:
        case timedelta():
            return value.total_seconds()
        case date():
            return value.isoformat()
        case int() if name == "halt":
            return str(value)
        case PathLike() if name == "ledger":
            return fspath(value)
        case str() if name == "token":
            if not value.strip():
                raise UsageError(
                    "`token` is empty. Give the token, or leave `token` out: then it comes from PASSENTRY_API_KEY.",
                    code="no_token",
                    option="--token",
                )
            return SecretStr(value)
        case _:
            return value
