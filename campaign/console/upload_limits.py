"""Limits of uploads: how many at once, how much of the disk, and how long between two chunks."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import BodyPartReader, web
from aiohttp.multipart import MultipartReader

from campaign.console.auth.csrf import MALFORMED
from campaign.domain.errors import CampaignError, DiskFullError

T = TypeVar("T")

CHUNK_BYTES: Final = 1 << 18
STILL_SECONDS: Final = 60.0
"""How long to wait for the next chunk of an upload."""

AT_ONCE: Final = 16
AT_ONCE_OF_A_PERSON: Final = 4
LEFT_FREE_BYTES: Final = 256 << 20
"""No upload takes this part of the disk: the ledger grows there, and a campaign that can't write must stop."""

LOOK_EVERY_BYTES: Final = 16 << 20


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


UPLOAD_LIMITS: Final = web.AppKey("intake", UploadLimits)


async def form_parts(request: web.Request) -> MultipartReader:
    """The parts of a form with files. Raises HTTPBadRequest if the request is not such a form."""
    try:
        return await request.multipart()
    except (ValueError, AssertionError, KeyError):
        raise web.HTTPBadRequest from None


async def in_time(reading: Awaitable[T]) -> T:
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
    except MALFORMED as error:
        raise web.HTTPBadRequest from error


async def next_piece(part: BodyPartReader) -> bytes:
    """The next chunk of an upload; empty at its end. Raises as `in_time` does."""
    return bytes(await in_time(part.read_chunk(CHUNK_BYTES)))


def check_space(folder: Path, more_bytes: int) -> None:
    """Check that a folder's disk has room for this many more bytes. Blocks.

    Raises:
        DiskFullError: less than LEFT_FREE_BYTES would stay free.
    """
    if shutil.disk_usage(folder).free - more_bytes < LEFT_FREE_BYTES:
        raise DiskFullError("The disk is full. Nothing of this file was kept. Ask the person who runs this console.")
