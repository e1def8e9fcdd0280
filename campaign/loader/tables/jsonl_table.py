"""JSON lines as tables, above all results files of that form: one object a line, each with the keys of the first."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from campaign.domain.errors import InputError
from campaign.loader.tables.header import Header
from campaign.loader.tables.source import Source
from campaign.loader.tables.table import CELL_CHARACTERS, Batch, Format, Limits, Row, Table

_SAVE_AGAIN: Final = "Save the file again."
_ONE_A_LINE: Final = "JSON lines are one object a line; a JSON document is saved so by: jq -c '.[]' LIST.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _JsonlFile:
    source: Source
    limits: Limits

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each row's number and object; raises InputError for a line that is none."""
        row = 0
        try:
            with self.source.path.open(encoding="utf-8-sig", newline="\n") as file:
                while line := file.readline(self.limits.line_characters + 1):
                    if line.isspace():
                        continue
                    row += 1
                    if len(line) > self.limits.line_characters:
                        raise InputError("This line is too long for a row of a list. Check the file.", file=self.source.name, row=row)
                    yield row, self._object(line, row)
        except UnicodeDecodeError:
            raise InputError(f"The file is not UTF-8, as JSON lines are. {_SAVE_AGAIN}", file=self.source.name, row=row + 1) from None

    def _object(self, line: str, row: int) -> dict[str, Any]:
        try:
            # Numbers stay as they are written: ids keep all their digits.
            found = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=partial(self._once, row))
        except (ValueError, RecursionError):
            advice = f"{_ONE_A_LINE}." if row == 1 else _SAVE_AGAIN
            raise InputError(f"This line is not JSON, or was cut off. {advice}", file=self.source.name, row=row) from None
        if not isinstance(found, dict):
            problem = f"This line is not an object, such as {{“pass_id”: “...”}}. {_ONE_A_LINE}."
            raise InputError(problem, file=self.source.name, row=row)
        return found

    def _once(self, row: int, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise InputError("A key stands twice in this line. Remove one of them.", file=self.source.name, row=row)
        return found

    def cells(self, values: dict[str, Any], names: Sequence[str], row: int) -> Row:
        if len(values) != len(names) or any(name not in values for name in names):
            other = next(iter(set(values) ^ set(names)))
            raise InputError("Not every line has this key. Give every line the same keys.", file=self.source.name, row=row, column=other)
        return tuple(self._text(values[name], row, name) for name in names)

    def _text(self, value: object, row: int, name: str) -> str:
        match value:
            case str() if len(value) > CELL_CHARACTERS:
                raise InputError(f"The value has more than {CELL_CHARACTERS:,} characters.", file=self.source.name, row=row, column=name)
            case str():
                return value
            case None:
                return ""
            case bool():
                return "true" if value else "false"
            case _:
                raise InputError("The value is a list or an object. Write it as text.", file=self.source.name, row=row, column=name)


def open_jsonl(source: Source, limits: Limits) -> Table:
    """A file of JSON lines as a table; raises InputError if it can't be read as one from start to end."""
    file = _JsonlFile(source=source, limits=limits)
    names: tuple[str, ...] = ()
    header: Header | None = None
    rows = 0
    for rows, values in file.objects():
        if header is None:
            names = tuple(values)
            header = Header.check(names, file=source.name, limits=limits)
        if rows > limits.rows:
            raise InputError(f"The list has more than {limits.rows:,} rows. Split it into several.", file=source.name)
        header.check_unnamed(file.cells(values, names, rows), row=rows, where=f"line {rows}")
    if header is None:
        raise InputError(f"The file has no rows. {_SAVE_AGAIN}", file=source.name)
    return Table(
        source=source,
        format=Format.JSONL,
        columns=header.columns,
        rows=rows,
        description="JSON lines",
        read=partial(_read, file, names, header.pick()),
    )


def _read(file: _JsonlFile, names: tuple[str, ...], pick: Callable[[Sequence[str]], Row], size: int) -> Iterator[Batch]:
    batch: Batch = []
    for row, values in file.objects():
        batch.append(pick(file.cells(values, names, row)))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
