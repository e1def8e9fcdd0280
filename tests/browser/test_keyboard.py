"""The way from a list to a sent campaign by keys alone, and what has the focus is always to be seen."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, FileChooser, TimeoutError, expect  # noqa: A004 - its own, which is no built-in one

from campaign.domain.model import CampaignState
from tests.browser.lists import promo, text
from tests.browser.people import Person, person
from tests.browser.stage import stage
from tests.console.answers import TEXTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS = 5
MOST_STEPS = 60
FOCUS = """() => {
    const at = document.activeElement;
    const labels = [...(at.labels ?? [])].map(label => label.textContent);
    return [at.getAttribute('aria-label') ?? '', ...labels, at.textContent].join(' ').replace(/\\s+/g, ' ').trim();
}"""
SEEN = """() => {
    const style = getComputedStyle(document.activeElement);
    const box = document.activeElement.getBoundingClientRect();
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.height > 0;
}"""


async def test_the_way_by_keys_alone(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "promo.csv").write_bytes(promo(ROWS))
    async with stage(tmp_path) as at, at.console() as console, person(browser) as sofia:
        keys = sofia.page.keyboard
        await sofia.enter(console.link)
        await keys.press("Tab")
        assert await sofia.page.evaluate(FOCUS) == TEXTS["shell.nav.skip"]
        await keys.press("Enter")
        await _to(sofia, TEXTS["campaigns.list.first"])
        await keys.press("Enter")
        await sofia.heading(TEXTS["drafts.new.title"])
        await _to(sofia, "Drop a list here")
        await (await _chooser(sofia)).set_files(tmp_path / "promo.csv")
        await sofia.heading(re.compile(r"^(Pass column|List)$"))
        if await sofia.page.get_by_role("heading", level=1).inner_text() == "List":
            # Where the look at the list takes its time, there is a page before the next step.
            await expect(sofia.page.get_by_role("link", name=TEXTS["drafts.steps.next"], exact=True)).to_be_visible()
            await _to(sofia, TEXTS["drafts.steps.next"])
            await keys.press("Enter")
        await sofia.heading(TEXTS["drafts.steps.column"])
        await _to(sofia, TEXTS["drafts.steps.save_next"])
        await keys.press("Enter")
        await sofia.heading("Message")
        await _to(sofia, "Message")
        await keys.type("Hi ")
        await _to(sofia, "first_name")
        await keys.press("Space")
        await expect(sofia.page.get_by_label("Message", exact=True)).to_be_focused()
        await keys.type(": 20% off")
        await expect(sofia.page.locator(".notification-text")).to_have_text("Hi Märta: 20% off")
        await _to(sofia, TEXTS["drafts.steps.save_next"])
        await keys.press("Enter")
        await sofia.heading("Check")
        await expect(sofia.page.get_by_role("link", name=TEXTS["drafts.steps.next"], exact=True)).to_be_visible()
        await _to(sofia, TEXTS["drafts.steps.next"])
        await keys.press("Enter")
        await sofia.heading("Controls")
        await _to(sofia, TEXTS["drafts.steps.save_next"])
        await keys.press("Enter")
        await sofia.heading("Test")
        await _to(sofia, TEXTS["drafts.steps.next"])
        await keys.press("Enter")
        await sofia.heading("Send")
        await _to(sofia, "Send 5 messages")
        await keys.press("Enter")
        await sofia.heading("promo")
        await at.until_state("promo", CampaignState.FINISHED)
        assert at.sent() == {f"card-{row:05}": [f"Hi {text(row).split()[1].rstrip(',')}: 20% off"] for row in range(1, ROWS + 1)}


async def _to(sofia: Person, name: str) -> None:
    """Go on by Tab until what is named so has the focus."""
    for _ in range(MOST_STEPS):
        await sofia.page.keyboard.press("Tab")
        found = await sofia.page.evaluate(FOCUS)
        if found:
            assert await sofia.page.evaluate(SEEN), f"“{found}” has the focus, and does not look so"
        if found.startswith(name):
            return
    raise AssertionError(f"“{name}” can't be reached by Tab")


async def _chooser(person: Person) -> FileChooser:
    """The file chooser that the key opens; a browser that is busy may let the first press go by."""
    for _ in range(3):
        try:
            async with person.page.expect_file_chooser(timeout=7000) as chooser:
                await person.page.keyboard.press("Space")
            return await chooser.value
        except TimeoutError:
            continue
    raise AssertionError("the key opens no file chooser")
