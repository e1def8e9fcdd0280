"""Reads JSON lines, mostly results files: one object a line, each with the keys of the first."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from campaign.domain.errors import InputError
from campaign.loader.frames import CELL_CHARACTERS, Header, without_empty_rows
from campaign.loader.source import Source
from campaign.loader.table import Head, Limits, List

_SAVE_AGAIN: Final = "Save the file again."
_ONE_A_LINE: Final = "JSON lines are one object a line; a JSON document is saved so by: jq -c '.[]' LIST.json"


def read_jsonl(source: Source, limits: Limits, header_row: int | None = None) -> List:
    """Return the list in a file of JSON lines.

    Raises:
        InputError: `header_row` is given, the file has no rows, or its first line is no object. While the rows are read: a line is no
            object, or has other keys.
    """
    if header_row is not None:
        raise InputError(
            "JSON lines have their columns' names in every line: leave --header-row out.", code="header_row_not_possible", file=source.name
        )
    file = _JsonlFile(source=source, limits=limits)
    first = next(file.objects(), None)
    if first is None:
        raise InputError(f"The file has no rows. {_SAVE_AGAIN}", code="no_rows", file=source.name)
    names = tuple(first[2])
    header = Header.check(names, file=source.name, limits=limits)
    return Head(columns=header.columns, description="JSON lines"), without_empty_rows(header.batches(file.rows(names)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _JsonlFile:
    source: Source
    limits: Limits

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        return ((line, self._cells(values, names, row, line)) for row, line, values in self.objects())

    def objects(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield each row's number, line and object. Raises InputError for a line that is no object."""
        row = line = 0
        try:
            with self.source.path.open(encoding="utf-8-sig", newline="\n") as file:
                while text := file.readline(self.limits.line_characters + 1):
                    line += 1
                    if text.isspace():
                        continue
                    row += 1
                    if len(text) > self.limits.line_characters:
                        raise self._error("long_line", "This line is too long for a row of a list. Check the file.", row, line)
                    yield row, line, self._object(text, row, line)
        except UnicodeDecodeError:
            raise self._error("not_decodable", f"The file is not UTF-8, as JSON lines are. {_SAVE_AGAIN}", row + 1, line + 1) from None

    def _object(self, text: str, row: int, line: int) -> dict[str, Any]:
        try:
            # Numbers stay as they are written, so that ids keep all their digits.
            found = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=partial(self._once, row, line))
        except (ValueError, RecursionError):
            advice = f"{_ONE_A_LINE}." if row == 1 else _SAVE_AGAIN
            raise self._error("not_json", f"This line is not JSON, or was cut off. {advice}", row, line) from None
        if not isinstance(found, dict):
            raise self._error("not_an_object", f"This line is not an object, such as {{“pass_id”: “...”}}. {_ONE_A_LINE}.", row, line)
        if any(isinstance(value, dict | list) for value in found.values()):
            found |= {key: _as_json(value) for key, value in json.loads(text).items() if isinstance(value, dict | list)}
        return found

    def _once(self, row: int, line: int, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise self._error("repeated_column", "A key stands twice in this line. Remove one of them.", row, line)
        return found

    def _cells(self, values: dict[str, Any], names: Sequence[str], row: int, line: int) -> list[str]:
        if len(values) != len(names) or any(name not in values for name in names):
            other = next(name for name in (*names, *values) if (name in names) != (name in values))
            raise self._error("other_columns", "Not every line has this key. Give every line the same keys.", row, line, other)
        return [self._text(values[name], row, line, name) for name in names]

    def _text(self, value: object, row: int, line: int, name: str) -> str:
        text = str(value).lower() if isinstance(value, bool) else str(value or "")
        if len(text) > CELL_CHARACTERS:
            raise self._error("long_value", f"The value has more than {CELL_CHARACTERS:,} characters.", row, line, name)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._error(
                "not_text", f"The value has half a character in it (a lone surrogate). {_SAVE_AGAIN}", row, line, name
            ) from None
        return text

    def _error(self, code: str, problem: str, row: int, line: int, column: str | None = None) -> InputError:
        return InputError(problem, code=code, file=self.source.name, row=row, line=line, column=column)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
