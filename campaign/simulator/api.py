"""The API on the network: takes a request through arrival, reading, waiting, processing and answering, and notes how it ended."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from aiohttp import web

from campaign.simulator.messages import Objection
from campaign.simulator.plans import NO_STATUS, Act
from campaign.simulator.records import Ending
from campaign.simulator.reply import Reply, carry_out, elsewhere_reply, objection_reply, plan_for, portal_reply
from campaign.simulator.routes import Endpoint
from campaign.simulator.wire import Sent, perform
from campaign.simulator.world import Visit, World

_WHILE_SENDING: Final = {
    Act.ANSWER: Ending.ANSWERED,
    Act.ANSWER_SLOWLY: Ending.ANSWERED,
    Act.CLOSE: Ending.CUT,
    Act.RESET: Ending.CUT,
    Act.HANG: Ending.HUNG,
    Act.CUT_BODY: Ending.CUT,
    Act.HUGE: Ending.OPEN,
    Act.GZIP_BOMB: Ending.OPEN,
    Act.ENDLESS_HEADERS: Ending.CUT,
}
"""Written down before the first byte leaves, so that whoever has the answer finds it in the log."""


class Api:
    """Requests in, answers out.

    Args:
        world: what requests meet.
        stopping: set when the simulator ends, so that what hangs hangs no longer.
        other_host: this server's URL under another name, known once it listens.
    """

    def __init__(self, world: World, *, stopping: asyncio.Event, other_host: Callable[[], str]) -> None:
        self._world = world
        self._stopping = stopping
        self._other_host = other_host
        self._late: dict[int, asyncio.TimerHandle] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        visit = self._world.arrive(method=request.method, raw_path=request.raw_path, authorization=request.headers.get("Authorization"))
        config = self._world.config
        latency = config.latency if visit.target.endpoint is Endpoint.NOTIFY else config.read_latency
        half = latency.at(visit.draw.share) / 2
        body: bytes | Objection | None = b""
        if visit.objection is None and request.method == "POST" and plan_for(visit).reads_body:
            body = await _read(request)
        if body is None:
            self._world.end(visit, status=NO_STATUS, ending=Ending.LOST, cause=None)
            return web.Response()
        await _pause(half)
        reply = self._reply(request, visit, body)
        await _pause(half + (config.slow_seconds if reply.act is Act.ANSWER_SLOWLY else 0.0))
        return await self._send(request, visit, reply)

    def close(self) -> None:
        """What was to be processed late never is."""
        for handle in self._late.values():
            handle.cancel()
        self._late.clear()

    def _reply(self, request: web.BaseRequest, visit: Visit, body: bytes | Objection) -> Reply:
        if portal := self._world.config.portal:
            return portal_reply(portal, other_host=self._other_host())
        objection = visit.objection or (body if isinstance(body, Objection) else None)
        if objection is not None:
            return objection_reply(visit, objection)
        if visit.target.endpoint is Endpoint.ELSEWHERE:
            return elsewhere_reply()
        try:
            reply = carry_out(
                self._world,
                visit,
                content_type=request.content_type,
                body=body if isinstance(body, bytes) else b"",
                other_host=self._other_host(),
            )
        except OSError as error:
            return objection_reply(visit, Objection(status=500, error=f"The audit file can't be written, nothing was processed: {error}"))
        if reply.late_message is not None:
            self._process_late(visit, reply.late_message)
        return reply

    async def _send(self, request: web.BaseRequest, visit: Visit, reply: Reply) -> web.StreamResponse:
        ending = _WHILE_SENDING[reply.act]
        self._world.end(visit, status=reply.status, ending=ending, cause=reply.cause)
        response, sent = await perform(request, reply, config=self._world.config, stopping=self._stopping)
        if ending in {Ending.ANSWERED, Ending.OPEN}:
            whole = sent is Sent.ALL
            status = NO_STATUS if sent is Sent.NOTHING else reply.status
            self._world.end(visit, status=status, ending=Ending.ANSWERED if whole else Ending.LOST, cause=reply.cause)
        return response

    def _process_late(self, visit: Visit, message: str) -> None:
        self._world.late_pending += 1
        loop = asyncio.get_running_loop()
        self._late[visit.number] = loop.call_later(self._world.config.late_seconds, partial(self._late_is_due, visit, message))

    def _late_is_due(self, visit: Visit, message: str) -> None:
        del self._late[visit.number]
        self._world.late_pending -= 1
        self._world.process(visit, message)


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _read(request: web.BaseRequest) -> bytes | Objection | None:
    """The whole body, or what speaks against it, or None if the client went before it was through."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return Objection(status=413, error="Payload Too Large")
    except (ConnectionError, web.RequestPayloadError):
        return None if request.transport is None else Objection(status=400, error="Body could not be read")
