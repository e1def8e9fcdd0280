"""Looks things up once for many browsers, with one poller each, and streams the newest snapshot to them as server-sent events."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web

from campaign.console.access import person_of
from campaign.domain.errors import CampaignError

SHORTEST_SECONDS: Final = 1.0
MOST_OF_A_PERSON: Final = 60
"""Open streams of one person; each tab of a browser has one."""
MOST_WATCHED: Final = 60
"""Different things that are polled at once, such as searches. Many watchers of the same thing count once."""
SHARE: Final = 0.1
"""The part of the time that may be spent on looking: a look that takes 3 s is made every 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What people see: `whole` for those who may read everything, `counts` for all others. `over`: nothing will change any more.

    `rest_seconds` is the time until the next look; longer for things that hardly change. `state_key` names the state: watchers get
    an event when it changes.
    """

    whole: str
    counts: str
    over: bool
    rest_seconds: float = SHORTEST_SECONDS
    state_key: str = ""


Look = Callable[[], Awaitable[Snapshot]]


class Subscription:
    """A queue of one frame: a newer frame replaces one that was not fetched. It gets frames of looks that began after `since`."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._queue: asyncio.Queue[Snapshot | None] = asyncio.Queue(maxsize=1)

    def put(self, frame: Snapshot | None) -> None:
        """Put a frame, without waiting; None is the end."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(frame)

    async def next(self, seconds: float) -> Snapshot | None:
        """The newest frame that was not fetched yet; None is the end. Raises TimeoutError if none comes within `seconds`."""
        async with asyncio.timeout(seconds):
            return await self._queue.get()


@dataclass(slots=True, kw_only=True)
class _Poller:
    task: "asyncio.Task[None] | None" = None
    places: set[Subscription] = field(default_factory=set)
    last: Snapshot | None = None
    is_new_watcher: bool = False


class Broadcaster:
    """All pollers of a console. `close` ends the open streams."""

    def __init__(self) -> None:
        self._pollers: dict[str, _Poller] = {}
        self._watchers: Counter[str] = Counter()

    @property
    def watched(self) -> dict[str, int]:
        return {key: len(poller.places) for key, poller in self._pollers.items()}

    def check_free(self, key: str, person: str) -> None:
        """Check that this person may watch one more thing.

        Raises:
            CampaignError: this person watches too many, or all together do.
        """
        if self._watchers[person] >= MOST_OF_A_PERSON:
            raise CampaignError("You have too many pages open. Close some, and reload this one.", code="too_many_pages")
        if key not in self._pollers and len(self._pollers) >= MOST_WATCHED:
            raise CampaignError("Too many different pages are open on this console. Reload this one in a minute.", code="too_many_pages")

    @contextmanager
    def counted(self, person: str) -> Iterator[None]:
        """Count one more stream of this person, as long as it lasts."""
        self._watchers[person] += 1
        try:
            yield
        finally:
            self._watchers[person] -= 1
            self._watchers += Counter()

    @asynccontextmanager
    async def watch(self, key: str, look: Look) -> AsyncIterator[Subscription]:
        """A subscription to the frames of a thing. `look` is used only if nobody else watches the same thing."""
        poller = self._pollers.get(key)
        if poller is None:
            poller = self._pollers[key] = _Poller()
            poller.task = asyncio.create_task(self._poll(key, poller, look), name=f"watch {key}")
        place = Subscription(asyncio.get_running_loop().time())
        poller.places.add(place)
        # Neither the last frame nor one in progress will do: they may show the state before the person's last action.
        poller.is_new_watcher = True
        try:
            yield place
        finally:
            poller.places.discard(place)
            if not poller.places and self._pollers.get(key) is poller:
                del self._pollers[key]
                if poller.task is not None:
                    poller.task.cancel()

    async def close(self) -> None:
        pollers, self._pollers = list(self._pollers.values()), {}
        tasks = [poller.task for poller in pollers if poller.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for poller in pollers:
            _publish(poller, None)

    async def _poll(self, key: str, poller: _Poller, look: Look) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while True:
                began = clock()
                is_new, poller.is_new_watcher = poller.is_new_watcher, False
                frame = await look()
                if is_new or frame != poller.last:
                    poller.last = frame
                    _publish(poller, frame, looked_at=began)
                if frame.over:
                    break
                took = clock() - began
                await asyncio.sleep(max(frame.rest_seconds, took / SHARE) - took)
        except Exception as error:  # noqa: BLE001 - streams end, and their browsers ask again, which shows the error
            structlog.get_logger().warning("watching_broke_off", detail=str(error), of=key)
        finally:
            if self._pollers.get(key) is poller:
                del self._pollers[key]
            if not poller.last or not poller.last.over:
                _publish(poller, None)


HUB: Final = web.AppKey("hub", Broadcaster)


def _publish(poller: _Poller, frame: Snapshot | None, *, looked_at: float = math.inf) -> None:
    for place in poller.places:
        if place.since <= looked_at or (frame is not None and frame.over):
            place.put(frame)


KEEPALIVE_SECONDS: Final = 10.0
"""An empty line is sent this often if nothing happens, so that proxies don't close the connection, and lost browsers are noticed."""
CHECK_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 20.0
"""How long to wait for a browser that accepts no data."""

_KEEPALIVE: Final = b": nothing new\n\n"

Reads = Callable[[], Awaitable[bool | None]]
"""Returns whether the person may read everything; None if they may no longer read anything."""


def check_is_stream(request: web.Request, page: str) -> None:
    """Check that a script asks for the stream, as a person would get a page that never ends.

    Raises:
        HTTPSeeOther: a person asks; redirects to the page with the stream.
    """
    if "text/event-stream" not in request.headers.get("Accept", ""):
        raise web.HTTPSeeOther(page)


async def stream(request: web.Request, key: str, look: Look, reads: Reads) -> web.StreamResponse:
    """Stream the frames of a thing until its end, or that of the browser or the log-in. The query's `state_key` is the state on the page.

    Raises:
        CampaignError: too many things are watched.
    """
    hub, person = request.app[HUB], person_of(request).name
    hub.check_free(key, person)
    with hub.counted(person):
        return await _streamed(request, key, look, reads)


async def _streamed(request: web.Request, key: str, look: Look, reads: Reads) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    whole = await reads()
    await answer.prepare(request)
    clock = asyncio.get_running_loop().time
    checked = clock()
    shown_state = request.query.get("state_key")
    async with request.app[HUB].watch(key, look) as place:
        while whole is not None:
            try:
                frame = await place.next(KEEPALIVE_SECONDS)
            except TimeoutError:
                over, event = False, _KEEPALIVE
            else:
                turned = frame is not None and shown_state not in {None, frame.state_key}
                shown_state = shown_state if frame is None else frame.state_key
                over, event = (True, b"") if frame is None else (frame.over, _event(frame, whole=whole, turned=turned))
            if not await _sent(request, answer, event) or over:
                break
            if clock() - checked > CHECK_SECONDS:
                whole, checked = await reads(), clock()
    return answer


def _event(frame: Snapshot, *, whole: bool, turned: bool) -> bytes:
    lines = (frame.whole if whole else frame.counts).splitlines()
    data = "".join(f"data: {line}\n" for line in lines)
    end = "event: ended\ndata: -\n\n" if frame.over else "event: turned\ndata: -\n\n" if turned else ""
    return f"{data}\n{end}".encode()


async def _sent(request: web.Request, answer: web.StreamResponse, event: bytes) -> bool:
    """Send an event; returns whether the browser still accepts data."""
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
