"""What a console starts need not import itself."""

import sys

import pytest

from tests import prefork


@pytest.fixture(autouse=True)
def quick_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", prefork.executable())
