"""What a console starts need not import itself, nor each console compile its templates again."""

import sys

import pytest

from campaign.console import pages
from tests import prefork
from tests.console.compiled import ENVIRONMENT


@pytest.fixture(autouse=True)
def quick_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", prefork.executable())
    monkeypatch.setattr(pages, "Environment", ENVIRONMENT)
