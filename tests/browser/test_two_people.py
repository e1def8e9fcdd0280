"""A campaign that needs a second person: one asks, another looks at the same page and sends it by approving."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from campaign.domain.model import CampaignState
from tests.browser.lists import text
from tests.browser.people import person
from tests.browser.stage import stage
from tests.browser.way import as_far_as_send
from tests.console.answers import TEXTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "Spring for members"
ROWS = 30


async def test_who_asks_and_who_approves_are_two(tmp_path: Path, browser: Browser) -> None:
    async with stage(tmp_path) as at:
        await at.people({"sam": "sender", "ann": "approver", "vera": "viewer"})
        async with at.console("--require-approval=20") as console, person(browser) as sam, person(browser) as ann:
            await sam.log_in(console.url, "sam")
            await ann.log_in(console.url, "ann")
            draft = await as_far_as_send(sam, console.url, name=NAME, rows=ROWS, rate=100)
            await expect(sam.page.get_by_role("button", name="Send 30 messages")).to_have_count(0)
            await sam.press(TEXTS["drafts.send.ask"])
            await expect(sam.page.get_by_text("has asked for approval")).to_be_visible()
            await expect(sam.page.get_by_role("button", name=TEXTS["drafts.send.approve"])).to_have_count(0)
            await ann.page.goto(console.url)
            await expect(ann.page.get_by_role("link", name="Approvals")).to_contain_text("1")
            await ann.page.get_by_role("link", name="Approvals").click()
            await ann.press(NAME, role="link")
            await ann.heading("Send")
            await ann.page.get_by_label(TEXTS["drafts.send.note"]).fill("Say until when.")
            await ann.press(TEXTS["drafts.send.send_back"])
            await sam.page.goto(f"{draft}/send")
            await expect(sam.page.get_by_text("Say until when.")).to_be_visible()
            assert at.sent() == {}
            await sam.press(TEXTS["drafts.send.ask"])
            await expect(sam.page.get_by_role("button", name=TEXTS["drafts.send.take_back"])).to_be_visible()
            await ann.page.goto(f"{draft}/send")
            await ann.press(TEXTS["drafts.send.approve"])
            await ann.heading(NAME)
            await expect(ann.page.locator(".now .badge").first).to_have_text("Finished")
            await sam.page.goto(f"{console.url}/campaigns/{NAME}")
            await expect(sam.page.locator("#entries-title + *")).to_contain_text(TEXTS["drafts.action.approve"])
        await at.until_state(NAME, CampaignState.FINISHED)
        assert at.sent() == {f"card-{row:05}": [text(row)] for row in range(1, ROWS + 1)}
