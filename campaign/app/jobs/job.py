"""Reads and validates a job file before anything is done, and the placeholders in it, `{date}`, `{week}` and `{list}`."""

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Any, Final

from campaign.app.jobs import schema as keys
from campaign.app.jobs.document import line_of, parse
from campaign.app.jobs.schema import JobError, JobMistake, Key, known_keys, problem_of_unknown
from campaign.domain.errors import BadValueError, InputError
from campaign.domain.retry_selection import Selection, is_http_status, parts_of
from campaign.domain.schedule import parse_moment, zone
from campaign.domain.status import RETRYABLE, Status
from campaign.domain.text.durations import parse_duration
from campaign.settings import problems_of

MOST_BYTES: Final = 64 * 1024
MOST_LINES: Final = 1000
_FILTERS: Final = (keys.REASON, keys.HTTP_STATUS)

AFTER_THE_LIST: Final = frozenset({"name", "results"})
"""Settings that are not used before the list is found, so that they may contain its name."""


DATE: Final = "date"
WEEK: Final = "week"
LIST: Final = "list"
OF_THE_DAY: Final = (DATE, WEEK)
ALL: Final = (DATE, WEEK, LIST)


def used_in(text: str, known: Sequence[str] = ALL) -> list[str]:
    """The placeholders of a text. Raises BadValueError if one is unknown, or a brace is not closed."""
    try:
        fields = [(name, form, conversion) for _, name, form, conversion in Formatter().parse(text) if name is not None]
    except ValueError:
        raise BadValueError(f"“{text}” has a single brace; write {{{{ or }}}} for a brace itself", code="single_brace") from None
    for name, form, conversion in fields:
        if name not in known or form or conversion:
            near = get_close_matches(name.lower(), known, n=1)
            meant = f"{{{near[0]}}}" if near else ""
            listed = " and ".join(f"{{{one}}}" for one in known)
            hint = f"did you mean {meant}?" if meant else f"there {'are' if len(known) > 1 else 'is'} {listed}"
            raise BadValueError(f"there is no placeholder {{{name}}} here; {hint}", code="unknown_placeholder", suggestion=meant)
    return [name for name, _, _ in fields]


class Command(StrEnum):
    RUN = "run"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A valid job file. `values` are by path of the key, and still have their placeholders; paths are relative to the file's folder."""

    file: Path
    command: Command
    values: dict[tuple[str, ...], Any]

    def text(self, key: Key) -> str:
        """The value of a key that only jobs have; empty if it is not given."""
        return str(self.values.get(key.path, ""))

    @property
    def selection(self) -> Selection:
        """The rows that a retry sends again."""
        reasons, codes = ([part for text in self.values.get(key.path, ()) for part in parts_of(text)] for key in _FILTERS)
        return Selection(
            statuses=frozenset(map(Status, self.values.get(keys.STATUS.path, (Status.FAILED,)))),
            reasons=frozenset(reasons),
            http_statuses=frozenset(map(int, codes)),
        )


def under(folder: Path, text: str) -> Path:
    """A path of a job file, which is relative to the folder of the file; a leading `~` is the home folder."""
    return Path(os.path.normpath(folder / at_home(text)))


def at_home(text: str) -> str:
    return os.path.expanduser(text)  # noqa: PTH111 - pathlib's raises where there is no such user


def in_folder(key: Key, value: Any, folder: Path) -> Any:
    """A key's value; a path starts at the job's folder, whatever the current folder is."""
    if not key.is_path:
        return value
    if isinstance(value, tuple):
        return tuple(in_folder(key, one, folder) for one in value)
    return value if "://" in value else str(under(folder, value))


def takes_placeholders(key: Key) -> bool:
    """Whether a key's value may have placeholders such as `{date}`: names and paths may, but in messages braces name columns."""
    return key.is_path or key.field == "name" or key in {keys.LIST, keys.CAMPAIGN}


def read_job(path: Path) -> Job:
    """Read a job file and validate it, as far as that is possible without the list and the ledger.

    Raises:
        JobError: it has mistakes; names every one of them.
        InputError: it can't be read.
    """
    text = _text(path)
    given = parse(text, str(path))
    mistakes: list[JobMistake] = []
    values: dict[tuple[str, ...], Any] = {}
    lines = {name: line_of(name, text) for name in given}
    for name, value in given.items():
        key = known_keys().get(name)
        if key is not None:
            problem, taken = _checked(key, value)
            reported = key.name
            if problem is None:
                values[name] = taken
        else:
            problem, reported = _unknown(name, value)
        # An unknown table is one mistake, however many keys it has.
        if problem is not None and not any(mistake.key == reported for mistake in mistakes):
            mistakes.append(JobMistake.of(problem, line=lines[name], key=reported))
    mistakes += _not_possible(values, lines, path.parent)
    mistakes += _not_together(values, lines)
    if mistakes:
        raise JobError(str(path), mistakes)
    return Job(file=path, command=Command(values.get(keys.COMMAND.path, Command.RUN)), values=values)


def _text(path: Path) -> str:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise InputError("A job is a file, and this is a pipe or a device. Nothing was sent.", code="not_a_file", file=path)
        if found.st_size > MOST_BYTES:
            problem = f"A job file has at most {MOST_BYTES // 1024} kB. Give --template a long text; nothing was sent."
            raise InputError(problem, code="file_too_large", file=path)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"The job can't be read: {error.strerror or error}. Nothing was sent.", code="unreadable_file", file=path
        ) from error
    except UnicodeDecodeError as error:
        raise InputError("The job is not text in UTF-8. Save it as UTF-8; nothing was sent.", code="not_utf8", file=path) from error
    if text.count("\n") > MOST_LINES:
        raise InputError(f"A job file has at most {MOST_LINES:,} lines. Nothing was sent.", code="file_too_large", file=path)
    return text


def _unknown(path: tuple[str, ...], value: object) -> tuple[BadValueError | None, str]:
    """The error for an unknown key or table, and the name to show."""
    if (key := known_keys().get(path[:1])) is not None:
        return BadValueError(f"this has to be {key.kind.value}, and not a table", code="wrong_type"), key.name
    if path == (keys.NOTIFY,) and value == {}:
        return None, keys.NOTIFY
    if value != {} and (len(path) == 1 or path[0] == keys.NOTIFY):
        return problem_of_unknown(path), ".".join(path)
    return _no_table(path[0]), f"[{path[0]}]"


def _no_table(name: str) -> BadValueError:
    if keys.is_token(name):
        return keys.token_refused()
    meant = f"[{keys.NOTIFY}]" if get_close_matches(keys.normalize_key(name), [keys.NOTIFY], cutoff=0.6) else ""
    hint = f"did you mean {meant}?" if meant else "the keys of a job have no prefix, so take this line out, or the name and its dot"
    return BadValueError(f"there is no such table; {hint}", code="unknown_table", suggestion=meant)


def _checked(key: Key, value: object) -> tuple[BadValueError | None, Any]:
    """The error for a value by itself, or None and the value."""
    try:
        taken = key.taken(value)
        for one in taken if isinstance(taken, tuple) else (taken,):
            if takes_placeholders(key):
                used_in(one, ALL if key.field in AFTER_THE_LIST else OF_THE_DAY)
            if (check := _CHECKS.get(key.path)) is not None:
                check(one)
    except ValueError as error:
        return BadValueError.of(error), None
    return None, taken


def _not_possible(values: dict[tuple[str, ...], Any], lines: dict[tuple[str, ...], int], folder: Path) -> list[JobMistake]:
    """The mistakes in the values of settings."""
    of_settings = {key.field: key for key in known_keys().values() if key.field and key.path in values}
    found = problems_of({field: in_folder(key, values[key.path], folder) for field, key in of_settings.items()})
    return [
        JobMistake.of(problem, line=lines[key.path], key=key.name)
        if (key := of_settings.get(field)) is not None
        else JobMistake.of(problem, line=0, key="")
        for field, problem in found.items()
    ]


def _not_together(values: dict[tuple[str, ...], Any], lines: dict[tuple[str, ...], int]) -> list[JobMistake]:
    """The mistakes of keys that exclude each other, or need another key."""
    retries = values.get(keys.COMMAND.path) == Command.RETRY
    messages = sorted((lines[name,], name) for name in keys.MESSAGES if (name,) in lines)
    found = [
        JobMistake(
            line=line,
            key=name,
            problem=f"line {messages[0][0]} says already what is sent, with {messages[0][1]}; keep one of the two",
            code="several_messages",
        )
        for line, name in messages[1:]
    ]
    if keys.COMMAND.path in lines and keys.COMMAND.path not in values:
        return found
    foreign = keys.OF_A_RUN if retries else keys.OF_A_RETRY
    if keys.ROWS.path in lines:
        foreign -= {"id_column"}
    why = (
        "the rows of a retry are in the ledger with their messages, so this means nothing here"
        if retries
        else 'only a job with command = "retry" has this'
    )
    found += [
        JobMistake(line=line, key=name[0], problem=f"{why}; take it out", code="key_of_another_command")
        for name, line in lines.items()
        if name[0] in foreign
    ]
    if retries:
        name = ("results",)
        if LIST in used_in(values.get(name, "")):
            problem = "a retry has no list that {list} could name"
            found.append(JobMistake(line=lines[name], key="results", problem=problem, code="unknown_placeholder"))
    needed = keys.CAMPAIGN if retries else keys.LIST
    if needed.path not in lines:
        example = 'campaign = "weekly-offer-{week}"' if retries else 'list = "lists/weekly-*.csv"'
        problem = f"this key is missing; write for example {example}"
        found.append(JobMistake(line=0, key=needed.name, problem=problem, code="missing_key"))
    return found


def _command(value: str) -> None:
    if value not in set(Command):
        raise ValueError(f"“{value}” is none of a job's commands, which are “run” (what it is without this key) and “retry”")


def _list(value: str) -> None:
    if value in {"", "-"}:
        raise ValueError("a job needs a file, or a pattern such as lists/weekly-*.csv")


def _rows(value: str) -> None:
    if value in {"", "-"}:
        raise ValueError("this is a file of passes, or a pattern such as lists/vip-*.csv")


def _campaign(value: str) -> None:
    if not value.strip():
        raise ValueError("this is the name of a campaign, and can't be empty")


def _status(value: str) -> None:
    if value not in RETRYABLE:
        raise ValueError(f"“{value}” is none of the rows that can be sent again, which are {', '.join(sorted(RETRYABLE))}")


def _reason(value: str) -> None:
    if not parts_of(value):
        raise ValueError("this is a reason as the results hold it, such as http_404, and can't be empty")


def _http_status(value: str) -> None:
    for part in parts_of(value) or [value]:
        if not is_http_status(part):
            raise ValueError(f"“{part}” is no HTTP status; write the number of an answer, such as 422")


def _moment(value: str) -> None:
    # Only validated here: the time that it means is known when the job starts.
    parse_moment(value, in_zone=zone("UTC"), now=datetime.now(UTC))


_CHECKS: Final[dict[tuple[str, ...], Callable[[str], object]]] = {
    keys.COMMAND.path: _command,
    keys.LIST.path: _list,
    keys.MAX_AGE.path: parse_duration,
    keys.ROWS.path: _rows,
    keys.CAMPAIGN.path: _campaign,
    keys.STATUS.path: _status,
    keys.REASON.path: _reason,
    keys.HTTP_STATUS.path: _http_status,
    keys.ZONE: zone,
    ("start_at",): _moment,
    ("not_after",): _moment,
}
