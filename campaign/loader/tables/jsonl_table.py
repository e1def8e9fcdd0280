"""JSON lines as tables, above all results files of that form: one object a line, each with the keys of the first."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from campaign.domain.errors import InputError
from campaign.domain.sheet import MOST_GAPS, SheetLines
from campaign.loader.tables.header import Header
from campaign.loader.tables.source import Source
from campaign.loader.tables.table import CELL_CHARACTERS, Batch, Format, Limits, Row, Table

_SAVE_AGAIN: Final = "Save the file again."
_ONE_A_LINE: Final = "JSON lines are one object a line; a JSON document is saved so by: jq -c '.[]' LIST.json"


class _At(NamedTuple):
    """Where a row is."""

    row: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _JsonlFile:
    source: Source
    limits: Limits

    def objects(self) -> Iterator[tuple[_At, dict[str, Any]]]:
        """Each row's place and object; raises InputError for a line that is none."""
        row = number = 0
        try:
            with self.source.path.open(encoding="utf-8-sig", newline="\n") as file:
                while line := file.readline(self.limits.line_characters + 1):
                    number += 1
                    if line.isspace():
                        continue
                    row += 1
                    at = _At(row, number)
                    if len(line) > self.limits.line_characters:
                        raise self._wrong("This line is too long for a row of a list. Check the file.", at)
                    yield at, self._object(line, at)
        except UnicodeDecodeError:
            raise self._wrong(f"The file is not UTF-8, as JSON lines are. {_SAVE_AGAIN}", _At(row + 1, number + 1)) from None

    def _object(self, line: str, at: _At) -> dict[str, Any]:
        try:
            # Numbers stay as they are written: ids keep all their digits.
            found = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=partial(self._once, at))
        except (ValueError, RecursionError):
            advice = f"{_ONE_A_LINE}." if at.row == 1 else _SAVE_AGAIN
            raise self._wrong(f"This line is not JSON, or was cut off. {advice}", at) from None
        if not isinstance(found, dict):
            raise self._wrong(f"This line is not an object, such as {{“pass_id”: “...”}}. {_ONE_A_LINE}.", at)
        return found

    def _once(self, at: _At, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise self._wrong("A key stands twice in this line. Remove one of them.", at)
        return found

    def cells(self, values: dict[str, Any], names: Sequence[str], at: _At) -> Row:
        if len(values) != len(names) or any(name not in values for name in names):
            other = next(iter(set(values) ^ set(names)))
            raise self._wrong("Not every line has this key. Give every line the same keys.", at, other)
        return tuple(self._text(values[name], at, name) for name in names)

    def _text(self, value: object, at: _At, name: str) -> str:
        match value:
            case str() if len(value) > CELL_CHARACTERS:
                raise self._wrong(f"The value has more than {CELL_CHARACTERS:,} characters.", at, name)
            case str():
                return value
            case None:
                return ""
            case bool():
                return "true" if value else "false"
            case _:
                raise self._wrong("The value is a list or an object. Write it as text.", at, name)

    def _wrong(self, problem: str, at: _At, column: str | None = None) -> InputError:
        return InputError(problem, file=self.source.name, row=at.row, line=at.line, column=column)


def open_jsonl(source: Source, limits: Limits) -> Table:
    """A file of JSON lines as a table; raises InputError if it can't be read as one from start to end."""
    file = _JsonlFile(source=source, limits=limits)
    names: tuple[str, ...] = ()
    header: Header | None = None
    rows = first = 0
    gaps: list[int] = []
    for at, values in file.objects():
        if header is None:
            names = tuple(values)
            header = Header.check(names, file=source.name, limits=limits)
            first = at.line
        rows = at.row
        if rows > limits.rows:
            raise InputError(f"The list has more than {limits.rows:,} rows. Split it into several.", file=source.name)
        header.check_unnamed(file.cells(values, names, at), row=at.row, line=at.line)
        if len(gaps) <= MOST_GAPS:
            gaps += [at.row] * min(at.line - first + 1 - at.row - len(gaps), MOST_GAPS + 1)
    if header is None:
        raise InputError(f"The file has no rows. {_SAVE_AGAIN}", file=source.name)
    return Table(
        source=source,
        format=Format.JSONL,
        columns=header.columns,
        rows=rows,
        description="JSON lines",
        lines=SheetLines.counted(first, gaps),
        read=partial(_read, file, names, header.pick()),
    )


def _read(file: _JsonlFile, names: tuple[str, ...], pick: Callable[[Sequence[str]], Row], size: int) -> Iterator[Batch]:
    batch: Batch = []
    for at, values in file.objects():
        batch.append(pick(file.cells(values, names, at)))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
