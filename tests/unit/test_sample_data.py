"""The sample lists: the same in every format, as their script writes them, and with every kind of bad row."""

import asyncio
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from campaign.app.preflight.check import Checked, check
from campaign.domain.lists.columns import find_id_column, find_template_column
from campaign.domain.lists.pass_ids import check_pass_id, pass_key
from campaign.domain.model import Invalid, Skip
from campaign.domain.status import Status
from campaign.loader.table import open_table
from campaign.settings import IsolatedSettings
from tests.unit.loader_given import read

SAMPLES = Path(__file__).parents[2] / "sample_data"
PROMO = SAMPLES / "promo.csv"
FORMATS = ["promo.parquet", "promo.xlsx", "promo-excel-de.csv"]


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_data_make", SAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", FORMATS)
def test_one_list_gives_the_same_rows_in_every_format(name: str) -> None:
    assert read(SAMPLES / name) == read(PROMO)


def test_the_german_file_is_as_excel_saves_it() -> None:
    with open_table(SAMPLES / "promo-excel-de.csv") as table:
        assert table.head.description.startswith("CSV in Windows-1252")
        assert table.head.description.endswith("separated by semicolons")
    data = (SAMPLES / "promo-excel-de.csv").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n")


def test_the_script_writes_what_is_here(make: ModuleType, tmp_path: Path) -> None:
    make.main(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted([PROMO.name, *FORMATS, "promo-languages.csv", "bad-rows.csv"])
    for name in names:
        assert read(tmp_path / name) == read(SAMPLES / name)
        if name.endswith(".csv"):
            assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes()


def test_the_promo_list_can_be_sent_as_it_is() -> None:
    columns, rows = read(PROMO)
    ids = [row[find_id_column(columns, None)] for row in rows]
    assert 450 <= len(rows) <= 550
    assert [check_pass_id(pass_id)[:2] for pass_id in ids] == [(pass_id, None) for pass_id in ids]
    assert len({pass_key(pass_id) for pass_id in ids}) == len(ids)
    assert all(all(row) for row in rows)
    together = "".join(ids)
    assert all(character in together for character in " /#?%&+-éü")
    assert {len(pass_id) for pass_id in ids} >= {36, 40}
    assert any(pass_id.startswith("000") for pass_id in ids)
    assert len({row[columns.index("language")] for row in rows}) >= 5


def test_every_template_that_a_row_names_is_there() -> None:
    columns, rows = read(SAMPLES / "promo-languages.csv")
    position = find_template_column(columns)
    assert position is not None
    named = {row[position] for row in rows}
    assert named == {"de.txt", "en.txt", "fr.txt"}
    assert all((SAMPLES / "templates" / name).is_file() for name in named)


CLAIM = re.compile(r"^\| `(sample_data/\S+) --(templates?) (\S+)` \| ([\d,]+) \| ([\d,]+) \| (.*)\|$", re.MULTILINE)


def counts_in(words: str) -> dict[str, int]:
    return {kind: int(count) for count, kind in re.findall(r"(\d+) (\w+)", words)}


def claims() -> list[tuple[str, dict[str, Path], int, int, dict[str, int]]]:
    """What the README says `check` finds: list, option, rows, sendable rows, and the others by kind."""
    found = CLAIM.findall((SAMPLES / "README.md").read_text(encoding="utf-8"))
    return [
        (
            source,
            {option: SAMPLES.parent / value},
            int(rows),
            int(sendable),
            counts_in(others),
        )
        for source, option, value, rows, sendable, others in found
    ]


def checked_list(source: str, **options: Path | str) -> Checked:
    return asyncio.run(check(str(SAMPLES.parent / source), IsolatedSettings.read(ledger=str(SAMPLES / "none.db"), **options)))


@pytest.mark.parametrize(("source", "options", "rows", "sendable", "others"), claims())
def test_check_finds_what_the_readme_says(source: str, options: dict[str, Path], rows: int, sendable: int, others: dict[str, int]) -> None:
    checked = checked_list(source, **options)
    assert (checked.counts.rows, checked.counts.by_status[Status.PENDING]) == (rows, sendable)
    assert {problem.kind: problem.count for problem in checked.problems} == others
    assert sendable + sum(others.values()) == rows


def test_the_readme_speaks_of_every_list_and_of_every_template() -> None:
    said = {Path(source).name for source, *_ in claims()}
    assert said == {path.name for path in SAMPLES.iterdir() if path.suffix in {".csv", ".parquet", ".xlsx"}}
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(path.name in text for path in SAMPLES.rglob("*.txt") if path.parent.name == "templates")


def test_the_bad_rows_are_of_every_kind_and_bad_in_the_way_they_say() -> None:
    columns, rows = read(SAMPLES / "bad-rows.csv")
    said = [row[columns.index("what_is_wrong")].partition(":")[0].partition(" ")[0] for row in rows]
    assert set(said) == {"good", Skip.DUPLICATE, *Invalid}
    checked = checked_list("sample_data/bad-rows.csv", templates=SAMPLES / "bad-templates", window="09:00-20:00")
    found = {row: problem.kind for problem in checked.problems for row in problem.rows}
    assert [found.get(number, "good") for number in range(1, len(rows) + 1)] == said


def test_defaults_do_no_harm_to_an_empty_field(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("pass_id,first_name,shop,offer,code,valid_until\np1,,,,,\n", encoding="utf-8")
    assert checked_list(str(path), template=SAMPLES / "templates" / "offer-default.txt").counts.by_status[Status.PENDING] == 1
    assert [problem.kind for problem in checked_list(str(path), template=SAMPLES / "templates" / "offer.txt").problems] == [
        Invalid.MISSING_FIELD
    ]
