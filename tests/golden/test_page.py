"""What the page of a campaign says, that `report` writes: a line for each piece of text outside of its drawings."""

import html
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.reporter.page import page_of
from tests.contract.backends import HandClock, SqliteBackend
from tests.contract.test_figures import EVIL, checked_list
from tests.golden.files import Golden


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def test_page(golden: Golden, tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "campaign.db", clock := HandClock())
    page = page_of(await checked_list(backend.ledger(), backend.reader(), clock)).decode()
    await backend.close()
    bare = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    pieces = (" ".join(html.unescape(piece).split()) for piece in re.split(r"<[^>]+>", bare))
    golden("\n".join(piece for piece in pieces if piece).replace(EVIL, "SCRIPT"))
