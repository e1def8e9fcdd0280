"""Checks, by reading passes, that PassEntry answers and that it accepts the token. Reading changes nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from campaign.domain.failure_guard import FOREIGN_ANSWERS, Recognition
from campaign.domain.verdict import Fault, Latest, PassReading, Reply, foreign
from campaign.sender.port import Gateway, InFlight
from campaign.sender.rate_limiter import RateLimiter

ASKING_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 0.5
MOMENT_SECONDS: Final = 1.5
PROBES: Final = 10
PROBE_SECONDS: Final = 3.0
NO_PASS: Final = "0" * 40
"""An id in the form of PassEntry's ids that no pass has."""


class IdentifyingGateway:
    """Implements `sender.port.Gateway`, and watches whether PassEntry answers at `origin`. If another does, `stop` gets a sentence."""

    def __init__(self, gateway: Gateway, *, origin: str, stop: Callable[[str], None]) -> None:
        self._gateway = gateway
        self._recognition = Recognition(origin=origin)
        self._stop = stop
        self._has_read = False

    async def send(self, pass_id: str, message: str, *, in_flight: InFlight | None = None) -> Reply | Fault:
        result = await self._gateway.send(pass_id, message, in_flight=in_flight)
        if why := self._recognition.note_send(result):
            self._stop(why)
        return result

    async def read(self, pass_id: str) -> PassReading:
        reading = await self._gateway.read(pass_id)
        self._has_read |= reading.latest is not Latest.UNREADABLE
        if why := self._recognition.note_read(reading):
            self._stop(why)
        return reading

    async def identify(self, pass_id: str, limiter: RateLimiter) -> None:
        """Read the pass of the first message before it is sent, and stop the run if somebody else than PassEntry answers.

        If the pass can't be read, for example in an outage, the message is sent all the same.
        """
        for number in range(FOREIGN_ANSWERS):
            if self._recognition.known:
                return
            # One odd id must not decide about the whole API.
            reading = await self._ask(NO_PASS if number else pass_id, limiter)
            if reading is None or not foreign(reading):
                return
            await asyncio.sleep(AGAIN_SECONDS)

    @property
    def must_identify(self) -> bool:
        """Whether somebody else has answered several messages in a row, so that `identify_again` must be called."""
        return self._recognition.must_identify

    async def identify_again(self, pass_id: str, limiter: RateLimiter) -> None:
        """Read a pass until PassEntry answers; stop the run if somebody else still does after a while."""
        what = ""
        for _ in range(PROBES):
            reading = await self._ask(pass_id, limiter)
            what = foreign(reading) if reading is not None else ""
            if not what:
                self._recognition.go_on()
                return
            await asyncio.sleep(PROBE_SECONDS)
        self._stop(self._recognition.sentence(what))

    async def token_works(self, pass_ids: Sequence[str], limiter: RateLimiter) -> bool | None:
        """Whether PassEntry accepts the token now, by reading passes that messages were sent to; None if that can't be told."""
        works = await self._token_works(pass_ids, limiter)
        if works is False:
            # The refusal may last for a moment only.
            await asyncio.sleep(MOMENT_SECONDS)
            works = await self._token_works(pass_ids, limiter)
        return works

    async def _token_works(self, pass_ids: Sequence[str], limiter: RateLimiter) -> bool | None:
        for pass_id in pass_ids:
            reading = await self._ask(pass_id, limiter)
            if reading is None:
                continue
            if reading.latest is not Latest.UNREADABLE:
                return True
            # A token that has never read a pass may have the right to send only.
            if reading.signature.documented and (reading.http_status == 401 or (reading.http_status == 403 and self._has_read)):
                return False
        return None

    async def can_read(self, pass_id: str, limiter: RateLimiter) -> bool | None:
        """Whether the token can read a pass, by PassEntry's own answer; None if that can't be told."""
        reading = await self._ask(pass_id, limiter)
        if reading is None:
            return None
        if reading.latest is not Latest.UNREADABLE:
            return True
        return False if reading.signature.documented and reading.http_status in {403, 404, 410} else None

    async def _ask(self, pass_id: str, limiter: RateLimiter) -> PassReading | None:
        """One reading; None if it took too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ASKING_SECONDS):
                await limiter.slot()
                reading = await self.read(pass_id)
            if reading.http_status == 429:
                await limiter.throttle(reading.retry_after_seconds)
            return reading
        return None
