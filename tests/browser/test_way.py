"""The whole way of somebody who has never seen a terminal: from a list to a corrected re-run."""

import csv
import re
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from playwright.async_api import Browser, Page, expect
from python_calamine import CalamineWorkbook

from campaign.domain.model import CampaignState
from campaign.domain.status import Status
from tests.browser.lists import TEMPLATE, line, promo, text
from tests.browser.people import Person, person
from tests.browser.stage import Stage, stage
from tests.browser.way import checked_list
from tests.console.answers import TEXTS
from tests.console.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS = 60
NAMELESS = (7, 23)
EXCLUDED = (5, 6)
# What she does wrong is answered so, and a browser counts that as an error.
MISTAKES = ("status of 422",)
OWN = "my-own-pass"


async def test_from_an_upload_to_a_corrected_re_run(tmp_path: Path, browser: Browser) -> None:
    async with stage(tmp_path, unprocessable="10%") as at, at.console() as console, person(browser, expected=MISTAKES) as sofia:
        at.simulator.set_pass(OWN, status="issued", device_type="ios")
        await sofia.enter(console.link)
        await _upload(sofia)
        await _message(sofia)
        await _check(sofia, tmp_path)
        await _controls(sofia)
        await _test(sofia, at)
        await _send(sofia)
        await _watch(sofia, at)
        at.simulator.set_faults(faults={})
        failed = await _results(sofia, at, tmp_path)
        await _again(sofia, at, failed)
        await _corrected(sofia, at, tmp_path)


async def _upload(sofia: Person) -> None:
    page = sofia.page
    await sofia.press(TEXTS["campaigns.list.first"], role="link")
    await sofia.heading(TEXTS["drafts.new.title"])
    await page.get_by_label("Drop a list here").set_input_files({"name": "notes.docx", "mimeType": "text/plain", "buffer": b"PK\x03\x04"})
    await expect(page.get_by_role("alert")).to_contain_text("notes.docx")
    await _dropped(page, "spring promo.csv", promo(ROWS, nameless=NAMELESS))
    await expect(page.locator(".eyebrow")).to_have_text("spring promo")
    await checked_list(sofia)
    await expect(page.get_by_role("radio", name=re.compile("pass_id"))).to_be_checked()
    await expect(page.locator(".preview-table")).to_contain_text("Lisboa Chiado")
    await sofia.press(TEXTS["drafts.steps.save_next"])


async def _message(sofia: Person) -> None:
    page = sofia.page
    await sofia.heading("Message")
    written, shown = page.get_by_label("Message", exact=True), page.locator(".notification-text")
    await written.press_sequentially("🎁 ")
    await sofia.press("first_name")
    await expect(written).to_have_value("🎁 {{ first_name }}")
    await expect(shown).to_have_text(f"🎁 {text(1).split()[1].rstrip(',')}")
    await written.fill("{{ frist_name }}")
    await expect(page.locator("#preview").get_by_role("alert")).to_contain_text("frist_name")
    await written.fill(TEMPLATE)
    await expect(shown).to_have_text(text(1))
    await sofia.press(re.compile(TEXTS["drafts.message.next"]))
    await expect(shown).to_have_text(text(2))
    await sofia.press(TEXTS["drafts.steps.save_next"])


async def _check(sofia: Person, folder: Path) -> None:
    page = sofia.page
    await sofia.heading("Check")
    await expect(page.locator(".figure .value").nth(1)).to_have_text(str(ROWS - len(NAMELESS)))
    problems = await sofia.download(TEXTS["drafts.check.download"], folder)
    with problems.open(encoding="utf-8-sig", newline="") as file:
        assert [row["pass_id"] for row in csv.DictReader(file)] == [f"card-{row:05}" for row in NAMELESS]
    await sofia.press(TEXTS["drafts.steps.next"], role="link")


async def _controls(sofia: Person) -> None:
    page = sofia.page
    await sofia.heading("Controls")
    await page.get_by_label(TEXTS["drafts.controls.name"]).fill("Spring for members")
    await page.get_by_label(TEXTS["drafts.controls.rate"]).fill("fast")
    await sofia.press(TEXTS["drafts.steps.save_next"])
    await expect(page.get_by_label(TEXTS["drafts.controls.rate"])).to_have_attribute("aria-invalid", "true")
    await page.get_by_label(TEXTS["drafts.controls.rate"]).fill("10")
    await page.get_by_label(TEXTS["drafts.controls.opens"]).fill("00:00")
    await page.get_by_label(TEXTS["drafts.controls.closes"]).fill("23:59")
    await page.get_by_label(TEXTS["drafts.controls.not_after"]).fill("2036-03-31T20:00")
    await page.get_by_label(TEXTS["drafts.controls.canary"]).fill("3")
    blocked = "pass_id\n" + "".join(f"card-{row:05}\n" for row in EXCLUDED)
    await page.get_by_label(TEXTS["drafts.controls.exclude_file"]).set_input_files(
        {"name": "unsubscribed.csv", "mimeType": "text/csv", "buffer": blocked.encode()}
    )
    await sofia.press("Add")
    await expect(page.locator(".files")).to_contain_text("unsubscribed.csv")
    # What was written but not saved is still there.
    await expect(page.get_by_label(TEXTS["drafts.controls.rate"])).to_have_value("10")
    await expect(page.get_by_label(TEXTS["drafts.controls.canary"])).to_have_value("3")
    await sofia.press(TEXTS["drafts.steps.save_next"])


async def _test(sofia: Person, at: Stage) -> None:
    page = sofia.page
    await sofia.heading("Test")
    await page.get_by_label(TEXTS["drafts.test.to"]).fill(OWN)
    await page.get_by_label("Row").fill("4")
    await sofia.press(TEXTS["drafts.test.send"])
    await expect(page.get_by_role("status")).to_contain_text(TEXTS["drafts.test.delivered"])
    assert at.sent() == {OWN: [text(4)]}
    await sofia.press(TEXTS["drafts.steps.next"], role="link")


async def _send(sofia: Person) -> None:
    page = sofia.page
    await sofia.heading("Send")
    await expect(page.locator(".plan")).to_contain_text("56")
    await expect(page.locator(".checklist")).to_contain_text("unsubscribed.csv")
    await expect(page.locator(".checklist")).to_contain_text(TEXTS["drafts.send.tested"])
    await sofia.press("Send 56 messages")
    await sofia.heading("Spring for members")


async def _done(page: Page) -> int:
    return int(await page.locator(".figure .value").first.inner_text())


async def _watch(sofia: Person, at: Stage) -> None:
    page = sofia.page
    # Marked, so that a page that was loaded anew would be known.
    await page.evaluate("window.stays = true")
    await expect(page.locator(".now .badge").first).to_have_text("Sending")
    seen: set[int] = set()

    async def moves() -> bool:
        seen.add(await _done(page))
        return len(seen) >= 3

    await until(moves)
    assert await page.evaluate("window.stays")
    await sofia.press("Pause")
    await expect(page.locator(".now .badge").first).to_have_text("Paused")
    paused = (await at.until_state("Spring for members", CampaignState.PAUSED)).counts
    assert 0 < paused.open < ROWS
    # What stands below is not live, and is fetched anew when the state turns.
    await expect(page.locator("#runs-title ~ *")).to_contain_text("It was paused.")
    await expect(page.locator("#entries-title ~ *")).to_contain_text(TEXTS["campaigns.action.pause"])
    await sofia.press(TEXTS["campaigns.steer.go_on"], role="link")
    await sofia.heading("Resume “Spring for members”?")
    await sofia.press(TEXTS["campaigns.steer.go_on"])
    await sofia.heading("Spring for members")
    await expect(page.locator(".now .badge").first).to_have_text("Finished")


async def _results(sofia: Person, at: Stage, folder: Path) -> list[int]:
    """Rows that PassEntry refused."""
    at.check_nothing_twice()
    files = [await sofia.download(kind, folder, within=".files >> nth=0") for kind in ("CSV", "Excel", "Parquet", "JSON Lines")]
    with files[0].open(encoding="utf-8-sig", newline="") as file:
        as_csv = list(csv.DictReader(file))
    assert [row["pass_id"] for row in as_csv] == [f"card-{row:05}" for row in range(1, ROWS + 1)]
    statuses = [row["delivery_status"] for row in as_csv]
    head, *cells = CalamineWorkbook.from_path(files[1]).get_sheet_by_index(0).to_python()
    assert [row[head.index("delivery_status")] for row in cells] == statuses
    assert pq.read_table(files[2]).column("delivery_status").to_pylist() == statuses
    assert [orjson.loads(one)["delivery_status"] for one in files[3].read_bytes().splitlines()] == statuses
    failed = [row for row, status in enumerate(statuses, 1) if status == "failed"]
    assert failed
    told = set(range(1, ROWS + 1)) - {*failed, *NAMELESS, *EXCLUDED}
    assert at.sent() == {OWN: [text(4)]} | {f"card-{row:05}": [text(row)] for row in told}
    return failed


async def _again(sofia: Person, at: Stage, failed: list[int]) -> None:
    page = sofia.page
    await sofia.press(TEXTS["campaigns.steer.again"], role="link")
    await sofia.heading("Send rows of “Spring for members” again")
    await sofia.press(TEXTS["campaigns.again.look"])
    await sofia.heading(f"Send {len(failed)} messages again?")
    await sofia.press(TEXTS["campaigns.again.yes"])
    await sofia.heading("Spring for members")
    await expect(page.locator(".legend")).not_to_contain_text("failed")
    await expect(page.locator(".now .badge").first).to_have_text("Finished")
    assert [at.sent()[f"card-{row:05}"] for row in failed] == [[text(row)] for row in failed]
    at.check_nothing_twice()


async def _corrected(sofia: Person, at: Stage, folder: Path) -> None:
    page = sofia.page
    kept = await sofia.download("CSV", folder, within=".files >> nth=1")
    rows = kept.read_text(encoding="utf-8-sig")
    for row in NAMELESS:
        assert line(row, name="").rstrip("\n") in rows
        rows = rows.replace(f"card-{row:05},,", f"card-{row:05},Rita,")
    corrected = folder / "corrected.csv"
    corrected.write_text(rows, encoding="utf-8")
    await sofia.press(TEXTS["campaigns.steer.again"], role="link")
    await page.get_by_text(TEXTS["campaigns.corrected.message"]).first.click()
    await page.get_by_label(TEXTS["campaigns.corrected.message"]).fill(TEMPLATE)
    await page.get_by_label(TEXTS["campaigns.corrected.file"]).set_input_files(corrected)
    await sofia.press(TEXTS["campaigns.corrected.upload"])
    await sofia.heading(f"Send {len(NAMELESS)} messages again?")
    await sofia.press(TEXTS["campaigns.again.yes"])
    await sofia.heading("Spring for members")
    await expect(page.locator(".legend")).not_to_contain_text("invalid")
    await expect(page.locator(".now .badge").first).to_have_text("Finished")
    assert [at.sent()[f"card-{row:05}"] for row in NAMELESS] == [[text(row, name="Rita")] for row in NAMELESS]
    at.check_nothing_twice()
    counts = at.state("Spring for members").counts.by_status
    assert (counts[Status.DELIVERED], counts[Status.SKIPPED]) == (ROWS - len(EXCLUDED), len(EXCLUDED))


async def _dropped(page: Page, name: str, content: bytes) -> None:
    """Drop a file on the place for it, as a hand would."""
    transfer = await page.evaluate_handle(
        """([name, content]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([content], name, {type: 'text/csv'}));
            return transfer;
        }""",
        [name, content.decode()],
    )
    place = page.locator("form.drop")
    await place.dispatch_event("dragenter", {"dataTransfer": transfer})
    await expect(place).to_have_class(re.compile(r"\bover\b"))
    await place.dispatch_event("drop", {"dataTransfer": transfer})
