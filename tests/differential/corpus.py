"""Lists of every kind, good and bad, by name: made anew each time, always the same ones.

The oracle is told what a list's text is written in: what the loader has to find out is not for the oracle to guess.
"""

import bz2
import datetime as dt
import decimal
import gzip
import io
import itertools
import json
import random
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

LONG: Final = "x" * 131_073
NOON: Final = dt.datetime(2026, 7, 2, 12, 30, 5)  # noqa: DTZ001 - a time without a zone is meant
NAMES: Final = ("Anna", "Zoë", "Łukasz", "山田", "O'Neil", "Müller-Lüdenscheid", "", " padded ", "null", "NA", "-", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A list's bytes. `codec` and `separator` (empty for one column) are of a text; `header` is what is asked for, if it is."""

    name: str
    suffix: str
    data: bytes
    codec: str = "utf-8"
    separator: str = ","
    header: int | None = None


def cases() -> list[Case]:
    """All of them, each under a name of its own."""
    found = [*_csv_by_hand(), *_csv_written(), *_csv_damaged(), *_parquet(), *_workbooks(), *_json_lines(), *_packed(), *_titled()]
    assert len({case.name for case in found}) == len(found)
    return found


def _csv(name: str, text: str | bytes, *, separator: str = ",", codec: str = "utf-8") -> Case:
    data = text if isinstance(text, bytes) else text.encode(codec)
    return Case(name=f"csv {name}", suffix=".csv", data=data, codec=codec, separator=separator)


def _csv_by_hand() -> Iterator[Case]:
    texts = {
        "too few": "id,name\n1,a\n2\n",
        "too few in the first row": "id,name\n1\n2,b\n",
        "too many": "id,name\n1,a\n2,b,c\n",
        "too many in the first row": "id,name\n1,a,x\n2,b\n",
        "too many in every row": "id,name\n1,a,x\n2,b,y\n",
        "too few after a long value": 'id,name\n"1\n2",a\n3\n',
        "quote never closed": 'id,name\n1,"a\n2,b\n',
        "quote never closed in the id": 'id,name\n"1,a\n2,b\n',
        "quote never closed in the header": 'id,"name\n1,a\n',
        "quote never closed at the end": 'id,name\n1,a\n2,"b',
        "text after a quote": 'id,name\n1,"a"b\n',
        "text after an empty quote": 'id,name\n1,""b\n',
        "blank after a quote": 'id,name\n1,"a" \n',
        "text after a quote later": 'id,name\n"1,a\n"2",b\n',
        "doubled quotes": 'id,name\n1,"a ""b"" c"\n2,""""\n3,""\n',
        "quotes inside": 'id,name\n1,5" pipe\n2,a"b"c\n',
        "quote after a blank": 'id,name\n1, "a"\n',
        "NUL": "id,name\n1,a\n2,\0b\n",
        "NUL in the header": "i\0d,name\n1,a\n",
        "NUL at the end": "id,name\n1,a\n\0",
        "NUL in quotes": 'id,name\n"1\n\0",b\n',
        "value too long": f"id,name\n1,{LONG}\n",
        "value as long as can be": f"id,name\n1,{LONG[1:]}\n",
        "value too long in quotes": f'id,name\n1,"{LONG}"\n',
        "wide value as long as can be": f"id,name\n1,{'ä' * 131_072}\n",
        "line too long": f"id,name\n1,{'x,' * 700_000}\n",
        "same name twice": "id,name,id \n1,a,2\n",
        "value without a column name": "id,,name\n1,,a\n2,x,b\n",
        "no names": ",\n1,2\n",
        "header only": "id,name\n",
        "header only and no line end": "id,name",
        "blank lines only": "\n\n \n",
        "too many columns": ",".join(map(str, range(1001))) + "\n" + ",".join("1" * 1001) + "\n",
        "as many columns as can be": ",".join(map(str, range(1000))) + "\n" + ",".join("1" * 1000) + "\n",
        "only empty rows": "pass_id,name\n,\n,\n",
        "empty rows inside and at the end": "pass_id,name,,\na,b,,\n,,,\nc,d,,\n,,,\n\n,,,\n",
        "blank lines": "\n  \nid,name\n\n1,a\n   \n,\n\n2,b\n\n",
        "no line end at the end": "id,name\n1,a\n2,b",
        "many line ends at the end": "id,name\n1,a\n2,b\n\n\n\n\n",
        "blanks around": '\ufeff pass_id ,"\ufeffname\xa0",\u200bnote\n 007 , "quoted" inside,  \n',
        "NULL and friends": "id,name\nNULL,NA\nnan,None\n#N/A,\\N\n",
        "numbers": "id,n\n0017,1e5\n1.50,+3\n1.23E+15,-0\n",
        "backslashes": "id,name\n1,a\\,b\n".replace("\\,", "\\"),
        "CR in a quoted value": 'id,name\n1,"a\rb"\n2,"c\r\nd"\n',
        "blank line in a quoted value": 'id,name\n1,"a\n\nb"\n2,c\n',
        "mixed line ends": "id,name\n1,a\r\n2,b\r3,c\n",
        "two kinds of quotes": "id,name\n'1','a'\n",
        "control characters": "id,name\n1,a\x07b\n2,\x1f\n",
        "unseen name": "id,\u200b\n1,\n",
        "a name of many": "id," + "n" * 5000 + "\n1,a\n",
    }  # fmt: skip
    yield from (_csv(name, text) for name, text in texts.items())
    yield _csv("semicolons and too few", "id;name;x\n\n1;a\n", separator=";")
    yield _csv("sep line", "sep=;\nid;a,b\n1;x,y\n", separator=";")
    yield _csv("sep line and too many", "sep=;\nid;name\n1;a;b\n", separator=";")
    yield _csv("sep line of a colon", "sep=:\nid:name\n1:a\n", separator=":")
    yield _csv("one column", "pass_id\n0017\n0018\n", separator="")
    yield _csv("one column with commas", "pass_id\nMüller, Anna\nBob\n", separator="")
    yield _csv("one column with blanks", "pass_id\n\n \n1\n", separator="")
    yield _csv("one column with an empty quote", 'pass_id\n1\n""\n2\n', separator="")
    yield _csv("one column, quoted", 'pass_id\n"1"\n"2 ""x"""\n', separator="")
    yield _csv("one column and two values in each row", "id\nMüller, Anna\nBerg, Bo\n")
    yield _csv("a comma in a semicolon list", "id;first, last;price\n1;Müller, Anna;2,50\n2;Berg, Bo;1,20\n", separator=";")
    yield _csv("a broken byte among good ones", "id,name\n1,ä\n2,öß".encode() + b"\xff\n")
    yield _csv("half a letter at the end", "id,name\n1,ä\n2,öß".encode()[:-1])
    yield _csv("a mark and another encoding", b"\xef\xbb\xbfid,name\n1,\xe4\n")
    yield _csv("no encoding at all", b"id;name\n1;Anna\n2;B\x81\x0b\x98\n", separator=";", codec="cp1252")
    yield _csv("UTF-32 without its mark", "id,name\n1,a\n".encode("utf-32-le"))
    yield _csv("empty", b"")
    yield _csv("a PDF", b"%PDF-1.7 and more\n")
    many = "".join(f"{number},Anna {number}\n" for number in range(60_000))
    yield _csv("long", "id,name\n" + many)
    yield _csv("long and too few at the end", "id,name\n" + many + "7\n1,a\n")
    yield _csv("long and quoted late", "id,name\n" + many + '7,"a\nb"\n8,c"d\n')
    yield _csv("long and open at the end", "id,name\n" + many + '7,"a\nb\n')
    yield _csv("long and NUL at the end", "id,name\n" + many + "7,\0\n")
    yield _csv("long and blank lines late", "id,name\n" + many + "\n\n7,a\n")


def _tables(seed: int) -> tuple[list[str], list[list[str]]]:
    dice = random.Random(seed)
    alphabet = "abc 019,;\t|\"'äß€\n\r.-_="
    width = dice.randrange(2, 6)
    names = ["pass_id", *(f"c{number}" for number in range(1, width))]

    def cell() -> str:
        kind = dice.random()
        if kind < 0.5:
            return dice.choice(NAMES)
        return "".join(dice.choice(alphabet) for _ in range(dice.randrange(10)))

    rows = [[f"{dice.randrange(10**8):08}", *(cell() for _ in range(width - 1))] for _ in range(dice.randrange(1, 40))]
    return names, rows


def _written(rows: list[list[str]], separator: str, line_end: str, *, always_quoted: bool) -> str:
    def one(cell: str) -> str:
        needed = any(sign in cell for sign in (separator, '"', "\r", "\n"))
        return '"' + cell.replace('"', '""') + '"' if needed or always_quoted or not cell.strip() else cell

    return "".join(separator.join(map(one, row)) + line_end for row in rows)


def _csv_written() -> Iterator[Case]:
    ways = itertools.product(",;\t|", ("\n", "\r\n", "\r"), ("utf-8", "utf-8-sig", "utf-16", "utf-32"))
    for seed, (separator, line_end, codec) in enumerate(ways):
        names, rows = _tables(seed)
        always = seed % 3 == 0
        text = _written([names, *rows], separator, line_end, always_quoted=always)
        end = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}[line_end]
        yield _csv(f"written {seed} {ord(separator)} {end} {codec}", text, separator=separator, codec=codec)
    words = {
        "cp1252": "Jürgen Weiß;Düsseldorf;Für Sie nur heute 10 €",
        "cp1250": "Łukasz Wiśniewski;Łódź;Zażółć gęślą jaźń, dziękujemy",
        "cp1251": "Анна Иванова;Москва;Скидка только сегодня",
        "cp1253": "Γιώργος Παπαδόπουλος;Αθήνα;Έκπτωση σήμερα",
        "cp932": "山田太郎;東京;本日限りの割引です",
        "gb18030": "王小明;北京;今天特别优惠",
    }
    for codec, line in words.items():
        yield _csv(f"in {codec}", "id;name;place;text\r\n" + f"1;{line}\r\n" * 20, separator=";", codec=codec)


def _csv_damaged() -> Iterator[Case]:
    """Good files after one accident each."""
    for seed in range(70):
        dice = random.Random(f"damage {seed}")
        names, rows = _tables(1000 + seed)
        text = _written([names, *rows], ",", "\n", always_quoted=seed % 2 == 0)
        at = dice.randrange(len(names) * 4, len(text)) if len(text) > len(names) * 5 else len(text) - 1
        match seed % 7:
            case 0:
                text = text[:at] + '"' + text[at:]
            case 1:
                text = text[:at] + "," + text[at:]
            case 2:
                text = text[:at] + "\n" + text[at:]
            case 3:
                text = text[:at] + text[at + 1 :]
            case 4:
                text = text[:at] + "\0" + text[at:]
            case 5:
                text = text[:at]
            case _:
                text = text[:at] + '"x' + text[at:]
        yield _csv(f"damaged {seed}", text)


def _parquet_bytes(columns: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), buffer, **options)
    return buffer.getvalue()


def _parquet() -> Iterator[Case]:
    def case(name: str, data: bytes) -> Case:
        return Case(name=f"parquet {name}", suffix=".parquet", data=data)

    identity = uuid.UUID("6f3c2a50-1111-4222-8333-444455556666")
    arrays = {
        "text": pa.array(["0017", " x ", "", None]),
        "large text": pa.array(["a", None], pa.large_string()),
        "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
        "int64": pa.array([1, 2**63 - 1, -5, None]),
        "uint64": pa.array([2**64 - 1], pa.uint64()),
        "int8 dictionary": pa.array([7, None], pa.int8()).dictionary_encode(),
        "double": pa.array([1.0, -0.5, 1e14, 1e15, 1234567890123456.0, 1e-5, None, float("nan"), float("inf"), -0.0]),
        "float": pa.array([0.1, 3.0, None], pa.float32()),
        "half": pa.array([np.float16(0.1), None], pa.float16()),
        "bool": pa.array([True, False, None]),
        "decimal": pa.array([decimal.Decimal("1000.50"), None], pa.decimal128(10, 2)),
        "date": pa.array([dt.date(2026, 7, 2), None]),
        "timestamp": pa.array([NOON, None], pa.timestamp("us")),
        "timestamp in ns": pa.array([NOON.replace(microsecond=120_000)], pa.timestamp("ns")),
        "timestamp in a zone": pa.array([NOON, None], pa.timestamp("us", "Europe/Berlin")),
        "time": pa.array([dt.time(9, 5), None]),
        "duration": pa.array([dt.timedelta(hours=30), None]),
        "bytes of text": pa.array([b"abc", None]),
        "bytes": pa.array([b"ab", b"\xff\x00"]),
        "fixed bytes": pa.array([b"abcd"], pa.binary(4)),
        "fixed bytes of no text": pa.array([b"\xff\xfe\xfd\xfc"], pa.binary(4)),
        "uuid": pa.array([identity.bytes, None], pa.uuid()),
        "json": pa.array(['{"a": 1}'], pa.json_()),
        "null": pa.nulls(2),
        "list": pa.array([["a", "b"], None, []]),
        "struct": pa.array([{"a": 1, "b": "x"}, None]),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "list of structs": pa.array([[{"a": NOON}], [{"a": None}]]),
        "list of bytes": pa.array([[b"\xff"], None]),
    }
    for name, array in arrays.items():
        columns = {"id": pa.array([f"{number:03}" for number in range(len(array))]), "value": array}
        yield case(f"type {name}", _parquet_bytes(columns))
    rows = {"id": [f"{number:07}" for number in range(3_000)], "näme": [f"Anna {number % 7}" for number in range(3_000)]}
    for compression in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
        yield case(f"compression {compression}", _parquet_bytes(rows, compression=compression, row_group_size=900))
    for encoding in ("PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"):
        options = {"use_dictionary": False, "column_encoding": dict.fromkeys(rows, encoding), "data_page_version": "2.0"}
        yield case(f"encoding {encoding}", _parquet_bytes(rows, **options))
    yield case("value too long", _parquet_bytes({"id": ["1", "2"], "text": ["x", LONG]}))
    yield case("value too long and nested", _parquet_bytes({"id": ["1", "2"], "tags": [["x"], [LONG]]}))
    yield case("same name twice", _parquet_bytes({"id": ["1"], "id ": ["2"]}))
    yield case("no rows", _parquet_bytes({"id": pa.array([], pa.string())}))
    yield case("no names", _parquet_bytes({" ": ["1"]}))
    yield case("an empty column without a name", _parquet_bytes({"id": ["1", "2"], " ": ["", None], " name ": ["a", "b"]}))
    yield case("a column without a name", _parquet_bytes({"id": ["1", "2"], " ": ["", "x"]}))
    yield case("too many columns", _parquet_bytes({f"c{number}": ["1"] for number in range(1_001)}))
    raw = pa.array([b"good"] * 9 + [b"b\xffd"])
    wrong = pa.StringArray.from_buffers(10, raw.buffers()[1], raw.buffers()[2])
    yield case("text that is no UTF-8", _parquet_bytes({"id": wrong}, use_dictionary=False, write_statistics=False))
    good = _parquet_bytes({"id": ["1", "2"], "name": ["a", "b"]})
    yield case("cut off", good[: len(good) // 2])
    yield case("cut off inside", good[: len(good) // 2] + good[-12:])
    yield case("footer larger than the file", good[:-8] + b"\xff\xff\xff\x7fPAR1")
    yield case("bytes for a footer", b"PAR1" + random.Random(1).randbytes(300) + (200).to_bytes(4, "little") + b"PAR1")


def _workbook(rows: list[list[Any]], *, at: tuple[int, int] = (0, 0), **options: Any) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"strings_to_formulas": False, "strings_to_urls": False, **options}) as book:
        sheet = book.add_worksheet("List")
        for number, row in enumerate(rows):
            sheet.write_row(at[0] + number, at[1], row)
    return buffer.getvalue()


def repacked(
    data: bytes, change: Callable[[str, bytes], bytes] = lambda _, part: part, *, target: Any = None, packing: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A workbook with its parts changed; `target` is what the archive is written to, if not a buffer."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target(buffer) if target else buffer, "w", packing) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


class Unseekable(io.RawIOBase):
    """A pipe: what is written to it as an archive has its sizes behind each part, in a data descriptor."""

    def __init__(self, target: io.BytesIO) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._target.write(data)


def without_sizes(data: bytes) -> bytes:
    """An archive whose directory has no unpacked sizes, as some programs leave them that write data descriptors."""
    found = bytearray(data)
    for entry in re.finditer(b"PK\x01\x02", data):
        found[entry.start() + 24 : entry.start() + 28] = bytes(4)
    return bytes(found)


SHEET: Final = "xl/worksheets/sheet1.xml"


def _sheet_changed(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return repacked(data, lambda name, part: change(part) if name == SHEET else part)


def _workbooks() -> Iterator[Case]:
    def case(name: str, data: bytes, suffix: str = ".xlsx") -> Case:
        return Case(name=f"xlsx {name}", suffix=suffix, data=data)

    plain: list[list[Any]] = [["id", "name"], ["0017", "Anna"], ["0018", ""], ["0019", "  a\nb "]]
    yield case("plain", _workbook(plain))
    yield case("texts in the cells", _workbook(plain, in_memory=True, constant_memory=True))
    yield case("away from the corner", _workbook(plain, at=(3, 2)))
    yield case("an empty row inside", _workbook([*plain, ["", ""], ["0020", "x"]]))
    yield case("numbers", _workbook([["id", "n"], [17, -3.0], [2.5, 0.1 + 0.2], [0.00001, 123456789012345], [1e15, 1234567890123456]]))
    yield case("truths", _workbook([["id", "n"], ["1", True], ["2", False]]))
    yield case("formulas as text", _workbook([["id", "n"], ["1", "=1+1"], ["2", "'x"]]))
    yield case("a column without a name and empty", _workbook([["id", "", "x"], ["1", "", "a"]]))
    yield case("a value without a column name", _workbook([["id", "", "x"], ["1", "", "a"], ["2", "b", ""]]))
    yield case("same name twice", _workbook([["id", "id"], ["1", "2"]]))
    yield case("header only", _workbook([["id", "name"]]))
    yield case("nothing", _workbook([]))
    yield case("no names", _workbook([[" "], ["1"]]))
    yield case("too many columns", _workbook([[f"c{number}" for number in range(1_001)], ["1"]]))
    yield case("named xlsm", _workbook(plain), ".xlsm")
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        book.add_worksheet("Empty")
        hidden = book.add_worksheet("Hidden")
        hidden.write_row(0, 0, ["id"])
        hidden.write_row(1, 0, ["9"])
        hidden.hide()
        sheet = book.add_worksheet("März & Co.")
        styles = {name: book.add_format({"num_format": name}) for name in ("dd.mm.yyyy", "dd/mm/yy hh:mm", "hh:mm:ss", "[h]:mm:ss", "0.00")}
        sheet.write_row(0, 0, ["id", "value"])
        values = [
            (dt.date(2027, 3, 31), "dd.mm.yyyy"),
            (dt.datetime(2027, 3, 31, 18, 5), "dd/mm/yy hh:mm"),  # noqa: DTZ001 - a workbook's times have no zone
            (dt.time(18, 5, 7), "hh:mm:ss"),
            (1.25, "[h]:mm:ss"),
            (2.5, "0.00"),
        ]
        for row, (value, style) in enumerate(values, 1):
            sheet.write(row, 0, str(row))
            sheet.write(row, 1, value, styles[style])
        book.add_worksheet("Notes").write_row(0, 0, ["id", "other"])
    yield case("styles and sheets", buffer.getvalue())
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet()
        sheet.write_row(2, 3, ["id", "name", "n"])
        for number, error in enumerate(("#N/A", "#DIV/0!", "#REF!", "#NAME?")):
            sheet.write_formula(3 + number, 3, "=x", None, error)
            sheet.write_row(3 + number, 4, ["Anna", number])
        sheet.write_formula(8, 5, "=x", None, "#N/A")
        sheet.write_formula(9, 3, '="LOY-"&1', None, "LOY-1")
    errors = buffer.getvalue()
    yield case("errors and formulas", errors)
    many = _workbook([["id", "name", "y"], *[[str(number), f"Anna {number}", "x"] for number in range(3_000)]])
    yield case("without references", _sheet_changed(many, lambda part: re.sub(rb' r="\w+"', b"", part)))
    prefixed = _sheet_changed(many, lambda part: re.sub(rb"<(/?)(\w)", rb"<\1x:\2", part).replace(b"xmlns=", b"xmlns:x="))
    yield case("with a prefix", prefixed)
    yield case("other blanks and quotes", _sheet_changed(many, lambda part: re.sub(rb' r="(\w+)"', rb"\n\tr = '\1'", part)))
    yield case("data descriptors", repacked(many, target=Unseekable))
    yield case("data descriptors and no packing", repacked(many, target=Unseekable, packing=zipfile.ZIP_STORED))
    yield case("data descriptors and no sizes", without_sizes(repacked(many, target=Unseekable)))
    yield case("errors and no sizes", without_sizes(repacked(errors, target=Unseekable)))
    yield case("value too long", repacked(_workbook([["id", "text"], ["1", "LONG"]]), lambda _, part: part.replace(b"LONG", LONG.encode())))
    whole = _workbook(plain)
    for share in (0.2, 0.5, 0.9):
        yield case(f"cut off at {share}", whole[: int(len(whole) * share)])
    stored = bytearray(repacked(whole, packing=zipfile.ZIP_STORED))
    stored[stored.index(b"Anna")] ^= 1
    yield case("a damaged part", bytes(stored))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("word/document.xml", "x")
    yield case("a Word document", zipped.getvalue())


def _json_lines() -> Iterator[Case]:
    def case(name: str, *lines: str) -> Case:
        return Case(name=f"jsonl {name}", suffix=".jsonl", data="\n".join(lines).encode())

    yield case("texts and numbers", '{"id": "007", "n": 12345678901234567890, "x": 1.50, "none": null, "yes": true}',
               "", '{"n": -1, "id": "é\\n", "x": 1e5, "none": "", "yes": false}')  # fmt: skip
    yield case("cut off", '{"id": "a"}', '{"id": "b"')
    yield case("a list", '["a"]')
    yield case("a number", "5")
    yield case("another key", '{"id": "a"}', '{"other": "b"}')
    yield case("a key more", '{"id": "a"}', '{"id": "b", "c": ""}')
    yield case("an object inside", '{"id": "1", "place": {"a": 1, "b": [1.5, null, "x"]}}', '{"id": "2", "place": null}')
    yield case("a list inside", '{"id": "1", "tags": ["a", "ä"]}', '{"id": "2", "tags": "none"}')
    yield case("a key twice", '{"id": "a", "id": "b"}')
    yield case("no names", '{"": "a"}')
    yield case("a value without a name", '{"id": "a", "": "b"}')
    yield case("nested without end", "{" + '"a":[' * 100_000)
    yield case("value too long", json.dumps({"id": "a" * 200_000}))
    yield case("line too long", json.dumps({"id": "a" * 2_000_000}))
    yield case("blank", " ")
    yield case("half a letter", '{"id": "\\ud800"}')
    yield Case(name="jsonl not UTF-8", suffix=".jsonl", data=b'{"id": "\xff"}\n')
    yield case("many", *(json.dumps({"id": f"{number:05}", "name": NAMES[number % len(NAMES)]}) for number in range(2_000)))


def _packed() -> Iterator[Case]:
    text = "id;name\n0017;Zoë\n0018;\n".encode()
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    }
    for ending, pack in packers.items():
        yield Case(name=f"packed csv.{ending}", suffix=f".csv.{ending}", data=pack(text), separator=";")
        yield Case(name=f"packed {ending} alone", suffix=f".{ending}", data=pack(text), separator=";")
        yield Case(name=f"packed {ending} cut off", suffix=f".csv.{ending}", data=pack(text * 50)[:-12], separator=";")
        yield Case(name=f"packed {ending} and ragged", suffix=f".csv.{ending}", data=pack(text + b"7\n"), separator=";")
    yield Case(name="packed parquet.gz", suffix=".parquet.gz", data=gzip.compress(_parquet_bytes({"id": ["1"], "name": ["a"]})))
    yield Case(name="packed jsonl.gz", suffix=".jsonl.gz", data=gzip.compress(b'{"id": "1"}\n'))
    yield Case(name="packed csv.gz of nothing", suffix=".csv.gz", data=gzip.compress(b""), separator=";")


def _titled() -> Iterator[Case]:
    """A title above the header, as exports have it."""
    table = [["pass_id", "name", "code"], ["p1", "Anna", "C1"], ["p2", "Bo", "C2"]]
    text = "\n".join(map(",".join, table)) + "\n"
    for title, header in (
        ("Spring promo\n", 2),
        ("Spring promo,,\n", 2),
        ("Spring promo\n\n", 3),
        ('"Promo, ""spring"""\nas of today\n', 3),
    ):
        name = f"csv title {header} {len(title)}"
        # Two lines of a title look like a list of one column, of which the next step says that it holds no pass.
        yield Case(name=name, suffix=".csv", data=(title + text).encode(), separator="" if "as of" in title else ",")
        yield Case(name=f"{name}, asked for", suffix=".csv", data=(title + text).encode(), header=header)
    book = _workbook([["Spring promo"], [], *table])
    yield Case(name="xlsx title", suffix=".xlsx", data=book)
    yield Case(name="xlsx title, asked for", suffix=".xlsx", data=book, header=3)
    yield Case(name="xlsx header asked for below the list", suffix=".xlsx", data=book, header=9)
    yield Case(name="csv header asked for below the list", suffix=".csv", data=text.encode(), header=9)
    yield Case(name="parquet header asked for", suffix=".parquet", data=_parquet_bytes({"id": ["1"]}), header=2)
