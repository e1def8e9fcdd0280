"""Downloads of results and failed rows, and the charts."""

import asyncio
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web

from campaign.app.lists.list_source import as_file_name
from campaign.console.access import Role, allow
from campaign.console.audit_log import record
from campaign.console.campaigns.context import RequestedCampaign, context_of, controlled_campaign, requested_campaign
from campaign.console.campaigns.exports import Wanted, Which
from campaign.console.console import console_of
from campaign.reporter.files.target import Format

CHUNK_BYTES: Final = 1 << 18
PATIENCE_SECONDS: Final = 60.0
CONTENT_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.JSONL: "application/x-ndjson; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@allow(Role.SENDER)
async def export(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    which, suffix = request.match_info["which"], f".{request.match_info['format']}"
    if which not in {Which.RESULTS, Which.FAILED} or suffix not in set(Format):
        raise web.HTTPNotFound
    wanted = Wanted(name=asked.name, which=Which(which), format=Format(suffix))
    return await _taken(request, asked, wanted, CONTENT_TYPES[Format(suffix)])


@allow(Role.SENDER)
async def page(request: web.Request) -> web.StreamResponse:
    """The report as a download: as a page of this server, its inline styles would break our Content-Security-Policy."""
    asked = await controlled_campaign(request)
    return await _taken(request, asked, Wanted(name=asked.name, which=Which.PAGE), "text/html; charset=utf-8")


@allow(Role.VIEWER)
async def chart(request: web.Request) -> web.StreamResponse:
    asked = await requested_campaign(request)
    drawn = await context_of(request).charts.of(asked.shown.view.record, resting=not asked.shown.at_work)
    headers = {"Cache-Control": "private, max-age=60"} if "v" in request.query else {}
    picture = drawn.pictures.get(request.match_info["chart"])
    if picture is None:
        raise web.HTTPNotFound
    return web.Response(body=picture, content_type="image/svg+xml", charset="utf-8", headers=headers)


async def _taken(request: web.Request, asked: RequestedCampaign, wanted: Wanted, content_type: str) -> web.StreamResponse:
    file_name = f"{as_file_name(asked.name)}.{wanted.which.value}{wanted.suffix}"
    async with context_of(request).exports.file(wanted) as file:
        console = console_of(request)
        await record(console.store, asked.person.name, console.pages.text("campaigns.action.download"), asked.name, file_name)
        headers = {"Content-Type": content_type, "Content-Disposition": attachment(file_name)}
        # Within the context, so that the file exists until its last byte is sent.
        return await _given(request, file, headers)


async def _given(request: web.Request, file: Path, headers: dict[str, str]) -> web.StreamResponse:
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        answer = web.StreamResponse(headers=headers)
        answer.content_length = os.fstat(opened.fileno()).st_size
        await answer.prepare(request)
        while request.method != "HEAD" and (chunk := await asyncio.to_thread(opened.read, CHUNK_BYTES)):
            # Otherwise a browser that reads nothing would keep the file, and its disk space, for ever.
            async with asyncio.timeout(PATIENCE_SECONDS):
                await answer.write(chunk)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    finally:
        opened.close()
    return answer


def attachment(name: str) -> str:
    """The header with a file's name by RFC 6266: in ASCII for all browsers, and in UTF-8 for those that read it."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() and letter not in '"\\%;' else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def routes() -> list[web.RouteDef]:
    return [
        web.get("/campaigns/{name}/{chart}.svg", chart),
        # Before the exports, whose pattern also matches it.
        web.get("/campaigns/{name}/report.html", page),
        web.get("/campaigns/{name}/{which}.{format}", export),
    ]
