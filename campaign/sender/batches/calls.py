"""Paced requests about batches. Each endpoint has its own rate limit, shared by all processes with one key."""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from typing import Any, Final

from campaign.domain.batches import AnswerTimeout, BatchAnswer, Proof, RemoteBatch, proof_of
from campaign.ledger.port import Ledger
from campaign.sender.port import BatchGateway, InFlight, Observer
from campaign.sender.rate_limiter import RateLimiter
from campaign.sender.stop import StopReason, StopSignal

UNPACED_PER_SECOND: Final = 50.0
ENDPOINTS: Final = ("create", "look", "list", "send-now", "cancel")
DOWNLOADS: Final = 4
MOST_UNLIKE: Final = 5
"""This many answers in a row that say nothing of a batch are no accident."""

MOST_FAILURES: Final = 3
"""Of one page of the list, in a row."""

MOST_PAGES: Final = 4000
"""Of a list: 100,000 batches."""

WHERE: Final = "Look at what `campaign probe` prints, and at docs/developers/batches.md."


class Calls:
    """Args:
    gateway: to the API.
    ledger: holds the rate limits.
    observer: gets an event for each 429.
    key: identifies the rate limits.
    rate_per_second: of each endpoint; None where there is no limit.
    stop_signal: ends the run if the API refuses everything, answers in an unknown form, or gives no answer for 15 minutes.
    ticks: seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        gateway: BatchGateway,
        ledger: Ledger,
        observer: Observer,
        *,
        key: str,
        rate_per_second: float | None,
        stop_signal: StopSignal,
        ticks: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        rate = rate_per_second or UNPACED_PER_SECOND
        self._gateway = gateway
        self._observer = observer
        self._stop_signal = stop_signal
        self._ticks = ticks
        self._paces = {one: RateLimiter(ledger, f"{key} batch-{one}", rate, jitter=jitter) for one in ENDPOINTS}
        self._answer_timeout = AnswerTimeout()
        self._unrecognized = 0
        self._downloads = asyncio.Semaphore(DOWNLOADS)
        self._asking: list[asyncio.Future[list[RemoteBatch] | None]] = []
        self._asked = asyncio.Event()
        self.list_is_refused = False
        """Whether the API refused the list when it was last read."""

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """Coroutines that must run while requests are made; cancel them at the end."""
        return [*(pace.run() for pace in self._paces.values()), self._read_lists()]

    async def turn_to_create(self) -> None:
        """Wait for a slot; then call `create` at once."""
        await self._paces["create"].slot()

    async def create(self, entity: str, body: bytes, in_flight: InFlight) -> BatchAnswer:
        return await self._noted("create", await self._gateway.create(entity, body, in_flight=in_flight))

    async def look(self, batch_id: str) -> BatchAnswer:
        await self._paces["look"].slot()
        return await self._noted("look", await self._gateway.look(batch_id))

    async def send_now(self, batch_id: str, *, may_send: Callable[[], bool]) -> BatchAnswer:
        """`may_send` is called right before the request: the machine may have slept while this waited for its slot."""
        await self._paces["send-now"].slot()
        if not may_send():
            return BatchAnswer(http_status=None, written=False)
        return await self._noted("send-now", await self._gateway.send_now(batch_id))

    async def cancel(self, batch_id: str) -> BatchAnswer:
        await self._paces["cancel"].slot()
        return await self._noted("cancel", await self._gateway.cancel(batch_id))

    async def page(self, number: int) -> BatchAnswer:
        await self._paces["list"].slot()
        answer = await self._gateway.page(number)
        if answer.page not in {0, number}:
            # A batch that is on none of the pages that were read would be created again.
            error = f"Page {number} of the list of batches was asked for, and page {answer.page} came"
            answer = replace(answer, readable=False, error=error, batches=())
        return await self._noted("list", answer)

    async def named(self, names: Collection[str]) -> list[RemoteBatch] | None:
        """Every batch of these names; None if the list could not be read to its end. Calls at the same time share one reading."""
        listed: asyncio.Future[list[RemoteBatch] | None] = asyncio.get_running_loop().create_future()
        self._asking.append(listed)
        self._asked.set()
        found = await listed
        return None if found is None else [batch for batch in found if batch.name in names]

    async def _read_lists(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            asking, self._asking = self._asking, []
            found = await self._whole_list()
            for listed in asking:
                if not listed.done():
                    listed.set_result(found)

    async def _whole_list(self) -> list[RemoteBatch] | None:
        found: dict[str, RemoteBatch] = {}
        number = pages = 1
        failures = 0
        while number <= pages:
            if pages > MOST_PAGES:
                why = f"PassEntry's list of batches has {pages:,} pages, and at most {MOST_PAGES:,} are read"
                self._stop_signal.set(StopReason.SAFEGUARD, f"{why}: whether a batch exists is not known.")
                return None
            answer = await self.page(number)
            self.list_is_refused = proof_of(answer) is Proof.NO_ACCESS
            if proof_of(answer) is Proof.DONE and (answer.batches or number >= max(pages, answer.pages)):
                found |= {batch.id: batch for batch in answer.batches}
                number, pages, failures = number + 1, max(pages, answer.pages), 0
            elif (failures := failures + 1) >= MOST_FAILURES or self._stop_signal.is_set():
                return None
        return list(found.values())

    async def download(self, url: str) -> bytes | str:
        async with self._downloads:
            return await self._gateway.download(url)

    async def _noted(self, endpoint: str, answer: BatchAnswer) -> BatchAnswer:
        proof = proof_of(answer)
        if proof is Proof.THROTTLED:
            self._observer.event("throttled", retry_after_seconds=answer.retry_after_seconds)
            await self._paces[endpoint].throttle(answer.retry_after_seconds)
        if proof is Proof.NO_ACCESS and answer.http_status != 404:
            self._stop_signal.set(
                StopReason.SAFEGUARD, f"PassEntry does not let this token use batches ({answer.http_status}): {answer.error}"
            )
        self._unrecognized = self._unrecognized + 1 if proof is Proof.UNKNOWN and not answer.readable else 0
        if self._unrecognized >= MOST_UNLIKE:
            self._stop_signal.set(StopReason.SAFEGUARD, f"What PassEntry says of a batch is not as expected. {answer.error}. {WHERE}")
        is_gone = answer.http_status == 404 and endpoint != "create"
        is_trouble = is_gone or proof in {Proof.UNKNOWN, Proof.NOT_SENT, Proof.THROTTLED}
        if why := self._answer_timeout.note(is_trouble=is_trouble, now=self._ticks()):
            self._stop_signal.set(StopReason.SAFEGUARD, f"{why} {answer.error}".rstrip())
        return answer
