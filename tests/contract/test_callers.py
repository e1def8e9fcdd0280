"""No caller knows which ledger it has: which there are is known to the ledgers, to what opens them, and to how settings are written."""

import re
from pathlib import Path

import pytest

import campaign
from campaign.settings import Settings

ROOT = Path(campaign.__file__).parent
KNOWING = {"settings.py", "setting_types.py", "app/open_ledger.py"}
OF_ITS_OWN = {"app/preflight/check.py"}
"""A check stages into a file that it throws away, whatever the ledger is."""

LISTS = {"app/lists/list_source.py", "domain/lists/query.py", "loader/query.py"}
"""A list, too, may come from PostgreSQL."""

TELLTALES = re.compile(r"campaign\.ledger\.(sqlite|postgres)|\b(Sqlite|Postgres)(Ledger|Reader)|postgres(ql)?://(?!\.\.\.)|\bledger_url\b")


def test_no_other_module_tells_them_apart() -> None:
    modules = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}
    telling = {module for module, text in modules.items() if TELLTALES.search(text) and not module.startswith("ledger/")}
    assert telling == KNOWING | OF_ITS_OWN | LISTS


@pytest.mark.parametrize("ledger", ["postgresql://anna:secret@db/campaigns", "postgres://db/campaigns?password=secret"])
def test_a_ledger_whose_name_may_hold_a_password_is_named_to_nobody(ledger: str) -> None:
    settings = Settings(ledger=ledger)
    assert settings.public_ledger == ""
    assert "secret" not in str(settings.ledger_folder)


def test_one_in_a_file_is_named_so_that_every_folder_understands_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(ledger="own/campaign.db")
    assert settings.public_ledger == str(tmp_path / "own" / "campaign.db")
    assert settings.ledger_folder == Path("own")
