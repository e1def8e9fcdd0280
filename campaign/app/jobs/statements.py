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
from campaign.domain.errors import BadValueError

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
        if problem is not None:
            found.mistakes.append(Mistake.of(problem, line=at + 1, key=_key_of(lines[at])))
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
            problem = BadValueError(_PLACE.sub("", str(error)).strip(), code="syntax")
            found.mistakes.append(Mistake.of(problem, line=int(place[1]) if place else 0, key=""))
    return found


def _statement(lines: list[str], at: int) -> tuple[dict[str, Any], int, BadValueError | None]:
    """The statement that begins here, how many lines to go on after, and what is wrong with it."""
    for end in range(at + 1, len(lines) + 1):
        try:
            return tomllib.loads("\n".join([*lines[at:end], ""])), end - at, None
        except tomllib.TOMLDecodeError as error:
            problem = str(error)
            if _AT_THE_END not in problem:
                place = _PLACE.search(problem)
                # What broke a statement of several lines may be the next one.
                return {}, max(1, int(place[1]) - 1 if place else 1), _in_words(problem, lines[at])
        except RecursionError:
            return {}, end - at, BadValueError("its brackets stand too deep in each other", code="too_deep")
        except ValueError:
            # Of more digits than Python reads.
            return {}, end - at, BadValueError("a number in it is far too long", code="number_too_long")
    return {}, len(lines) - at, BadValueError("what begins here has no end; close its quotes or its bracket", code="unclosed")


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
                Mistake(
                    line=entry.line,
                    key=".".join(entry.path),
                    problem=f"it stands in line {before} already; keep one of the two",
                    code="repeated_key",
                )
            )


def _key_of(line: str) -> str:
    key = _KEY.match(line)
    return key[1] if key else ""


def _in_words(problem: str, line: str) -> BadValueError:
    key = _KEY.match(line)
    value = key[3] if key and key[2] else ""
    if line.lstrip().startswith("["):
        return BadValueError("a table is written as its name in brackets, such as [notify]", code="bad_table")
    if not value:
        return BadValueError("a line of a job is a key, an equals sign and a value, such as rate = 9", code="no_value")
    if value.startswith(("True", "False")):
        small = value.split()[0].lower()
        return BadValueError(f"write {small} in small letters", code="capital_letters", suggestion=small)
    if value[0] in _TYPOGRAPHIC:
        return BadValueError('these are typographic quotes; write straight ones: "…"', code="typographic_quotes")
    if "Illegal character" in problem and value[0] in "\"'":
        return BadValueError("the quotes that open here are not closed on the same line", code="unclosed")
    if "'\\'" in problem:
        return BadValueError("a backslash means something else between double quotes; write single ones: '…'", code="backslash")
    if value[0] not in "\"'[{":
        return BadValueError('this is no value; a text, a time span or a path stands in quotes: "…"', code="no_quotes")
    said = _PLACE.sub("", problem).strip()
    return BadValueError(f"{said[:1].lower()}{said[1:]}", code="syntax")
