"""Streams of frames to browsers, as server-sent events: each gets the newest frame that it has time for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from campaign.console.access import person_of
from campaign.console.campaigns.hub import Frame, Look
from campaign.console.campaigns.watching import watching_of

BEAT_SECONDS: Final = 10.0
"""A line without meaning goes out so often where nothing happens: proxies don't hang up, and who went away is noticed."""
CHECK_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 20.0
"""How long a browser that takes nothing is waited for."""

_BEAT: Final = b": nothing new\n\n"

Reads = Callable[[], Awaitable[bool | None]]
"""Whether whoever asked may read everything; None is that they may no longer read at all."""


def check_is_stream(request: web.Request, page: str) -> None:
    """That a script asks for a stream, and not a person for a page that never ends.

    Raises:
        HTTPSeeOther: to the page that has the stream.
    """
    if "text/event-stream" not in request.headers.get("Accept", ""):
        raise web.HTTPSeeOther(page)


async def stream(request: web.Request, key: str, look: Look, reads: Reads) -> web.StreamResponse:
    """The frames of a thing until its end, the browser's, or the log-in's; whoever asks says as what the page shows it.

    Raises:
        CampaignError: too much is watched.
    """
    hub, person = watching_of(request).hub, person_of(request).name
    hub.check_free(key, person)
    with hub.counted(person):
        return await _streamed(request, key, look, reads)


async def _streamed(request: web.Request, key: str, look: Look, reads: Reads) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    whole = await reads()
    await answer.prepare(request)
    clock = asyncio.get_running_loop().time
    checked = clock()
    stood = request.query.get("stands")
    async with watching_of(request).hub.watch(key, look) as place:
        while whole is not None:
            try:
                frame = await place.next(BEAT_SECONDS)
            except TimeoutError:
                over, event = False, _BEAT
            else:
                turned = frame is not None and stood not in {None, frame.stands}
                stood = stood if frame is None else frame.stands
                over, event = (True, b"") if frame is None else (frame.over, _event(frame, whole=whole, turned=turned))
            if not await _sent(request, answer, event) or over:
                break
            if clock() - checked > CHECK_SECONDS:
                whole, checked = await reads(), clock()
    return answer


def _event(frame: Frame, *, whole: bool, turned: bool) -> bytes:
    lines = (frame.whole if whole else frame.counts).splitlines()
    data = "".join(f"data: {line}\n" for line in lines)
    end = "event: ended\ndata: -\n\n" if frame.over else "event: turned\ndata: -\n\n" if turned else ""
    return f"{data}\n{end}".encode()


async def _sent(request: web.Request, answer: web.StreamResponse, event: bytes) -> bool:
    """Whether the browser still takes what it is sent."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await answer.write(event)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        return False
    except ConnectionError:
        return False
    return True
