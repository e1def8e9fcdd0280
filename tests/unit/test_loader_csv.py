"""CSV files that are as they should be, however they are written."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.loader.formats import csv as csv_lists
from campaign.loader.formats import frames
from campaign.loader.formats.file_format import CSV
from campaign.loader.formats.frames import TEXT_AT_ONCE, rows_of
from campaign.loader.table import open_table
from tests.unit.loader_given import measure, read, refused

SEPARATORS = (",", ";", "\t", "|")
texts = st.text(
    alphabet=st.one_of(st.sampled_from(",;\t|\"\r\n ' aä€"), st.characters(codec="utf-8", exclude_characters="\0")), max_size=12
)


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[str, ...]]:
    width = draw(st.integers(2, 5))
    # Rows of nothing are left out.
    return draw(st.lists(st.tuples(*[texts] * width).filter(any), min_size=1, max_size=12))


def csv_text(rows: list[tuple[str, ...]], separator: str, line_end: str) -> str:
    text = io.StringIO(newline="")
    header = [f"c{number}" for number in range(len(rows[0]))]
    # QUOTE_ALL, since before Python 3.13 the writer leaves a \r bare where lines end with \n.
    csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return text.getvalue()


@given(
    tables(),
    st.sampled_from(SEPARATORS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], separator: str, line_end: str, encoding: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(csv_text(rows, separator, line_end).encode(encoding))
    columns, found = read(path)
    assert columns == tuple(f"c{number}" for number in range(len(rows[0])))
    assert found == rows


@given(
    tables(),
    st.integers(1, 9) | st.integers(40, 400),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-16"]),
)
def test_it_does_not_matter_where_a_block_of_the_file_ends(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], block_bytes: int, line_end: str, encoding: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.csv"
    path.write_bytes(csv_text(rows, ";", line_end).encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_lists, "BLOCK_CHARACTERS", block_bytes)
        _, found = read(path)
    assert found == rows


@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_separator_is_found_and_named(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(separator.join(("id", '"a,b;c|d\te"', "x")) + "\n" + separator.join(("1", "", '"2,2;2|2"')) + "\n")
    with open_table(path) as table:
        assert (table.columns, table.format) == (("id", "a,b;c|d\te", "x"), CSV)
        assert {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}[separator] in table.head.description


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("pass_id\n0017\n0018\n", ("pass_id",), [("0017",), ("0018",)]),
        ("pass_id\nMüller, Anna\nBob\n", ("pass_id",), [("Müller, Anna",), ("Bob",)]),
        ("pass_id\n\n \n1\n", ("pass_id",), [(" ",), ("1",)]),
        ("pass_id\n1", ("pass_id",), [("1",)]),
    ],
)
def test_a_file_of_one_column_needs_no_separator(tmp_path: Path, text: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    assert read(path) == (columns, rows)
    with open_table(path) as table:
        assert table.head.description.endswith("with one column")


def test_what_is_in_the_values_does_not_decide_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id;first, last;price\n1;Müller, Anna;2,50\n2;Berg, Bo;1,20\n")
    assert read(path) == (("id", "first, last", "price"), [("1", "Müller, Anna", "2,50"), ("2", "Berg, Bo", "1,20")])


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", "sep=|", "sep=\t", "sep=:"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_excels_own_first_line_says_the_separator(tmp_path: Path, first: str, end: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(end.join([first, first[4].join(("id", "a,b")), first[4].join(("1", "x,y")), ""]).encode("utf-8-sig"))
    assert read(path) == (("id", "a,b"), [("1", "x,y")])


def test_blank_lines_and_lines_of_separators_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\n  \nid,name\n\n1,a\n   \n,\n\n2,b\n\n")
    assert read(path) == (("id", "name"), [("1", "a"), ("2", "b")])


def test_values_are_kept_as_they_are_and_names_are_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes('\ufeff pass_id ,"\ufeffname\xa0",\u200bnote\n 007 , "quoted" inside,  \n'.encode())
    assert read(path) == (("pass_id", "name", "note"), [(" 007 ", ' "quoted" inside', "  ")])


def test_columns_without_a_name_are_left_out_if_they_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id;;name;\n1;;a;\n2; ;b;\n")
    assert read(path) == (("id", "name"), [("1", "a"), ("2", "b")])
    path.write_text("id;\n1;\n2;\n")
    assert read(path) == (("id",), [("1",), ("2",)])


def test_a_batch_of_long_rows_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    rows = [(str(number), "x" * 100_000) for number in range(200)]
    path.write_text("id,text\n" + "".join(f"{one},{two}\n" for one, two in rows))
    with open_table(path) as table:
        found = list(table.frames())
    assert [row for frame in found for row in rows_of(frame)] == rows
    assert max(frame["text"].str.len().sum() for frame in found) < TEXT_AT_ONCE + 200_000


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    peaks = []
    for rows in (200_000, 1_200_000):
        path = tmp_path / f"{rows}.csv"
        path.write_text("pass_id,name,shop,code\n" + "".join(f"{row:040x},Zoë,Köln,C-{row}\n" for row in range(rows)))
        said, megabytes = measure(path)
        assert said == str(rows)
        peaks.append(megabytes)
    assert peaks[1] - peaks[0] < 35  # the larger file has 60 MB more


def test_rows_of_nothing_but_separators_are_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.csv"
    path.write_text("pass_id,name,,\na,b,,\n,,,\nc,d,,\n,,,\n\n,,,\n", encoding="utf-8")
    for rows_at_once in (1, 2, 3, 5000):
        monkeypatch.setattr(frames, "ROWS_AT_ONCE", rows_at_once)
        assert read(path) == (("pass_id", "name"), [("a", "b"), ("c", "d")])
    path.write_text("pass_id,name\n,\n,\n", encoding="utf-8")
    assert refused(path).code == "no_rows"
