"""A mended failed-rows file: taken in as it comes, looked through, and, once somebody agrees, given to `campaign retry`."""

import asyncio
import hashlib
import os
import re
import secrets
import time
from pathlib import Path, PurePosixPath
from typing import Final

from aiohttp import BodyPartReader, web
from aiohttp.multipart import MultipartReader

from campaign.console.access import Person, Role, allow
from campaign.console.campaigns.mended_plan import Plan, plan_of
from campaign.console.campaigns.rights import Asked, check_size, own
from campaign.console.campaigns.steering import start
from campaign.console.campaigns.watching import watching_of
from campaign.console.console import Console, console_of
from campaign.console.door import csrf
from campaign.console.door.guard import check_still
from campaign.console.intake import INTAKE, LOOK_EVERY_BYTES, check_space, form_parts, in_time, next_piece
from campaign.console.launch import Errand
from campaign.domain.errors import CampaignError, UsageError
from campaign.domain.model import Status
from campaign.reporter.target import Format

KEPT_SECONDS: Final = 86_400.0
MOST_OF_A_PERSON: Final = 20
"""Files that somebody has uploaded, and not yet a day ago."""

MOST_MESSAGE_BYTES: Final = 20_000
_NAME: Final = re.compile(r"[0-9a-f]{32}\.(csv|parquet|jsonl|xlsx)")


@allow(Role.SENDER, streamed=True)
async def upload(request: web.Request) -> web.StreamResponse:
    console = console_of(request)
    if request.content_type != "multipart/form-data":
        csrf.check(request, await csrf.sent(request))
        raise web.HTTPBadRequest
    body = await form_parts(request)
    # The form has it first: nothing else of what comes is looked at before.
    csrf.check(request, await _field(body, "csrf"))
    asked = await own(request)
    _check(request, asked)
    message = _lines(await _field(body, "message"))
    with request.app[INTAKE].turn(asked.person.name):
        file = await _taken(console, await _part(body, "file"), asked.person)
    try:
        await check_still(request)
        plan = await _plan(request, asked, file, message)
        _check_any(console, plan)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    others = asked.shown.view.counts.open
    return console.pages.respond(
        "campaigns/mended_sure.html", request, shown=asked.shown, plan=plan, file=file.name, message=message, others=others
    )


@allow(Role.SENDER)
async def send(request: web.Request) -> web.StreamResponse:
    console, asked = console_of(request), await own(request)
    _check(request, asked)
    form = await request.post()
    name, message = str(form.get("file", "")), _lines(str(form.get("message", "")))
    file = _folder(console) / name
    if not _NAME.fullmatch(name) or not name.startswith(_mark(asked.person)) or not file.is_file():
        raise UsageError(console.pages.text("campaigns.mended.gone"), code="upload_gone")
    # Again: what the file is of decides which campaign the command sends.
    plan = await _plan(request, asked, file, message)
    # With other passes and another text it is not what anybody agreed to: all whom the campaign tells are counted, not this file's alone.
    check_size(request, asked, plan.sent + _told(asked))
    options = ("--yes", *((f"--message={message}",) if message else ()))
    errand = Errand(verb="retry", arguments=(str(file),), options=options)
    return await start(request, asked, errand, deed="campaigns.deed.mended", details=f"{plan.sent:,}")


async def _plan(request: web.Request, asked: Asked, file: Path, message: str) -> Plan:
    return await plan_of(watching_of(request).mending, console_of(request), campaign=asked.name, file=file, message=message)


async def _taken(console: Console, part: BodyPartReader, person: Person) -> Path:
    """The file, under a name of ours, by which it is this person's.

    Raises:
        UsageError: there is none, it is of no kind that can be read, or they have too many.
        DiskFullError: there is no room for it.
        HTTPRequestEntityTooLarge: it is larger than the console takes.
    """
    suffix = PurePosixPath(part.filename or "").suffix.lower()
    if suffix not in set(Format):
        raise UsageError(console.pages.text("campaigns.mended.kind"), code="wrong_kind_of_file")
    folder = _folder(console)
    await asyncio.to_thread(_tidy, folder)
    mark = _mark(person)
    if sum(1 for _ in folder.glob(f"{mark}*")) >= MOST_OF_A_PERSON:
        raise UsageError(console.pages.text("campaigns.mended.too_many", most=MOST_OF_A_PERSON), code="too_many_files")
    file = folder / f"{mark}{secrets.token_hex(8)}{suffix}"
    most = console.rules.most_upload_bytes
    try:
        with await asyncio.to_thread(os.fdopen, os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            size, looked_at = 0, 0
            while chunk := await next_piece(part):
                size += len(chunk)
                _check_size(size, most)
                if size >= looked_at:
                    await asyncio.to_thread(check_space, folder, LOOK_EVERY_BYTES)
                    looked_at = size + LOOK_EVERY_BYTES
                await asyncio.to_thread(out.write, chunk)
    except BaseException as error:
        file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CampaignError(
                f"The file could not be kept: {os.strerror(error.errno or 0)}. Nothing was sent.", code="not_kept"
            ) from error
        raise
    return file


def _mark(person: Person) -> str:
    """What the names of this person's files begin with."""
    return hashlib.sha256(person.name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _told(asked: Asked) -> int:
    """Whom the campaign has told, may have told, or will."""
    nobody = {Status.INVALID, Status.SKIPPED, Status.FAILED}
    return sum(count for status, count in asked.shown.view.counts.by_status.items() if status not in nobody)


def _lines(text: str) -> str:
    """What a browser made of the text's line ends, undone."""
    return text.replace("\r\n", "\n").strip()


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=size)


async def _field(body: MultipartReader, name: str) -> str:
    part = await _part(body, name)
    text = bytearray()
    while chunk := await next_piece(part):
        text += chunk
        _check_size(len(text), MOST_MESSAGE_BYTES)
    return text.decode("utf-8", "replace")


async def _part(body: MultipartReader, name: str) -> BodyPartReader:
    part = await in_time(body.next())
    if not isinstance(part, BodyPartReader) or part.name != name:
        raise web.HTTPBadRequest
    return part


def _check_any(console: Console, plan: Plan) -> None:
    if not plan.sent and not plan.waiting:
        raise UsageError(f"{console.pages.text('campaigns.mended.nothing')} {plan.words}".strip(), code="nothing_to_retry")


def _folder(console: Console) -> Path:
    return console.folder / "mended"


def _tidy(folder: Path) -> None:
    """Make it, and remove files that nobody can be about to use any more."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_SECONDS:
            old.unlink(missing_ok=True)


def _check(request: web.Request, asked: Asked) -> None:
    if not asked.shown.may_rerun:
        raise UsageError(console_of(request).pages.text("campaigns.one.not_now"), code="not_now")


def routes() -> list[web.RouteDef]:
    """The upload of a mended file."""
    return [web.post("/campaigns/{name}/mended", upload), web.post("/campaigns/{name}/mended/send", send)]
