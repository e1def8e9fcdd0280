"""One browser for all tests, as a start of it takes longer than most of them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.programs import programs


@asynccontextmanager
async def launched(playwright: Playwright) -> AsyncIterator[Browser]:
    """Chromium, as the machine has it."""
    program = programs()["browser"]
    assert program.path is not None, program.missing
    # Chromium's sandbox refuses root, which is who runs in a container of CI.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    chromium = await playwright.chromium.launch(executable_path=program.path, args=[*options, "--font-render-hinting=none"])
    try:
        yield chromium
    finally:
        await chromium.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright, launched(playwright) as chromium:
        yield chromium
