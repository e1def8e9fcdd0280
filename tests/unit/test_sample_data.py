"""The sample lists: the same in every format, as their script writes them, and with every kind of bad row."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from campaign.domain.model import Invalid
from campaign.loader.columns import check_pass_id, find_id_column, find_message_column, find_template_column, pass_key
from campaign.loader.tables import open_table
from tests.unit.tables_given import read

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
        assert (table.encoding, table.separator) == ("Windows-1252", ";")
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


def test_the_bad_rows_are_bad_in_the_way_they_say() -> None:
    columns, rows = read(SAMPLES / "bad-rows.csv")
    said = [row[columns.index("what_is_wrong")] for row in rows]
    ids = [row[find_id_column(columns, None)] for row in rows]
    of_ids = {Invalid.NO_ID, Invalid.MANGLED_ID, Invalid.BAD_ID}
    for pass_id, what in zip(ids, said, strict=True):
        _, invalid, _ = check_pass_id(pass_id)
        assert invalid == next((kind for kind in of_ids if what.startswith(kind)), None), what
    keys = [pass_key(check_pass_id(pass_id)[0]) for pass_id in ids]
    repeated = [number for number, key in enumerate(keys) if keys.index(key) < number and not said[number].startswith("no_id")]
    assert repeated == [number for number, what in enumerate(said) if what.startswith("duplicate")]
    assert find_message_column(columns) is not None
    kinds = {what.partition(":")[0].partition(" ")[0] for what in said}
    assert kinds == {*of_ids, "good", "duplicate", "missing_field", "empty_message", "message_too_long"}
