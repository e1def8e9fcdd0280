"""Results and failed rows taken away, sent again, and corrected."""

import asyncio
import csv
import gzip
from pathlib import Path

import pytest

from campaign.console.access import Role
from campaign.console.audit_log import entries, set_owner
from campaign.console.campaigns.downloads import attachment
from campaign.console.campaigns.exports import MOST_KEPT, Exports, Wanted, Which
from campaign.console.console import Rules
from campaign.console.subprocesses import started_commands
from campaign.domain.model import CampaignState
from campaign.domain.status import Status
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table
from campaign.reporter.files.target import Format
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import Fault
from tests.console.campaigns_given import Scene, scene
from tests.console.waiting import until
from tests.unit.xlsx_given import write_ods

MISSING = frozenset({"pass-00002", "pass-00005", "pass-00009"})
SOME_MISSING = SimulatorConfig(limit_per_second=0, missing=MISSING)
KINDS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/x-ndjson; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


async def test_the_outcome_on_one_page_is_for_those_who_may_take_the_rows_away(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("page <b>", 12, code=3)
        assert '/report.html" download' in (await at.get(at.page_of("page <b>"))).page
        answer = await at.given.client.get(at.page_of("page <b>", "report.html"))
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        page = await answer.text()
        assert "Of 12 rows, 9 were delivered (75.0 %) and 3 failed." in page
        assert "<h1>page &lt;b&gt;</h1>" in page
        assert (await entries(at.given.console.store, "page <b>", limit=1))[0].details.endswith(".html")
        at.is_now("vic", Role.VIEWER)
        assert (await at.get(at.page_of("page <b>", "report.html"))).status == 403
        assert '/report.html" download' not in (await at.get(at.page_of("page <b>"))).page


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_taken_away_can_be_opened_as_a_list(tmp_path: Path, kind: str) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run('Frühling; "x"', 12, code=3)
        for which, rows in (("results", 12), ("failed", 3)):
            answer = await at.given.client.get(at.page_of('Frühling; "x"', f"{which}.{kind}"))
            assert (answer.status, answer.headers["Content-Type"]) == (200, KINDS[kind])
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Disposition"] == (
                f"attachment; filename=\"Fr_hling_ -x-.{which}.{kind}\"; filename*=UTF-8''Fr%C3%BChling%3B%20-x-.{which}.{kind}"
            )
            file = tmp_path / f"taken.{kind}"
            file.write_bytes(await answer.read())
            with open_table(file) as table:
                found = [row for frame in table.frames() for row in rows_of(frame)]
                place = table.columns.index("delivery_status")
            assert len(found) == rows
            assert {row[place] for row in found} == ({"delivered", "failed"} if which == "results" else {"failed"})


async def test_an_export_is_made_once_for_all_until_the_ledger_changes_and_then_removed(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        exports = Exports(tmp_path / "taken", at.given.console.settings)
        wanted = Wanted(name="promo", which=Which.FAILED, format=Format.CSV)
        async with exports.file(wanted) as one, exports.file(wanted) as two:
            assert one == two
            assert one.stat().st_mode & 0o777 == 0o600
        at.simulator.configure(missing=frozenset({"pass-00002"}))
        await at.command("retry", "promo", "--yes", code=3)
        async with exports.file(wanted) as three:
            assert three != one
            assert three.read_text(encoding="utf-8").count("pass-") == 1
        assert not one.exists()
        for kind in Format:
            for which in Which:
                async with exports.file(Wanted(name="promo", which=which, format=kind)):
                    pass
        assert len(list((tmp_path / "taken").iterdir())) == MOST_KEPT
        exports.close()
        assert list((tmp_path / "taken").iterdir()) == []


async def test_files_that_a_killed_console_has_left_are_removed(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "export-x.csv").write_text("pass-1")
        Exports(tmp_path / "taken", at.given.console.settings).close()
        assert list((tmp_path / "taken").iterdir()) == []


@pytest.mark.parametrize("name", ['a"b\r\nX: y', "../../etc/passwd", "漢字", "a;b"])
def test_no_name_of_a_file_ends_its_header(name: str) -> None:
    header = attachment(f"{name}.csv")
    assert header.isascii()
    assert "\n" not in header
    assert header.count('"') == 2
    assert header.startswith('attachment; filename="')


async def test_failed_rows_of_a_reason_are_sent_again_and_nothing_else(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        choose = await at.get(at.page_of("promo", "again"))
        assert choose.says("campaigns.again.which")
        at.simulator.configure(missing=frozenset())
        sure = await at.get(at.page_of("promo", "again", "sure") + "?status=failed&reason-failed=http_404")
        assert sure.says("campaigns.again.sure")
        assert " 3 " in sure.words
        await at.post(at.page_of("promo", "again"), status="failed", **{"reason-failed": "http_404"})
        await until(lambda: at.state("promo").counts.by_status[Status.DELIVERED] == 12, seconds=40)
        assert at.doubles == 0
        assert len(at.simulator.audit()) == 12
        (entry,) = [entry for entry in await entries(at.given.console.store, "promo") if entry.action == "sent rows again"]
        assert entry.details == "failed: 3"


async def test_rows_that_may_have_arrived_are_sent_again_only_if_one_agrees_to_twice(tmp_path: Path) -> None:
    faults = {Fault.CUT_AFTER: 1.0, Fault.READ_MISSING: 1.0}
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, faults=faults)) as at:
        await at.run("promo", 2, code=3)
        page = at.page_of("promo", "again")
        sure = await at.get(at.page_of("promo", "again", "sure") + "?status=unknown")
        assert sure.says("campaigns.again.twice")
        assert (await at.post(page, status="unknown")).status == 422
        assert len(at.simulator.audit()) == 2
        at.simulator.configure(faults={})
        await at.post(page, status="unknown", twice="yes")
        await at.until_state("promo", CampaignState.FINISHED)
        await until(lambda: len(at.simulator.audit()) == 4)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": "delivered"}, "no_status"),
        ({}, "no_status"),
        ({"status": "failed", "reason-failed": "--yes"}, "no_reason"),
        ({"status": "failed", "http": "4o4"}, "bad_http_status"),
    ],
)
async def test_what_is_no_choice_is_refused_in_words(tmp_path: Path, fields: dict[str, str | list[str]], code: str) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        refused = await at.post(at.page_of("promo", "again"), **fields)
        assert (refused.status, refused.codes) == (422, {code})
        assert await started_commands(at.given.console, "promo") == []


async def test_a_large_re_run_needs_an_approver(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING, rules=Rules(approval_over=2)) as at:
        await at.run("promo", 12, code=3)
        await set_owner(at.given.console.store, "promo", "sid")
        failed = await taken(at, "failed.csv")
        at.is_now("sid", Role.SENDER)
        refused = await at.post(at.page_of("promo", "again"), status="failed")
        assert (refused.status, refused.says("campaigns.one.needs_approver")) == (403, True)
        shown = await at.upload(at.page_of("promo", "corrected"), failed, "failed.csv")
        refused = await at.post(at.page_of("promo", "corrected", "send"), file=file_in(shown.page))
        assert (refused.status, refused.says("campaigns.one.needs_approver")) == (403, True)
        assert await started_commands(at.given.console, "promo") == []


def as_ods(failed: bytes, folder: Path) -> bytes:
    return write_ods(folder / "failed.ods", list(csv.reader(failed.decode("utf-8-sig").splitlines()))).read_bytes()


@pytest.mark.parametrize("kind", ["csv", "xlsx", "ods", "csv.gz"])
async def test_corrected_rows_are_shown_first_and_then_sent_once(tmp_path: Path, kind: str) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        failed = await taken(at, "failed.xlsx" if kind == "xlsx" else "failed.csv")
        if kind == "ods":
            failed = as_ods(failed, tmp_path)
        if kind == "csv.gz":
            failed = gzip.compress(failed)
        if kind == "csv":
            failed = failed.replace(b"pass-00002", b"pass-00002-new").replace(b"pass-00005", b"pass-00005-new")
        else:
            at.simulator.configure(missing=frozenset())
        shown = await at.upload(at.page_of("promo", "corrected"), failed, f"../corrected list.{kind}")
        assert shown.says("campaigns.again.sure")
        assert " 3 " in shown.words
        assert len(at.simulator.audit()) == 9
        await at.post(at.page_of("promo", "corrected", "send"), file=file_in(shown.page))
        delivered = 11 if kind == "csv" else 12
        await until(lambda: at.state("promo").counts.by_status[Status.DELIVERED] == delivered, seconds=40)
        assert at.doubles == 0
        kept = list((at.given.console.folder / "corrected").iterdir())
        assert [file.parent.stat().st_mode & 0o777 for file in kept] == [0o700]
        assert [file.stat().st_mode & 0o777 for file in kept] == [0o600]


async def test_the_file_of_another_campaign_sends_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("theirs", 12, code=3)
        await at.run("mine", 12, code=3)
        theirs = await taken(at, "failed.csv", "theirs")
        await set_owner(at.given.console.store, "mine", "sid")
        at.is_now("sid", Role.SENDER)
        sent = len(at.simulator.audit())
        refused = await at.upload(at.page_of("mine", "corrected"), theirs, "failed.csv")
        assert (refused.status, refused.codes) == (422, {"other_campaign"})
        unknown = await at.upload(at.page_of("mine", "corrected"), theirs.replace(b",theirs,", b",whose,"), "failed.csv")
        assert (unknown.status, unknown.codes) == (422, {"other_campaign"})
        assert list((at.given.console.folder / "corrected").iterdir()) == []
        for file in ("../console.db", "/etc/passwd", "0" * 32 + ".csv"):
            assert (await at.post(at.page_of("mine", "corrected", "send"), file=file)).status == 422
        assert len(at.simulator.audit()) == sent
        assert await started_commands(at.given.console, "mine") == []


async def test_an_upload_is_refused_that_is_forged_too_large_or_of_no_kind(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING, rules=Rules(most_upload_bytes=2000)) as at:
        await at.run("promo", 12, code=3)
        failed = await taken(at, "failed.csv")
        page = at.page_of("promo", "corrected")
        assert (await at.upload(page, failed, "x.csv", csrf="forged")).status == 403
        assert (await at.upload(page, failed + b"x" * 2000, "x.csv")).status == 413
        assert (await at.upload(page, failed, "x.html")).codes == {"wrong_kind_of_file"}
        wrong = await at.upload(page, b"<html>no list</html>", "x.csv")
        assert wrong.status == 422
        folder = at.given.console.folder / "corrected"
        assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.slow
async def test_what_can_not_be_sent_as_it_was_corrected_is_told_before(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        failed = (await taken(at, "failed.csv")).replace(b",Name 2,", b",Name Two,")
        refused = await at.upload(at.page_of("promo", "corrected"), failed, "x.csv")
        assert (refused.status, refused.codes) == (422, {"row_does_not_match"})
        shown = await at.upload(at.page_of("promo", "corrected"), failed, "x.csv", message="Hello {{ first_name }}\r\nBye")
        assert shown.says("campaigns.again.sure")
        at.simulator.configure(missing=frozenset())
        await at.post(at.page_of("promo", "corrected", "send"), file=file_in(shown.page), message="Hello {{ first_name }}\r\nBye")
        await until(lambda: len(at.simulator.audit()) == 12, seconds=40)
        assert "Hello Name Two\nBye" in {sent.message for sent in at.simulator.audit()}


async def test_downloads_of_one_campaign_are_made_one_at_a_time(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(at.given.client.get(at.page_of("promo", "results.csv"))) for _ in range(6)]
        assert {task.result().status for task in answers} == {200}
        assert len({await task.result().read() for task in answers}) == 1
        assert len(list((at.given.console.folder / "exports").iterdir())) == 1


async def taken(at: Scene, file: str, name: str = "promo") -> bytes:
    answer = await at.given.client.get(at.page_of(name, file))
    assert answer.status == 200
    return await answer.read()


def file_in(page: str) -> str:
    """The name that the page's form gives the uploaded file."""
    return page.partition('name="file" value="')[2].partition('"')[0]
