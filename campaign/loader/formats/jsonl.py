"""Reads JSON lines, mostly results files: one object a line, each with the keys of the first."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from campaign.domain.errors import InputError
from campaign.loader import limits
from campaign.loader.formats.file_format import Head, List
from campaign.loader.formats.frames import Header

_HALF: Final = re.compile("[\ud800-\udfff]")
_SAVE_AGAIN: Final = "Save the file again."
_ONE_A_LINE: Final = "JSON lines are one object a line; a JSON document is saved so by: jq -c '.[]' LIST.json"


def read_jsonl(path: Path, header_row: int | None = None) -> List:
    """Return the list in a file of JSON lines.

    Raises:
        InputError: `header_row` is given, the file has no rows, or its first line is no object. While the rows are read: a line is no
            object, or has other keys.
    """
    if header_row is not None:
        raise InputError("JSON lines have their columns' names in every line: leave --header-row out.", code="header_row_not_possible")
    first = next(_rows(path, list), None)
    if first is None:
        raise InputError(f"The file has no rows. {_SAVE_AGAIN}", code="no_rows")
    header = Header.check(first[1])
    return Head(columns=header.columns, description="JSON lines"), header.batches(_rows(path, partial(_cells, first[1])))


def _rows(path: Path, cells: Callable[[dict[str, Any]], list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each object. Raises InputError for a line that is no object."""
    row = line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            while text := file.readline(limits.LINE_CHARACTERS + 1):
                line += 1
                if not text.isspace():
                    row += 1
                    yield line, cells(_object(text, is_first=row == 1))
    except InputError as error:
        raise error.at(row=row, line=line) from None
    except UnicodeDecodeError:
        problem = f"The file is not UTF-8, as JSON lines are. {_SAVE_AGAIN}"
        raise InputError(problem, code="not_decodable", row=row + 1, line=line + 1) from None


def _object(text: str, *, is_first: bool) -> dict[str, Any]:
    if len(text) > limits.LINE_CHARACTERS:
        raise InputError("This line is too long for a row of a list. Check the file.", code="long_line")
    try:
        # Numbers stay as they are written, so that ids keep all their digits.
        found = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_once)
        if isinstance(found, dict) and any(isinstance(value, dict | list) for value in found.values()):
            found |= {key: _as_json(value) for key, value in json.loads(text).items() if isinstance(value, dict | list)}
    except (ValueError, RecursionError):
        what_to_do = f"{_ONE_A_LINE}." if is_first else _SAVE_AGAIN
        raise InputError(f"This line is not JSON, or was cut off. {what_to_do}", code="not_json") from None
    if not isinstance(found, dict):
        raise InputError(f"This line is not an object, such as {{“pass_id”: “...”}}. {_ONE_A_LINE}.", code="not_an_object")
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InputError("A key stands twice in this line. Remove one of them.", code="repeated_column")
    return found


def _cells(keys: Sequence[str], found: dict[str, Any]) -> list[str]:
    if found.keys() != set(keys):
        other = next(key for key in (*keys, *found) if (key in keys) != (key in found))
        raise InputError("Not every line has this key. Give every line the same keys.", code="other_columns", column=other)
    return [_text(found[key], key) for key in keys]


def _text(value: object, key: str) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value or "")
    if _HALF.search(text):
        raise InputError(f"The value has half a character in it (a lone surrogate). {_SAVE_AGAIN}", code="not_text", column=key)
    return text


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
