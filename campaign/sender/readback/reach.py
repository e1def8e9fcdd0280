"""Reads the reach of a list's passes, on the budget for reading: page by page, or each pass by itself."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import count, islice
from typing import Final, Protocol

from campaign.domain.errors import SafeguardError, TokenRefusedError
from campaign.domain.failure_guard import LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, PROXY_AUTH
from campaign.domain.reach import FEW_PASSES, Reach, pages_cost_less, reach_of
from campaign.domain.verdict import foreign
from campaign.ledger.readings import Readings
from campaign.sender.api.identity import IdentifyingGateway
from campaign.sender.api.pass_list import PageReading
from campaign.sender.port import Gateway, Observer
from campaign.sender.rate_limiter import RateLimiter

TOGETHER: Final = 16
"""Requests under way at once; each takes its slot first."""

PAGES_AT_ONCE: Final = 2 * TOGETHER
MOST_TRIES: Final = 3
"""How often to ask for a pass or a page whose answers are errors."""

FIRST_PAUSE_SECONDS: Final = 0.5
TELL_SECONDS: Final = 1.0
RATE_OVER: Final = 10
"""How many of the last events `reading_passes` the reported rate covers."""


class ReadingGateway(Gateway, Protocol):
    async def read_page(self, number: int) -> PageReading:
        """Read a page of all passes once."""


class ReachReader:
    """Reads the passes of `readings`, until each is read or can't be, and stores each reading at once.

    `observer` gets the progress (`reading_passes`), why it waits (`backing_off`) and why no pages are read (`pass_list_not_used`).
    `pass_key` is the form in which two ids of one pass are equal.
    """

    def __init__(
        self,
        readings: Readings,
        *,
        gateway: ReadingGateway,
        origin: str,
        limiter: RateLimiter,
        observer: Observer,
        pass_key: Callable[[str], str],
    ) -> None:
        self._readings = readings
        self._gateway = gateway
        self._identifying = IdentifyingGateway(gateway, origin=origin, stop=self._not_passentry)
        self._limiter = limiter
        self._observer = observer
        self._pass_key = pass_key
        self._done = readings.pages()
        self._total_pages: int | None = None
        self._pages_read = self._passes_found = 0
        self._tries: Counter[int] = Counter()
        self._misfit = ""
        self._problem: SafeguardError | None = None
        self._trouble = ""
        self._pauses = 0
        self._answered_at = time.monotonic()
        self._told: deque[tuple[float, int]] = deque(maxlen=RATE_OVER + 1)

    def _not_passentry(self, why: str) -> None:
        self._problem = self._problem or SafeguardError(why, code="not_passentry")

    async def run(self) -> None:
        """Read.

        Raises:
            SafeguardError: the token is refused, somebody else answers, or no pass could be read for 15 minutes; perhaps in a group.
        """
        self._tell()
        while self._readings.left > FEW_PASSES and (numbers := self._next_pages()):
            await self._together(partial(self._read_page, number) for number in numbers)
        if self._misfit:
            self._observer.event("pass_list_not_used", reason=self._misfit)
        for tries in count(1):
            if not self._readings.left:
                break
            await self._together(partial(self._read, *one, last=tries >= MOST_TRIES) for one in self._next_passes())
        self._tell()

    def _next_pages(self) -> list[int]:
        """The pages to read now; none if reading single passes costs less, or the pages can't be read."""
        if self._misfit:
            return []
        left = (number for number in count(1) if number not in self._done)
        if self._total_pages is None:
            # The answer says how many pages there are.
            return [next(left)]
        if not pages_cost_less(
            pages_left=self._total_pages - len(self._done),
            passes_left=self._readings.left,
            pages_read=self._pages_read,
            passes_found=self._passes_found,
        ):
            return []
        return [number for number in islice(left, PAGES_AT_ONCE) if number <= self._total_pages]

    def _next_passes(self) -> Iterator[tuple[str, str]]:
        after = ""
        while passes := self._readings.unread(after):
            yield from passes
            after = passes[-1][0]

    async def _together(self, requests: Iterable[Callable[[], Awaitable[None]]]) -> None:
        room = asyncio.Semaphore(TOGETHER)

        async def answered(request: Callable[[], Awaitable[None]]) -> None:
            try:
                await request()
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for request in requests:
                await room.acquire()
                await self._calm()
                await self._limiter.slot()
                group.create_task(answered(request))
        if self._problem is not None:
            raise self._problem

    async def _calm(self) -> None:
        """Wait, longer each time, while nothing can be read."""
        if self._problem is not None:
            raise self._problem
        if not self._trouble:
            return
        self._end_if_unreachable(self._trouble)
        if self._problem is not None:
            raise self._problem
        seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._pauses, 10))
        self._pauses += 1
        self._observer.event("backing_off", seconds=seconds, reason=self._trouble)
        await asyncio.sleep(seconds)

    def _end_if_unreachable(self, trouble: str) -> None:
        if self._problem is None and time.monotonic() - self._answered_at >= PATIENCE_SECONDS:
            minutes = PATIENCE_SECONDS / 60
            self._problem = SafeguardError(f"No pass could be read for {minutes:.0f} minutes ({trouble}).", code="unreachable")

    async def _throttle(self, retry_after_seconds: float | None) -> None:
        self._end_if_unreachable("http_429")
        await self._limiter.throttle(retry_after_seconds)

    async def _read(self, key: str, pass_id: str, *, last: bool) -> None:
        reading = await self._identifying.read(pass_id)
        status, reach = reading.http_status, reach_of(reading)
        if status == 429:
            await self._throttle(reading.retry_after_seconds)
            return
        if status == 401 and reading.signature.by_api:
            why = "PassEntry does not accept the token (HTTP 401). Check the token (PASSENTRY_API_KEY or PASSENTRY_API_KEY_FILE)."
            self._problem = self._problem or TokenRefusedError(why)
            return
        in_trouble = reach is Reach.UNREADABLE and (status is None or status >= 500 or bool(foreign(reading)))
        if in_trouble and not last:
            self._trouble = _trouble(reading.cause, status)
            return
        if not in_trouble:
            self._answered()
        self._readings.keep(key, reach, now=time.time())
        self._report_progress()

    async def _read_page(self, number: int) -> None:
        reading = await self._gateway.read_page(number)
        if reading.http_status == 429:
            await self._throttle(reading.retry_after_seconds)
        elif reading.page is not None:
            self._answered()
            self._pages_read += 1
            self._total_pages = reading.page.total_pages
            keys = [(self._pass_key(one), reach) for ids, reach in reading.page.passes for one in ids]
            self._passes_found += self._readings.keep_page(number, keys, now=time.time())
            self._done.add(number)
            self._report_progress()
        elif reading.misfit or reading.cause == PROXY_AUTH:
            # To read single passes ends if the login is refused again.
            self._misfit = reading.misfit or reading.cause
        else:
            self._tries[number] += reading.http_status is not None
            self._trouble = _trouble(reading.cause, reading.http_status)
            if self._tries[number] >= MOST_TRIES:
                self._misfit = f"a page was answered {reading.http_status}"

    def _answered(self) -> None:
        self._trouble, self._pauses, self._answered_at = "", 0, time.monotonic()

    def _report_progress(self) -> None:
        if time.monotonic() - self._told[-1][0] >= TELL_SECONDS:
            self._tell()

    def _tell(self) -> None:
        now, left = time.monotonic(), self._readings.left
        self._told.append((now, left))
        since, left_then = self._told[0]
        rate = (left_then - left) / (now - since) if now > since else 0.0
        self._observer.event(
            "reading_passes",
            done=self._readings.passes - left,
            of=self._readings.passes,
            rate_per_second=round(rate, 2),
            eta_seconds=round(left / rate) if rate and left else None,
        )


def _trouble(cause: str, http_status: int | None) -> str:
    """The reason why PassEntry gave no answer."""
    if cause or http_status is None:
        return cause or "disconnected"
    return f"http_{http_status}" if http_status >= 400 else "unreadable_reply"
