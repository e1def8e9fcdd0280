"""Reads the passes of unknown rows back, on the budget for reading, while the other rows are being sent."""

import asyncio
import math
from collections import Counter
from dataclasses import replace
from enum import IntEnum
from typing import Final

from campaign.domain.status import Status
from campaign.domain.verdict import Latest, PassReading, Resolution, after_reading, foreign, may_be, read_back, same_text
from campaign.ledger.port import Ledger, UnverifiedRow
from campaign.sender.port import Gateway, Observer
from campaign.sender.rate_limiter import RateLimiter
from campaign.sender.stop import happens_within

READS_TOGETHER_SECONDS: Final = 2.0
MOST_TOGETHER: Final = 32
MOST_READS: Final = 4
MOST_REFUSED: Final = 60
"""How often 429, which says nothing about the pass, may answer a reading before the row is left to a person."""
MOST_FOREIGN: Final = 20
"""How often somebody else than PassEntry may answer a reading; this takes about 15 minutes."""
AGAIN_SECONDS: Final = 5.0
LONGEST_AGAIN_SECONDS: Final = 60.0
SHOWN_SECONDS: Final = 2.0
"""How long it counts what the API was seen to show of texts: it may show them no longer."""
LOOK_SECONDS: Final = 2.0
"""How often to look without a call of `tell_due`: for unverified rows of other campaigns, which nobody announces."""


class Shows(IntEnum):
    """What a reading shows of a text that was surely sent to the pass, the best first.

    UNSEEN: there is no such pass yet. TEXTS: the text as sent. OTHERWISE: perhaps the text. NOTHING: no text, or surely another. GONE: the
    pass no longer exists.
    """

    UNSEEN = 0
    TEXTS = 1
    OTHERWISE = 2
    NOTHING = 3
    GONE = 4


class Verifier:
    """Verifies the unverified rows of one campaign until cancelled, and, when it has none, those of campaigns that no runner sends.

    `observer` gets an event for each verification. A row of which none of `max_attempts` attempts arrived fails.
    """

    def __init__(
        self, ledger: Ledger, gateway: Gateway, limiter: RateLimiter, observer: Observer, *, campaign: int, max_attempts: int
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._limiter = limiter
        self._observer = observer
        self._campaign = campaign
        self._max_attempts = max_attempts
        self._reads: Counter[tuple[int, int, int]] = Counter()
        self._refused: Counter[tuple[int, int, int]] = Counter()
        self._foreign: Counter[tuple[int, int, int]] = Counter()
        self._bare: Counter[tuple[int, int, int]] = Counter()
        self._shown = Shows.UNSEEN
        self._shown_at = -math.inf
        self._names_passes = False
        self._names_looked_at = False
        self._looking = asyncio.Lock()
        self._due = asyncio.Event()
        self._together = max(1, min(MOST_TOGETHER, round(limiter.rate_per_second * READS_TOGETHER_SECONDS)))

    async def run(self) -> None:
        while True:
            self._due.clear()
            if not await self.round() and not await self._verify_all(
                await self._ledger.claim_unverified_orphans(self._campaign, self._together)
            ):
                await happens_within(self._due, LOOK_SECONDS)

    def tell_due(self) -> None:
        """Make `run` look now, as an unverified row of the campaign is due."""
        self._due.set()

    async def round(self) -> int:
        """Read back a group of the campaign's rows that are due; returns how many these were."""
        return await self._verify_all(await self._ledger.claim_unverified(self._campaign, self._together))

    async def _verify_all(self, rows: list[UnverifiedRow]) -> int:
        async with asyncio.TaskGroup() as group:
            for unverified in rows:
                await self._limiter.slot()
                group.create_task(self._verify(unverified))
        return len(rows)

    async def _verify(self, unverified: UnverifiedRow) -> None:
        reading = await self._read(unverified.claim.pass_id)
        resolution = _read_back(unverified, reading)
        # What other passes show counts only for a reading after theirs: until then the server may have lagged behind, or failed.
        if self._is_gone(unverified, reading) and await self._can_read(unverified.claim.campaign):
            reading = await self._read_in_turn(unverified.claim.pass_id)
            gone = Resolution(status=Status.FAILED, reason=unverified.reason)
            resolution = gone if self._is_gone(unverified, reading) else _read_back(unverified, reading)
        if resolution.status is Status.PENDING:
            shows = await self._shows(unverified)
            if shows not in {None, Shows.UNSEEN}:
                reading = await self._read_in_turn(unverified.claim.pass_id)
                resolution = _read_back(unverified, reading)
            if resolution.status is Status.PENDING:
                reading, resolution = self._trusted(unverified, reading, shows)
        if resolution.status is Status.ACCEPTED and await self._is_of_another(unverified, reading):
            reading = replace(reading, latest=Latest.UNREADABLE)
            resolution = _read_back(unverified, reading)
        again = self._again_in_seconds(unverified, reading) if resolution.reason == "unreadable" else None
        resolution = after_reading(
            resolution, reason=unverified.reason, counted_attempts=unverified.claim.counted_attempts, max_attempts=self._max_attempts
        )
        if await self._ledger.record_verification(unverified, resolution, again_in_seconds=again):
            self._observer.event("read_back", row=unverified.claim.row, status=resolution.status.value, reason=resolution.reason)

    def _trusted(self, unverified: UnverifiedRow, reading: PassReading, shows: "Shows | None") -> tuple[PassReading, Resolution]:
        """That a message did not arrive is trusted only if the API is seen to show texts as they were sent."""
        mixes_up = self._names_passes and not reading.names(unverified.claim.pass_id)
        match shows:
            case Shows.UNSEEN if unverified.claim.counted_attempts < self._max_attempts <= unverified.claim.attempts:
                # Trusted, but not for ever: attempts in an outage do not count towards the limit, and yet must end.
                return reading, Resolution(status=Status.UNKNOWN, reason="no_latest_message")
            case Shows.NOTHING if reading.latest is not Latest.TEXT:
                return reading, Resolution(status=Status.UNKNOWN, reason="no_latest_message")
            case Shows.NOTHING | Shows.OTHERWISE if reading.latest is Latest.TEXT:
                return reading, Resolution(status=Status.UNKNOWN, reason="other_message")
            case _ if shows is None or mixes_up:
                # The API could not be checked now, or a cache mixes passes up: read again, as after a failed reading.
                reading = replace(reading, latest=Latest.UNREADABLE)
            case _:
                pass
        return reading, _read_back(unverified, reading)

    async def _is_of_another(self, unverified: UnverifiedRow, reading: PassReading) -> bool:
        """Whether the reading does not name its pass although others are seen to do so."""
        if reading.names(unverified.claim.pass_id):
            return False
        async with self._looking:
            if not self._names_passes and not self._names_looked_at:
                for pass_id, message in await self._ledger.reference_passes(unverified.claim.campaign):
                    self._names_looked_at |= await self._look(pass_id, message) not in {None, Shows.GONE}
        return self._names_passes

    async def _read_in_turn(self, pass_id: str) -> PassReading:
        await self._limiter.slot()
        return await self._read(pass_id)

    async def _read(self, pass_id: str) -> PassReading:
        reading = await self._gateway.read(pass_id)
        if reading.http_status == 429:
            await self._limiter.throttle(reading.retry_after_seconds)
        self._names_passes |= reading.names(pass_id)
        return reading

    async def _shows(self, unverified: UnverifiedRow) -> "Shows | None":
        """What the API shows of texts, read from passes that surely hold one; None if it can't be seen now.

        Passes whose text was sent after the unverified one come first, as a server that lags behind shows older texts only.
        """
        async with self._looking:
            after = await self._best(await self._ledger.reference_passes_after(unverified))
            now = asyncio.get_running_loop().time()
            later_tell_nothing = after in {Shows.UNSEEN, Shows.GONE}
            if not later_tell_nothing or now < self._shown_at + SHOWN_SECONDS:
                return self._shown if later_tell_nothing else after
            shown = await self._best(await self._ledger.reference_passes(unverified.claim.campaign))
            if shown is Shows.GONE:
                # Another API, and the token of another organisation, know none of the passes.
                return None
            if shown in {None, Shows.UNSEEN}:
                return shown
            if shown not in {Shows.TEXTS, self._shown}:
                self._observer.event("texts_are_not_shown_as_sent", by="the API, when passes that hold one are read")
            self._shown, self._shown_at = shown, now
            return shown

    async def _best(self, references: list[tuple[str, str]]) -> "Shows | None":
        """What the passes show at best; GONE if none of them exists any more, UNSEEN if there are none."""
        known: list[Shows] = []
        failed = False
        for pass_id, message in references:
            match await self._look(pass_id, message):
                case Shows.TEXTS:
                    return Shows.TEXTS
                case None:
                    failed = True
                case shows:
                    known.append(shows)
        return None if failed else min(known, default=Shows.UNSEEN)

    def _is_gone(self, unverified: UnverifiedRow, reading: PassReading) -> bool:
        """Whether the answers to the message and to the reading say that there is no such pass.

        A web page or other words of somebody else never say so. An answer without any may be the API's or, in an outage, a gateway's, so it
        must come several times.
        """
        bare = reading.signature.empty and self._bare[_key(unverified)] >= MOST_READS - 1
        return _not_found(unverified, reading) and (reading.signature.by_api or bare)

    async def _can_read(self, campaign: int) -> bool:
        """Whether a pass that surely exists can be read now."""
        for pass_id, message in await self._ledger.reference_passes(campaign):
            if await self._look(pass_id, message) not in {None, Shows.GONE}:
                return True
        return False

    async def _look(self, pass_id: str, message: str) -> "Shows | None":
        reading = await self._read_in_turn(pass_id)
        if reading.http_status == 404 and reading.signature.by_api:
            return Shows.GONE
        match reading.latest:
            case Latest.UNREADABLE:
                return None
            case Latest.TEXT if reading.text.strip():
                # Another text may be an older one, from a server that lags behind.
                seems = Shows.OTHERWISE if may_be(reading.text, message) else Shows.NOTHING
                return Shows.TEXTS if same_text(reading.text, message) else seems
            case _:
                return Shows.NOTHING

    def _again_in_seconds(self, unverified: UnverifiedRow, reading: PassReading) -> float | None:
        """Seconds until a failed reading is made again; None if it is not, as it failed too often or was refused for good."""
        key = _key(unverified)
        answer = foreign(reading)
        throttled = reading.http_status == 429
        times = self._foreign if answer else self._refused if throttled else self._reads
        times[key] += 1
        self._bare[key] += reading.signature.empty and _not_found(unverified, reading)
        over = times[key] >= (MOST_FOREIGN if answer else MOST_REFUSED if throttled else MOST_READS)
        refused = reading.http_status in {401, 403, 404} and not answer
        if over or (refused and (reading.signature.by_api or not _not_found(unverified, reading))):
            del self._foreign[key], self._refused[key], self._reads[key], self._bare[key]
            return None
        return AGAIN_SECONDS if throttled else min(LONGEST_AGAIN_SECONDS, AGAIN_SECONDS * times[key])


def _not_found(unverified: UnverifiedRow, reading: PassReading) -> bool:
    return reading.http_status in {404, 410} and unverified.reason == f"http_{reading.http_status}"


def _key(unverified: UnverifiedRow) -> tuple[int, int, int]:
    return unverified.claim.campaign, unverified.claim.row, unverified.claim.fencing_token


def _read_back(unverified: UnverifiedRow, reading: PassReading) -> Resolution:
    return read_back(
        reading,
        message=unverified.claim.message,
        sent_before=unverified.sent_before,
        last_before=unverified.last_before,
        baseline=unverified.baseline,
    )
