"""Texts that would be more than text: in names, columns, files and messages; on every page, frame, picture, header and line of the log."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from campaign.console.access import Role
from campaign.console.audit_log import record, set_owner
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.faults import checked_faults
from tests.console.campaigns_given import scene, stream
from tests.console.drafts_given import CSRF, LIST, MESSAGE, desk
from tests.console.test_campaigns_files import SOME_MISSING
from tests.console.waiting import until
from tests.examples import slow_after

SCRIPT = "<script>alert(1)</script>"
TAG = re.compile(r"<script>alert|<(script|img|svg|b|iframe)\b[^>]*(alert\(|onerror=|evil)", re.IGNORECASE)
NAME = "\"><img src=x onerror=alert(1)>' {{ 7*7 }} <script>alert(1)</script>"


async def test_a_campaign_that_is_called_like_a_page_is_text_on_every_page_frame_and_picture(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run(NAME, 12, code=3)
        await set_owner(at.given.console.store, NAME, NAME)
        await record(at.given.console.store, NAME, NAME, NAME, NAME)
        at.is_now(NAME, Role.APPROVER)
        paths = [at.page_of(NAME, *more) for more in ((), ("again",), ("sends.svg",), ("latency.svg",))]
        paths += [f"{at.page_of(NAME, 'again', 'sure')}?status=failed", "/", f"/?words={SCRIPT}", "/trail", "/new", "/approvals"]
        for path in paths:
            page = await at.get(path)
            assert page.status == 200, path
            assert TAG.search(page.page) is None, path
            assert "49" not in re.findall(r"onerror=alert\(1\)&gt;&#39; (\S+) ", page.page), path
        for path in ("/live", at.page_of(NAME, "live")):
            async with stream(at, path) as events:
                frame = await anext(events)
                assert TAG.search(frame) is None
                assert "&lt;script&gt;alert(1)" in frame
        async with at.given.client.get(at.page_of(NAME, "results.csv")) as answer:
            assert answer.headers["Content-Disposition"].startswith("attachment; ")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert not set("<>\r\n") & set(answer.headers["Content-Disposition"])
        error = await at.get(f"/campaigns/{SCRIPT}")
        assert (error.status, TAG.search(error.page)) == (404, None)


async def test_what_a_campaign_is_called_is_one_line_of_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with desk(tmp_path) as at:
        await at.get("/campaigns/a%0A%0D%1B]0;evil%07%E2%80%AE")
        said = capfd.readouterr()
        lines = [line for line in (said.out + said.err).splitlines() if "request" in line]
        assert len(lines) == 1
        assert "path=" in lines[0]


@pytest.mark.parametrize(
    ("file", "kept"),
    slow_after(
        2,
        [
            ("job.toml", []),
            ("list.csv.toml", []),
            ("-x.csv", ["x.csv"]),
            ("@/etc/passwd", ["passwd.csv"]),
            ("--yes", ["yes.csv"]),
            ("../../x.csv", ["x.csv"]),
            ("..", ["list.csv"]),
            ("a\\..\\b.csv", ["b.csv"]),
        ],
        unpack=True,
    ),
)
async def test_an_upload_is_a_list_whatever_it_is_called(tmp_path: Path, file: str, kept: list[str]) -> None:
    job = b'list = "/etc/passwd"\nname = "evil"\nmessage = "x"\n'
    async with desk(tmp_path) as at:
        answer = await at.settled(await at.upload(job if file.endswith(".toml") else LIST, file))
        assert [found.rsplit("/", 1)[1] for found in at.files() if not found.endswith(".json")] == kept
        assert answer.path.endswith(("/column", "/list"))


COLUMNS = ["--yes", "$(id)", "-x", "@/etc/passwd", "1", "a,b", "=1+1", "%s", "ЁЖ", "a\nb"]


@pytest.mark.parametrize("column", slow_after(1, COLUMNS))
async def test_a_column_may_be_called_like_an_option_and_the_passes_are_in_it(tmp_path: Path, column: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["other", column])
    writer.writerows([[f"other-{row}", f"mine-{row}"] for row in range(3)])
    async with desk(tmp_path) as at:
        answer = await at.settled(await at.upload(out.getvalue().encode()))
        draft = answer.path.rsplit("/", 1)[0]
        offered = json.loads((tmp_path / "drafts" / draft.rsplit("/", 1)[1] / "looked.json").read_bytes())["columns"]
        await at.post(f"{draft}/column", column=offered[1])
        await at.post(f"{draft}/message", words="written", message="--help @/etc/passwd $(id) `id`")
        await at.checked(draft)
        await at.post(f"{draft}/send")
        assert await at.finished(3) == {f"mine-{row}": ["--help @/etc/passwd $(id) `id`"] for row in range(3)}


@pytest.mark.parametrize("name", slow_after(1, ["--help", "../x", "$(id)", "-n", "@/etc/passwd", "job.toml", "a;id", "~root"]))
async def test_a_campaign_may_be_called_like_an_option_or_a_path(tmp_path: Path, name: str) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun(LIST)
        answer = await at.post(f"{draft}/controls", name=name)
        if "/" in name:
            assert answer.status == 422
            return
        await at.post(f"{draft}/send")
        await at.finished(20)
        for path in ("", "/again", "/live"):
            assert (await at.get(f"/campaigns/{name}{path}")).status in {200, 422} or path
        await until(lambda: at.draft(draft).stage == "sent")
        assert at.draft(draft).name == name
        assert not (Path.cwd() / name).exists()


async def test_what_a_form_can_t_mean_is_refused_in_words(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun(LIST, message=MESSAGE)
        for data in (b"csrf=%s&message=%%ED%%A0%%80&words=written", b"csrf=%s&message=%%00&words=written", b"csrf=%s&name=%%00"):
            for path in ("message", "preview", "controls", "test", "send", "column"):
                async with at.given.client.post(
                    f"{draft}/{path}",
                    data=data % CSRF.encode(),
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    allow_redirects=False,
                ) as answer:
                    assert answer.status < 500, (path, data)


async def test_a_file_name_with_nul_in_it_is_refused(tmp_path: Path) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{CSRF}\r\n'
    file = '--b\r\nContent-Disposition: form-data; name="list"; filename="../job.toml\0.csv"\r\n\r\n'
    body = (head + file).encode() + LIST + b"\r\n--b--\r\n"
    async with desk(tmp_path) as at:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        async with at.given.client.post("/new", data=body, headers=headers) as answer:
            assert answer.status == 400
        assert at.files() == []


@pytest.mark.parametrize("fault", ["html", "unprocessable"])
async def test_what_the_api_says_is_text(tmp_path: Path, fault: str) -> None:
    faults = checked_faults({fault: 1.0})
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, faults=faults)) as at:
        await at.run("promo", 3, code=None)

        # Some of its rows have an outcome, or are tried again.
        await until(lambda: len(at.simulator.requests()) >= 3)
        page = await at.get(at.page_of("promo"))
        assert (page.status, page.page.count("<html")) == (200, 1)
