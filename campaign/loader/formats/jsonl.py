"""Reads JSON lines, mostly results files: one object a line, each with the keys of the first."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

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
    first = next(_objects(path), None)
    if first is None:
        raise InputError(f"The file has no rows. {_SAVE_AGAIN}", code="no_rows")
    keys = tuple(first[1])
    header = Header.check(keys)
    rows = ((place.line, place.cells(found, keys)) for place, found in _objects(path))
    return Head(columns=header.columns, description="JSON lines"), header.batches(rows)


def _objects(path: Path) -> "Iterator[tuple[_Place, dict[str, Any]]]":
    """Yield each object with its place. Raises InputError for a line that is no object."""
    place = _Place()
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            while text := file.readline(limits.LINE_CHARACTERS + 1):
                place.line += 1
                if not text.isspace():
                    place.row += 1
                    yield place, place.parsed(text)
    except UnicodeDecodeError:
        place.row, place.line = place.row + 1, place.line + 1
        place.refuse("not_decodable", f"The file is not UTF-8, as JSON lines are. {_SAVE_AGAIN}")


class _Place:
    """The row and the line that is being read. Each method raises InputError with them."""

    row = line = 0

    def parsed(self, text: str) -> dict[str, Any]:
        if len(text) > limits.LINE_CHARACTERS:
            self.refuse("long_line", "This line is too long for a row of a list. Check the file.")
        try:
            # Numbers stay as they are written, so that ids keep all their digits.
            found = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=self._once)
            if isinstance(found, dict) and any(isinstance(value, dict | list) for value in found.values()):
                found |= {key: _as_json(value) for key, value in json.loads(text).items() if isinstance(value, dict | list)}
        except (ValueError, RecursionError):
            self.refuse("not_json", f"This line is not JSON, or was cut off. {f'{_ONE_A_LINE}.' if self.row == 1 else _SAVE_AGAIN}")
        if not isinstance(found, dict):
            self.refuse("not_an_object", f"This line is not an object, such as {{“pass_id”: “...”}}. {_ONE_A_LINE}.")
        return found

    def _once(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self.refuse("repeated_column", "A key stands twice in this line. Remove one of them.")
        return found

    def cells(self, found: dict[str, Any], keys: Sequence[str]) -> list[str]:
        if len(found) != len(keys) or any(key not in found for key in keys):
            other = next(key for key in (*keys, *found) if (key in keys) != (key in found))
            self.refuse("other_columns", "Not every line has this key. Give every line the same keys.", other)
        return [self._text(found[key], key) for key in keys]

    def _text(self, value: object, key: str) -> str:
        text = str(value).lower() if isinstance(value, bool) else str(value or "")
        if _HALF.search(text):
            self.refuse("not_text", f"The value has half a character in it (a lone surrogate). {_SAVE_AGAIN}", key)
        return text

    def refuse(self, code: str, problem: str, column: str | None = None) -> NoReturn:
        raise InputError(problem, code=code, row=self.row, line=self.line, column=column) from None


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
