"""What is told of a command that has ended, from what it has left."""

import json
from pathlib import Path

import pytest

from campaign.console.campaigns.page import MOST_SENTENCES, CommandResult, command_result
from campaign.console.subprocesses import RunningCommand

SUMMARY = (
    "Campaign promo is finished.\n2 rows: 2 delivered.\n\nThe results are in:\n    /tmp/x.csv\n\nCampaign promo is finished. 2 rows.\n"
)


def of(folder: Path, said: str, *events: dict[str, object]) -> CommandResult:
    launch = RunningCommand(id=1, campaign="promo", person="sam", verb="retry", at=0.0, log=folder / "1.log", said=folder / "1.txt")
    launch.said.write_text(said, encoding="utf-8")
    launch.log.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    return command_result(launch)


def test_of_one_that_did_its_work_there_is_nothing_to_say(tmp_path: Path) -> None:
    found = of(tmp_path, SUMMARY, {"event": "run_ended", "exit_code": 0})
    assert (found.exit_code, found.failed, found.sentences) == (0, False, ())


def test_what_it_did_not_do_and_why_is_told(tmp_path: Path) -> None:
    found = of(tmp_path, f"Nothing to send.\n\n{SUMMARY}", {"event": "run_ended", "exit_code": 3})
    assert (found.failed, found.sentences) == (False, ("Nothing to send.",))


@pytest.mark.parametrize("code", [1, 2, 4])
def test_what_went_wrong_is_told_in_its_own_words(tmp_path: Path, code: int) -> None:
    found = of(tmp_path, "campaign: The disk is \x1b[31mfull.\n", {"event": "claimed"}, {"event": "run_broke_off", "exit_code": code})
    assert (found.exit_code, found.failed, found.sentences) == (code, True, ("The disk is \ufffd[31mfull.",))


@pytest.mark.parametrize("code", [5, 130, 143])
def test_a_pause_is_nothing_that_went_wrong(tmp_path: Path, code: int) -> None:
    assert not of(tmp_path, SUMMARY, {"event": "run_ended", "exit_code": code}).failed


def test_one_that_left_no_word_was_killed(tmp_path: Path) -> None:
    found = of(tmp_path, "")
    assert (found.killed, found.failed, found.exit_code) == (True, True, None)


def test_words_that_were_wrong_are_told_without_a_log(tmp_path: Path) -> None:
    found = of(tmp_path, "Usage: campaign retry [OPTIONS]\nError: No such option --x\n")
    assert (found.exit_code, found.failed, found.sentences[-1]) == (2, True, "Error: No such option --x")


def test_of_many_words_the_last_are_shown_and_odd_lines_of_a_log_are_passed_over(tmp_path: Path) -> None:
    found = of(tmp_path, "".join(f"campaign: number {number}\n" for number in range(90_000)), {"event": "run_broke_off", "exit_code": 4})
    assert len(found.sentences) == MOST_SENTENCES
    assert found.sentences[-1] == "number 89999"
    (tmp_path / "1.log").write_text('[1]\nno json\n{"event": "run_ended", "exit_code": "x"}\n', encoding="utf-8")
    assert command_result(found.launch).exit_code == 2


def test_files_that_are_gone_are_no_words(tmp_path: Path) -> None:
    assert command_result(
        RunningCommand(id=9, campaign="a", person="b", verb="run", at=0.0, log=tmp_path / "9.log", said=tmp_path / "9.txt")
    ).killed
