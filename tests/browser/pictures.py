"""Takes the pictures of the README anew: `make pictures`."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import ViewportSize, async_playwright, expect

from campaign.domain.model import CampaignState
from tests.browser.conftest import launched
from tests.browser.lists import TEMPLATE
from tests.browser.people import Person, person
from tests.browser.stage import ROOT, stage
from tests.browser.way import as_far_as_check
from tests.console.answers import TEXTS
from tests.console.waiting import until

PLACE: Final = ROOT / "docs" / "pictures"
NAME: Final = "Spring for members"
ROWS: Final = 420
SENT: Final = 260
WIDTH: Final = 1280
PHONE: Final = ViewportSize(width=390, height=844)


async def take() -> None:
    PLACE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        faults = {"unprocessable": "2%", "not_delivered": "5%"}
        async with (
            async_playwright() as playwright,
            launched(playwright) as browser,
            stage(Path(folder), **faults) as at,
            at.console() as console,
            person(browser) as sofia,
        ):
            await sofia.enter(console.link)
            draft = await as_far_as_check(sofia, console.url, rows=ROWS, nameless=(7, 23, 61), message=TEMPLATE)
            await sofia.page.goto(f"{draft}/message")
            await _picture(sofia, "message", 655)
            await sofia.page.goto(f"{draft}/controls")
            await sofia.page.get_by_label(TEXTS["drafts.controls.name"]).fill(NAME)
            await sofia.page.get_by_label(TEXTS["drafts.controls.rate"]).fill("10")
            await sofia.press(TEXTS["drafts.steps.save_next"])
            await sofia.heading("Test")
            await sofia.page.get_by_label(TEXTS["drafts.test.to"]).fill("my-own-pass")
            await sofia.press(TEXTS["drafts.test.send"])
            await expect(sofia.page.get_by_role("status")).to_contain_text(TEXTS["drafts.test.delivered"])
            await sofia.page.goto(f"{draft}/send")
            await _picture(sofia, "send", 890)
            await sofia.press(f"Send {ROWS - 3} messages")
            await sofia.heading(NAME)
            await until(lambda: len(at.simulator.audit()) > SENT, seconds=90)
            await sofia.page.reload()
            await _picture(sofia, "sending", 1010)
            await sofia.page.set_viewport_size(PHONE)
            await sofia.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            await sofia.page.screenshot(path=PLACE / "phone.png")
            await at.command("pause", NAME)
            await at.until_state(NAME, CampaignState.PAUSED)


async def _picture(sofia: Person, name: str, height: int) -> None:
    await sofia.page.set_viewport_size({"width": WIDTH, "height": height})
    await sofia.page.screenshot(path=PLACE / f"{name}.png")


if __name__ == "__main__":
    asyncio.run(take())
