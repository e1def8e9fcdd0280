"""What many look at is looked up once: one poller for everybody who watches the same thing, for as long as somebody does."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from campaign.domain.errors import CampaignError

SHORTEST_SECONDS: Final = 1.0
MOST_OF_A_PERSON: Final = 60
"""Streams that one person has open; of a browser's tabs each has one."""
MOST_WATCHED: Final = 60
"""Different things that are looked up again and again, such as a search each; many who watch the same are one."""
SHARE: Final = 0.1
"""Of the time that may be spent looking: a look that takes 3 s is made every 30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is shown: `whole` to those who may read everything, `counts` to all others. `over` is that nothing will change any more.

    `rest_seconds` is how long it may be until the next look; more for what hardly changes. `stands` is a word for the state that it is in:
    whoever watches is told when it turns to another.
    """

    whole: str
    counts: str
    over: bool
    rest_seconds: float = SHORTEST_SECONDS
    stands: str = ""


Look = Callable[[], Awaitable[Frame]]


class Place:
    """A place of one frame: a newer one takes the place of one that was not fetched. It gets what was looked at from `since` on."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue(maxsize=1)

    def put(self, frame: Frame | None) -> None:
        """Never waits; None is the end."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(frame)

    async def next(self, seconds: float) -> Frame | None:
        """The newest frame that was not fetched yet; None is the end.

        Raises:
            TimeoutError: there is none for so long.
        """
        async with asyncio.timeout(seconds):
            return await self._queue.get()


@dataclass(slots=True, kw_only=True)
class _Poller:
    task: "asyncio.Task[None] | None" = None
    places: set[Place] = field(default_factory=set)
    last: Frame | None = None
    anew: bool = False


class Hub:
    """To be closed; whoever still watches then comes to the end."""

    def __init__(self) -> None:
        self._pollers: dict[str, _Poller] = {}
        self._watchers: Counter[str] = Counter()

    @property
    def watched(self) -> dict[str, int]:
        """How many watch what."""
        return {key: len(poller.places) for key, poller in self._pollers.items()}

    def check_free(self, key: str, person: str) -> None:
        """See that this person may watch one thing more.

        Raises:
            CampaignError: they watch too many, or all together do.
        """
        if self._watchers[person] >= MOST_OF_A_PERSON:
            raise CampaignError("You have too many pages open. Close some, and load this one again.", code="too_many_pages")
        if key not in self._pollers and len(self._pollers) >= MOST_WATCHED:
            raise CampaignError(
                "Too many different pages are being watched at this moment. Load this one again in a minute.", code="too_many_pages"
            )

    @contextmanager
    def counted(self, person: str) -> Iterator[None]:
        """One stream more of this person, for as long as it lasts."""
        self._watchers[person] += 1
        try:
            yield
        finally:
            self._watchers[person] -= 1
            self._watchers += Counter()

    @asynccontextmanager
    async def watch(self, key: str, look: Look) -> AsyncIterator[Place]:
        """A place where the frames of a thing arrive; `look` is asked only if nobody else watches the same."""
        poller = self._pollers.get(key)
        if poller is None:
            poller = self._pollers[key] = _Poller()
            poller.task = asyncio.create_task(self._poll(key, poller, look), name=f"watch {key}")
        place = Place(asyncio.get_running_loop().time())
        poller.places.add(place)
        # Not the last frame, nor one that is being looked at: what was steered just now would be shown as it was before.
        poller.anew = True
        try:
            yield place
        finally:
            poller.places.discard(place)
            if not poller.places and self._pollers.get(key) is poller:
                del self._pollers[key]
                if poller.task is not None:
                    poller.task.cancel()

    async def close(self) -> None:
        """Everybody comes to the end."""
        pollers, self._pollers = list(self._pollers.values()), {}
        tasks = [poller.task for poller in pollers if poller.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for poller in pollers:
            _tell(poller, None)

    async def _poll(self, key: str, poller: _Poller, look: Look) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while True:
                began = clock()
                anew, poller.anew = poller.anew, False
                frame = await look()
                if anew or frame != poller.last:
                    poller.last = frame
                    _tell(poller, frame, looked_at=began)
                if frame.over:
                    break
                took = clock() - began
                await asyncio.sleep(max(frame.rest_seconds, took / SHARE) - took)
        except Exception as error:  # noqa: BLE001 - whoever watches comes to the end and asks again, which says what is wrong
            structlog.get_logger().warning("watching_broke_off", detail=str(error), of=key)
        finally:
            if self._pollers.get(key) is poller:
                del self._pollers[key]
            if not poller.last or not poller.last.over:
                _tell(poller, None)


def _tell(poller: _Poller, frame: Frame | None, *, looked_at: float = math.inf) -> None:
    for place in poller.places:
        if place.since <= looked_at or (frame is not None and frame.over):
            place.put(frame)
