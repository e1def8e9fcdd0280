"""What is written is its owner's alone, whatever the umask, and runs in no spreadsheet."""

import asyncio
import csv
import os
import stat
import zipfile
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from tests.acceptance.desk import Desk
from tests.examples import slow_after
from tests.integration.gateway.rawserver import Wire, serving
from tests.security.command import Command, files

EVIL = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "＝1", "'=1", "''+2", '=HYPERLINK("http://x")']  # noqa: RUF001 - full width is meant
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - (same)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def folder_modes(folder: Path) -> set[int]:
    return {mode(path) for path in folder.rglob("*") if path.is_dir()}


@pytest.mark.parametrize("suffix", slow_after(1, [".xlsx", ".csv", ".parquet", ".jsonl"]))
async def test_every_file_is_its_owners_alone_also_under_a_umask_of_nothing(tmp_path: Path, suffix: str) -> None:
    asked = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        asked.set()
        await wire.rest()

    async with serving(script) as server:
        command = Command(folder=tmp_path, url=server.url)
        name = command.make_list("a", "")
        (tmp_path / name).chmod(0o600)
        words = ("run", name, "--message", "Hello", "--results", f"out{suffix}", "--on-unknown", "hold")
        run = asyncio.create_task(command.run(*words, before=lambda: os.umask(0), CAMPAIGN_TIMEOUT="500ms"))
        await asked.wait()
        during = {path: mode(path) for path in files(tmp_path)}
        done = await run
    assert done.code == 3, done.err
    after = {path: mode(path) for path in files(tmp_path)}
    names = {path.name for path in during | after}
    assert {"campaign.db", "campaign.db-wal", "campaign.db-shm", f"out{suffix}", "out.failed.csv"} <= names
    assert any(name.endswith(".lock") for name in names)
    # The marker, which has nothing of the list, is for other users too.
    assert during.pop(tmp_path / "out.sending") == 0o644
    assert set((during | after).values()) == {0o600}, during | after
    assert folder_modes(tmp_path) == {0o700}


def test_a_formula_in_a_list_runs_in_no_file_and_arrives_as_it_was(desk: Desk) -> None:
    path = desk.folder / "list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["pass_id", "name"], *([f"p{row}", text] for row, text in enumerate(EVIL))])
    words = ("run", str(path), "--message", "{{ name }} for you", "--limit", "1")
    desk.run(*words, "--results", "out.csv", code=5)
    desk.run("report", "list", "--output", "out.xlsx")
    with (desk.folder / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    sheet = CalamineWorkbook.from_path(desk.folder / "out.xlsx").get_sheet_by_index(0).to_python()
    with zipfile.ZipFile(desk.folder / "out.xlsx") as book:
        assert not any(b"<f" in book.read(name) for name in book.namelist() if "sheet" in name)
    for text in [*cells, *(cell for row in sheet for cell in row if isinstance(cell, str))]:
        assert not text.strip().startswith(FORMULA_STARTS), text
    for number, name in enumerate(("out.csv", "out.xlsx")):
        desk.simulator.reset()
        there = desk.folder / str(number)
        there.mkdir()
        (desk.folder / name).rename(there / name)
        desk.json("run", str(there / name), "--ledger", str(there / "campaign.db"), "--results", str(there / "again.csv"))
        assert {text for texts in desk.sent().values() for text in texts} == {f"{text} for you".strip() for text in EVIL[1:]}
