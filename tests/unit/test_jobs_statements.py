"""A TOML text as keys with lines, and every mistake of its grammar."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.app.jobs.statements import read_statements


def placed(text: str) -> list[tuple[str, Any, int]]:
    found = read_statements(text)
    assert found.mistakes == []
    return [(".".join(entry.path), entry.value, entry.line) for entry in found.entries]


def test_a_key_is_where_its_statement_begins() -> None:
    text = '# a\n\nlist = "a.csv"  # = b\nstatus = [\n  "failed",\n  # more\n]\nmessage = """\n[not.a]\ntable = 1\n"""\nrate = 9\n'
    assert placed(text) == [
        ("list", "a.csv", 3),
        ("status", ["failed"], 4),
        ("message", "[not.a]\ntable = 1\n", 8),
        ("rate", 9, 12),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tables_dots_and_inline_tables_come_to_the_same(newline: str) -> None:
    by_header = newline.join(['a = "b"', "[notify]", 'urls = ["x"]', 'on = ["end"]'])
    by_dots = newline.join(['a = "b"', 'notify.urls = ["x"]', 'notify . "on" = ["end"]'])
    inline = newline.join(['a = "b"', 'notify = {urls = ["x"], on = ["end"]}'])
    expected = [("a", "b", 1), ("notify.urls", ["x"]), ("notify.on", ["end"])]
    for text in (by_header, by_dots, inline):
        found = [entry for entry in placed(text) if entry[1] != {}]
        assert [entry[:2] for entry in found] == [entry[:2] for entry in expected]


SCALARS = st.sampled_from(['"x"', "'C:\\a'", "1", "2.5", "true", "2026-11-23", "09:00:00", '"#"', '"]"', '"= 1"'])
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4).map(lambda items: "[\n" + "".join(f"  {item}, # ]\n" for item in items) + "]"),
    st.lists(st.sampled_from(["", "a = 1", "[a]", "'''", "# x", "]"]), max_size=4).map(lambda lines: '"""' + "\n".join(lines) + '\n"""'),
)
BETWEEN = st.lists(st.sampled_from(["", "# a = 1", "   ", "\t# ]"]), max_size=2)


@given(st.lists(st.tuples(BETWEEN, VALUES), max_size=8))
def test_any_document_is_read_as_tomllib_reads_it_with_the_right_lines(parts: list[tuple[list[str], str]]) -> None:
    lines: list[str] = []
    expected: dict[str, int] = {}
    for number, (between, value) in enumerate(parts):
        lines += between
        expected[f"key{number}"] = len(lines) + 1
        lines += f"key{number} = {value}".split("\n")
    text = "\n".join(lines)
    found = placed(text)
    assert {name: value for name, value, _ in found} == tomllib.loads(text)
    assert {name: line for name, _, line in found} == expected


@given(st.text(alphabet="ab=[]{}\"'#\n ,.\\1", max_size=60))
def test_any_text_is_understood_or_refused_as_tomllib_does(text: str) -> None:
    try:
        tomllib.loads(text)
        fine = True
    except tomllib.TOMLDecodeError:
        fine = False
    found = read_statements(text)
    assert (found.mistakes == []) is fine
    assert all(0 <= mistake.line <= text.count("\n") + 1 for mistake in found.mistakes)


@pytest.mark.parametrize(
    ("line", "key", "code"),
    [
        ("rate = fast", "rate", "no_quotes"),
        ("rate = 3d", "rate", "no_quotes"),
        ("list = C:\\lists", "list", "no_quotes"),
        ('list = "C:\\lists"', "list", "backslash"),
        ("list = “a.csv”", "list", "typographic_quotes"),
        ('list = "a.csv', "list", "unclosed"),
        ("baseline = True", "baseline", "capital_letters"),
        ("baseline = False # no", "baseline", "capital_letters"),
        ("rate =", "rate", "no_value"),
        ("rate", "rate", "no_value"),
        ("rate: 9", "rate", "no_value"),
        ("[notify", "", "bad_table"),
    ],
)
def test_a_mistake_of_grammar_hides_no_other(line: str, key: str, code: str) -> None:
    found = read_statements(f'name = "a"\n{line}\n\nhalt = "20%"\nlimit = many\nname = "b"\n')
    assert [(mistake.line, mistake.key) for mistake in found.mistakes] == [(2, key), (5, "limit"), (6, "name")]
    assert [mistake.code for mistake in found.mistakes] == [code, "no_quotes", "repeated_key"]
    assert [entry.path for entry in found.entries] == [("name",), ("halt",), ("name",)]


def test_what_is_never_closed_is_told_where_it_begins() -> None:
    [mistake] = read_statements('rate = 9\nmessage = """\nHello\nname = "a"\n').mistakes
    assert (mistake.line, mistake.key, mistake.code) == (2, "message", "unclosed")


def test_a_bracket_that_is_never_closed_does_not_swallow_the_next_key() -> None:
    found = read_statements('status = [\n  "failed"\nrate = 9\n')
    assert [(mistake.line, mistake.key) for mistake in found.mistakes] == [(1, "status")]
    assert [(entry.path, entry.line) for entry in found.entries] == [(("rate",), 3)]
