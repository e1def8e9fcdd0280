"""That where `CI=true` a test that is skipped is a failure: nothing may be missing there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = "import pytest\ndef test_passes(): pass\ndef test_skipped(): pytest.skip('there is none here')\n"


def test_a_skip_fails_where_everything_is_installed(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SKIPPED, encoding="utf-8")
    # The hooks of all suites, and nothing else of them.
    words = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env=os.environ | {"CI": "true"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "there is none here" in done.stdout
