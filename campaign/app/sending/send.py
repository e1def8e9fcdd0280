"""One process's run of a staged campaign, from its registration to its end; and the reading back of unknown rows."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from campaign.app.campaign_settings import schedule_of, utc_now
from campaign.app.sending.access import UNPACED_READS_PER_SECOND, account_key, budget_key, open_gateway, read_limiter
from campaign.app.sending.batches import TAG, check_texts, held_in_words, may_turn_up, open_batches, orphans
from campaign.app.sending.canary import Rows, next_rows, send_carefully
from campaign.domain.errors import LedgerError, problem_of
from campaign.insights import CODES_OF_SIGNALS, FAULT
from campaign.ledger.clock import SystemClock
from campaign.ledger.port import CampaignRecord, DesiredState, Ledger, LedgerReader, Runner
from campaign.sender.api.api_url import ApiUrl
from campaign.sender.api.identity import IdentifyingGateway
from campaign.sender.attempt import OnUnknown, Policy
from campaign.sender.batches.pool import BatchPool, BatchSettings
from campaign.sender.pool import Pool
from campaign.sender.port import Observer
from campaign.sender.readback.verify import Verifier
from campaign.sender.settings import PoolSettings
from campaign.sender.stop import End, StopReason, StopRequest, StopSignal, happens_within
from campaign.settings import Settings, Via

if TYPE_CHECKING:
    from campaign.sender.api.gateway import HttpGateway

CLOCK = SystemClock()


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
                clock=CLOCK,
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
            clock=CLOCK,
        )
        return await pool.run(stop=self.stop.gently, stop_now=self.stop.now)


def _in_a_word(end: End, stop: StopRequest) -> str:
    """How a run ended, in the form that the ledger stores: a word, or the sentence of the end."""
    if end.ended is StopReason.INTERRUPTED:
        return next((word for word, code in CODES_OF_SIGNALS.items() if code == stop.exit_code), end.ended.value)
    # Whether a process works on the other campaign may change.
    return end.ended.value if end.ended is StopReason.PASSES_HELD else end.why or end.ended.value


def _broken_off_by(error: BaseException) -> str:
    problem = problem_of(error)
    return FAULT if problem is None else f"The run broke off. {problem}"


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
        held_in_words=partial(held_in_words, ledger=settings.ledger_to_name),
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
    return stop_signal.end or End(ended=StopReason.INTERRUPTED if stop.gently.is_set() else StopReason.LIMIT)
