"""One browser for all tests, as a start of it takes longer than most of them."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "There is no Chromium here, which the tests of the console's pages need. Install it: apt-get install chromium"


@asynccontextmanager
async def launched(playwright: Playwright) -> AsyncIterator[Browser]:
    """Chromium, as the machine has it."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(MISSING)
    # Chromium's sandbox refuses root, which is who runs in a container of CI.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    chromium = await playwright.chromium.launch(executable_path=path, args=[*options, "--font-render-hinting=none"])
    try:
        yield chromium
    finally:
        await chromium.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright, launched(playwright) as chromium:
        yield chromium
