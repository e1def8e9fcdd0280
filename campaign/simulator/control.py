"""What lies under `/_simulator/`: the audit, the figures, and everything that can be changed meanwhile. Needs no token, has no limit."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from math import isfinite
from typing import Any, Final

import orjson
from aiohttp import web

from campaign.domain.errors import UsageError
from campaign.simulator.changes import read_changes, settings_json
from campaign.simulator.passes import read_change
from campaign.simulator.routes import decode_segment
from campaign.simulator.world import World

ROOT: Final = "/_simulator/"
_PASSES: Final = "passes/"
_LINES_AT_ONCE: Final = 1000


class Control:
    """One small handler for each thing that can be asked.

    Args:
        world: what is asked about and changed.
        outage: makes the server unreachable for some seconds, soon after it was called.
    """

    def __init__(self, world: World, *, outage: Callable[[float], None]) -> None:
        self._world = world
        self._outage = outage
        self._routes: Final[dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]]] = {
            ("GET", "audit"): self._audit,
            ("DELETE", "audit"): self._reset,
            ("GET", "requests"): self._requests,
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

    async def _audit(self, request: web.BaseRequest) -> web.StreamResponse:
        return await _lines(request, self._world.books.notifications.entries())

    async def _requests(self, request: web.BaseRequest) -> web.StreamResponse:
        return await _lines(request, self._world.books.requests.entries())

    async def _summary(self, _request: web.BaseRequest) -> web.StreamResponse:
        return _json(orjson.dumps(self._world.summary()))

    async def _settings(self, _request: web.BaseRequest) -> web.StreamResponse:
        return _json(orjson.dumps(settings_json(self._world.config)))

    async def _configure(self, request: web.BaseRequest) -> web.StreamResponse:
        self._world.configure(read_changes(await _document(request)))
        return await self._settings(request)

    async def _reset(self, request: web.BaseRequest) -> web.StreamResponse:
        self._world.reset(passes=request.query.get("passes") == "true")
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
        self._world.passes.change(pass_id, read_change(await _document(request)))
        status, device_type = self._world.traits(pass_id)
        latest = self._world.passes.latest_message(pass_id)
        return _json(orjson.dumps({"id": pass_id, "latestMessage": latest, "status": status, "deviceType": device_type}))


async def _document(request: web.BaseRequest) -> object:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise UsageError(f"The body is no JSON: {error}.", code="not_json") from error


async def _lines(request: web.BaseRequest, entries: Iterator[Any]) -> web.StreamResponse:
    """A line of JSON each, some at a time, so that the requests meanwhile do not wait."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    while lines := [orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in islice(entries, _LINES_AT_ONCE)]:
        await response.write(b"".join(lines))
    await response.write_eof()
    return response


def _json(body: bytes, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json; charset=utf-8"})
