"""The golden files themselves: a difference fails, and none is left of a test that is gone."""

import re
from pathlib import Path

import pytest

from tests.golden.files import FOLDER, compare, normalised


def test_a_file_that_is_missing_or_differs_fails_with_the_difference(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?m)^\+one$"):
        compare("a.txt", "one\n", folder=tmp_path, rewrite=False)
    compare("a.txt", "one\n", folder=tmp_path, rewrite=True)
    compare("a.txt", "one\n", folder=tmp_path, rewrite=False)
    with pytest.raises(AssertionError, match=r"(?s)\n-one\n\+two$"):
        compare("a.txt", "two\n", folder=tmp_path, rewrite=False)


def test_what_differs_from_run_to_run_is_left_out(tmp_path: Path) -> None:
    text = f"{tmp_path}/a.csv at http://127.0.0.1:43210, 2026-11-24T09:00:00.5+00:00, since 2026-11-24  \n\n"
    assert normalised(text, folder=tmp_path) == "FOLDER/a.csv at http://127.0.0.1:PORT, TIME, since DATE\n"


def test_each_file_is_of_a_test() -> None:
    tests = {name for path in Path(__file__).parent.glob("test_*.py") for name in re.findall(r"def test_(\w+)\(", path.read_text())}
    assert {path.stem for path in FOLDER.glob("*")} <= tests
