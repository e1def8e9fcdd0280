"""What functions take is what the commands have."""

import inspect
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaign.api import options as opt
from campaign.api.options import settings_of
from campaign.cli import campaigns, send
from campaign.cli.options import LOOKING, WATCHED
from campaign.settings import Settings

OF_TERMINALS = {*LOOKING, *WATCHED} - {"ledger"}
ARGUMENTS = {"source", "target", "name", "status", "reason", "http_status", "rows", "dry_run", "reach", "watch"}


@pytest.mark.parametrize(
    ("known", "command", "more"),
    [
        (opt.CHECK, send.check, {"exclude", "results"}),
        (opt.RUN, send.run, set()),
        (opt.RESUME, send.resume, set()),
        (opt.RETRY, send.retry, set()),
        (opt.VERIFY, send.verify, set()),
        (opt.LEDGER, campaigns.status, set()),
    ],
)
def test_functions_have_the_options_of_the_commands(known: tuple[str, ...], command: Any, more: set[str]) -> None:
    flags = set(inspect.signature(command).parameters) - OF_TERMINALS - ARGUMENTS
    assert set(known) - {"name", *opt.ACCESS} == flags | more


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("rate", 9, 9.0),
        ("rate", "unlimited", None),
        ("quiet_period", "2m", 120.0),
        ("quiet_period", 2, 2.0),
        ("timeout", timedelta(minutes=1), 60.0),
        ("not_after", date(2026, 12, 24), "2026-12-24"),
        ("start_at", datetime(2026, 12, 24, 18, tzinfo=UTC), "2026-12-24T18:00:00+00:00"),
        ("template", Path("offer.txt"), Path("offer.txt")),
        ("ledger", Path("own.db"), "own.db"),
    ],
)
def test_values_of_python(option: str, value: Any, expected: Any) -> None:
    assert getattr(settings_of({option: value}, [option], function="run"), option) == expected


@pytest.mark.parametrize(("value", "count"), [(500, 500), ("500", 500), ("20%", None)])
def test_a_number_of_failures(value: Any, count: int | None) -> None:
    assert settings_of({"halt": value}, ["halt"], function="run").halt.count == count


def test_a_password_is_no_secret_from_a_call() -> None:
    settings = settings_of({"ledger": " postgresql://anna:secret@db/campaigns"}, ["ledger"], function="run")
    assert settings.ledger_url == "postgresql://anna:secret@db/campaigns"
    assert settings.ledger_to_name == ""
    assert "secret" not in repr(settings)


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGN_RATE", "5")
    monkeypatch.setenv("PASSENTRY_API_KEY", "of-the-environment")
    assert settings_of({}, ["rate"], function="run").rate == 5
    settings = settings_of({"rate": 7, "token": "given"}, ["rate", "token"], function="run")
    assert (settings.rate, settings.token()) == (7, "given")


def test_every_option_is_a_setting() -> None:
    assert opt.ALL - {"token"} <= set(Settings.model_fields)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Give --message or --template.", "Give `message` or `template`."),
        ("--id-column (or CAMPAIGN_ID_COLUMN): no.", "`id_column` (or CAMPAIGN_ID_COLUMN): no."),
        ("Give --output FILE.", "Give --output FILE."),
        (
            "Go on with: campaign run /tmp/a.csv --ledger OTHER. For a new campaign, give it another --name.",
            "Go on with: campaign run /tmp/a.csv --ledger OTHER. For a new campaign, give it another `name`.",
        ),
        (
            "Start one with campaign run LIST, or name another with --ledger.",
            "Start one with campaign run LIST, or name another with `ledger`.",
        ),
        ("The campaign “a” is new: give --name.", "The campaign “a” is new: give `name`."),
    ],
)
def test_a_sentence_names_arguments_and_leaves_commands_as_they_are(sentence: str, expected: str) -> None:
    assert opt.with_arguments(sentence) == expected


def test_importing_the_package_is_cheap() -> None:
    heavy = "{'pandas', 'pyarrow', 'aiohttp', 'pydantic', 'campaign.api', 'campaign.settings', 'logging', 'asyncio'}"
    subprocess.run([sys.executable, "-c", f"import sys, campaign; assert not {heavy} & set(sys.modules)"], check=True)
