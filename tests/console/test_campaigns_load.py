"""Many who watch do not slow the sending, and a large list that comes in blocks no page: `tests.bench.console` in short."""

from pathlib import Path

import pytest

from tests.bench.console import place, sends_per_second, uploading
from tests.console.served import console


@pytest.mark.slow
async def test_many_who_watch_and_a_large_list_hold_up_nobody(tmp_path: Path) -> None:
    async with place(tmp_path) as at, console(tmp_path / "served", at.environment) as (_, browser):
        alone, _ = await sends_per_second(at, browser, rows=4000, watchers=0, turn=0)
        watched, frames = await sends_per_second(at, browser, rows=4000, watchers=50, turn=0)
        assert frames > 50
        # A machine that others use, too, gives half of what it gave a second before.
        assert watched > alone / 4
        waited = await uploading(browser, rows=100_000)
        assert waited["longest_wait_while"] < 3.0
