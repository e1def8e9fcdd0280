"""Rows and the lines that people see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.lists.sheet import MOST_GAPS, NO_LINES, SheetLines, place, places

LINES = st.builds(
    lambda first, gaps: SheetLines(first=first, gaps=tuple(sorted(gaps))),
    st.integers(1, 20),
    st.lists(st.integers(1, 40), max_size=12),
)


@given(LINES, st.integers(1, 50))
def test_lines_and_rows_are_each_other_s_inverse(lines: SheetLines, rows: int) -> None:
    # A sheet as it is: the lines before the first row, then rows, each after the blank lines before it.
    sheet: list[int | None] = [None] * (lines.first - 1)
    for row in range(1, rows + 1):
        sheet += [None] * lines.gaps.count(row) + [row]
    for line, found in enumerate(sheet, 1):
        assert lines.row_on(line) == found
        if found is not None:
            assert lines.of(found) == line


@given(LINES)
def test_what_is_kept_is_read_back(lines: SheetLines) -> None:
    assert SheetLines.parse(str(lines)) == lines


@pytest.mark.parametrize("text", ["", " ", "x", "2 -1", "²", "1.5"])
def test_any_other_text_has_no_lines(text: str) -> None:
    assert SheetLines.parse(text) == NO_LINES


def test_without_lines_there_are_rows_only() -> None:
    assert (NO_LINES.of(3), NO_LINES.of_all([3]), NO_LINES.row_on(3), str(NO_LINES)) == (None, None, None, "")
    assert place(3) == "row 3"
    assert places([3, 5], count=9) == "rows 3, 5 and 7 more"


def test_of_too_many_blank_lines_none_is_known() -> None:
    assert SheetLines.counted(2, [1] * MOST_GAPS).of(1) == 2 + MOST_GAPS
    assert SheetLines.counted(2, [1] * (MOST_GAPS + 1)) == NO_LINES


def test_a_place_is_named_by_line_and_row() -> None:
    lines = SheetLines(first=2, gaps=(4,))
    assert place(1, lines.of(1)) == places([1], lines) == "line 2 (row 1)"
    assert places([2, 3, 5], lines) == "lines 3, 4, 7 (rows 2, 3, 5)"
    assert places([2, 3], lines, count=1_203) == "lines 3, 4 (rows 2, 3) and 1,201 more"
