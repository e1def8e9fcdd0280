"""What is shown to whoever does not know what to write yet."""

import pytest

from tests.acceptance.desk import Desk


def test_the_command_alone_shows_what_there_is(desk: Desk) -> None:
    """Nothing was asked for, so nothing was done: the exit code is that of wrong usage."""
    alone = desk.run(code=2)
    assert alone.stdout == desk.run("--help").stdout
    assert "campaign check LIST --message TEXT" in alone.stdout
    assert not alone.stderr


@pytest.mark.parametrize("words", [("jobs",), ("user",)])
def test_a_group_of_commands_alone_shows_them(desk: Desk, words: tuple[str, ...]) -> None:
    assert "Usage:" in desk.run(*words, code=2).stdout


def test_a_command_of_another_spelling_is_asked_for(desk: Desk) -> None:
    assert "Did you mean 'run'?" in desk.run("rnu", code=2).stderr
