"""The HTTP handlers of the API, and of the control routes under `/_simulator/`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from math import isfinite
from typing import Any, Final

import orjson
from aiohttp import web

from campaign.domain.errors import UsageError
from campaign.simulator.api.replies import Reply, carry_out, elsewhere_reply, list_reply, objection_reply, plan_for, portal_reply
from campaign.simulator.api.routes import Endpoint, Objection, decode_segment
from campaign.simulator.api.wire import Sent, perform
from campaign.simulator.batches.replies import carry_out_batch
from campaign.simulator.config import read_changes, settings_json
from campaign.simulator.faults import NO_STATUS, Act
from campaign.simulator.passes import read_change
from campaign.simulator.records import Ending
from campaign.simulator.state import State, Visit

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
"""The ending that is logged before the first byte is sent, so that a client with the answer finds it in the log."""


_BATCH_BYTES: Final = 1 << 23
_SOON_SECONDS: Final = 0.001


class Api:
    """Answers requests to the simulated API.

    `stopping` is set when the simulator ends, to end hanging requests. `own_host` returns this server's URL, which is known once it
    listens, `other_host` the same with another host name.
    """

    def __init__(self, state: State, *, stopping: asyncio.Event, own_host: Callable[[], str], other_host: Callable[[], str]) -> None:
        self._state = state
        self._stopping = stopping
        self._own_host = own_host
        self._other_host = other_host
        self._late: dict[int, asyncio.TimerHandle] = {}
        self._batches_due: asyncio.TimerHandle | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        visit = self._state.arrive(method=request.method, raw_path=request.raw_path, authorization=request.headers.get("Authorization"))
        config = self._state.config
        latency = config.read_latency if request.method == "GET" else config.latency
        half = latency.at(visit.draw.share) / 2
        body: bytes | Objection | None = b""
        if visit.objection is None and request.method == "POST" and plan_for(visit).reads_body:
            body = await _read(request.clone(client_max_size=_BATCH_BYTES) if visit.target.endpoint.step else request)
        if body is None:
            self._state.end(visit, status=NO_STATUS, ending=Ending.LOST, cause=None)
            return web.Response()
        await _pause(half)
        reply = self._reply(request, visit, body)
        await _pause(half + (config.slow_seconds if reply.act is Act.ANSWER_SLOWLY else 0.0))
        return await self._send(request, visit, reply)

    def close(self) -> None:
        """Cancel all timers; late messages are never processed."""
        for handle in self._late.values():
            handle.cancel()
        self._late.clear()
        if self._batches_due is not None:
            self._batches_due.cancel()

    def _reply(self, request: web.BaseRequest, visit: Visit, body: bytes | Objection) -> Reply:
        if portal := self._state.config.portal:
            return portal_reply(portal, other_host=self._other_host())
        objection = visit.objection or (body if isinstance(body, Objection) else None)
        if objection is not None:
            return objection_reply(visit, objection)
        if visit.target.endpoint is Endpoint.ELSEWHERE:
            return elsewhere_reply()
        if visit.target.endpoint is Endpoint.LIST:
            return list_reply(self._state, visit)
        content_type, said = request.content_type, body if isinstance(body, bytes) else b""
        other_host = self._other_host()
        if visit.target.endpoint.step:
            reply = carry_out_batch(
                self._state, visit, content_type=content_type, body=said, own_host=self._own_host(), other_host=other_host
            )
            self._wait_for_batches()
            return reply
        try:
            reply = carry_out(self._state, visit, content_type=content_type, body=said, other_host=other_host)
        except OSError as error:
            return objection_reply(visit, Objection(status=500, error=f"The audit file can't be written, nothing was processed: {error}"))
        if reply.late_message is not None:
            self._process_late(visit, reply.late_message)
        return reply

    async def _send(self, request: web.BaseRequest, visit: Visit, reply: Reply) -> web.StreamResponse:
        ending = _WHILE_SENDING[reply.act]
        self._state.end(visit, status=reply.status, ending=ending, cause=reply.cause)
        response, sent = await perform(request, reply, config=self._state.config, stopping=self._stopping)
        if ending in {Ending.ANSWERED, Ending.OPEN}:
            whole = sent is Sent.ALL
            status = NO_STATUS if sent is Sent.NOTHING else reply.status
            self._state.end(visit, status=status, ending=Ending.ANSWERED if whole else Ending.LOST, cause=reply.cause)
        return response

    def _wait_for_batches(self) -> None:
        """Set a timer for the next event of a batch, so that the audit file gets its messages in time without a request."""
        if self._batches_due is not None:
            self._batches_due.cancel()
            self._batches_due = None
        next_ns = self._state.batches.next_ns
        if next_ns is not None:
            seconds = max(_SOON_SECONDS, (next_ns - self._state.now_ns) / 1e9)
            self._batches_due = asyncio.get_running_loop().call_later(seconds, self._wait_for_batches)

    def _process_late(self, visit: Visit, message: str) -> None:
        self._state.late_pending += 1
        loop = asyncio.get_running_loop()
        self._late[visit.number] = loop.call_later(self._state.config.late_seconds, partial(self._late_is_due, visit, message))

    def _late_is_due(self, visit: Visit, message: str) -> None:
        del self._late[visit.number]
        self._state.late_pending -= 1
        self._state.process(visit, message)


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _read(request: web.BaseRequest) -> bytes | Objection | None:
    """The whole body, or an objection to it, or None if the client disconnected before its end."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return Objection(status=413, error="Payload Too Large")
    except (ConnectionError, web.RequestPayloadError):
        return None if request.transport is None else Objection(status=400, error="Body could not be read")


ROOT: Final = "/_simulator/"
_PASSES: Final = "passes/"
_LINES_AT_ONCE: Final = 1000


class ControlApi:
    """Answers requests that read or change the simulator. `outage` makes it unreachable for some seconds, shortly after the call."""

    def __init__(self, state: State, *, outage: Callable[[float], None]) -> None:
        self._state = state
        self._outage = outage
        self._routes: Final[dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]]] = {
            ("GET", "audit"): lambda request: _lines(request, state.records.notifications.entries()),
            ("DELETE", "audit"): self._reset,
            ("GET", "requests"): lambda request: _lines(request, state.records.requests.entries()),
            ("GET", "batches"): lambda request: _lines(request, state.batches.records()),
            ("GET", "summary"): self._summary,
            ("GET", "faults"): self._settings,
            ("PUT", "faults"): self._configure,
            ("PUT", "outage"): self._begin_outage,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.raw_path.partition("?")[0].removeprefix(ROOT)
        try:
            if request.method == "PUT" and name.startswith(_PASSES):
                return await self._set_pass(request, name.removeprefix(_PASSES))
            return await self._routes.get((request.method, name), self._unknown)(request)
        except UsageError as error:
            return _json(orjson.dumps({"errors": [str(error)], "code": error.code}), status=400)
        except ConnectionError:
            return web.Response()

    async def _unknown(self, request: web.BaseRequest) -> web.StreamResponse:
        known = ", ".join(f"{method} {ROOT}{name}" for method, name in (*self._routes, ("PUT", f"{_PASSES}ID")))
        raise UsageError(f"There is no {request.method} {request.path}; there are {known}.", code="unknown_route")

    async def _summary(self, _request: web.BaseRequest) -> web.StreamResponse:
        return _json(orjson.dumps(self._state.summary()))

    async def _settings(self, _request: web.BaseRequest) -> web.StreamResponse:
        return _json(orjson.dumps(settings_json(self._state.config)))

    async def _configure(self, request: web.BaseRequest) -> web.StreamResponse:
        self._state.configure(read_changes(await _document(request)))
        return await self._settings(request)

    async def _reset(self, request: web.BaseRequest) -> web.StreamResponse:
        self._state.reset(passes=request.query.get("passes") == "true")
        return _json(b"{}")

    async def _begin_outage(self, request: web.BaseRequest) -> web.StreamResponse:
        match await _document(request):
            case {"seconds": int() | float() as seconds} if isfinite(seconds) and seconds > 0:
                self._outage(seconds)
                return _json(b"{}", status=202)
            case _:
                raise UsageError("An outage needs a length above 0; send it such as {“seconds”: 2.5}.", code="bad_value", setting="outage")

    async def _set_pass(self, request: web.BaseRequest, segment: str) -> web.StreamResponse:
        pass_id = decode_segment(segment)
        if pass_id is None:
            raise UsageError("The pass id in the path must be one percent-encoded UTF-8 segment.", code="bad_pass_id")
        self._state.passes.change(pass_id, read_change(await _document(request)))
        status, device_type = self._state.traits(pass_id)
        latest = self._state.passes.latest_message(pass_id)
        return _json(orjson.dumps({"id": pass_id, "latestMessage": latest, "status": status, "deviceType": device_type}))


async def _document(request: web.BaseRequest) -> object:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise UsageError(f"The body is not JSON: {error}.", code="not_json") from error


async def _lines(request: web.BaseRequest, entries: Iterator[Any]) -> web.StreamResponse:
    """Send each entry as a line of JSON, in parts, so that other requests don't wait."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    while lines := [orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in islice(entries, _LINES_AT_ONCE)]:
        await response.write(b"".join(lines))
    await response.write_eof()
    return response


def _json(body: bytes, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json; charset=utf-8"})
