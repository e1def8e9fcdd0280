"""The compose file: what it starts exists, and has no more rights than it needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from campaign.cli.main import app
from campaign.console.console_settings import PORT, ConsoleSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
CONSOLE: dict[str, Any] = FILE["services"]["console"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMMANDS = [yaml.safe_load(found) for found in re.findall(r"^ *(?:# )?command: (\[.*\])$", TEXT, flags=re.MULTILINE)]


@pytest.mark.parametrize("words", COMMANDS, ids=["proxy", "https"])
def test_its_commands_have_only_options_that_there_are(words: list[str]) -> None:
    verb, *options = words
    commands = typer.main.get_command(app)
    assert isinstance(commands, TyperGroup)
    known = {option for parameter in commands.commands[verb].params for option in parameter.opts}
    named = dict(option.partition("=")[::2] for option in options)
    assert set(named) <= known
    flags = {name.removeprefix("--").replace("-", "_"): value or "true" for name, value in named.items()}
    assert flags.keys() <= ConsoleSettings.model_fields.keys()
    assert ConsoleSettings.read(**flags).host == "0.0.0.0"  # noqa: S104 - within the container; its port is published on loopback alone


def test_it_can_be_reached_from_this_machine_alone_and_may_do_nothing_else() -> None:
    assert CONSOLE["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert (CONSOLE["read_only"], CONSOLE["cap_drop"], CONSOLE["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert str(PORT) in CONSOLE["healthcheck"]["test"][-1]
    assert "privileged" not in CONSOLE


def test_ledger_and_token_are_where_the_image_looks_for_them() -> None:
    assert CONSOLE["volumes"] == ["ledger:/data"]
    assert "ledger" in FILE["volumes"]
    [secret] = CONSOLE["secrets"]
    assert FILE["secrets"][secret] == {"file": "./token"}
    assert f"PASSENTRY_API_KEY_FILE=/run/secrets/{secret}" in DOCKERFILE
    assert "CAMPAIGN_LEDGER=/data/" in DOCKERFILE
    assert "PASSENTRY_API_KEY" not in CONSOLE["environment"]


def test_the_image_has_what_the_console_stands_on() -> None:
    found = re.search(r"pip install '\.\[([a-z0-9,]+)\]'", DOCKERFILE)
    assert found is not None
    assert {"console", "notify", "postgres"} <= set(found[1].split(","))


def test_the_healthcheck_is_python_that_can_be_read() -> None:
    verb, python, flag, program = CONSOLE["healthcheck"]["test"]
    assert (verb, python, flag) == ("CMD", "python", "-c")
    compile(program, "healthcheck", "exec")
