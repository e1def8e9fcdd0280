"""What `campaign serve` may be told, and by which names."""

from pathlib import Path

import pytest

from campaign.console.console_settings import ConsoleSettings
from campaign.domain.errors import UsageError
from campaign.settings import IsolatedSettings
from tests.errors import raises


@pytest.mark.parametrize(
    ("flags", "option"),
    [
        ({"port": "70000"}, "--port"),
        ({"most_upload": "much"}, "--most-upload"),
        ({"most_upload": "0"}, "--most-upload"),
        ({"require_approval": "-1"}, "--require-approval"),
    ],
)
def test_what_can_not_be_is_told_by_its_names(flags: dict[str, str], option: str) -> None:
    with raises(UsageError, "bad_value", option=option):
        ConsoleSettings.read(**flags)


@pytest.mark.parametrize(("written", "is_bytes"), [("1GB", 1 << 30), ("500 mb", 500 << 20), ("20K", 20 << 10), ("7", 7), ("7b", 7)])
def test_sizes(written: str, is_bytes: int) -> None:
    assert ConsoleSettings.read(most_upload=written).most_upload == is_bytes


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("CAMPAIGN_CONSOLE_HOST=a\nCAMPAIGN_CONSOLE_PORT=1\nCAMPAIGN_CONSOLE_FOLDER=f\n", encoding="utf-8")
    monkeypatch.setenv("CAMPAIGN_CONSOLE_PORT", "2")
    monkeypatch.setenv("CAMPAIGN_CONSOLE_MOST_UPLOAD", "3")
    found = ConsoleSettings.read(most_upload="4", host=None)
    assert (found.host, found.port, found.folder, found.most_upload) == ("a", 2, Path("f"), 4)
    # What Kubernetes puts there for a service of this name.
    monkeypatch.setenv("CAMPAIGN_CONSOLE_PORT", "tcp://10.0.0.1:80")
    assert ConsoleSettings.read().port == 8321


def test_the_folder_is_beside_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = IsolatedSettings.read(ledger=str(tmp_path / "campaign.db"))
    assert ConsoleSettings.read().folder_beside(settings) == tmp_path / "console"
    assert ConsoleSettings.read(folder=tmp_path / "other").folder_beside(settings) == tmp_path / "other"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    on_a_server = IsolatedSettings.read(ledger="postgresql://host/campaign")
    assert ConsoleSettings.read().folder_beside(on_a_server) == tmp_path / "data" / "campaign" / "console"
