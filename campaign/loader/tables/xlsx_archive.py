"""The zip archive that a workbook is: what is in it, and how much it really unpacks to.

The sizes in the archive's directory may be untrue, and what reads the workbook trusts them; so everything is unpacked once here, a
block at a time, and counted.
"""

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final
from xml.etree import ElementTree as ET

from campaign.domain.errors import InputError
from campaign.loader.tables.source import Source

WORKBOOK: Final = "xl/workbook.xml"
SHARED_STRINGS: Final = "xl/sharedStrings.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_PARTS: Final = 10_000
_SMALL_PART_BYTES: Final = 16 << 20
_BLOCK_BYTES: Final = 1 << 18
_ENCRYPTED: Final = 0x1
_LOCAL_HEADER: Final = struct.Struct("<26xHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPart:
    """A worksheet: `name` on its tab, `part` in the archive."""

    name: str
    part: str
    visible: bool


class Archive:
    """An open workbook. Every method raises InputError if the file is damaged, protected or not what it says."""

    def __init__(self, source: Source, file: BinaryIO, *, unpacked_bytes: int) -> None:
        self._source = source
        self._file = file
        try:
            found = zipfile.ZipFile(file).infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise self.damaged() from None
        self._parts = {part.filename: part for part in found}
        if len(found) > _PARTS or len(self._parts) != len(found) or WORKBOOK not in self._parts:
            raise self.damaged()
        if any(part.flag_bits & _ENCRYPTED for part in found):
            raise InputError("The workbook is protected by a password. Save it without one.", file=source.name)
        if sum(part.file_size for part in found) > unpacked_bytes:
            problem = f"The workbook unpacks to more than {unpacked_bytes:,} bytes. Save the list as CSV UTF-8 instead."
            raise InputError(problem, file=source.name)

    @property
    def part_names(self) -> tuple[str, ...]:
        return tuple(self._parts)

    def sheets(self) -> list[SheetPart]:
        """The worksheets, in the order of their tabs."""
        targets = {
            element.get("Id", ""): posixpath.normpath(posixpath.join("/xl", element.get("Target", ""))).lstrip("/")
            for element in self._elements(_RELATIONS, "Relationship")
            if element.get("Type", "").endswith("/worksheet")
        }
        found = []
        for element in self._elements(WORKBOOK, "sheet"):
            reference = next((value for name, value in element.items() if name.rpartition("}")[2] == "id"), "")
            if part := targets.get(reference):
                found.append(SheetPart(name=element.get("name", ""), part=part, visible=element.get("state", "visible") == "visible"))
        if len({sheet.name for sheet in found}) != len(found) or any(sheet.part not in self._parts for sheet in found):
            raise self.damaged()
        return found

    def blocks(self, name: str) -> Iterator[bytes]:
        """A part's content, unpacked; it has to be exactly as long as the directory says, and to have the same checksum."""
        part = self._parts[name]
        left = part.file_size
        checksum = 0
        for block in self._unpacked(part):
            left -= len(block)
            checksum = zlib.crc32(block, checksum)
            if left < 0:
                raise InputError("The workbook unpacks to more than it says. Save it again in Excel.", file=self._source.name)
            yield block
        if left or checksum != part.CRC:
            raise self.damaged()

    def damaged(self) -> InputError:
        return InputError("The Excel workbook is damaged or cut off. Open it in Excel and save it again.", file=self._source.name)

    def _unpacked(self, part: zipfile.ZipInfo) -> Iterator[bytes]:
        packed = self._packed(part)
        match part.compress_type:
            case zipfile.ZIP_STORED:
                yield from packed
            case zipfile.ZIP_DEFLATED:
                inflate = zlib.decompressobj(-zlib.MAX_WBITS)
                try:
                    for block in packed:
                        yield inflate.decompress(block, _BLOCK_BYTES)
                        while inflate.unconsumed_tail:
                            yield inflate.decompress(inflate.unconsumed_tail, _BLOCK_BYTES)
                    yield inflate.flush()
                except zlib.error:
                    raise self.damaged() from None
            case _:
                raise InputError("The workbook is packed in an unusual way. Open it in Excel and save it again.", file=self._source.name)

    def _packed(self, part: zipfile.ZipInfo) -> Iterator[bytes]:
        header = self._read_at(part.header_offset, _LOCAL_HEADER.size)
        if not header.startswith(b"PK\x03\x04"):
            raise self.damaged()
        name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
        position = part.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
        left = part.compress_size
        while left > 0:
            block = self._read_at(position, min(left, _BLOCK_BYTES))
            position += len(block)
            left -= len(block)
            yield block

    def _read_at(self, position: int, size: int) -> bytes:
        try:
            self._file.seek(position)
            data = self._file.read(size)
        except (OSError, ValueError, OverflowError):
            raise self.damaged() from None
        if len(data) < size:
            raise self.damaged()
        return data

    def _elements(self, name: str, tag: str) -> list[ET.Element]:
        part = self._parts.get(name)
        if part is None or part.file_size > _SMALL_PART_BYTES:
            raise self.damaged()
        data = b"".join(self.blocks(name))
        if b"<!DOCTYPE" in data:
            raise self.damaged()
        try:
            root = ET.fromstring(data)  # noqa: S314 - without a DTD there are no entities to expand
        except (ET.ParseError, ValueError, LookupError):
            raise self.damaged() from None
        return [element for element in root.iter() if element.tag.rpartition("}")[2] == tag]
