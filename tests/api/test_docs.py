"""The examples of docs/developers/python.md, as they stand, one after the other, against the simulator."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.api.lists import sent
from tests.simulator_client import SimulatorClient

PAGE = Path(__file__).parents[2] / "docs" / "developers" / "python.md"
EXAMPLES = [
    (text.count("\n", 0, found.start()) + 2, found[1])
    for text in [PAGE.read_text(encoding="utf-8")]
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]


def run_all(names: dict[str, Any]) -> None:
    for line, example in EXAMPLES:
        # Lines as the page has them, so that a mistake is found there.
        exec(compile("\n" * (line - 1) + example, str(PAGE), "exec"), names)  # noqa: S102 - our own page


def test_the_page_from_start_to_end(simulator: SimulatorClient, capsys: pytest.CaptureFixture[str]) -> None:
    simulator.set_faults(missing=["pass-00002"])
    names: dict[str, Any] = {"__name__": "page"}
    run_all(names)
    offer = "Hi {}, 20 % off until 2026-12-24."
    spring = {("pass-00001", "Ann"), ("pass-00005", "Bo"), ("pass-00003", "Cleo"), ("pass-00004", "Dee")}
    autumn = {("pass-00001", "Ann"), ("pass-00004", "Dee")}
    expected = [(pass_id, offer.format(name)) for pass_id, name in (*spring, *autumn)]
    assert sorted(sent(simulator).elements()) == sorted(expected)
    assert names["rows"]["pass_id"].tolist() == ["pass-00001", "pass-00005", "pass-00003", "pass-00004"]
    assert names["joined"]["converted"].tolist() == [False, False, True, True]
    assert names["result"].exit_code == 0
    assert all(Path(file).exists() for file in ("spring.html", "spring.xlsx"))
    printed = capsys.readouterr().out
    # What the comments say is printed, is.
    for comment in re.findall(r"print\(error.*# (.*)", PAGE.read_text(encoding="utf-8")):
        assert f"{comment}\n" in printed
