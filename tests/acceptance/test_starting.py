"""A command starts soon: it loads no library that only another command needs."""

import re
import subprocess
import sys

import pytest

from tests.acceptance.desk import Desk

HEAVY = {"aiohttp", "apprise", "fsspec", "numpy", "prometheus_client", "psycopg", "pygal", "pyarrow", "ray", "xlsxwriter"}


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("--help",), set()),
        (("status", "--json"), set()),
        (("list",), set()),
        (("pause", "list"), set()),
        (("check", "list.csv", "--message", "Hi"), set()),
        (("run", "list.csv", "--message", "Hi {{ first_name }}"), {"aiohttp", "numpy"}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_only_what_the_command_needs_is_loaded(desk: Desk, words: tuple[str, ...], most: set[str]) -> None:
    desk.make_list(2)
    desk.run("run", "list.csv", "--message", "Hi {{ first_name }}", "--limit", "1", code=5)
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "campaign", *words],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(re.findall(r"\| +(\w+)", seen.stderr))
    assert "campaign" in loaded
    assert loaded & HEAVY <= most
