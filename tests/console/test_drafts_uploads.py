"""Lists that come in: of any kind and size, whole or in part, honest or not."""

import asyncio
import bz2
import gzip
import io
import resource
import signal
import stat
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp import FormData

from campaign.console.console import Rules
from campaign.console.drafts.store import MOST_OF_A_PERSON
from campaign.console.drafts.uploads import called
from tests.acceptance.desk import SAMPLES
from tests.console.answers import TEXTS
from tests.console.drafts_given import CSRF, LIST, desk
from tests.console.waiting import until
from tests.examples import slow_after

MEGABYTE = 1 << 20


@pytest.mark.parametrize(("name", "kind"), [("promo.csv", "csv"), ("promo.parquet", "parquet"), ("promo.xlsx", "xlsx")])
async def test_a_list_of_each_kind_is_kept_in_a_folder_of_its_own_for_this_user_alone(tmp_path: Path, name: str, kind: str) -> None:
    async with desk(tmp_path) as at:
        answer = await at.upload((SAMPLES / name).read_bytes(), name)
        draft = answer.path.rpartition("/")[0]
        folder = at.store.folder_of(at.draft(draft).id)
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {str(path.relative_to(folder)) for path in files} == {f"list/promo.{kind}", "draft.json", "looked.json"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "list")} == {0o700}
        assert at.draft(draft).name == "promo"
        assert "504" in (await at.get(f"{draft}/list")).words


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../../etc/passwd.csv", "passwd.csv"),
        ("..\\..\\windows\\x.csv", "x.csv"),
        ("/etc/cron.d/x.csv", "x.csv"),
        ("..", "list"),
        ("", "list"),
        ("a\x00b\n\u202e.csv", "ab.csv"),
    ],
)
def test_what_a_file_is_called_is_no_path(given: str, shown: str) -> None:
    assert called(given) == shown


async def test_a_file_called_by_a_path_stays_in_its_folder(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        answer = await at.upload(LIST, "../../../outside.csv")
        draft = answer.path.rpartition("/")[0]
        assert at.draft(draft).name == "outside"
        assert {file.partition("/")[2] for file in at.files()} == {"list/outside.csv", "draft.json", "looked.json"}
        assert not list(tmp_path.parent.glob("outside*"))


async def test_the_name_that_people_gave_is_kept_as_far_as_it_does_no_harm(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for given, kept in (
            ("results.csv", "results.csv"),
            ("draft.tsv", "draft.csv"),
            ("--yes; rm -rf ~.csv", "yes rm -rf.csv"),
            ("=cmd|' /C calc'!A0.csv", "C calc' A0.csv"),
            ("<script>alert(1)</script>.csv", "script.csv"),
            ("名簿 " + "長" * 200 + ".csv", "名簿 " + "長" * 47 + ".csv"),
            ("....csv", "campaign.csv"),
            ("a\u202eb.csv", "ab.csv"),
        ):
            answer = await at.upload(LIST, given)
            assert answer.status == 200
            draft = answer.path.split("/")[2]
            assert [file for file in at.files() if file.startswith(f"{draft}/list/")] == [f"{draft}/list/{kept}"]


async def test_a_web_page_called_csv_is_refused_and_never_served(tmp_path: Path) -> None:
    page = b"<!doctype html><script>alert(1)</script>"
    async with desk(tmp_path) as at:
        answer = await at.upload(page, "promo.csv")
        assert answer.path.endswith("/list")
        assert "promo.csv: " in answer.words
        assert 'role="alert"' in answer.page
        assert "<script>alert" not in answer.page
        answer = await at.get(answer.path.replace("/list", "/column"))
        assert answer.says("drafts.locked.list")


@pytest.mark.parametrize("name", ["promo.html", "promo.xls", "promo.zip"])
async def test_what_is_no_list_by_its_name_is_told(tmp_path: Path, name: str) -> None:
    async with desk(tmp_path) as at:
        answer = await at.upload(LIST, name)
        assert answer.path.endswith("/list")
        assert f"{name}: " in answer.words


async def test_an_empty_file_leaves_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        answer = await at.upload(b"", "promo.csv")
        assert (answer.status, answer.path) == (422, "/new")
        assert answer.codes == {"empty_file"}
        assert at.files() == []


async def test_no_file_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        form = FormData(default_to_multipart=True)
        form.add_field("csrf", CSRF)
        answer = await at.given.client.post("/new", data=form)
        assert (answer.status, TEXTS["drafts.list.choose_first"] in await answer.text()) == (422, True)


def _xlsx_bomb() -> bytes:
    """A workbook of a few kilobytes whose central directory promises, and whose sheet has, far more cells than are read."""
    row = b"<row>" + b"<c/>" * 1_000 + b"</row>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b'<worksheet><dimension ref="A1:XFD1048576"/><sheetData>' + row * 30_000)
    return out.getvalue()


def _parquet_bomb() -> bytes:
    out = io.BytesIO()
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 17_000, pa.int32()), pa.array(["x" * 130_000]))
    pq.write_table(pa.table({"pass_id": repeated}), out, compression="zstd")
    return out.getvalue()


@pytest.mark.parametrize(("name", "make"), slow_after(1, [("promo.xlsx", _xlsx_bomb), ("promo.parquet", _parquet_bomb)], unpack=True))
async def test_a_bomb_is_refused_and_costs_the_console_no_memory(tmp_path: Path, name: str, make: object) -> None:
    assert callable(make)
    content = make()
    assert len(content) < MEGABYTE
    async with desk(tmp_path) as at:
        before = _rss()
        answer = await at.settled(await at.upload(content, name))
        assert f"{name}: " in answer.words
        assert 'role="alert"' in answer.page
        assert _rss() - before < 64 * MEGABYTE


async def test_a_file_that_is_too_large_is_refused_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=Rules(most_upload_bytes=MEGABYTE)) as at:
        answer = await at.upload(LIST + b"x" * MEGABYTE)
        assert answer.status == 413
        assert answer.says("drafts.list.too_large")
        assert at.files() == []
        answer = await at.upload(LIST)
        answer = await at.upload(b"x" * 2 * MEGABYTE, path=answer.path.replace("/column", "/list"))
        assert answer.status == 413
        assert [Path(file).name for file in at.files()] == ["draft.json", "promo.csv", "looked.json"]


async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MEGABYTE, hard))
        try:
            answer = await at.upload(b"x" * 3 * MEGABYTE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert (answer.status, answer.codes) == (507, {"disk_full"})
        assert at.files() == []


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        url = at.given.client.make_url("/new")
        head = (
            f"--b\r\nContent-Disposition: form-data; name=csrf\r\n\r\n{CSRF}\r\n"
            '--b\r\nContent-Disposition: form-data; name=list; filename="promo.csv"\r\n\r\npass_id\n'
        ).encode()
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            f"POST /new HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: 10000000\r\n\r\n".encode()
            + head
            + b"pass-1\n" * 100_000
        )
        await writer.drain()
        await until(lambda: any(".part-" in file for file in at.files()))
        writer.transport.abort()
        await until(lambda: not at.files())
        assert [entry.name for entry in (tmp_path / "drafts").iterdir()] == [".lock"]


async def test_a_form_of_another_site_is_refused_before_its_file_is_read(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for token in ("", "another"):
            form = FormData()
            if token:
                form.add_field("csrf", token)
            form.add_field("list", LIST, filename="promo.csv")
            answer = await at.given.client.post("/new", data=form)
            assert answer.status == 403
        assert at.files() == []


async def test_a_person_has_only_so_many_drafts(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for _ in range(MOST_OF_A_PERSON):
            at.store.begin("sam")
        answer = await at.upload()
        assert (answer.status, answer.codes) == (422, {"too_many_drafts"})


async def test_a_large_upload_keeps_memory_flat(tmp_path: Path) -> None:
    block = b"pass_id\n" + b"x" * (MEGABYTE - 8)
    sizes = []

    async def content() -> AsyncIterator[bytes]:
        yield f"--b\r\nContent-Disposition: form-data; name=csrf\r\n\r\n{CSRF}\r\n".encode()
        yield b'--b\r\nContent-Disposition: form-data; name=list; filename="promo.csv"\r\n\r\n'
        for _ in range(200):
            yield block
            sizes.append(_rss())
        yield b"\r\n--b--\r\n"

    async with desk(tmp_path) as at:
        await at.upload()
        before = _rss()
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await at.given.client.post("/new", data=content(), headers=headers)
        assert answer.status == 200
        assert max(sizes) - before < 24 * MEGABYTE
        assert "promo.csv" in await answer.text()
        assert len(sizes) == 200


async def test_another_list_takes_the_place_of_the_first(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        answer = await at.upload((SAMPLES / "promo.xlsx").read_bytes(), "other.xlsx", path=f"{draft}/list")
        assert answer.path == f"{draft}/column"
        assert [Path(file).name for file in at.files() if "/list/" in file] == ["other.xlsx"]
        assert at.draft(draft).name == "other"
        answer = await at.get(f"{draft}/check")
        assert answer.says("drafts.locked.column")


async def test_the_line_of_the_header_is_offered_and_taken(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        answer = await at.settled(await at.upload(b"Spring promo\n\n" + LIST, "promo.csv"))
        draft = answer.path.rsplit("/", 1)[0]
        assert answer.path.endswith("/list")
        assert "The header seems to be in line 3." in answer.words
        # What can be read with another header is not thrown away.
        assert [Path(file).name for file in at.files() if "/list/" in file] == ["promo.csv"]
        for nonsense in ("", "0", "x", "-1", "99999999"):
            answer = await at.post(f"{draft}/header", header_row=nonsense)
            assert answer.status == 422
        await at.settled(await at.post(f"{draft}/header", header_row="3"))
        assert at.draft(draft).header_row == 3
        assert "first_name" in (await at.get(f"{draft}/column")).words
        await at.settled(await at.upload(LIST, "promo.csv", path=f"{draft}/list"))
        assert at.draft(draft).header_row == 0


async def test_a_list_below_a_title_is_checked_and_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = (await at.settled(await at.upload(b"Spring promo\n\n" + LIST, "promo.csv"))).path.rsplit("/", 1)[0]
        await at.settled(await at.post(f"{draft}/header", header_row="3"))
        await at.post(f"{draft}/column", column="pass_id")
        await at.post(f"{draft}/message", words="written", message="Hi {{ first_name }}")
        assert "20" in (await at.checked(draft)).words


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
async def test_a_packed_list_is_read_like_the_file_inside(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    async with desk(tmp_path) as at:
        answer = await at.settled(await at.upload(pack(LIST), "promo.csv.gz" if pack is gzip.compress else "promo.csv.bz2"))
        draft = answer.path.rsplit("/", 1)[0]
        assert "first_name" in (await at.get(f"{draft}/column")).words


async def test_results_are_no_new_list(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        names = "status reason message notification_status notification_message http_status error attempts sent_at settled_at latency_ms"
        columns = ",".join(["pass_id", *(f"delivery_{name}" for name in [*names.split(), "campaign", "row"])])
        answer = await at.upload(f"{columns}\n{'a' + ',' * 13}\n".encode())
        assert answer.path.endswith("/list")
        assert 'role="alert"' in answer.page


def _rss() -> int:
    return int(psutil.Process().memory_info().rss)
