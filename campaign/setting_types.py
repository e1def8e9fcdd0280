"""The types of settings, each of which parses the text of a flag, the environment or a job; and marks for settings in `Annotated`."""

import math
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from campaign.domain.errors import UsageError
from campaign.domain.failure_guard import Halt, parse_halt
from campaign.domain.lists.locations import UNEXPANDED, Location, is_wrapped, place_of, unexpanded_variable
from campaign.domain.lists.query import POSTGRES
from campaign.domain.notices import Occasion, parse_addresses, parse_occasions
from campaign.domain.schedule import Window, parse_window
from campaign.domain.text.durations import parse_duration
from campaign.sender.api.network import Proxy
from campaign.sender.batches.wire import Shape

UNLIMITED: Final = "unlimited"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")

# At least two letters, as C:/ is a disk; two slashes, or one if a URL is clearly meant.
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+://|p[a-z+0-9]*sql:/)", re.IGNORECASE)


class Persisted:
    """Marks a setting that a campaign keeps for `resume`, unless it is given again: a resume at night must not send at night."""


class Wizard(StrEnum):
    """Marks a setting that the console's wizard offers, by the section of its form."""

    WHEN = "when"
    SAFEGUARDS = "safeguards"
    ADVANCED = "advanced"


def _rate(value: object) -> float | None:
    """Sends per second; `unlimited` is None."""
    if value is None or value == UNLIMITED:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"“{value}” is not a rate; write a number of sends per second above 0, such as 9")
    return number


def _log_level(value: object) -> str:
    """One of `LOG_LEVELS`, in any case."""
    level = str(value).strip().lower()
    if level not in LOG_LEVELS:
        raise ValueError(f"“{value}” is not a level of the log; write one of {', '.join(LOG_LEVELS)}")
    return level


def _path(value: object) -> object:
    """A path on this machine. A leading `~` is the home folder; variables and quotes, which a shell would replace, are refused.

    Otherwise a folder named `$HOME` would be created, and another ledger in it. An existing file may have such a name.
    """
    if not isinstance(value, str | Path) or not str(value):
        return value
    is_there = os.path.lexists(value)
    if (variable := unexpanded_variable(str(value))) and not is_there:
        raise ValueError(
            f"“{variable}” in “{value}” is not replaced by a value: {UNEXPANDED}. Only a file that is there already may have such a name"
        )
    if is_wrapped(str(value)) and not is_there:
        raise ValueError(f"“{value}” has quotes, blanks or a line's end around it; write the path alone")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        if is_there:
            return Path(value)
        raise ValueError(f"“{value}” begins with “~”, and there is no such home folder; write the whole path") from None


def _place(value: object) -> object:
    """A path on this machine, or the URL of an object in a store."""
    return _path(place_of(value)) if isinstance(value, str) else _path(value)


def given_path(option: str, value: str | Path) -> Path:
    """The path in an option of one command, parsed like every path setting. Raises UsageError if the path is not valid."""
    try:
        return Path(str(_path(value)))
    except ValueError as error:
        raise UsageError(f"{option}: {error}.", code="bad_value", option=option) from None


def given_duration(option: str, text: str) -> float:
    """The seconds in an option of one command. Raises UsageError if the text is no duration."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.", code="bad_value", option=option) from None


def _ledger(value: object) -> object:
    """A path as it is, or the URL of a database without the blanks that a file of secrets may put around it."""
    found = _SCHEME.match(value) if isinstance(value, str) else None
    if not isinstance(value, str) or found is None:
        _path(value)
        return value
    if not value.strip().startswith(POSTGRES):
        # The rest may hold a password.
        raise ValueError(
            f"“{found[1]}” begins no address that a ledger can be at; write a file's path, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    return value.strip()


def _files(value: object) -> object:
    """Paths and URLs; in the environment they are separated as in PATH, but the colon of a URL does not separate."""
    several = re.split(f"{re.escape(os.pathsep)}(?!//)", value) if isinstance(value, str) else value
    return tuple(map(_place, several)) if isinstance(several, list | tuple) else several


def _proxy(value: object) -> object:
    if isinstance(value, str) and value:
        Proxy.parse(value)
    return value


Duration = Annotated[float, BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value)]
Rate = Annotated[float | None, BeforeValidator(_rate)]
LogLevel = Annotated[str | None, BeforeValidator(lambda value: None if value is None else _log_level(value))]
# Without NoDecode a variable of such a type would be read as JSON.
HaltLimit = Annotated[Halt, NoDecode, BeforeValidator(lambda value: parse_halt(value) if isinstance(value, str) else value)]
Addresses = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(parse_addresses)]
Occasions = Annotated[frozenset[Occasion], NoDecode, BeforeValidator(parse_occasions)]

BatchShape = Annotated[Shape, NoDecode, BeforeValidator(lambda value: Shape.parse(value) if isinstance(value, str) else value)]
WindowOfDay = Annotated[Window | None, NoDecode, BeforeValidator(lambda value: parse_window(value) if isinstance(value, str) else value)]
LocalPath = Annotated[Path | None, BeforeValidator(_path)]
File = Annotated[Location | None, NoDecode, BeforeValidator(_place)]
Files = Annotated[tuple[Location, ...], NoDecode, BeforeValidator(_files)]
BudgetName = Annotated[str, BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value)]
ProxyUrl = Annotated[str, BeforeValidator(_proxy)]
LedgerPlace = Annotated[str, BeforeValidator(_ledger)]
