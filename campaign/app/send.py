"""Sends and reports: one process's run of a staged campaign, from its registration to its results file."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from campaign.app.batches import TAG, check_texts, may_turn_up, network_of, open_batches, orphans
from campaign.app.campaign_settings import schedule_of, utc_now
from campaign.domain.errors import LedgerError, problem_of
from campaign.domain.failure_guard import Halt
from campaign.domain.lists.locations import Location
from campaign.domain.model import Counts
from campaign.insights import CODES_OF_SIGNALS, FAULT, CampaignView, exit_code_of, rows_left
from campaign.ledger.clock import SystemClock
from campaign.ledger.port import CampaignRecord, DesiredState, Ledger, LedgerReader, RateLimits, Runner
from campaign.reporter.files.target import failed_path
from campaign.sender.api.api_url import ApiUrl
from campaign.sender.api.identity import IdentifyingGateway
from campaign.sender.attempt import OnUnknown, Policy
from campaign.sender.batches.pool import BatchPool, BatchSettings
from campaign.sender.pool import Pool
from campaign.sender.port import Observer
from campaign.sender.rate_limiter import RateLimiter
from campaign.sender.readback.verify import Verifier
from campaign.sender.settings import Clocks, PoolSettings
from campaign.sender.stop import End, StopReason, StopSignal, happens_within
from campaign.settings import Settings, Via

if TYPE_CHECKING:
    from campaign.reporter.files.results import Written
    from campaign.sender.api.gateway import HttpGateway

USUAL: Final = Halt(share=0.2)
"""The limit of failures in a canary if `--halt` is not given."""

Rows = tuple[int, ...]


async def send_carefully(
    run: Callable[[int | None, Rows | None], Awaitable[End]],
    choose: Callable[[int], Awaitable[Rows]],
    counts: Callable[[], Counts],
    *,
    canary: int | None,
    limit: int | None,
    halt: Halt,
    fresh_canary: bool = False,
) -> End:
    """Send, with a canary first unless an earlier run has sent as many rows with few failures.

    An interrupted canary is completed; after a failed one, or with `fresh_canary`, another is sent, for which earlier outcomes don't count.

    Args:
        run: sends at most this many rows; or the given rows only, until each has its outcome.
        choose: the next rows that may be sent, or are being sent by another process.
        counts: of the campaign's rows.
        canary: how many rows to send first, if any.
        limit: how many rows to send in all; None for all.
        halt: how many rows of the canary may fail.
        fresh_canary: send a canary again.
    """
    if canary is None:
        return await run(limit, None)
    tried, failed = _ended(counts())
    far = fresh_canary or tried >= canary
    if far and not fresh_canary and not verdict_on(tried, failed, halt):
        return await run(limit, None)
    before, failed_before = (tried, failed) if far else (0, 0)
    end = End(ended=StopReason.LIMIT)
    while (wanted := canary - (tried - before)) > 0 and limit != 0:
        rows = await choose(wanted if limit is None else min(wanted, limit))
        if not rows:
            return await run(limit, None)
        end = await run(None, rows)
        if end.ended is not StopReason.LIMIT:
            return end
        tried, failed = _ended(counts())
        limit = None if limit is None else limit - len(rows)
    if why := verdict_on(tried - before, failed - failed_before, halt):
        return End(ended=StopReason.SAFEGUARD, why=why)
    return end if limit == 0 else await run(limit, None)


def next_rows(campaign: int, reader: LedgerReader, settings: PoolSettings, count: int) -> Rows:
    """The rows of a canary: in time zones in which rows may be sent now, or else in those that open next."""
    zones = settings.schedule.first_zones(reader.pending_zones(campaign, settings.only), utc_now())
    return reader.next_rows(campaign, count, zones=zones, only=settings.only)


def verdict_on(tried: int, failed: int, halt: Halt) -> str:
    """A sentence that says why the rest must not be sent; empty if it may be sent."""
    held_to = USUAL if halt == Halt() else halt
    over = tried > 0 and held_to.share is not None and failed / tried >= held_to.share
    if over or (held_to.count is not None and failed >= held_to.count):
        return f"{failed:,} of the first {tried:,} messages (--canary) failed, and the limit is {held_to}; the rest was not sent."
    return ""


def _ended(counts: Counts) -> tuple[int, int]:
    """How many rows have an outcome, and how many of them failed; an unverified row has none yet."""
    tried = counts.sent_to - counts.unverified
    failed = counts.failed_sends - counts.unverified
    return tried, failed


UNPACED_READS_PER_SECOND = 50.0
CLOCK = SystemClock()
EXIT_CODES = {
    StopReason.FINISHED: 0,
    StopReason.CANCELLED: 0,
    StopReason.PAUSED: 5,
    StopReason.LIMIT: 5,
    StopReason.OUTSIDE_WINDOW: 5,
    StopReason.SAFEGUARD: 4,
    StopReason.LEASE_LOST: 4,
    StopReason.INTERRUPTED: 130,
}


@dataclass(slots=True, kw_only=True)
class StopRequest:
    """Set by signals: with `gently` the run settles what is in flight, with `now` it waits for nothing. `exit_code` is the signal's."""

    gently: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = 130


def account_key(settings: Settings) -> str:
    """Identifies the owner of passes, the token at this API, by a fingerprint that does not reveal the token."""
    return _fingerprint(settings.api_url, settings.token())


def budget_key(settings: Settings) -> str:
    """Identifies the rate limit: shared by all who give the same `--budget` at this API, or else by all with the same token."""
    if not settings.budget:
        return account_key(settings)
    api = ApiUrl.of(settings.api_url)
    # No token holds a line break, so a budget's key never equals a token's.
    return _fingerprint(f"{api.origin}{api.passes}", "budget", settings.budget)


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_limiter(ledger: RateLimits, settings: Settings) -> RateLimiter:
    """Limits this process's reads, within the rate limit that all reads share."""
    return RateLimiter(ledger, f"{budget_key(settings)} read", settings.rate or UNPACED_READS_PER_SECOND)


def check_access(settings: Settings) -> None:
    """Check that the token, the URL, and the settings for the network can be used, before anything is staged."""
    network_of(settings)
    settings.token()


async def send(
    record: CampaignRecord,
    ledger: Ledger,
    reader: LedgerReader,
    settings: Settings,
    *,
    observer: Observer,
    stop: StopRequest,
    fresh_canary: bool = False,
    only: tuple[int, ...] | None = None,
    begin: Callable[[], Awaitable[None]] | None = None,
) -> End:
    """Send the rest of the campaign, with `--canary` a few rows first; returns why the run ended.

    With `fresh_canary` earlier outcomes do not count for the canary, because a person sends rows again, perhaps corrected. With `only`, no
    other rows are sent. `begin` is awaited once the runner is registered, before it claims a row; it may raise.

    Raises:
        CampaignError: the ledger can't be used any more; the same command goes on later.
    """
    await ledger.reap_dead_runners(quiet_seconds=settings.quiet_period)
    is_cancelled, is_late = record.desired_state is DesiredState.CANCELLED, may_turn_up(reader, record)
    if is_cancelled and not is_late and not orphans(reader, record):
        return End(ended=StopReason.CANCELLED)
    if reader.pending_work(record.id).finished and not is_cancelled and not is_late:
        return End(ended=StopReason.FINISHED)
    if settings.via is Via.BATCH and not is_cancelled:
        check_texts(record, reader)
    pool_settings = _pool_settings(record, reader, settings, only)
    runner = await ledger.register_runner(
        record.id,
        quiet_seconds=settings.quiet_period,
        hold_unverified=settings.on_unknown is OnUnknown.HOLD,
        api=ApiUrl.of(settings.api_url).place,
        account=account_key(settings),
    )
    try:
        if begin is not None:
            await begin()
        async with open_gateway(settings, observer, concurrency=pool_settings.workers, total_seconds=settings.timeout) as gateway:
            sending = _Sending(record, ledger, reader, settings, observer, stop, runner, gateway, pool_settings)

            async def choose(count: int) -> Rows:
                return await asyncio.to_thread(next_rows, record.id, reader, pool_settings, count)

            end = await send_carefully(
                sending.run,
                choose,
                lambda: reader.counts(record.id),
                canary=settings.canary,
                limit=settings.limit,
                halt=settings.halt,
                fresh_canary=fresh_canary,
            )
    except BaseException as error:
        # The first error must be reported, even if deregistering fails as well.
        with suppress(LedgerError):
            await ledger.deregister_runner(runner, _broken_off_by(error))
        raise
    await ledger.deregister_runner(runner, _in_a_word(end, stop))
    return end


@dataclass(frozen=True, slots=True)
class _Sending:
    """Sends for one registered runner, once for a canary and once for the rest."""

    record: CampaignRecord
    ledger: Ledger
    reader: LedgerReader
    settings: Settings
    observer: Observer
    stop: StopRequest
    runner: Runner
    gateway: "HttpGateway"
    pool_settings: PoolSettings

    async def run(self, limit: int | None, rows: Rows | None) -> End:
        run_settings = replace(self.pool_settings, limit=limit, only=self.pool_settings.only if rows is None else rows)
        is_cancelled = self.record.desired_state is DesiredState.CANCELLED
        if self.settings.via is Via.BATCH and not is_cancelled:
            return await self._by_batches(run_settings, creates=True)
        end = End(ended=StopReason.BATCHES_LEFT)
        while end.ended is StopReason.BATCHES_LEFT:
            # Batches that an earlier run left are finished before their rows are sent one by one.
            if orphans(self.reader, self.record) or may_turn_up(self.reader, self.record):
                end = await self._by_batches(run_settings, creates=False)
                if end.ended is not StopReason.FINISHED:
                    return end
            if is_cancelled:
                return End(ended=StopReason.CANCELLED)
            end = await self._one_by_one(run_settings)
        if end.ended is StopReason.FINISHED and may_turn_up(self.reader, self.record):
            return await self._by_batches(run_settings, creates=False)
        return end

    async def _by_batches(self, run_settings: PoolSettings, *, creates: bool) -> End:
        settings = self.settings
        async with open_batches(settings) as batches:
            pool = BatchPool(
                ledger=self.ledger,
                reader=self.reader,
                gateway=self.gateway,
                batch_gateway=batches,
                observer=self.observer,
                runner=self.runner,
                settings=run_settings,
                batches=BatchSettings(entity=settings.entity or "", creates=creates, shape=settings.batch_shape, tag=TAG),
                clocks=Clocks(wall=CLOCK.wall, ticks=CLOCK.ticks),
                campaign=self.record.spec.name,
            )
            return await pool.run(stop=self.stop.gently, stop_now=self.stop.now)

    async def _one_by_one(self, run_settings: PoolSettings) -> End:
        pool = Pool(
            ledger=self.ledger,
            reader=self.reader,
            gateway=self.gateway,
            observer=self.observer,
            runner=self.runner,
            settings=run_settings,
            clocks=Clocks(wall=CLOCK.wall, ticks=CLOCK.ticks),
        )
        return await pool.run(stop=self.stop.gently, stop_now=self.stop.now)


def _in_a_word(end: End, stop: StopRequest) -> str:
    """How a run ended, in the form that the ledger stores: a word, or the sentence of the end."""
    if end.ended is StopReason.INTERRUPTED:
        return next((word for word, code in CODES_OF_SIGNALS.items() if code == stop.exit_code), end.ended.value)
    return end.why or end.ended.value


def _broken_off_by(error: BaseException) -> str:
    problem = problem_of(error)
    return FAULT if problem is None else f"The run broke off. {problem}"


def open_gateway(settings: Settings, observer: Observer, *, concurrency: int, total_seconds: float = 30.0) -> "HttpGateway":
    from campaign.sender.api.gateway import HttpGateway, Timeouts

    network, api = network_of(settings), ApiUrl.of(settings.api_url)
    proxy = {} if network.proxy is None else {"proxy": network.proxy.url, "proxy_from": network.proxy.source}
    where = {"host": f"{api.host}:{api.port}"} | proxy
    observer.event("connecting", **where)
    return HttpGateway(
        url=settings.api_url,
        token=settings.token(),
        concurrency=concurrency,
        timeouts=Timeouts(total_seconds=total_seconds),
        network=network,
        on_unreachable=lambda fault: observer.event("unreachable", reason=fault.cause, detail=fault.error, **where),
    )


def _pool_settings(record: CampaignRecord, reader: LedgerReader, settings: Settings, only: tuple[int, ...] | None) -> PoolSettings:
    if settings.sample is not None:
        sample = reader.sample(record.id, settings.sample, settings.seed)
        only = sample if only is None else tuple(sorted(set(sample) & set(only)))
    return PoolSettings(
        key=budget_key(settings),
        origin=ApiUrl.of(settings.api_url).origin,
        rate_per_second=settings.rate,
        # The API limits reads like sends, each by itself. If sends have no limit, 429 limits the reads.
        read_rate_per_second=settings.rate or UNPACED_READS_PER_SECOND,
        concurrency=settings.concurrency,
        baseline=settings.baseline,
        policy=Policy(max_attempts=settings.max_attempts, on_unknown=settings.on_unknown, quiet_seconds=settings.quiet_period),
        halt=settings.halt,
        schedule=schedule_of(settings, record.spec.settings, now=utc_now()),
        wait=not settings.no_wait,
        daily_cap=settings.daily_cap,
        only=only,
    )


async def verify(
    record: CampaignRecord, ledger: Ledger, reader: LedgerReader, settings: Settings, *, observer: Observer, stop: StopRequest
) -> End:
    """Read back the pass of every unknown row, including those left to a person; sends nothing, and returns why it ended."""
    await ledger.reap_dead_runners(quiet_seconds=settings.quiet_period)
    await ledger.reschedule_verification(record.id)
    stop_signal, limiter = StopSignal(), read_limiter(ledger, settings)
    async with open_gateway(settings, observer, concurrency=16) as gateway, asyncio.TaskGroup() as group:
        origin = ApiUrl.of(settings.api_url).origin
        identifying = IdentifyingGateway(gateway, origin=origin, stop=partial(stop_signal.set, StopReason.SAFEGUARD))
        verifier = Verifier(ledger, identifying, limiter, observer, campaign=record.id, max_attempts=settings.max_attempts)
        pacing = group.create_task(limiter.run())
        while reader.pending_work(record.id).unverified_in_seconds is not None and not await happens_within(stop.gently, 0.1):
            await verifier.round()
            if stop_signal.is_set():
                break
        pacing.cancel()
    return stop_signal.end or End(ended=StopReason.LIMIT)


def report(reader: LedgerReader, record: CampaignRecord, results: Location) -> "Written":
    """Write the results file, and the failed rows beside it."""
    from campaign.reporter.files.results import write_results

    spec, failed = record.spec, failed_path(results)
    while True:
        counts = reader.counts(record.id)

        def check(counts: Counts = counts) -> None:
            """Check that no other process has ended since, and may have written newer results. One that still sends writes them then."""
            if reader.counts(record.id) != counts and not any(runner.alive for runner in reader.runners(record.id)):
                raise _OutdatedError

        with suppress(_OutdatedError):
            parts = reader.result_columns(record.id)
            written = write_results(results, campaign=spec.name, columns=spec.columns, parts=parts, failed=failed, check=check)
            check()
            return written


class _OutdatedError(Exception):
    """The ledger has changed while results were written."""


def exit_code(end: End, seen: CampaignView, stop: StopRequest) -> int:
    """The exit code of the process, from how the run ended and the statuses of the rows."""
    if end.ended is StopReason.INTERRUPTED and rows_left(seen.counts, seen.state):
        return stop.exit_code
    return exit_code_of(seen.counts, seen.state, rows_left_code=EXIT_CODES[end.ended] or 5)
