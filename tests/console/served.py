"""`campaign serve` in a process of its own, and somebody who came in by its link."""

import asyncio
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from tests.prefork import PYTHON

ROOT = Path(__file__).parents[2]


@dataclass
class Browser:
    """Somebody who came in by the link of a console."""

    session: aiohttp.ClientSession
    url: URL
    csrf: str = ""

    async def page(self, path: str) -> str:
        async with self.session.get(self.url.with_path(path)) as answer:
            assert answer.status == 200
            text = await answer.text()
        found = re.search(r'name="csrf" value="([^"]+)"', text)
        self.csrf = found[1] if found else self.csrf
        return text

    async def post(self, path: str) -> None:
        async with self.session.post(self.url.with_path(path), data={"csrf": self.csrf}) as answer:
            assert answer.status == 200, await answer.text()


@asynccontextmanager
async def console(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[tuple[Process, Browser]]:
    """`campaign serve`, until it is ended or killed."""
    words = ("serve", "--port=0", f"--folder={folder}", "--log-level=error")
    process = await asyncio.create_subprocess_exec(
        # Python itself: nothing of a killed console may live on for a moment.
        PYTHON,
        "-m",
        "campaign",
        *words,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        env=environment,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        link = URL((await process.stdout.readline()).decode().split()[-1])
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            browser = Browser(session=session, url=link.origin())
            async with session.get(link) as answer:
                form = dict(re.findall(r'name="(csrf|key)" value="([^"]+)"', await answer.text()))
            async with session.post(link.origin() / "enter", data=form) as answer:
                assert answer.status == 200, await answer.text()
            yield process, browser
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()
