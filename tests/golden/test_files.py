"""The golden files themselves: a difference fails, and none is left of a test that is gone."""

import re
from pathlib import Path

import pytest

from tests.golden.files import KEPT, Golden


def test_a_file_that_is_missing_or_differs_fails_with_the_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = Golden(name="a.txt", scratch=tmp_path / "scratch", folder=tmp_path)
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    with pytest.raises(AssertionError, match=r"(?m)^\+one$"):
        golden("one\n")
    with monkeypatch.context() as patch:
        patch.setenv("UPDATE_GOLDEN", "1")
        golden("one\n")
    golden("one\n")
    with pytest.raises(AssertionError, match=r"(?s)\n-one\n\+two$"):
        golden("two\n")


def test_what_differs_from_run_to_run_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    golden = Golden(name="a.txt", scratch=tmp_path / "scratch", folder=tmp_path)
    golden(f"{tmp_path}/scratch/a.csv at http://127.0.0.1:43210, 2026-11-24T09:00:00.5+00:00, since 2026-11-24  \n\n", times=True)
    assert (tmp_path / "a.txt").read_text() == "FOLDER/a.csv at http://127.0.0.1:PORT, TIME, since DATE\n"


def test_each_file_is_of_a_test() -> None:
    modules = list(Path(__file__).parent.glob("test_*.py"))
    tests = {name for path in modules for name in re.findall(r"def test_(\w+)\(", path.read_text())}
    # Those that a module keeps byte for byte have its name.
    assert {path.name.partition(".")[0] for path in KEPT.glob("*")} <= tests | {path.stem.removeprefix("test_") for path in modules}
