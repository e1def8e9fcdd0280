"""A TOML text as values by key, the line of each, and its first mistake of grammar."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.app.jobs.document import line_of, parse
from campaign.app.jobs.schema import JobError, JobMistake


def placed(text: str) -> list[tuple[str, Any, int]]:
    return [(".".join(path), value, line_of(path, text)) for path, value in parse(text, "job.toml").items()]


def mistake(text: str) -> JobMistake:
    with pytest.raises(JobError) as caught:
        parse(text, "job.toml")
    return caught.value.mistakes[0]


def test_a_key_is_where_its_statement_begins() -> None:
    text = '# a\n\nlist = "a.csv"  # = b\nstatus = [\n  "failed",\n  # more\n]\nmessage = """\nHi\n"""\nrate = 9\n'
    assert placed(text) == [("list", "a.csv", 3), ("status", ["failed"], 4), ("message", "Hi\n", 8), ("rate", 9, 11)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('a = "b"\n[notify]\nurls = ["x"]\non = ["end"]', (3, 4)),
        ('a = "b"\nnotify.urls = ["x"]\nnotify . "on" = ["end"]', (2, 3)),
        ('a = "b"\nnotify = {urls = ["x"], on = ["end"]}', (2, 2)),
        ('a = "b"\n[[notify]]\nurls = ["x"]\non = ["end"]', (3, 4)),
    ],
)
def test_tables_dots_and_inline_tables_are_the_same(text: str, lines: tuple[int, int]) -> None:
    assert placed(text) == [("a", "b", 1), ("notify.urls", ["x"], lines[0]), ("notify.on", ["end"], lines[1])]


SCALARS = st.sampled_from(['"x"', "'C:\\a'", "1", "2.5", "true", "2026-11-23", "09:00:00", '"#"', '"]"', '"= 1"'])
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=4).map(lambda items: "[\n" + "".join(f"  {item}, # ]\n" for item in items) + "]"))
BETWEEN = st.lists(st.sampled_from(["", "# a = 1", "   ", "\t# ]"]), max_size=2)


@given(st.lists(st.tuples(BETWEEN, VALUES), max_size=8))
def test_every_key_of_a_document_is_found_on_its_line(parts: list[tuple[list[str], str]]) -> None:
    lines: list[str] = []
    expected: dict[str, int] = {}
    for number, (between, value) in enumerate(parts):
        lines += between
        expected[f"key{number}"] = len(lines) + 1
        lines += f"key{number} = {value}".split("\n")
    assert {name: line for name, _, line in placed("\n".join(lines))} == expected


@given(st.text(alphabet="ab=[]{}\"'#\n ,.\\1", max_size=60))
def test_any_text_is_understood_or_refused_as_tomllib_does(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert 0 <= mistake(text).line <= text.count("\n") + 1
    else:
        for path in parse(text, "job.toml"):
            assert 0 <= line_of(path, text) <= text.count("\n") + 1


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
        ('name = "b"', "name", "repeated_key"),
        ('status = [\n  "failed"', "status", "unclosed"),
        ('message = """', "message", "unclosed"),
    ],
)
@pytest.mark.parametrize("after", ["", "\n", '\n\nhalt = "20%"\nlimit = many\n'])
def test_a_mistake_of_grammar_is_reported_by_line_key_and_kind(line: str, key: str, code: str, after: str) -> None:
    found = mistake(f'name = "a"\n{line}{after}')
    assert (found.line, found.key, found.code) == (2, key, code)
