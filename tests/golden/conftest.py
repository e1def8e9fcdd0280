"""The golden file of each test, named after it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden.files import compare, normalised


@pytest.fixture
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], None]:
    """Compare a text with `files/NAME.txt` for `test_NAME`."""
    name = f"{request.node.name.removeprefix('test_')}.txt"
    return lambda text: compare(name, normalised(text, folder=tmp_path))
