"""A slip of the pen in a variable's name is told."""

import os
import re
from pathlib import Path

import pytest

from campaign.cli.unknown_env_vars import unknown_env_vars
from tests.unit.test_options import CASES


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("CAMPAIGN_"):
            monkeypatch.delenv(name)


def test_a_slip_in_the_environment_or_the_file_is_told_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGN_RAET", "5")
    monkeypatch.setenv("CAMPAIGN_SOMETHING_ELSE", "5")
    monkeypatch.setenv("CAMPAIGN_CONSOLE_HSOT", "5")
    monkeypatch.setenv("CAMPAIGN_MOVED_HERE", "1")
    Path(".env").write_text("CAMPAIGN_RATE=3\nno line at all\nexport CAMPAIGN_JSN=1\nOTHER=1\n", encoding="utf-8")
    assert [re.findall(r"CAMPAIGN_\w+|\.env|--[a-z-]+", sentence) for sentence in unknown_env_vars()] == [
        ["CAMPAIGN_CONSOLE_HSOT", "CAMPAIGN_CONSOLE_HOST"],
        ["CAMPAIGN_JSN", ".env", "CAMPAIGN_JSON"],
        ["CAMPAIGN_MOVED_HERE", "--moved-here"],
        ["CAMPAIGN_RAET", "CAMPAIGN_RATE"],
        ["CAMPAIGN_SOMETHING_ELSE", "--help"],
    ]


def test_every_setting_and_what_kubernetes_sets_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    for _, variable, _, _ in CASES.values():
        monkeypatch.setenv(variable, "")
    kubernetes = (
        "CAMPAIGN_SERVICE_HOST",
        "CAMPAIGN_PORT",
        "CAMPAIGN_PORT_80_TCP",
        "CAMPAIGN_CONSOLE_SERVICE_HOST",
        "CAMPAIGN_CONSOLE_PORT_80_TCP",
    )
    console = ("CAMPAIGN_CONSOLE_HOST", "CAMPAIGN_CONSOLE_PORT", "CAMPAIGN_CONSOLE_REQUIRE_APPROVAL", "CAMPAIGN_CONSOLE_PASSWORD")
    for name in ("campaign_rate", "CAMPAIGN_NOTIFY", "PASSENTRY_API_KEY", *kubernetes, *console):
        monkeypatch.setenv(name, "")
    assert list(unknown_env_vars()) == []


def test_a_file_that_can_not_be_read_is_not_spoken_of() -> None:
    Path(".env").write_bytes(b"\xff\xfe\x00CAMPAIGN_X=1")
    assert list(unknown_env_vars()) == []
