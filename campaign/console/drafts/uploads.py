"""Files that people give, streamed to the disk as they come: under names of ours, and gone again if anything breaks off."""

import asyncio
import errno
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from aiohttp import BodyPartReader, web
from aiohttp.multipart import MultipartReader

from campaign.console.auth import csrf
from campaign.console.drafts.draft import Upload
from campaign.console.upload_limits import LOOK_EVERY_BYTES, check_space, form_parts, in_time, next_piece
from campaign.domain.errors import DiskFullError, InputError
from campaign.loader.file_format import suffix_of

FIELD_BYTES: Final = 10_000
NAME_CHARACTERS: Final = 200
MOST_PARTS: Final = 64

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class TooLargeError(Exception):
    """More bytes came than this console takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file that came in whole. `part` is where it is, `suffix` what it is taken for, `name` what a person calls it."""

    part: Path
    suffix: str
    name: str
    size_bytes: int
    sha256: str

    def placed(self, stem: str) -> Upload:
        """Give it its name in the draft's folder, in place of a file that had it."""
        file = f"{stem}{self.suffix}"
        place = self.part.parent / file
        place.parent.mkdir(mode=0o700, exist_ok=True)
        self.part.replace(place)
        return Upload(file=file, name=self.name, size_bytes=self.size_bytes, sha256=self.sha256)

    def discard(self) -> None:
        """Take it away, if it was not placed."""
        self.part.unlink(missing_ok=True)


def check_early(request: web.Request) -> bool:
    """Whether the form is known to be ours before any of it is read; 403 if it can't be, whatever it holds."""
    token = request.headers.get(csrf.HEADER)
    if token is None and request.content_type == "multipart/form-data":
        return False
    csrf.check(request, token or "")
    return True


async def files_of(request: web.Request, fields: dict[str, str] | None = None) -> AsyncIterator[BodyPartReader]:
    """The files of a form, one after the other, as they come; nothing is read of them before the form is known to be ours.

    Texts that come before a file are put into `fields`, where that is given.

    Raises:
        HTTPForbidden: the form's token is not before the files, or is another.
        HTTPBadRequest: this is no form with files.
    """
    checked = check_early(request)
    reader = await form_parts(request)
    for _ in range(MOST_PARTS):
        part = await _next(reader)
        if part is None:
            break
        if part.name == csrf.FIELD and not checked:
            csrf.check(request, await _text(part))
            checked = True
        elif part.filename:
            if not checked:
                csrf.check(request, "")
            yield part
        elif fields is not None and checked and part.name and part.filename is None:
            fields.setdefault(part.name, await _text(part))
    if not checked:
        csrf.check(request, "")


async def _next(reader: MultipartReader) -> BodyPartReader | None:
    part = await in_time(reader.next())
    if part is not None and not isinstance(part, BodyPartReader):
        raise web.HTTPBadRequest
    return part


async def _text(part: BodyPartReader) -> str:
    content = bytearray()
    while chunk := await next_piece(part):
        content += chunk
        if len(content) > FIELD_BYTES:
            raise web.HTTPRequestEntityTooLarge(FIELD_BYTES)
    return content.decode("utf-8", "replace")


async def receive(part: BodyPartReader, folder: Path, *, most_bytes: int) -> Received:
    """Put a file that comes in into a folder, under a name that is only for now.

    Raises:
        TooLargeError: it has more than `most_bytes`.
        DiskFullError: it does not fit on the disk.
        InputError: it is empty, or not a list by its name.
        OSError, asyncio.CancelledError: the connection broke.
    """
    path, name = folder / f".part-{secrets.token_hex(8)}", called(part.filename)
    try:
        file = await asyncio.to_thread(_begun, path)
        try:
            size_bytes, sha256, head = await _copied(part, file, folder, most_bytes, name)
            await asyncio.to_thread(_sealed, file)
        finally:
            file.close()
        suffix = suffix_of(name, head)
        # The loader goes by the ending, also of a file that has no place yet.
        whole = path.rename(path.with_name(f"{path.name}{suffix}"))
        return Received(part=whole, suffix=suffix, name=name, size_bytes=size_bytes, sha256=sha256)
    except OSError as error:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        if error.errno in _FULL:
            raise DiskFullError("The disk is full. Nothing of this list was kept. Ask the person who runs this console.") from error
        raise
    except BaseException:
        # Cancelled too, when the browser has gone.
        path.unlink(missing_ok=True)
        raise


def called(name: str | None) -> str:
    """What a person calls a file: the last part of a path, without what nobody can see. It is only ever shown."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    shown = "".join(character for character in last if character.isprintable()).strip()
    if len(shown) > NAME_CHARACTERS:
        shown = f"{shown[: NAME_CHARACTERS - 12]}…{shown[-10:]}"
    return shown if shown not in {"", ".", ".."} else "list"


async def _copied(part: BodyPartReader, file: BinaryIO, folder: Path, most_bytes: int, name: str) -> tuple[int, str, bytes]:
    digest = hashlib.sha256()
    size_bytes, looked_at, head = 0, 0, b""
    while chunk := await next_piece(part):
        size_bytes += len(chunk)
        if size_bytes > most_bytes:
            raise TooLargeError
        if size_bytes >= looked_at:
            await asyncio.to_thread(check_space, folder, LOOK_EVERY_BYTES)
            looked_at = size_bytes + LOOK_EVERY_BYTES
        head = head or bytes(chunk[:8])
        await asyncio.to_thread(_written, file, digest, chunk)
    if not size_bytes:
        raise InputError("The file is empty. Save the list again.", file=name, code="empty_file")
    return size_bytes, digest.hexdigest(), head


def _begun(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def _written(file: BinaryIO, digest: "hashlib._Hash", chunk: bytes) -> None:
    digest.update(chunk)
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _sealed(file: BinaryIO) -> None:
    os.fsync(file.fileno())
