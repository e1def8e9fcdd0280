"""Streams uploaded files to the disk, under names of ours, and removes them if the upload fails.

Limits are how many come at once, how much of the disk they take, and how long the next chunk is waited for.
"""

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeVar

from aiohttp import BodyPartReader, web
from aiohttp.multipart import MultipartReader

from campaign.console.auth import csrf
from campaign.console.drafts.draft import Upload
from campaign.domain.errors import CampaignError, DiskFullError, InputError
from campaign.loader.formats.file_format import suffix_of

T = TypeVar("T")

CHUNK_BYTES: Final = 1 << 18
STILL_SECONDS: Final = 60.0
"""How long to wait for the next chunk of an upload."""

AT_ONCE: Final = 16
AT_ONCE_OF_A_PERSON: Final = 4
LEFT_FREE_BYTES: Final = 256 << 20
"""No upload takes this part of the disk: the ledger grows there, and a campaign that can't write must stop."""

LOOK_EVERY_BYTES: Final = 16 << 20

FIELD_BYTES: Final = 20_000
NAME_CHARACTERS: Final = 200
MOST_PARTS: Final = 64

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class UploadLimits:
    """Counts the running uploads by person."""

    _under_way: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def turn(self, person: str) -> Iterator[None]:
        """Hold a slot for one upload of this person. Raises CampaignError if there is none left."""
        if self._under_way[person] >= AT_ONCE_OF_A_PERSON:
            raise CampaignError(
                f"{AT_ONCE_OF_A_PERSON} of your files are being uploaded already. Wait for one of them, then upload this one again.",
                code="too_many_uploads",
            )
        if self._under_way.total() >= AT_ONCE:
            raise CampaignError("Too many files are being uploaded. Try again in a minute.", code="too_many_uploads")
        self._under_way[person] += 1
        try:
            yield
        finally:
            self._under_way[person] -= 1
            self._under_way += Counter()


UPLOAD_LIMITS: Final = web.AppKey("upload_limits", UploadLimits)


class TooLargeError(Exception):
    """The file is larger than this console allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A completely received file. `part` is its path, `suffix` that of its recognized type, and `name` the uploader's name for it."""

    part: Path
    suffix: str
    name: str
    size_bytes: int
    sha256: str

    def placed(self, stem: str) -> Upload:
        """Move the file to its name in the draft's folder, and replace a file of that name."""
        file = f"{stem}{self.suffix}"
        place = self.part.parent / file
        place.parent.mkdir(mode=0o700, exist_ok=True)
        self.part.replace(place)
        return Upload(file=file, name=self.name, size_bytes=self.size_bytes, sha256=self.sha256)

    def discard(self) -> None:
        """Remove the file, if it was not placed."""
        self.part.unlink(missing_ok=True)


def check_early(request: web.Request) -> bool:
    """Whether the form is known to be ours before any of it is read.

    Raises:
        HTTPForbidden: it can't be ours, whatever it contains.
    """
    token = request.headers.get(csrf.HEADER)
    if token is None and request.content_type == "multipart/form-data":
        return False
    csrf.check(request, token or "")
    return True


async def files_of(request: web.Request, fields: dict[str, str] | None = None) -> AsyncIterator[BodyPartReader]:
    """The files of a form, one after the other, as they arrive. No file is read before the form is known to be ours.

    Texts of the form go into `fields`, if given, as they arrive.

    Raises:
        HTTPForbidden: the form's token does not come before the files, or is wrong.
        HTTPBadRequest: the request is not a form with files.
    """
    checked = check_early(request)
    try:
        reader = await request.multipart()
    except (ValueError, AssertionError, KeyError):
        raise web.HTTPBadRequest from None
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
    part = await _in_time(reader.next())
    if part is not None and not isinstance(part, BodyPartReader):
        raise web.HTTPBadRequest
    return part


async def _text(part: BodyPartReader) -> str:
    content = bytearray()
    while chunk := await _next_piece(part):
        content += chunk
        if len(content) > FIELD_BYTES:
            raise web.HTTPRequestEntityTooLarge(FIELD_BYTES)
    return content.decode("utf-8", "replace")


async def receive(part: BodyPartReader, folder: Path, *, most_bytes: int) -> Received:
    """Receive a file into a folder, under a temporary name.

    Raises:
        TooLargeError: the file has more than `most_bytes`.
        DiskFullError: the file does not fit on the disk.
        InputError: the file is empty, or not a list by its name.
        OSError, asyncio.CancelledError: the connection broke.
    """
    path, name = folder / f".part-{secrets.token_hex(8)}", called(part.filename)
    try:
        file = await asyncio.to_thread(_begun, path)
        try:
            size_bytes, sha256, head = await _copied(part, file, folder, most_bytes, name)
            await asyncio.to_thread(os.fsync, file.fileno())
        finally:
            file.close()
        suffix = suffix_of(name, head)
        # The loader goes by the suffix, also for a file that is not placed yet.
        whole = path.rename(path.with_name(f"{path.name}{suffix}"))
        return Received(part=whole, suffix=suffix, name=name, size_bytes=size_bytes, sha256=sha256)
    except OSError as error:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        if error.errno in _FULL:
            raise DiskFullError("The disk is full. Nothing of this list was kept. Ask the person who runs this console.") from error
        raise
    except BaseException:
        # Also when cancelled, because the browser has gone.
        path.unlink(missing_ok=True)
        raise


def called(name: str | None) -> str:
    """A file's name for people: the last part of its path, without unprintable characters. It is only shown."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    shown = "".join(character for character in last if character.isprintable()).strip()
    if len(shown) > NAME_CHARACTERS:
        shown = f"{shown[: NAME_CHARACTERS - 12]}…{shown[-10:]}"
    return shown if shown not in {"", ".", ".."} else "list"


async def _copied(part: BodyPartReader, file: BinaryIO, folder: Path, most_bytes: int, name: str) -> tuple[int, str, bytes]:
    digest = hashlib.sha256()
    size_bytes, looked_at, head = 0, 0, b""
    while chunk := await _next_piece(part):
        size_bytes += len(chunk)
        if size_bytes > most_bytes:
            raise TooLargeError
        if size_bytes >= looked_at:
            await asyncio.to_thread(_check_space, folder)
            looked_at = size_bytes + LOOK_EVERY_BYTES
        head = head or bytes(chunk[:8])
        await asyncio.to_thread(_written, file, digest, chunk)
    if not size_bytes:
        raise InputError("The file is empty. Save the list again.", file=name, code="empty_file")
    return size_bytes, digest.hexdigest(), head


async def _in_time(reading: Awaitable[T]) -> T:
    """The result of reading from an upload.

    Raises:
        HTTPRequestTimeout: nothing came in time.
        HTTPBadRequest: the body is not a form.
    """
    try:
        async with asyncio.timeout(STILL_SECONDS):
            return await reading
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except csrf.MALFORMED as error:
        raise web.HTTPBadRequest from error


async def _next_piece(part: BodyPartReader) -> bytes:
    """The next chunk of an upload; empty at its end. Raises as `_in_time` does."""
    return bytes(await _in_time(part.read_chunk(CHUNK_BYTES)))


def _check_space(folder: Path) -> None:
    """Check that LOOK_EVERY_BYTES more leave LEFT_FREE_BYTES on a folder's disk; raises DiskFullError if not. Blocks."""
    if shutil.disk_usage(folder).free - LOOK_EVERY_BYTES < LEFT_FREE_BYTES:
        raise DiskFullError("The disk is full. Nothing of this file was kept. Ask the person who runs this console.")


def _begun(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def _written(file: BinaryIO, digest: "hashlib._Hash", chunk: bytes) -> None:
    digest.update(chunk)
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
