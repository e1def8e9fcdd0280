"""The first screen, what each command takes, and what each option is said to do; not how rich draws it, which changes with its version."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from campaign.cli.main import app
from tests.golden.files import Golden


def commands(command: Any, *before: str) -> Iterator[tuple[str, Any]]:
    """Every command that is no group, with its words."""
    inner = getattr(command, "commands", {})
    for name, one in inner.items():
        yield from commands(one, *before, name)
    if not inner and not command.hidden:
        yield " ".join(before), command


def test_help(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = CliRunner().invoke(app, ["--help"], prog_name="campaign")
    assert screen.exit_code == 0
    takes, does = [], dict[str, None]()
    for words, command in commands(typer.main.get_command(app)):
        taken = [
            (", ".join(sorted(one.opts)) if one.param_type_name == "option" else one.metavar or one.name, one)
            for one in command.params
            if not getattr(one, "hidden", False)
        ]
        takes.append(f"{words}: {command.help}\n    {' '.join(name.replace(', ', '/') for name, _ in taken)}")
        does |= dict.fromkeys(f"{name} {one.metavar or ''}: {getattr(one, 'help', '')}" for name, one in taken)
    golden("\n".join([screen.stdout, "What each command takes:", *takes, "", "What each does:", *sorted(does)]))
