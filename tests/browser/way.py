"""The way walked quickly, for tests that are about something else."""

import re

from playwright.async_api import expect

from tests.browser.lists import TEMPLATE, promo
from tests.browser.people import Person
from tests.console.answers import TEXTS


async def as_far_as_check(somebody: Person, url: str, *, rows: int, nameless: tuple[int, ...] = (), message: str = TEMPLATE) -> str:
    """Upload a list and write a message; the draft's address."""
    page = somebody.page
    await page.goto(f"{url}/new")
    await page.get_by_label("Drop a list here").set_input_files(
        {"name": "spring-members.csv", "mimeType": "text/csv", "buffer": promo(rows, nameless=nameless)}
    )
    await checked_list(somebody)
    await somebody.press(TEXTS["drafts.steps.save_next"])
    await somebody.heading("Message")
    await page.get_by_label("Message", exact=True).fill(message)
    await somebody.press(TEXTS["drafts.steps.save_next"])
    await somebody.heading("Check")
    await expect(page.get_by_text(TEXTS["drafts.steps.next"], exact=True)).to_be_visible()
    return page.url.removesuffix("/check")


async def checked_list(somebody: Person) -> None:
    """Wait for the page of the column; where the look at the list takes its time, there is a page before it."""
    await somebody.heading(re.compile(r"^(Pass column|List)$"))
    if await somebody.page.get_by_role("heading", level=1).inner_text() == "List":
        await somebody.press(TEXTS["drafts.steps.next"], role="link")
    await somebody.heading(TEXTS["drafts.steps.column"])


async def as_far_as_send(somebody: Person, url: str, *, name: str, rows: int, rate: int, nameless: tuple[int, ...] = ()) -> str:
    """All steps but the test; the draft's address."""
    draft = await as_far_as_check(somebody, url, rows=rows, nameless=nameless)
    await somebody.press(TEXTS["drafts.steps.next"], role="link")
    await somebody.heading("Controls")
    await somebody.page.get_by_label(TEXTS["drafts.controls.name"]).fill(name)
    await somebody.page.get_by_label(TEXTS["drafts.controls.rate"]).fill(str(rate))
    await somebody.press(TEXTS["drafts.steps.save_next"])
    await somebody.heading("Test")
    await somebody.page.goto(f"{draft}/send")
    await expect(somebody.page.locator(".plan")).to_be_visible()
    return draft


async def sent(somebody: Person, url: str, *, name: str, rows: int, rate: int) -> None:
    """A campaign that has just begun, and its page."""
    await as_far_as_send(somebody, url, name=name, rows=rows, rate=rate)
    await somebody.press(re.compile("^Send [0-9,]+ messages$"))
    await somebody.heading(name)
