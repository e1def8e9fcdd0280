"""The formats of lists; detects a list's format by its name and its first bytes, and says what to do with a file that can't be read."""

import codecs
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from campaign.domain.errors import InputError
from campaign.loader.source import PACKED_SUFFIXES, Source, inner_suffix

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is known of a list before its rows are read.

    `description` is for people. `guessed`: the encoding is a guess. `left_out` are the columns that can't be text. `header_guess` is the
    line that the header seems to be in, if it differs from the first.
    """

    columns: tuple[str, ...]
    description: str
    guessed: bool = False
    left_out: tuple[str, ...] = ()
    header_guess: int | None = None


List = tuple[Head, "Iterator[pa.RecordBatch]"]
"""A list's head and its rows; each batch has the head's columns, then each row's line in the file."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Format:
    """A list's format: all that other modules know of it.

    Attributes:
        module: its module in this folder, with the function `read_...` of the same name.
        suffixes: its file name extensions, the usual one first.
        kinds: what its files are called, each with the extension that such a file should have.
        magic: the first bytes of its files, each with the kind. For text and zip archives see `_json_kind` and `_PARTS`.
        unpacks: its files are packed, so a limited process reads those that others wrote.
        has_lines: its rows have a line in a sheet or an editor.
        is_spreadsheet: spreadsheets open it; the cells of such a results file carry the marks that escape formulas.
    """

    module: str
    suffixes: tuple[str, ...]
    kinds: Mapping[str, str]
    magic: Mapping[bytes, str] = field(default_factory=dict)
    unpacks: bool = False
    has_lines: bool = True
    is_spreadsheet: bool = False

    def read(self, path: Path, header_row: int | None) -> List:
        """Read a file, whose header is in line `header_row` if a person named it. Raises InputError without the list's name."""
        reader: Callable[[Path, int | None], List] = getattr(import_module(f"{__package__}.{self.module}"), f"read_{self.module}")
        return reader(path, header_row)


DOCUMENT: Final = "a JSON document"
LINES: Final = "a file of JSON lines"
_EXCEL: Final = "an Excel workbook"
_OLD_EXCEL: Final = "an Excel file of the old kind (.xls), or one that is protected by a password"
_OPEN_DOCUMENT: Final = "a LibreOffice spreadsheet"
_PARQUET: Final = "a Parquet file"
_PACKED: Final = "a packed file"

CSV: Final = Format(module="csv", suffixes=(".csv", ".tsv", ".tab", ".txt"), kinds={"": ".csv"}, is_spreadsheet=True)
PARQUET: Final = Format(
    module="parquet",
    suffixes=(".parquet", ".pq"),
    kinds={_PARQUET: ".parquet"},
    magic={b"PAR1": _PARQUET},
    unpacks=True,
    has_lines=False,
)
EXCEL: Final = Format(
    module="excel",
    suffixes=(".xlsx", ".xlsm", ".xlsb", ".xls", ".xltx", ".xltm", ".xlt", ".ods"),
    kinds={_EXCEL: ".xlsx", _OLD_EXCEL: ".xls", _OPEN_DOCUMENT: ".ods"},
    magic={b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _OLD_EXCEL},
    unpacks=True,
    is_spreadsheet=True,
)
JSONL: Final = Format(module="jsonl", suffixes=(".jsonl", ".ndjson"), kinds={LINES: ".jsonl"})
FORMATS: Final = {found.module: found for found in (CSV, PARQUET, EXCEL, JSONL)}

_READ_AS: Final = {kind: (found, suffix) for found in FORMATS.values() for kind, suffix in found.kinds.items()}
_BY_SUFFIX: Final = {suffix: found for found in FORMATS.values() for suffix in found.suffixes}
UNPACKED_SUFFIXES: Final = tuple(_BY_SUFFIX)
LIST_SUFFIXES: Final = (*UNPACKED_SUFFIXES, *PACKED_SUFFIXES)
"""The file name extensions that a list can have."""

_SAVE_AS: Final = "Save the list as .csv (CSV UTF-8), .xlsx or .parquet."
_ADVICE: Final = {
    ".fods": "LibreOffice files of this kind aren't read. Open it in LibreOffice and save it as .ods or .xlsx.",
    ".numbers": "Numbers files aren't read. Open it in Numbers and choose File, Export To, CSV.",
    **dict.fromkeys((".xml", ".html", ".htm"), f"XML and web pages aren't read. {_SAVE_AS}"),
    **dict.fromkeys((".xz", ".zip", ".7z", ".rar"), "Packed files of this kind aren't read. Unpack it first, or pack it as .gz."),
    **dict.fromkeys((".feather", ".arrow", ".orc", ".avro"), "Files of this kind aren't read. Save the list as .parquet or .csv."),
    **dict.fromkeys((".pdf", ".doc", ".docx", ".odt", ".rtf", ".md"), f"This is a document, not a list. {_SAVE_AS}"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), f"This is a database, not a list. {_SAVE_AS}"),
    ".toml": "This is a job file, not a list. Give it to “campaign run” as it is.",
}
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_MAGIC: Final = {
    **{magic: kind for found in FORMATS.values() for magic, kind in found.magic.items()},
    b"PARE": "an encrypted Parquet file",
    b"%PDF-": "a PDF document",
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"), _PACKED),
    **dict.fromkeys((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8"), "a picture"),
    b"SQLite format 3\x00": "a database",
    b"ARROW1": "an Arrow file",
    b"Obj\x01": "an Avro file",
    b"{\\rtf": "a text document (RTF)",
    b"\x7fELF": "a program",
    b"\x00\x00\x00\x01Bud1": "a folder's settings (.DS_Store)",
}
_MARKUP: Final = {b"<!doctype html": "a web page", b"<html": "a web page", b"<?xml": "an XML document"}
_PARTS: Final = {
    **dict.fromkeys(("xl/workbook.xml", "xl/workbook.bin", "workbook.xml"), _EXCEL),
    **dict.fromkeys(("Index/Document.iwa", "Index.zip"), "an Apple Numbers document"),
    "word/document.xml": "a Word document",
    "content.xml": "a LibreOffice document",
}
_ODS_TYPE: Final = b"application/vnd.oasis.opendocument.spreadsheet"
_HEAD_BYTES: Final = 1 << 20
_JSON_BEGINS: Final = re.compile(r'\s*(?:\{\s*["}]|\[\s*(?:[{\["\]]|(?:true|false|null|-?\d[\d.eE+-]*)\s*(?:,|\]\s*$)))')
"""Matches the start of JSON, but not a CSV header in brackets such as `[id],[name]`."""


def detect(source: Source) -> Format:
    """The format of a list. Raises InputError if it has none of the formats, or not the one that its name says."""
    if advice := _ADVICE.get(source.suffix):
        raise InputError(advice, code="wrong_kind_of_file")
    named = CSV if source.is_stdin else _BY_SUFFIX.get(source.suffix)
    content = _content_of(source)
    found, suffix = _READ_AS.get(content, (None, ""))
    if named is JSONL and (found is CSV or content == DOCUMENT):
        # The reader of JSON lines reports which line is wrong.
        return JSONL
    if found is not None and named in {None, found}:
        return found
    raise InputError(_mismatch(source, content, suffix), code="wrong_kind_of_file", content=content)


def suffix_of(name: str, head: bytes) -> str:
    """The extension for a file with this name and these first bytes, in lower case and with its dot."""
    own = inner_suffix(name).lower()
    known = _BY_SUFFIX.get(own)
    if known is EXCEL or own in _ADVICE:
        return own
    found = EXCEL if head.startswith(_ZIP) else _READ_AS.get(_by_magic(head), (CSV,))[0]
    return (known or found).suffixes[0]


def _by_magic(head: bytes) -> str:
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def _content_of(source: Source) -> str:
    """The kind of a file by its first bytes, such as “a PDF document”; empty for text."""
    with source.path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_ZIP):
        return _archive(source)
    start = head.removeprefix(codecs.BOM_UTF8)[:512].lstrip().lower()
    return _by_magic(head) or next((kind for sign, kind in _MARKUP.items() if start.startswith(sign)), "") or _json_kind(head)


def _json_kind(head: bytes) -> str:
    utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if utf_16 else "utf-8-sig", "replace")
    if not _JSON_BEGINS.match(text):
        return ""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        first = json.loads(lines[0])
    except (ValueError, RecursionError):
        return DOCUMENT
    if not isinstance(first, dict):
        return DOCUMENT
    flat = not any(isinstance(value, dict | list) for value in first.values())
    return LINES if flat or (lines[1:2] and lines[1].lstrip().startswith("{")) else DOCUMENT


def _archive(source: Source) -> str:
    try:
        with zipfile.ZipFile(source.path) as archive:
            # Some programs write backslashes.
            names = {name.replace("\\", "/") for name in archive.namelist()}
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200 and archive.read("mimetype").startswith(_ODS_TYPE):
                return _OPEN_DOCUMENT
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return _EXCEL if _BY_SUFFIX.get(source.suffix) is EXCEL else "a damaged zip archive"
    return next((kind for part, kind in _PARTS.items() if part in names), "a zip archive")


def _mismatch(source: Source, content: str, suffix: str) -> str:
    json_lines = f"Make JSON lines of it, one object a line: jq -c '.[]' LIST.json > LIST.jsonl. Or: s{_SAVE_AS[1:]}"
    if source.is_stdin:
        what = f"What came in is {content}; on stdin a list must be CSV."
        ending = " that ends in .jsonl" if content == LINES else ""
        return f"{what} {json_lines}" if content == DOCUMENT else f"{what} Save it to a file{ending} and name that."
    if content == DOCUMENT:
        return f"The file is {content}, not a list. {json_lines}"
    what = f"The file is named {source.suffix} but is {content or 'text or damaged'}." if source.suffix else f"The file is {content}."
    if not content:
        return f"{what} If it is a CSV list, rename it to end in .csv; else save it again."
    return f"{what} Rename it to end in {suffix}." if suffix else f"{what} {_SAVE_AS}"
