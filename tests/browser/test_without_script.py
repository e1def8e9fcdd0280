"""With JavaScript switched off: all can be read and taken away, and even sent."""

import csv
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from campaign.domain.model import CampaignState
from tests.browser.lists import TEMPLATE, promo, text
from tests.browser.people import person
from tests.browser.stage import stage
from tests.console.answers import TEXTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "Spring for members"
ROWS = 12


async def test_reading_downloading_and_sending_need_no_script(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "promo.csv").write_bytes(promo(ROWS))
    async with stage(tmp_path) as at:
        await at.command("run", str(tmp_path / "promo.csv"), f"--name={NAME}", f"--message={TEMPLATE}", "--rate=500", "--yes")
        async with at.console() as console, person(browser, javascript=False) as sofia:
            await sofia.page.goto(console.link)
            await sofia.press(TEXTS["shell.enter.open"])
            # A page that leads on by itself, and has a link for whom it does not.
            await sofia.heading("Campaigns")
            await sofia.press(NAME, role="link")
            await sofia.heading(NAME)
            await expect(sofia.page.locator(".legend")).to_contain_text("12 delivered")
            await expect(sofia.page.locator(".charts img").first).to_be_visible()
            taken = await sofia.download("CSV", tmp_path, within=".files >> nth=0")
            with taken.open(encoding="utf-8-sig", newline="") as file:
                assert [row["delivery_status"] for row in csv.DictReader(file)] == ["delivered"] * ROWS
            await sofia.press(TEXTS["shell.nav.new"], role="link")
            await sofia.page.get_by_label("Drop a list here").set_input_files(
                {"name": "second.csv", "mimeType": "text/csv", "buffer": promo(3)}
            )
            async with sofia.page.expect_navigation():
                await sofia.press("Upload")
            column = re.sub("/list$", "/column", sofia.page.url)
            # While the list is being read, every step leads back to it.
            while sofia.page.url != column or await sofia.page.get_by_role("link", name=TEXTS["drafts.steps.look_again"]).count():
                await sofia.page.goto(column)
            await sofia.press(TEXTS["drafts.steps.save_next"])
            await sofia.page.get_by_label("Message", exact=True).fill(f"Again! {TEMPLATE}")
            await sofia.press(TEXTS["drafts.message.show"])
            await expect(sofia.page.locator(".notification-text")).to_have_text(f"Again! {text(1)}")
            await sofia.page.get_by_label("Message", exact=True).fill(f"Again! {TEMPLATE}")
            await sofia.press(TEXTS["drafts.steps.save_next"])
            await sofia.heading("Check")
            draft = sofia.page.url.removesuffix("/check")
            while await sofia.page.get_by_role("link", name=TEXTS["drafts.steps.look_again"]).count():
                await sofia.press(TEXTS["drafts.steps.look_again"], role="link")
            await sofia.page.goto(f"{draft}/send")
            await sofia.press("Send 3 messages")
            await at.until_state("second", CampaignState.FINISHED)
            assert at.sent()["card-00001"] == [text(1), f"Again! {text(1)}"]
