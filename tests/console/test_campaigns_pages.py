"""The list of campaigns, and the page of each."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree as ET

import pytest

from campaign.console.access import Role
from campaign.console.campaigns.charts import Charts
from campaign.console.campaigns.ledger_reads import LedgerReads
from campaign.console.pages import as_part, campaign_page, static_files
from campaign.domain.status import Status
from campaign.domain.text.reasons import reason_in_words
from campaign.ledger.port import LedgerReader
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import Fault
from tests.console.campaigns_given import scene
from tests.examples import slow_after

T = TypeVar("T")
ODD = ["a/b", "..", 'say "hi" & <script>alert(1)</script>', ".", "50% off?", "März — ЁЖ 漢字 🎉", "~2F", "a\\b", " lead ", "#1", "a b+c"]


@pytest.mark.parametrize("name", slow_after(1, ODD))
async def test_a_campaign_of_any_name_has_a_page_that_shows_it_as_text(tmp_path: Path, name: str) -> None:
    async with scene(tmp_path) as at:
        await at.run(name, 2)
        listed = await at.get("/")
        (found,) = set(re.findall(r'href="(/campaigns/[^"]+)"', listed.page))
        page = await at.get(found)
        assert page.status == 200
        assert f" {' '.join(name.split())} It is finished." in page.words
        assert "<script>alert" not in listed.page + page.page
        assert (await at.get(f"{found}/sends.svg")).status == 200
        assert (await at.get(f"{found}/results.csv")).status == 200


def test_no_part_of_a_name_is_one_of_the_path() -> None:
    parts = [as_part(name) for name in ODD]
    assert len(set(parts)) == len(parts)
    assert not any(set("/\\%") & set(part) or set(part) <= {"."} for part in parts)
    assert campaign_page("a/b", "live") == "/campaigns/a~2Fb/live"


def test_the_bar_has_a_colour_for_each_status() -> None:
    css = static_files()["statuses.css"].body.decode()
    colors = {status: tuple(re.findall(rf"^\.fill-{status} {{ fill: (.+); }}$", css, re.MULTILINE)) for status in Status}
    assert colors == {status: status.info.colors for status in Status}


async def test_an_empty_ledger_leads_to_the_first_campaign(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        empty = await at.get("/")
        assert empty.says("campaigns.list.none_title")
        assert 'href="/new"' in empty.page
        at.is_now("vera", Role.VIEWER)
        assert 'href="/new"' not in (await at.get("/")).page


async def test_campaigns_are_found_by_words_and_a_page_at_a_time(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        for shop in ("Oslo", "Turin", "Wien"):
            await at.run(f"spring {shop}", 1)
        await at.run("autumn", 1)
        assert "autumn" in (await at.get("/")).words
        found = await at.get("/?words=TURIN+spring")
        assert ("spring Turin" in found.words, "spring Oslo" in found.words, "autumn" in found.words) == (True, False, False)
        assert (await at.get("/?words=no%20such")).says("campaigns.list.nothing_found")
        assert (await at.get("/?page=7")).status == 200
        assert (await at.get("/?page=0&words=%00")).status == 200


async def test_the_page_says_what_became_of_the_rows_and_what_to_do(tmp_path: Path) -> None:
    missing = frozenset(f"pass-{row:05}" for row in range(1, 4))
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, missing=missing)) as at:
        await at.run("promo", 12, code=3)
        page = await at.get(at.page_of("promo"))
        assert "9 delivered 3 failed" in page.words
        assert f"3 {reason_in_words('http_404')}" in page.words
        assert "Hello Name 1" in page.words
        assert page.says("campaigns.runs.title")
        assert "100%" in page.words
        chart = await at.get(at.page_of("promo", "sends.svg"))
        drawn = ET.fromstring(chart.page)  # noqa: S314 - of our own making
        assert {"delivered", "failed"} <= {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
        assert not [tag for tag in drawn.iter() if "script" in str(tag.tag)]


class Slow(LedgerReads):
    """A ledger so large that looking through it takes a while."""

    async def ask_at_length(self, question: Callable[[LedgerReader], T]) -> T:
        await asyncio.sleep(0.3)
        return await super().ask_at_length(question)


async def test_a_page_does_not_wait_for_charts_that_take_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.console.campaigns.charts.MOMENT_SECONDS", 0.05)
    async with scene(tmp_path) as at:
        await at.run("promo", 3)
        console = at.given.console
        slow = Slow(console.settings)
        charts = Charts(slow, console.pages)
        record = at.state("promo").record
        assert await charts.soon(record) is None
        drawn = await charts.of(record)
        assert drawn.timeline.total == 3
        assert await charts.soon(record) is drawn
        assert b"<svg" in drawn.pictures["latency-narrow"]
        await charts.close()
        slow.close()


async def test_a_viewer_sees_counts_and_nothing_of_a_recipient(tmp_path: Path) -> None:
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, faults={Fault.NOT_FOUND: 0.5})) as at:
        await at.run("promo", 12, code=3)
        for name, role in (("vera", Role.VIEWER), ("sid", Role.SENDER)):
            at.is_now(name, role)
            page = await at.get(at.page_of("promo"))
            assert "failed" in page.words
            assert ("Name 1" in page.words, page.says("campaigns.steer.again"), "results.csv" in page.page) == (False, False, False)
            for path in ("results.csv", "failed.xlsx", "cancel", "resume", "again"):
                assert (await at.get(at.page_of("promo", path))).status == 403
            for path in ("pause", "cancel", "resume", "verify", "again", "corrected/send"):
                assert (await at.post(at.page_of("promo", path))).status == 403
            assert (await at.upload(at.page_of("promo", "corrected"), b"x", "x.csv")).status == 403


async def test_a_campaign_that_there_is_not_has_no_page(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        for path in ("", "/live", "/sends.svg", "/results.csv", "/again"):
            assert (await at.get(f"/campaigns/none{path}")).status == 404
