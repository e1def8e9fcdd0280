"""A disk under SQLite that keeps what was synced, and of all else loses what it likes when the power goes. It can be full, too."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

SECTOR_BYTES: Final = 512
VFS_NAME: Final = "simulated"


@dataclass(frozen=True, slots=True)
class _Write:
    offset: int
    old: bytes
    new: bytes


@dataclass
class _Contents:
    """What was written to a file since it was last synced, and how long it was then."""

    length: int = 0
    writes: list[_Write] = field(default_factory=list)
    dirty: bool = False


class Disk(apsw.VFS):
    """Files of a real file system, that remember what they would lose."""

    def __init__(self) -> None:
        super().__init__(VFS_NAME, base="unix")
        self.full = False
        self.contents: dict[str, _Contents] = {}

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        return _File(self, name, flags)

    def clear(self) -> None:
        self.full = False
        self.contents.clear()

    def lose_power(self, luck: random.Random) -> None:
        """Nothing has the files open: what was not synced is there, or is not, sector by sector."""
        for name, contents in self.contents.items():
            path = Path(name)
            if not contents.dirty or not path.exists():
                continue
            with path.open("r+b") as file:
                for write in reversed(contents.writes):
                    file.seek(write.offset)
                    file.write(write.old)
                file.truncate(contents.length)
                for write in contents.writes:
                    for start in range(0, len(write.new), SECTOR_BYTES):
                        if luck.random() < 0.5:
                            file.seek(write.offset + start)
                            file.write(write.new[start : start + SECTOR_BYTES])
        self.contents.clear()


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name

    def _contents(self) -> _Contents | None:
        if not self._name:
            return None
        contents = self._disk.contents.setdefault(self._name, _Contents())
        if not contents.dirty:
            contents.dirty = True
            contents.length = self.xFileSize()
            contents.writes.clear()
        return contents

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        # What SQLite brings over from its log while it closes a file it may leave there, and says nothing of it; apsw would raise it.
        if self._disk.full and self._name and self._name.endswith("-wal"):
            raise apsw.FullError("the disk is full")
        if (contents := self._contents()) is not None:
            there = max(0, min(len(data), self.xFileSize() - offset))
            old = super().xRead(there, offset) if there else b""
            contents.writes.append(_Write(offset, old, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if (contents := self._contents()) is not None:
            size = self.xFileSize()
            if newsize < size:
                contents.writes.append(_Write(newsize, super().xRead(size - newsize, newsize), b""))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        del flags
        # Nothing is synced for real: the files are in memory.
        if self._name and (contents := self._disk.contents.get(self._name)) is not None:
            contents.dirty = False
            contents.writes.clear()
