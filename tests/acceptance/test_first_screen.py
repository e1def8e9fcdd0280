"""What is shown to whoever does not know what to write yet."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.screen import Terminal


def test_the_command_alone_shows_what_there_is(desk: Desk) -> None:
    """Nothing was asked for, so nothing was done: the exit code is that of wrong usage."""
    alone = desk.run(code=2)
    assert alone.stdout == desk.run("--help").stdout
    assert not alone.stderr


@pytest.mark.parametrize("words", [("jobs",), ("user",)])
def test_a_group_of_commands_alone_shows_them(desk: Desk, words: tuple[str, ...]) -> None:
    assert "Usage:" in desk.run(*words, code=2).stdout


def test_a_command_of_another_spelling_is_asked_for(desk: Desk) -> None:
    assert "Did you mean 'run'?" in desk.run("rnu", code=2).stderr


@pytest.mark.parametrize(("kind", "styled"), [("xterm-256color", True), ("dumb", False)])
def test_a_terminal_that_knows_no_styles_is_sent_none(desk: Desk, kind: str, *, styled: bool) -> None:
    with Terminal(desk, "--help", TERM=kind) as terminal:
        assert terminal.end() == 0
    assert "campaign COMMAND --help" in str(terminal.screen)
    assert ("\x1b" in terminal.raw) is styled


@pytest.mark.parametrize(("typed", "offered"), [("campaign re", "retry"), ("campaign run --ra", "--rate")])
def test_a_shell_completes_commands_and_options(desk: Desk, typed: str, offered: str) -> None:
    words = {"_CAMPAIGN_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    command = Path(sys.executable).with_name("campaign")
    done = subprocess.run([command], env=desk.environment | words, capture_output=True, text=True, check=True)
    assert offered in done.stdout.split()
