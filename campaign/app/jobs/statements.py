"""A TOML text as keys with their values and lines. The parser is tomllib, which names no lines and stops at the first mistake.

A document is a row of statements, each of which begins on a line of its own and is a document by itself. So we hand them to tomllib one
by one: lines are added to a statement as long as tomllib finds its end missing.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from campaign.app.jobs.mistakes import Mistake

_AT_THE_END: Final = "(at end of document)"
_PLACE: Final = re.compile(r"\(at line (\d+), column \d+\)")
_KEY: Final = re.compile(r"""\s*["']?([A-Za-z0-9_.\-]+)["']?\s*(=?)\s*(.*)""")

_TYPOGRAPHIC: Final = "“”„«»\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`path` is a key with the tables it stands in; a table's own header has no value but is there, as an empty dict."""

    path: tuple[str, ...]
    value: Any
    line: int


@dataclass(slots=True, kw_only=True)
class Statements:
    """What was understood of a text, and every mistake of its grammar."""

    entries: list[Entry] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)


def read_statements(text: str) -> Statements:
    """Take a TOML document apart; no mistake in it hides another."""
    found = Statements()
    lines = text.replace("\r\n", "\n").split("\n")
    table: tuple[str, ...] = ()
    at = 0
    while at < len(lines):
        statement, used, problem = _statement(lines, at)
        if problem:
            found.mistakes.append(Mistake(line=at + 1, key=_key_of(lines[at]), problem=problem))
        elif lines[at].lstrip().startswith("["):
            table = _header(statement)
            found.entries.append(Entry(path=table, value={}, line=at + 1))
        else:
            found.entries += (Entry(path=(*table, *path), value=value, line=at + 1) for path, value in _leaves(statement))
        at += used
    _find_repeated(found)
    if not found.mistakes:
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            place = _PLACE.search(str(error))
            found.mistakes.append(Mistake(line=int(place[1]) if place else 0, key="", problem=_PLACE.sub("", str(error)).strip()))
    return found


def _statement(lines: list[str], at: int) -> tuple[dict[str, Any], int, str]:
    """The statement that begins here, how many lines to go on after, and what is wrong with it."""
    for end in range(at + 1, len(lines) + 1):
        try:
            return tomllib.loads("\n".join([*lines[at:end], ""])), end - at, ""
        except tomllib.TOMLDecodeError as error:
            problem = str(error)
            if _AT_THE_END not in problem:
                place = _PLACE.search(problem)
                # What broke a statement of several lines may be the next one.
                return {}, max(1, int(place[1]) - 1 if place else 1), _in_words(problem, lines[at])
        except RecursionError:
            return {}, end - at, "its brackets stand too deep in each other"
        except ValueError:
            # Of more digits than Python reads.
            return {}, end - at, "a number in it is far too long"
    return {}, len(lines) - at, "what begins here has no end; close its quotes or its bracket"


def _header(statement: dict[str, Any]) -> tuple[str, ...]:
    path: tuple[str, ...] = ()
    value: Any = statement
    while value:
        [(name, value)] = value.items()
        path = (*path, name)
        value = value[0] if isinstance(value, list) else value
    return path


def _leaves(value: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from (((name, *path), leaf) for path, leaf in _leaves(inner))
        else:
            yield (name,), inner


def _find_repeated(found: Statements) -> None:
    first: dict[tuple[str, ...], int] = {}
    for entry in found.entries:
        before = first.setdefault(entry.path, entry.line)
        if before != entry.line:
            found.mistakes.append(
                Mistake(line=entry.line, key=".".join(entry.path), problem=f"it stands in line {before} already; keep one of the two")
            )


def _key_of(line: str) -> str:
    key = _KEY.match(line)
    return key[1] if key else ""


def _in_words(problem: str, line: str) -> str:
    key = _KEY.match(line)
    value = key[3] if key and key[2] else ""
    if line.lstrip().startswith("["):
        return "a table is written as its name in brackets, such as [notify]"
    if not value:
        return "a line of a job is a key, an equals sign and a value, such as rate = 9"
    if value.startswith(("True", "False")):
        return f"write {value.split()[0].lower()} in small letters"
    if value[0] in _TYPOGRAPHIC:
        return 'these are typographic quotes; write straight ones: "…"'
    if "Illegal character" in problem and value[0] in "\"'":
        return "the quotes that open here are not closed on the same line"
    if "'\\'" in problem:
        return "a backslash means something else between double quotes; write single ones: '…'"
    if value[0] not in "\"'[{":
        return 'this is no value; a text, a time span or a path stands in quotes: "…"'
    return f"{_PLACE.sub('', problem).strip()[:1].lower()}{_PLACE.sub('', problem).strip()[1:]}"
