"""Somebody at a browser: pages that fail a test on any console error, are judged by axe, and have their picture taken."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser.stage import PASSWORD, ROOT
from tests.console.answers import TEXTS

PICTURES: Final = ROOT / "build" / "screenshots"
AXE: Final = Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js"
WIDTHS: Final = {1280: 900, 390: 844}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")

# A page may take long to come on a machine that does many things at once; it never is what a test waits for.
expect.set_options(timeout=60_000)


@dataclass
class Person:
    """A browser of somebody's own. `wrong` is what its pages have complained of."""

    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)

    async def enter(self, link: str) -> None:
        """Come in by the link that a console without users prints."""
        await self.page.goto(link)
        await expect(self.page.get_by_role("heading", level=1)).to_have_text("Campaigns")

    async def log_in(self, url: str, name: str) -> None:
        await self.page.goto(f"{url}/login")
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name=TEXTS["shell.login.enter"]).click()
        await expect(self.page.get_by_role("heading", level=1)).to_have_text("Campaigns")

    async def heading(self, text: str | re.Pattern[str]) -> None:
        """Wait until this page is open."""
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    async def press(self, name: str | re.Pattern[str], *, role: Literal["button", "link"] = "button") -> None:
        await self.page.get_by_role(role, name=name, exact=isinstance(name, str)).first.click()

    async def download(self, link: str, folder: Path, *, within: str = "body") -> Path:
        """The file that a link gives."""
        async with self.page.expect_download() as coming:
            await self.page.locator(within).get_by_role("link", name=link, exact=True).click()
        given = await coming.value
        path = folder / given.suggested_filename
        await given.save_as(path)
        return path

    async def check(self, name: str) -> None:
        """Its page in both themes and both widths: nothing that axe calls serious, nothing that scrolls sideways; a picture of each."""
        found = []
        size = self.page.viewport_size
        for scheme in SCHEMES:
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for width, height in WIDTHS.items():
                await self.page.set_viewport_size({"width": width, "height": height})
                await self.picture(f"{name}-{scheme}-{width}")
                if await self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    found.append(f"{name} scrolls sideways at {width} px")
                # Colours differ by the theme and the order of things by the width: two of the four see all of both.
                if (scheme, width) in {("light", 1280), ("dark", 390)}:
                    found += [f"{name}, {scheme}, {width} px: {sentence}" for sentence in await self._axe()]
        await self.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        if size is not None:
            await self.page.set_viewport_size(size)
        assert not found, "\n".join(found)

    async def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    async def _axe(self) -> list[str]:
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(_axe_source())
        found: list[dict[str, Any]] = await self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)"
        )
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'] for node in one['nodes']][:3]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]


@cache
def _axe_source() -> str:
    return AXE.read_text(encoding="utf-8")


@asynccontextmanager
async def person(browser: Browser, *, javascript: bool = True, expected: tuple[str, ...] = ()) -> AsyncIterator[Person]:
    """Somebody with a new browser; the test fails on whatever its pages complain of, except for what is expected."""
    context = await browser.new_context(
        java_script_enabled=javascript,
        viewport={"width": 1280, "height": 900},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    )
    context.set_default_timeout(60_000)
    try:
        found = Person(context=context, page=await context.new_page())
        context.on("console", lambda message: _noted(found, message))
        context.on("weberror", lambda error: found.wrong.append(f"{error.error}"))
        try:
            yield found
        except BaseException:
            await found.picture("failed")
            raise
        wrong = [words for words in found.wrong if not any(one in words for one in expected)]
        assert not wrong, "\n".join(wrong)
    finally:
        await context.close()


def _noted(person: Person, message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"}:
        person.wrong.append(f"{message.text} ({message.location.get('url')})")
