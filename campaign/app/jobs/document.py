"""Parses TOML to values by key. tomllib, the parser, gives no line numbers of keys, and only one mistake at a time."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from campaign.app.jobs.schema import JobError, JobMistake
from campaign.domain.errors import BadValueError

Path = tuple[str, ...]
"""The names of the tables around a key, and of the key."""

_PLACE: Final = re.compile(r" *\(at (?:line (\d+), column \d+|end of document)\)")
_HEADER: Final = re.compile(r"\s*\[\[?([^\[\]]+)\]")
_DOTTED: Final = re.compile(r"""\s*([\w.\-"' ]+?)\s*=""")
_KEY: Final = re.compile(r"""\s*["']?([A-Za-z0-9_.\-]+)["']?\s*(=?)\s*(.*)""")
_OPENS: Final = re.compile(r"""=\s*(\"\"\"|'''|\[|\{)""")
_TYPOGRAPHIC: Final = "“”„«»\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"


def parse(text: str, file: str) -> dict[Path, Any]:
    """The values by key; a table without keys is an empty dict.

    Raises:
        JobError: the text is not TOML, or has a key twice.
    """
    try:
        return dict(_leaves(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        mistake = _mistake(str(error), text)
    except RecursionError:
        mistake = JobMistake(line=0, key="", problem="brackets are nested too deeply", code="too_deep")
    except ValueError:
        # The number has more digits than Python reads.
        mistake = JobMistake(line=0, key="", problem="a number is far too long", code="number_too_long")
    raise JobError(file, [mistake])


def line_of(path: Path, text: str) -> int:
    """The line on which a key, or the table that it is in, begins, counted from 1; 0 if there is none.

    The search goes by the form of a line, so that a line of a long text can be taken for a key.
    """
    table: Path = ()
    table_line = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if (header := _HEADER.match(line)) is not None:
            table = _parts(header[1])
            table_line = table_line or (number if path[: len(table)] == table else 0)
        elif (key := _DOTTED.match(line)) is not None:
            found = (*table, *_parts(key[1]))
            if path[: len(found)] == found:
                return number
    return table_line


def _parts(key: str) -> Path:
    return tuple(part.strip(" \t\"'") for part in key.split("."))


def _leaves(value: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name, found in value.items():
        inner = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else found
        if isinstance(inner, dict) and inner:
            yield from (((name, *path), leaf) for path, leaf in _leaves(inner))
        else:
            yield (name,), inner


def _mistake(problem: str, text: str) -> JobMistake:
    place = _PLACE.search(problem)
    lines = text.split("\n")
    at = int(place[1]) if place and place[1] else max((number for number, line in enumerate(lines, start=1) if line.strip()), default=1)
    found = _in_words(_PLACE.sub("", problem), lines[at - 1])
    if problem.startswith(("Unterminated", "Unclosed", "Expected \"'''\"", 'Expected \'"""\'')):
        # The value began further up.
        at = max((number for number, line in enumerate(lines[:at], start=1) if _OPENS.search(line)), default=at)
        found = BadValueError("what begins here has no end; close its quotes or its bracket", code="unclosed")
    key = _KEY.match(lines[at - 1])
    return JobMistake.of(found, line=at, key=key[1] if key else "")


def _in_words(problem: str, line: str) -> BadValueError:
    key = _KEY.match(line)
    value = key[3] if key and key[2] else ""
    if "overwrite" in problem or "Duplicate" in problem:
        return BadValueError("this key is there twice; keep one of the two", code="repeated_key")
    if line.lstrip().startswith("["):
        return BadValueError("a table is written as its name in brackets, such as [notify]", code="bad_table")
    if not value:
        return BadValueError("a line of a job is a key, an equals sign and a value, such as rate = 9", code="no_value")
    if value.startswith(("True", "False")):
        small = value.split()[0].lower()
        return BadValueError(f"write {small} in small letters", code="capital_letters", suggestion=small)
    if value[0] in _TYPOGRAPHIC:
        return BadValueError('these are typographic quotes; write straight ones: "…"', code="typographic_quotes")
    if problem.startswith(("Illegal character", "Expected")) and value[0] in "\"'":
        return BadValueError("the quotes that open here are not closed on the same line", code="unclosed")
    if "'\\'" in problem:
        return BadValueError("a backslash means something else between double quotes; write single ones: '…'", code="backslash")
    if value[0] not in "\"'[{":
        return BadValueError('this is no value; a text, a duration or a path is in quotes: "…"', code="no_quotes")
    return BadValueError(f"{problem[:1].lower()}{problem[1:]}", code="syntax")
