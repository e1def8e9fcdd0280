"""The golden file of each test, named after it."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import desk, simulator
from tests.golden.files import Golden

__all__ = ["desk", "golden", "simulator"]


@pytest.fixture
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    """Compares a text with `files/NAME.txt` for `test_NAME`."""
    return Golden(name=f"{request.node.name.removeprefix('test_')}.txt", scratch=tmp_path)
