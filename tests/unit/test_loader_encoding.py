"""CSV files in the encodings that spreadsheets write."""
# ruff: noqa: RUF001 - the typographic signs are what tells Windows-1252 from others

import codecs
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign.loader.formats import encoding
from campaign.loader.formats.encoding import decodes, find_encoding
from campaign.loader.table import open_table
from tests.unit.loader_given import read, refused

GERMAN = "Jürgen Weiß;Düsseldorf;Für Sie – nur heute 10 €"
FRENCH = "Hélène Lefèvre;Besançon;À très bientôt – l’été arrive"
SPANISH = "José Núñez;Málaga;¡Oferta! ¿Vienes mañana?"
POLISH = "Łukasz Wiśniewski;Łódź;Zażółć gęślą jaźń, dziękujemy"
RUSSIAN = "Анна Иванова;Москва;Скидка только сегодня"
GREEK = "Γιώργος Παπαδόπουλος;Αθήνα;Έκπτωση σήμερα"
JAPANESE = "山田太郎;東京;本日限りの割引です"
CHINESE = "王小明;北京;今天特别优惠"


@pytest.mark.parametrize(
    ("line", "codec", "label"),
    [
        (GERMAN, "cp1252", "Windows-1252"),
        (FRENCH, "cp1252", "Windows-1252"),
        (SPANISH, "cp1252", "Windows-1252"),
        ("Müller;x;y", "cp1252", "Windows-1252"),
        ("x;y;10 €", "cp1252", "Windows-1252"),
        (POLISH, "cp1250", "Windows-1250"),
        (RUSSIAN, "cp1251", "Windows-1251"),
        (GREEK, "cp1253", "Windows-1253"),
        (JAPANESE, "cp932", "Shift-JIS"),
        (CHINESE, "gb18030", "GB 18030"),
        (GERMAN, "utf-8", "UTF-8"),
        (GERMAN, "utf-8-sig", "UTF-8"),
        (JAPANESE, "utf-16", "UTF-16"),
        (JAPANESE, "utf-32", "UTF-32"),
        ("plain;ascii;only", "ascii", "UTF-8"),
    ],
)
@pytest.mark.parametrize("times", [1, 40])
def test_the_encoding_is_found(tmp_path: Path, line: str, codec: str, label: str, times: int) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(("id;place;text\r\n" + f"{line}\r\n" * times).encode(codec))
    assert read(path) == (("id", "place", "text"), [tuple(line.split(";"))] * times)
    with open_table(path) as table:
        assert table.head.description.startswith(f"CSV in {label}")
        assert ("a guess" in table.head.description) == (not label.startswith("UTF"))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_the_mark_at_the_start_says_which_way_round(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(f"\ufeffid;ö\n1;{JAPANESE.partition(';')[0]}\n".encode(codec))
    assert read(path) == (("id", "ö"), [("1", "山田太郎")])


def test_the_only_letter_that_is_not_ascii_may_come_late(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"id;name\n" + b"1;Anna\n" * 500_000 + "2;Jürgen\n".encode("cp1252"))
    assert path.stat().st_size > 3 * encoding._BLOCK_BYTES
    assert read(path)[1][-1] == ("2", "Jürgen")


def test_a_byte_that_windows_1252_lacks_rules_it_out_however_late_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"id;name\n" + "1;Jürgen Weiß aus Düsseldorf\n".encode("cp1252") * 5_000 + b"2;\x90\n")
    with open_table(path) as table:
        assert "Windows-1252" not in table.head.description
        assert decodes(path, find_encoding(path).codec)


@given(st.text(max_size=30), st.integers(1, 5))
def test_utf_8_is_recognised_wherever_a_block_ends(tmp_path_factory: pytest.TempPathFactory, text: str, block_bytes: int) -> None:
    path = tmp_path_factory.getbasetemp() / "utf-8.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "_BLOCK_BYTES", block_bytes)
        path.write_bytes(text.encode())
        assert decodes(path, "utf-8")
        path.write_bytes(text.encode() + b"\xc3")
        assert not decodes(path, "utf-8")


@given(st.binary(max_size=60))
@example(b"\x81\x00\x98")
def test_whatever_the_bytes_an_encoding_is_named_that_python_has(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    found = find_encoding(path)
    codecs.lookup(found.codec)
    assert found.label
    if found.guessed and not decodes(path, found.codec):
        assert not any(decodes(path, codec) for codec in encoding._CANDIDATES)


def test_bytes_that_are_letters_in_no_encoding_are_refused_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"id;name\n1;Anna\n2;B\x81\x0b\x98\n")
    error = refused(path)
    assert (error.row, error.column) == (2, "name")
    assert error.code == "not_decodable"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_known_by_its_zeros(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("pass_id,name\na1,Zoë\na2,Łódź\n".encode(codec))
    assert read(path) == (("pass_id", "name"), [("a1", "Zoë"), ("a2", "Łódź")])
    path.write_bytes("pass_id,name\na1,Zoë\n".encode(codec) + b"x")
    assert refused(path).code == "nul"
