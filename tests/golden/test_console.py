"""What the console's pages say, a line for each piece of text; how they look is for the eye."""

import html
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.simulator.config import SimulatorConfig
from tests.console.answers import Answer
from tests.console.campaigns_given import scene
from tests.console.drafts_given import desk
from tests.golden.files import Golden

ROWS = b"pass_id,first_name,code\n" + b"".join(f"pass-{row},Name {row},C{row}\n".encode() for row in range(1, 21)) + b",Nobody,C21\n"
_CHANGING = (
    (re.compile(r"\d{2} [A-Z][a-z]{2} \d{4}, \d{2}:\d{2} \w+"), "TIME"),
    (re.compile(r"\b\d{2}:\d{2}(:\d{2})?\b"), "HH:MM"),
    (re.compile(r"list-12-\d+"), "list"),
    (re.compile(rf"\S+ on {re.escape(socket.gethostname())}"), "USER on HOST"),
)


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines(answer: Answer) -> str:
    """A page's text, without what is the same on all of them."""
    main = re.search(r"<main\b.*?</main>", answer.page, flags=re.DOTALL)
    page = re.sub(r"<(script|style|svg|datalist|select|nav)\b.*?</\1>", " ", main[0] if main else answer.page, flags=re.DOTALL)
    pieces = (" ".join(html.unescape(piece).split()) for piece in re.split(r"<[^>]+>", page))
    text = "\n".join(piece for piece in pieces if piece)
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return f"== {answer.status} {re.sub('[0-9a-f]{32}', 'ID', answer.path)}\n{text}\n"


async def test_console_drafts(golden: Golden, tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        pages = [await at.get("/new")]
        draft = await at.begun(ROWS)
        pages += [await at.get(f"{draft}/{step}") for step in ("list", "column", "message", "check", "controls", "test", "send")]
        pages += [
            await at.post(f"{draft}/controls", name="", rate="fast", opens="9", start_at="soon", canary="0"),
            await at.post(f"{draft}/test", to=" "),
            await at.get("/drafts/" + "0" * 32 + "/send"),
        ]
        other = (await at.upload(b"id,ext_id\n1,a\n", "two.csv")).path.rpartition("/")[0]
        pages += [await at.get(f"{other}/column"), await at.get(f"{other}/send")]
        golden("\n".join(map(lines, pages)))


async def test_console_campaigns(golden: Golden, tmp_path: Path) -> None:
    missing = frozenset({"pass-00001", "pass-00002"})
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, missing=missing)) as at:
        pages = [await at.get("/")]
        await at.run("promo", 12, code=5, more=("--limit=8",))
        paths = (("resume",), ("cancel",), ("again",))
        await at.run("later", 12, code=5, more=("--start-at=2100-01-01", "--no-wait"))
        pages += [
            await at.get("/?words=nothing"),
            await at.get(at.page_of("later")),
            *[await at.get(at.page_of("promo", *path)) for path in paths],
        ]
        pages += [
            await at.get(at.page_of("promo", "again", "sure") + "?status=failed"),
            await at.get(at.page_of("gone")),
            await at.post(at.page_of("promo", "again")),
        ]
        golden("\n".join(map(lines, pages)))
