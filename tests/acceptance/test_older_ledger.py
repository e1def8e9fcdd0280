"""A ledger that was put back from an earlier copy, with its mark: the campaign's results show it, wherever they are, by what they hold."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.acceptance.desk import Desk, broke_off, events
from tests.acceptance.screen import Terminal
from tests.acceptance.test_ledger_file import ROWS, begun, ledger_of, refused, words_for
from tests.acceptance.test_run import wait_for
from tests.examples import slow_after

OLDER = "is older than the campaign's results"


def copied(desk: Desk) -> Callable[[], None]:
    """Puts the ledger back in place as it is now, as `rsync --inplace` would."""
    files = {path: path.read_bytes() for path in (ledger_of(desk), Path(f"{ledger_of(desk)}.runners/mark"))}

    def put_back() -> None:
        for path, content in files.items():
            path.write_bytes(content)

    return put_back


def edit(results: Path, change: Callable[[pd.DataFrame], pd.DataFrame], **how: str) -> None:
    """As a person does with a spreadsheet."""
    change(pd.read_csv(results, dtype=str, keep_default_na=False)).to_csv(results, index=False, **how)


def other_format(name: str) -> Callable[[Desk], None]:
    def write(desk: Desk) -> None:
        desk.run("report", "list", "--output", name)
        (desk.folder / "list.results.csv").unlink()

    return write


def with_earlier_times(desk: Desk) -> None:
    """Neither a time in them, nor their own, is later than any in the ledger."""
    results = desk.folder / "list.results.csv"
    edit(results, lambda frame: frame.replace({"delivery_sent_at": "20", "delivery_settled_at": "20"}, "19", regex=True))
    os.utime(results, (0, 0))


def saved_by_a_spreadsheet(desk: Desk) -> None:
    edit(desk.folder / "list.results.csv", lambda frame: frame.sort_values("first_name", ascending=False), sep=";", encoding="utf-16")


def without_some_columns(desk: Desk) -> None:
    kept = ["delivery_campaign", "delivery_row", "delivery_status"]
    edit(desk.folder / "list.results.csv", lambda frame: frame[["first_name", *kept]])


def without_numbers(desk: Desk) -> None:
    edit(desk.folder / "list.results.csv", lambda frame: frame.drop(columns=["delivery_row", "delivery_latency_ms"]))


def only_the_failed(desk: Desk) -> None:
    (desk.folder / "list.results.csv").unlink()


def from_another_ledger(desk: Desk) -> None:
    """In which the rows have other numbers."""
    results = desk.folder / "list.results.csv"
    edit(results, lambda frame: frame.iloc[::-1])
    desk.run("run", str(results), "--ledger", "other.db", "--limit", "5", code=5)
    results.unlink()


LATER: dict[str, Callable[[Desk], None]] = {
    "earlier times": with_earlier_times,
    "another ledger": from_another_ledger,
    "fewer columns": without_some_columns,
    "no numbers": without_numbers,
    "a workbook": other_format("list.results.xlsx"),
    "a spreadsheet": saved_by_a_spreadsheet,
    "parquet": other_format("list.results.parquet"),
    "only the failed": only_the_failed,
}


@pytest.mark.parametrize("what", slow_after(2, LATER))
def test_results_beside_the_list_keep_an_older_ledger_from_sending(desk: Desk, what: str) -> None:
    words = begun(desk)
    put_back = copied(desk)
    if what == "only the failed":
        desk.simulator.set_faults(faults={"not_found": 1.0})
    if what != "another ledger":
        desk.run(*words, "--limit", "5", code=5)
    LATER[what](desk)
    put_back()
    before = {path: path.read_bytes() for path in desk.folder.glob("list.*")}
    for command in (words, (*words, "--results", "elsewhere.csv"), ("resume", "list"), ("resume", "list", "--results", "elsewhere.csv")):
        assert OLDER in refused(desk, *command)
    assert {path: path.read_bytes() for path in desk.folder.glob("list.*")} == before
    assert {len(texts) for texts in desk.sent().values()} == {1}


def test_results_that_can_not_be_read_are_told_of(desk: Desk) -> None:
    words = begun(desk)
    with (desk.folder / "list.results.csv").open("a", encoding="utf-8") as results:
        results.write("one,value,too,few\n")
    told = {event["event"]: event for event in events(desk.run(*words, "--limit", "1", code=5).stderr)}
    assert told["results_not_compared"]["results"] == str(desk.folder / "list.results.csv")


def test_what_was_cancelled_since_is_not_sent(desk: Desk) -> None:
    words = begun(desk)
    put_back = copied(desk)
    desk.run("cancel", "list")
    put_back()
    assert OLDER in refused(desk, *words)


def test_what_was_read_back_since_is_not_sent_again(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"cut_after": 1.0})
    desk.run(*words_for(desk), "--limit", "2", "--on-unknown", "hold", code=5)
    put_back = copied(desk)
    desk.simulator.set_faults(faults={})
    assert desk.json("verify", "list", code=5)["by_status"]["accepted"] == 2
    put_back()
    assert OLDER in refused(desk, "retry", "list", "--status", "unknown")


class TestTheSameLedger:
    def test_results_that_were_changed_by_hand_or_are_older_are_no_obstacle(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"not_found": 0.3, "unprocessable": 0.2})
        words = begun(desk)
        desk.simulator.set_faults(faults={})
        results, failed = desk.folder / "list.results.csv", desk.folder / "list.results.failed.csv"
        older = results.read_bytes()
        edit(results, lambda frame: frame.iloc[::-1])
        # Ids of rows that are still to be sent, as if they were moved: retry refuses them, and they lie there.
        edit(failed, lambda frame: frame.assign(pass_id=[f"pass-{ROWS - place:05}" for place in range(len(frame))]))
        moved = failed.read_bytes()
        desk.run(*words, "--limit", "5", code=5)
        edit(failed, lambda frame: frame.assign(pass_id=[f"new-{place}" for place in range(len(frame))]))
        desk.run("retry", str(failed), "--limit", "2", code=5)
        results.write_bytes(older)
        failed.write_bytes(moved)
        desk.run(*words, code=None)
        sent = desk.sent()
        assert {len(texts) for texts in sent.values()} == {1}

    def test_a_campaign_that_was_resumed_from_results_goes_on_beside_them(self, desk: Desk) -> None:
        desk.simulator.set_faults(faults={"refuse": 0.2, "not_found": 0.2})
        begun(desk)
        desk.simulator.set_faults(faults={})
        results = desk.folder / "list.results.csv"
        words = ("run", str(results), "--ledger", "other.db")
        desk.run(*words, "--limit", "5", code=5)
        desk.run("retry", "list", "--ledger", "other.db", "--limit", "2", code=None)
        goes_on = json.loads(desk.run(*words, "--json", code=None).stdout)
        assert goes_on["by_status"]["pending"] == 0
        assert max(len(texts) for texts in desk.sent().values()) == 1

    @pytest.mark.slow
    def test_results_that_a_person_sends_again_in_spite_of_stay_no_obstacle_after_a_kill(self, desk: Desk) -> None:
        words = begun(desk)
        ledger_of(desk).unlink()
        with Terminal(desk, *words, "--rate", "40", CAMPAIGN_YES="false") as terminal:
            for question in (r"again\? \[y/N\]", r"Send\? \[y/N\]"):
                terminal.until(question)
                terminal.type("y\n")
            wait_for(lambda: len(desk.simulator.audit()) > 45)
        desk.run(*words)
        assert len(desk.sent()) == ROWS
        assert max(len(texts) for texts in desk.sent().values()) == 2


@pytest.mark.parametrize("copy", slow_after(1, ["", "saved.csv"]))
def test_what_another_ledger_went_on_with_is_seen_whatever_the_results_are_called(desk: Desk, copy: str) -> None:
    """A campaign with a name of its own, as every job's; or a copy of its results, as somebody saves them to correct rows."""
    words = (*words_for(desk), "--name", "promo")
    desk.run(*words, "--limit", "5", code=5)
    if copy:
        shutil.copy(desk.folder / "promo.results.csv", desk.folder / copy)
    desk.run("run", copy or "promo.results.csv", "--ledger", "other.db", "--limit", "5", code=5)
    shutil.copy(desk.folder / "promo.results.csv", desk.folder / "another.csv")
    for again in (words, ("resume", "promo"), ("run", "another.csv", "--ledger", "third.db")):
        assert OLDER in refused(desk, *again)


def test_results_that_another_ledger_writes_meanwhile_are_left_and_the_code_says_that_messages_were_sent(desk: Desk) -> None:
    words = begun(desk)
    results = desk.folder / "list.results.csv"
    newer = desk.folder / "elsewhere" / "newer.csv"
    newer.parent.mkdir()
    desk.run("run", str(results), "--ledger", "other.db", "--results", str(newer), "--limit", "35", code=5)
    desk.simulator.reset()
    process = desk.start(*words, "--limit", "20", "--rate", "20", "--results", "out.csv")
    wait_for(lambda: len(desk.sent()) > 3)
    content = newer.read_bytes()
    newer.rename(desk.folder / "out.csv")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4, said
    assert broke_off(said) == "results_not_written"
    assert f"{desk.folder / 'out.csv'} was left as it is" in said
    assert "campaign report list --output FILE" in said
    assert (desk.folder / "out.csv").read_bytes() == content
