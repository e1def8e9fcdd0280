"""More than three hundred lists, read by the loader and by an oracle, and held to what the loader before this one said of them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from campaign.domain.errors import InputError
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table
from tests.differential import oracle
from tests.differential.corpus import Case, cases
from tests.examples import slow_after

BEFORE: Final[dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("before.json").read_text(encoding="utf-8"))
"""By the loader with a parser for each kind of hostile file: what it read, or the place that it refused."""

CHANGED: Final = {
    "packed": "packed files are read like the file inside",
    "parquet type bytes": "a column of bytes is left out, and blocks nothing",
    "parquet type fixed bytes of no text": "(same)",
    "parquet type list": "nested values are carried as JSON",
    "parquet type list of structs": "(same)",
    "parquet type list of bytes": "(same)",
    "parquet type struct": "(same)",
    "parquet type map": "(same)",
    "parquet value too long and nested": "a nested column that is too long is left out",
    "jsonl an object inside": "nested values are carried as JSON",
    "jsonl a list inside": "(same)",
    "jsonl half a letter": "it was taken, and ended the run with an internal error when its rows were stored",
    "xlsx named xlsm": "the engine that reads .xlsx reads .xlsm",
    "xlsx data descriptors and no sizes": "Excel opens it",
    "xlsx errors and no sizes": "(same)",
    "csv one column with an empty quote": "a row whose every cell is empty is no row",
    "csv empty rows inside and at the end": "(same)",
    "csv blank lines": "(same)",
    "xlsx an empty row inside": "(same)",
    "xlsx errors and formulas": "(same)",
}
"""Why the loader says other things now of some lists, by their names or the first words of them."""

CASES: Final = cases()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the loader says: columns and rows, or where it refuses the list."""

    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    refused: InputError | None = None

    @property
    def as_before(self) -> dict[str, Any]:
        if self.refused is not None:
            return {"row": self.refused.row, "column": self.refused.column}
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update("\x1f".join(row).encode() + b"\x1e")
        return {"columns": len(self.columns), "rows": len(self.rows), "cells": digest.hexdigest()[:16]}


def by_loader(case: Case, folder: Path) -> Found:
    path = folder / f"list{case.suffix}"
    path.write_bytes(case.data)
    try:
        with open_table(path, header_row=case.header) as table:
            rows = [row for frame in table.frames() for row in rows_of(frame)]
            assert len(rows) == table.rows
            return Found(columns=table.columns, rows=rows)
    except InputError as error:
        return Found(refused=error)


def by_oracle(case: Case) -> tuple[oracle.Said | None, str]:
    """What the oracle says; or None, and what is wrong with the list."""
    try:
        return oracle.read(case), ""
    except oracle.RefusedError as justified:
        return None, str(justified)


@pytest.mark.parametrize("case", slow_after(len(CASES[::3]), [*CASES[::3], *CASES[1::3], *CASES[2::3]]), ids=lambda case: case.name)
def test_the_loader_finds_what_the_oracle_finds(case: Case, tmp_path: Path) -> None:
    found = by_loader(case, tmp_path)
    said, why_not = by_oracle(case)
    if said is None:
        assert found.refused is not None, f"taken, although there is {why_not}"
    else:
        assert found.refused is None, f"refused: {found.refused}"
        assert (found.columns, found.rows) == (said.columns, said.rows)
    if case.name in BEFORE and not any(case.name.startswith(name) for name in CHANGED):
        assert found.as_before == BEFORE[case.name]


def test_there_are_enough_of_each_kind() -> None:
    kinds = {kind: sum(case.suffix == kind for case in CASES) for kind in (".csv", ".parquet", ".xlsx", ".jsonl")}
    assert len(CASES) >= 300
    assert all(count >= 15 for count in kinds.values())
    assert {case.name for case in CASES if case.header is None} == set(BEFORE)
