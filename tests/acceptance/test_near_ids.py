"""Ids that are one pass to a person: sent to as the list says, never merged, and never without a word. The simulator's audit tells."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.screen import Terminal
from tests.examples import slow_after

MESSAGE = ("--message", "Hi {{ name }}")
DASHED = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
UNDASHED = DASHED.replace("-", "")


def write(path: Path, *ids: str) -> str:
    rows = "".join(f'"{pass_id}",N{row}\n' for row, pass_id in enumerate(ids, 1))
    path.write_text(f"pass_id,name\n{rows}", encoding="utf-8")
    return path.name


def warned(stderr: str) -> dict[str, str]:
    """Sentences by the names of their events."""
    events: list[dict[str, Any]] = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    return {event["event"]: event["detail"] for event in events if event["event"].startswith("near_")}


def test_both_are_sent_to_and_a_person_is_told(desk: Desk) -> None:
    ids = [DASHED, "Jose\u0301", "loyal\xa07", "other", "loyal 7", "Jos\xe9", UNDASHED]
    source = write(desk.folder / "list.csv", *ids)
    [found] = desk.json("check", source, *MESSAGE)["warnings"]
    assert (found["kind"], found["count"], found["groups"]) == ("near_duplicate", 6, [[1, 7], [2, 6], [3, 5]])
    assert (found["first_rows"], found["first_lines"]) == ([1, 7, 2, 6, 3, 5], [2, 8, 3, 7, 4, 6])
    done = desk.run("run", source, *MESSAGE, "--json")
    assert json.loads(done.stdout)["warnings"] == [found]
    assert "lines 2, 8 (rows 1, 7)" in warned(done.stderr)["near_duplicate"]
    # By code points: no id is sent to in the other's form.
    assert desk.sent() == {pass_id: [f"Hi N{row}"] for row, pass_id in enumerate(ids, 1)}


def test_the_same_pass_twice_and_other_passes_are_no_matter(desk: Desk) -> None:
    source = write(desk.folder / "list.csv", DASHED, DASHED.upper(), "a-12", "a1-2", "José", "Jose", "1", "10")
    assert desk.json("check", source, *MESSAGE)["warnings"] == []
    done = desk.run("run", source, *MESSAGE)
    assert warned(done.stderr) == {}
    assert sorted(len(texts) for texts in desk.sent().values()) == [1] * 7


def test_who_is_nearly_excluded_is_told_of_at_every_command_that_excludes(desk: Desk) -> None:
    source = write(desk.folder / "list.csv", "00123", DASHED, "keep", "gone")
    write(desk.folder / "not.csv", "123", DASHED.replace("-", "").upper(), "gone", "nobody")
    dry = desk.json("run", source, *MESSAGE, "--exclude", "not.csv", "--dry-run")
    [found] = dry["warnings"]
    assert (found["kind"], found["count"], found["first_rows"]) == ("near_excluded", 2, [1, 2])
    # A limit leaves rows for the commands after it.
    begun = desk.run("run", source, *MESSAGE, "--exclude", "not.csv", "--limit", "1", "--json", code=5)
    assert json.loads(begun.stdout)["warnings"] == [found]
    assert set(warned(begun.stderr)) == {"near_excluded"}
    assert desk.sent() == {"00123": ["Hi N1"]}
    again = desk.run("resume", "list", "--exclude", "not.csv", "--limit", "1", code=5)
    assert "line 3 (row 2)" in warned(again.stderr)["near_excluded"]
    assert "line 2 (row 1)" not in warned(again.stderr)["near_excluded"]
    assert desk.sent() == {"00123": ["Hi N1"], DASHED: ["Hi N2"]}


def test_rows_that_are_sent_again_may_be_nearly_excluded(desk: Desk) -> None:
    source = write(desk.folder / "list.csv", "ok", "vip\xa07", "vip8")
    write(desk.folder / "not.csv", "VIP7")
    desk.simulator.set_faults(missing=["vip\xa07", "vip8"])
    desk.run("run", source, *MESSAGE, code=3)
    done = desk.run("retry", "list", "--exclude", "not.csv", code=3)
    assert "line 3 (row 2)" in warned(done.stderr)["near_excluded"]
    done = desk.run("retry", "list.results.failed.csv", "--exclude", "not.csv", code=3)
    assert "line 3 (row 2)" in warned(done.stderr)["near_excluded"]


def test_a_person_is_asked_with_it_before_the_first_and_before_the_rest(desk: Desk) -> None:
    source = write(desk.folder / "list.csv", "vip7", "VIP7", "other")
    with Terminal(desk, "run", source, *MESSAGE, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        assert "(rows 1, 2)" in str(terminal.screen)
        terminal.type("n\n")
        assert terminal.end() == 2
    desk.run("run", source, *MESSAGE, "--limit", "1", code=5)
    with Terminal(desk, "resume", "list", CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        assert "(rows 1, 2)" in str(terminal.screen)
        terminal.type("n\n")
        assert terminal.end() == 2
    assert set(desk.sent()) == {"vip7"}


@pytest.mark.parametrize("words", slow_after(1, [("run", "list.csv", *MESSAGE), ("resume", "list"), ("send", "list")]))
def test_it_is_said_again_where_rows_of_it_are_left(desk: Desk, words: tuple[str, ...]) -> None:
    write(desk.folder / "list.csv", "a1", "A1", "vip7", "VIP7", "other")
    desk.run("run", "list.csv", *MESSAGE, "--limit", "3", "--concurrency", "1", code=5)
    assert set(desk.sent()) == {"a1", "A1", "vip7"}
    done = desk.run(*words, "--json")
    [found] = json.loads(done.stdout)["warnings"]
    # Of the other pair nothing is left.
    assert (found["kind"], found["count"], found["groups"], found["first_lines"]) == ("near_duplicate", 2, [[3, 4]], [4, 5])
    assert set(warned(done.stderr)) == {"near_duplicate"}
    assert len(desk.sent()) == 5
    done = desk.run(*words, "--json")
    assert (warned(done.stderr), "warnings" in json.loads(done.stdout)) == ({}, False)


@pytest.mark.parametrize("way", slow_after(1, ["corrected_file", "rows", "name"]))
def test_so_is_it_of_rows_that_are_sent_again(desk: Desk, way: str) -> None:
    """An id that is nearly that of a delivered row: in a corrected file, in a list of rows, or as it was."""
    one, other = DASHED, UNDASHED
    listed = "wrong" if way == "corrected_file" else other
    source = write(desk.folder / "list.csv", "first", one, listed, "fourth")
    desk.simulator.set_faults(missing=[listed, "fourth"])
    desk.run("run", source, *MESSAGE, code=3)
    desk.simulator.set_faults(missing=[])
    desk.simulator.reset()
    failed = desk.folder / "list.results.failed.csv"
    failed.write_text(failed.read_text(encoding="utf-8-sig").replace("wrong", other), encoding="utf-8")
    write(desk.folder / "vip.csv", other)
    target = {"corrected_file": (failed.name,), "rows": ("list", "--rows", "vip.csv"), "name": ("list",)}[way]
    with Terminal(desk, "retry", *target, CAMPAIGN_YES="false") as terminal:
        terminal.until(r"Send\? \[y/N\]")
        assert "(rows 2, 3)" in str(terminal.screen)
        terminal.type("n\n")
        assert terminal.end() == 2
    desk.run("retry", *target, code=2, CAMPAIGN_YES="false")
    assert desk.sent() == {}
    done = desk.run("retry", *target, "--json", code=None)
    [found] = json.loads(done.stdout)["warnings"]
    assert (found["kind"], found["count"], found["groups"], found["first_lines"]) == ("near_duplicate", 2, [[2, 3]], [3, 4])
    assert "lines 3, 4 (rows 2, 3)" in warned(done.stderr)["near_duplicate"]
    assert other in desk.sent()
    assert one not in desk.sent()
