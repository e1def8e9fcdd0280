"""The console is killed in the middle of a campaign: the page says so, the next console shows it still going, and nobody is told twice."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from campaign.domain.model import CampaignState
from tests.browser.lists import text
from tests.browser.people import person
from tests.browser.stage import stage
from tests.browser.way import sent
from tests.console.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "Spring for members"
ROWS = 100
# Its live page loses its stream, and what it was about to fetch, which a browser tells, and htmx, too.
LOST = ("net::ERR_", "htmx:sse:error", "Failed to fetch")


async def test_a_killed_console_and_its_next_one(tmp_path: Path, browser: Browser) -> None:
    async with stage(tmp_path) as at, person(browser, expected=LOST) as sofia:
        badge = sofia.page.locator(".now .badge").first
        async with at.console() as console:
            await sofia.enter(console.link)
            await sent(sofia, console.url, name=NAME, rows=ROWS, rate=10)
            await expect(badge).to_have_text("Sending")
            await sofia.page.evaluate("window.stays = true")
            await until(lambda: len(at.simulator.audit()) > 5)
            console.process.kill()
            await console.process.wait()
        assert len(at.simulator.audit()) < ROWS
        async with at.console(f"--port={console.port}"):
            second = await sofia.context.new_page()
            await second.goto(f"{console.url}/campaigns/{NAME}")
            await expect(second.locator(".now .badge").first).to_have_text("Sending")
            # The page that was open all the time finds the next console by itself.
            await expect(badge).to_have_text("Finished", timeout=60_000)
            assert await sofia.page.evaluate("window.stays")
        await at.until_state(NAME, CampaignState.FINISHED)
        assert at.sent() == {f"card-{row:05}": [text(row)] for row in range(1, ROWS + 1)}
