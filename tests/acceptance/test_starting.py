"""A command starts soon: it loads no library that only another command needs."""

import json
import re
import subprocess
import sys

import pytest

from tests.acceptance.desk import Desk
from tests.examples import slow_after

HEAVY = {"aiohttp", "apprise", "fsspec", "numpy", "pandas", "prometheus_client", "psycopg", "pygal", "pyarrow", "ray", "xlsxwriter"}
FELT = {"asyncio", "filelock", "jinja2", "pydantic", "rich", "structlog", "uvloop"}
"""What a look at a list or a ledger may need, but takes a moment to load."""


@pytest.mark.parametrize(
    ("words", "most"),
    slow_after(
        3,
        [
            (("check", "list.csv", "--message", "Hi"), {"numpy", "pandas", "pyarrow"} | FELT),
            (("run", "list.csv", "--message", "Hi {{ first_name }}"), {"aiohttp", "numpy", "pandas", "pyarrow"} | FELT),
            (("status", "--json"), {"asyncio", "pydantic"}),
            (("--help",), set()),
            (("status", "list"), {"asyncio", "pydantic"}),
            (("list",), {"asyncio", "pydantic"}),
            (("pause", "list"), {"asyncio", "filelock", "jinja2", "pydantic", "uvloop"}),
        ],
        unpack=True,
    ),
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
    assert loaded & (HEAVY | FELT) <= most


def test_a_command_that_only_looks_tells_of_trouble_all_the_same(desk: Desk) -> None:
    (desk.folder / ".env").write_text("no setting at all\n", encoding="utf-8")
    told = [json.loads(line) for line in desk.run("status", CAMPAIGN_RAET="5").stderr.splitlines()]
    assert [event["event"] for event in told] == ["library", "unknown_setting"]
    assert ".env, line 1" in told[0]["detail"]
    assert "CAMPAIGN_RATE?" in told[1]["detail"]
    assert not desk.run("status", "--log-level", "error", CAMPAIGN_RAET="5").stderr.splitlines()[1:]
