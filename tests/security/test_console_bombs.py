"""Files that are small and unpack to much, or have a line without an end: refused wherever a list is taken, and the console stays small."""

import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.campaigns_given import scene
from tests.console.drafts_given import CSRF, desk
from tests.console.test_campaigns_files import SOME_MISSING
from tests.console.test_drafts_uploads import _parquet_bomb, _rss, _xlsx_bomb
from tests.examples import slow_after

MEGABYTE = 1 << 20


@pytest.mark.parametrize(("name", "make"), slow_after(0, [("promo.xlsx", _xlsx_bomb), ("promo.parquet", _parquet_bomb)], unpack=True))
async def test_a_bomb_as_a_corrected_file_is_refused_and_costs_the_console_no_memory(tmp_path: Path, name: str, make: object) -> None:
    assert callable(make)
    content = make()
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        page = at.page_of("promo", "corrected")
        await at.upload(page, b"pass_id\n1\n", "warm.csv")
        before = _rss()
        answer = await at.upload(page, content, name)
        assert answer.status == 422
        assert _rss() - before < 64 * MEGABYTE
        assert list((tmp_path / "corrected").iterdir()) == []


@pytest.mark.parametrize(("name", "make"), slow_after(0, [("promo.xlsx", _xlsx_bomb), ("promo.parquet", _parquet_bomb)], unpack=True))
async def test_a_bomb_as_a_list_to_leave_out_is_refused(tmp_path: Path, name: str, make: object) -> None:
    assert callable(make)
    async with desk(tmp_path) as at:
        draft = await at.begun()
        before = _rss()
        answer = await at.upload(make(), name, path=f"{draft}/exclude", field="exclude")
        assert (answer.status, f"{name}: " in answer.words) == (422, True)
        assert _rss() - before < 64 * MEGABYTE
        assert at.draft(draft).excludes == ()


@pytest.mark.parametrize("where", slow_after(1, ["new", "corrected"]))
async def test_a_line_without_an_end_is_refused_and_is_in_nobody_s_memory(tmp_path: Path, where: str) -> None:
    block = b"x" * MEGABYTE

    async def content(field: str) -> AsyncIterator[bytes]:
        yield f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{CSRF}\r\n'.encode()
        if where == "corrected":
            yield b'--b\r\nContent-Disposition: form-data; name="message"\r\n\r\n\r\n'
        yield f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="promo.csv"\r\n\r\npass_id\n'.encode()
        for _ in range(300):
            yield block
        yield b"\r\n--b--\r\n"

    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        path, field = ("/new", "list") if where == "new" else (at.page_of("promo", "corrected"), "file")
        await at.upload(at.page_of("promo", "corrected"), b"pass_id\n1\n", "warm.csv")
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        async with at.given.client.post(path, data=content(field), headers=headers) as answer:
            said = await answer.text()
        while 'hx-trigger="load delay' in said:
            said = (await at.get(answer.url.path)).page
        assert 'role="alert"' in said or answer.status == 422
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 96 * MEGABYTE
        assert time.monotonic() - began < 60
