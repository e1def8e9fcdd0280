"""Reads the reach of a list's passes, counts it, and skips passes that are not in a wallet."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from campaign.app.sending.access import account_key, open_gateway, read_limiter
from campaign.domain.errors import SafeguardError, StoppedError, problem_of
from campaign.domain.lists.pass_ids import pass_key
from campaign.domain.model import Skip
from campaign.domain.reach import FRESH_SECONDS, NOT_IN_WALLET, Reach
from campaign.domain.status import Status
from campaign.domain.text.durations import words
from campaign.ledger.port import DesiredState, Ledger, LedgerReader, RateLimits
from campaign.ledger.readings import Readings
from campaign.sender.api.api_url import ApiUrl
from campaign.sender.port import Observer
from campaign.sender.readback.reach import TOGETHER, ReachReader
from campaign.sender.stop import StopRequest
from campaign.settings import Settings

LOOK_SECONDS: Final = 1.0
NOT_WANTED: Final = "not_wanted"
"""The error's code if the campaign was paused or cancelled during the reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How many passes have each reach; contains all of `Reach`, also those with 0."""

    counts: dict[Reach, int]

    @property
    def passes(self) -> int:
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        return {"passes": self.passes} | {reach.value: count for reach, count in self.counts.items()}


async def count_reach(
    reader: LedgerReader, campaign: int, ledger: RateLimits, settings: Settings, *, observer: Observer, stop: StopRequest
) -> Reached:
    """Read the passes of a campaign's pending rows, except those that were read in the last hours, and count their reach.

    `ledger` holds the rate limit of reads; the campaign may be in another. If `stop` ends the reading, the readings until then are kept.

    Raises:
        StoppedError: `stop` was set, or the campaign was paused or cancelled (with the code NOT_WANTED).
        SafeguardError: the token is refused, or nothing can be read.
        LedgerError: the readings can't be stored.
    """
    async with _read(reader, campaign, ledger, settings, observer=observer, stop=stop) as readings:
        return Reached(counts=await asyncio.to_thread(readings.counts))


async def skip_unreachable(
    reader: LedgerReader, campaign: int, ledger: Ledger, settings: Settings, *, observer: Observer, stop: StopRequest
) -> int:
    """Read passes as `count_reach` does, and skip the pending rows whose pass is not in a wallet; returns how many.

    Raises as `count_reach` does.
    """
    await ledger.apply_exclusions(campaign)
    skipped = 0
    async with _read(reader, campaign, ledger, settings, observer=observer, stop=stop) as readings:
        for rows in readings.rows(NOT_IN_WALLET):
            skipped += await ledger.skip_rows(campaign, rows, Skip.NOT_IN_WALLET)
    return skipped


@asynccontextmanager
async def _read(
    reader: LedgerReader, campaign: int, ledger: RateLimits, settings: Settings, *, observer: Observer, stop: StopRequest
) -> AsyncIterator[Readings]:
    with Readings(settings.ledger_folder, account=account_key(settings), now=time.time()) as readings:
        await asyncio.to_thread(readings.want, _passes(reader, campaign, settings))
        if readings.left:
            reading = _read_the_rest(readings, ledger, settings, observer)
            await _until_stopped(reading, readings, stop, lambda: reader.pending_work(campaign).desired_state is DesiredState.GO)
        yield readings


def _passes(reader: LedgerReader, campaign: int, settings: Settings) -> Iterator[tuple[str, str, int]]:
    only = None if settings.sample is None else frozenset(reader.sample(campaign, settings.sample, settings.seed))
    for row in reader.rows(campaign, frozenset({Status.PENDING})):
        if only is None or row.row in only:
            yield pass_key(row.pass_id), row.pass_id, row.row


async def _until_stopped(
    reading: Coroutine[None, None, None], readings: Readings, stop: StopRequest, is_wanted: Callable[[], bool]
) -> None:
    work, stopped = asyncio.create_task(reading), asyncio.create_task(stop.gently.wait())
    try:
        while not (await asyncio.wait({work, stopped}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED))[0] and is_wanted():
            pass
    finally:
        # Requests under way may be cancelled, as reading changes nothing.
        for task in (work, stopped):
            task.cancel()
        await asyncio.wait({work, stopped})
    kept = (
        f"{readings.passes - readings.left:,} of {readings.passes:,} passes are read, and kept for {words(FRESH_SECONDS)}. "
        "The same command goes on from there."
    )
    if work.cancelled() and not stop.gently.is_set():
        raise StoppedError(f"The campaign was paused or cancelled while its passes were read. {kept}", code=NOT_WANTED)
    if work.cancelled():
        raise StoppedError(f"Interrupted. {kept}", exit_code=stop.exit_code, code="interrupted")
    if (error := work.exception()) is not None:
        problem = problem_of(error)
        if isinstance(problem, SafeguardError):
            raise type(problem)(f"{problem} {kept}", code=problem.code) from error
        raise problem or error


async def _read_the_rest(readings: Readings, ledger: RateLimits, settings: Settings, observer: Observer) -> None:
    async with open_gateway(settings, observer, concurrency=TOGETHER, total_seconds=settings.timeout) as gateway:
        limiter, origin = read_limiter(ledger, settings), ApiUrl.of(settings.api_url).origin
        reader = ReachReader(readings, gateway=gateway, origin=origin, limiter=limiter, observer=observer, pass_key=pass_key)
        async with asyncio.TaskGroup() as group:
            pacing = group.create_task(limiter.run())
            await reader.run()
            pacing.cancel()
