"""JSON lines as a list: what `--results x.jsonl` writes is read again, and what is not a table is told."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.loader_given import read, refused


def lines(path: Path, *texts: str) -> Path:
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def test_values_become_text_and_numbers_keep_their_digits(tmp_path: Path) -> None:
    first = '{"id": "007", "n": 12345678901234567890, "x": 1.50, "none": null, "yes": true, "no": false}'
    path = lines(tmp_path / "a.jsonl", first, "", '{"n": -1, "id": "é\\n", "x": 1e5, "none": "", "yes": "", "no": ""}')
    assert read(path) == (
        ("id", "n", "x", "none", "yes", "no"),
        [("007", "12345678901234567890", "1.50", "", "true", "false"), ("é\n", "-1", "1e5", "", "", "")],
    )


def test_what_is_nested_becomes_json(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", '{"id": "1", "x": {"n": 1, "t": ["ä", null, 1.5]}}', '{"id": "2", "x": []}', '{"id": "3", "x": 2}')
    assert read(path)[1] == [("1", '{"n":1,"t":["ä",null,1.5]}'), ("2", "[]"), ("3", "2")]


@given(st.lists(st.tuples(st.text(), st.text()).filter(any), min_size=1, max_size=20))
def test_what_json_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = lines(tmp_path_factory.mktemp("jsonl") / "a.jsonl", *(json.dumps({"id": one, "b": other}) for one, other in rows))
    assert read(path) == (("id", "b"), rows)


@pytest.mark.parametrize(
    ("texts", "row", "column", "code"),
    [
        (['{"id": "a"}', '{"id": "b"'], 2, None, "not_json"),
        (['["a"]'], 1, None, "not_an_object"),
        (["5"], 1, None, "not_an_object"),
        (['{"id": "a"}', '{"other": "b"}'], 2, None, "other_columns"),
        (['{"id": "a"}', '{"id": "b", "c": ""}'], 2, "c", "other_columns"),
        (['{"id": "a", "id": "b"}'], 1, None, "repeated_column"),
        (['{"": "a"}'], None, None, "no_header"),
        (['{"id": "a", "": "b"}'], 1, None, "unnamed_column"),
        (["{" + '"a":[' * 100_000], 1, None, "not_json"),
        (['{"id": "' + "a" * 200_000 + '"}'], 1, "id", "long_value"),
        (['{"id": "' + "a" * 2_000_000 + '"}'], 1, None, "long_line"),
        ([" "], None, None, "no_rows"),
    ],
)
def test_what_is_not_a_table_is_told_with_its_place(
    tmp_path: Path, texts: list[str], row: int | None, column: str | None, code: str
) -> None:
    error = refused(lines(tmp_path / "a.jsonl", *texts))
    assert error.row == row
    assert column is None or error.column == column
    assert error.code == code


def test_another_encoding_and_too_many_rows_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"id": "é"}'.encode("cp1252"))
    assert refused(path).code == "not_decodable"
    assert refused(lines(path, '{"id": "a"}', '{"id": "b"}'), limits={"ROWS": 1}).code == "too_many_rows"
