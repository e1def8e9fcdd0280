"""Keeps the wanted number of workers sending, and returns when the campaign has ended. It knows nothing about Ray.

A lost worker needs no repair: the others find its rows in the ledger, and read them back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, assert_never

from campaign.domain.errors import CampaignError, LedgerError, SafeguardError
from campaign.domain.model import Counts
from campaign.domain.status import Status
from campaign.engine.protocol import SILENCE_SECONDS, STOPPED, Broken, Cluster, LostError, Order, WorkerHandle
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.sender.api.network_errors import Cause
from campaign.sender.pool import DRAIN_SECONDS
from campaign.sender.port import Observer
from campaign.sender.stop import End, StopReason, StopRequest, StopSignal, happens_within

STRIKES: Final = 8
"""How often in a row a worker may fail while the campaign makes no progress."""

GOOD_LIFE_SECONDS: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_RESTART_PAUSE_SECONDS: Final = 10.0
AWAY_PAUSE_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 120.0
"""How long a cluster may take to detect a lost node, and to start its workers elsewhere. Ray may take a minute to detect it."""


@dataclass(slots=True, kw_only=True)
class RestartPolicy:
    """Decides when one worker's place is filled again. Times are seconds on any monotonic clock."""

    strikes: int = 0
    away: bool = False
    _open_rows: int = -1
    _since_seconds: float = 0.0

    def failed(self, broken: Broken, *, began_seconds: float, now_seconds: float, open_rows: int) -> float | None:
        """Record that the worker that began at `began_seconds` has failed; returns the seconds until its replacement, None for none."""
        lived_well = now_seconds - began_seconds > GOOD_LIFE_SECONDS
        if lived_well or open_rows != self._open_rows:
            # After a good life, the trouble counts from now.
            self.strikes, self._since_seconds = 0, now_seconds if lived_well else began_seconds
        self.strikes += 1
        self.away, self._open_rows = broken.away, open_rows
        if now_seconds - self._since_seconds >= AWAY_SECONDS if broken.away else self.strikes >= STRIKES:
            return None
        return min(FIRST_PAUSE_SECONDS * (1 << self.strikes - 1), AWAY_PAUSE_SECONDS if broken.away else LONGEST_RESTART_PAUSE_SECONDS)


LOOK_SECONDS: Final = 1.0
REASONS: Final = frozenset(cause.reason for cause in Cause)
"""The reasons of rows whose attempts got no connection."""
HEED_SECONDS: Final = 0.1
DRAIN_PATIENCE_SECONDS: Final = DRAIN_SECONDS + 35.0
"""How long workers may take to settle what is in flight, also in a slow ledger."""

TELL_SECONDS: Final = 2.0
AT_ONCE_SECONDS: Final = 2.0
FAREWELL_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The campaign, the reader of its state, the observer of its events, and the signal to stop.

    `begin` is awaited once a worker is registered, before it claims a row; it may raise.
    """

    record: CampaignRecord
    reader: LedgerReader
    observer: Observer
    stop: StopRequest
    begin: Callable[[], Awaitable[None]]


class Supervisor:
    """Keeps `workers` workers at an order, until it is carried out. Runs once."""

    def __init__(self, cluster: Cluster, order: Order, *, workers: int, work: Work) -> None:
        self._cluster = cluster
        self._order = order
        self._workers = workers
        self._work = work
        self._handles: dict[int, WorkerHandle] = {}
        self._stop_signal = StopSignal()
        self._given_up = ""
        self._beginning = asyncio.Lock()
        self._has_begun = False
        self._refused: CampaignError | None = None
        self._open = -1
        self._failed_before: int | None = None
        self._known: set[str] | None = None
        self._reported: set[str] = set()

    async def run(self) -> End:
        """Keep the workers sending; returns why the run ended.

        Raises:
            CampaignError: `begin` has raised it, before any worker sent.
            SafeguardError: `begin` has raised an error after that.
        """
        try:
            async with asyncio.TaskGroup() as group:
                besides = [group.create_task(self._look()), group.create_task(self._send_keepalives())]
                heeding = group.create_task(self._heed())
                places = [group.create_task(self._place(number, group)) for number in range(self._workers)]
                sending = group.create_task(asyncio.wait(places))
                await asyncio.wait([sending, heeding], return_when=asyncio.FIRST_COMPLETED)
                for task in (*besides, heeding, *places, sending):
                    task.cancel()
        finally:
            for handle in self._handles.values():
                handle.terminate()
        if self._refused is not None:
            raise self._refused
        if self._stop_signal.end is not None:
            return self._stop_signal.end
        if self._work.stop.gently.is_set():
            return End(ended=StopReason.INTERRUPTED)
        return End(ended=StopReason.SAFEGUARD, why=self._given_up)

    @property
    def _over(self) -> bool:
        return self._work.stop.gently.is_set() or self._stop_signal.is_set()

    async def _place(self, number: int, group: asyncio.TaskGroup) -> None:
        """Keep one worker at work, and replace it, until the campaign is over."""
        record, clock, policy = self._work.record, asyncio.get_running_loop().time, RestartPolicy()
        name = f"campaign {record.spec.name} {record.id} {record.created_at:.3f} {number}"
        while not self._over:
            handle = self._handles.get(number) or self._cluster.start_worker(name)
            if handle is None:
                # Another command has the workers of these names. If it dies, its workers do, too, and ours take their places.
                await self._pause(LOOK_SECONDS)
                continue
            self._handles[number] = handle
            began = clock()
            ended = await self._sent_by(handle, group)
            broken = ended if isinstance(ended, Broken) else self._ended(ended)
            if broken is None or self._over:
                return
            if not (broken.away and policy.away):
                self._work.observer.event("worker_lost", worker=number, reason=broken.why)
            if broken.for_good:
                self._handles.pop(number).terminate()
            pause = policy.failed(broken, began_seconds=began, now_seconds=clock(), open_rows=self._open)
            if pause is None:
                self._given_up = broken.why
                return
            await self._pause(pause)

    async def _sent_by(self, handle: WorkerHandle, group: asyncio.TaskGroup) -> End | Broken:
        try:
            if (ended := await handle.register(self._order)) is not None:
                return ended
            # One at a time: if it fails, it may remove the marker that it has created, which must not let another worker send.
            async with self._beginning:
                if not self._over:
                    # Shielded: a marker must not be created after this command has ended.
                    await asyncio.shield(group.create_task(self._begin()))
            if not self._over:
                return await handle.send()
            return await handle.send(refused=STOPPED if self._refused is None else str(self._refused))
        except LostError as error:
            return Broken(why=str(error), for_good=error.for_good, away=not error.for_good)

    async def _begin(self) -> None:
        """Check that a registered worker may send. No other ledger sends while a worker is registered, but one may have sent before."""
        try:
            await self._work.begin()
        except CampaignError as error:
            why = f"A worker was to go on sending, and was refused; what was sent before is safe in the ledger. {error}"
            self._refused = SafeguardError(why, code=error.code, **error.values) if self._has_begun else error
            self._stop_signal.set(StopReason.SAFEGUARD, str(error))
        else:
            self._has_begun = True

    def _ended(self, end: End) -> Broken | None:
        """Record how a worker ended; returns why another must replace it, None if none must."""
        match end.ended:
            case StopReason.LEASE_LOST:
                return Broken(why=end.why or "Its lease was over, and others have taken its rows over.")
            case StopReason.INTERRUPTED | StopReason.BATCHES_LEFT:
                return Broken(why="Something other than this command stopped it.")
            case (
                StopReason.SAFEGUARD
                | StopReason.FINISHED
                | StopReason.PAUSED
                | StopReason.CANCELLED
                | StopReason.OUTSIDE_WINDOW
                | StopReason.LIMIT
                | StopReason.PASSES_HELD
            ):
                self._stop_signal.set(end.ended, end.why)
            case _:
                assert_never(end.ended)
        return None

    async def _look(self) -> None:
        """Report the state of the campaign, and detect that others have ended it."""
        work = self._work
        while True:
            try:
                counts = await asyncio.to_thread(work.reader.counts, work.record.id)
                unreachable = await asyncio.to_thread(self._unreachable, counts)
                finished = (await asyncio.to_thread(work.reader.pending_work, work.record.id)).finished
            except LedgerError as error:
                # The workers have their own policy for this, and report when it ends.
                work.observer.event("ledger_not_seen", reason=str(error))
            else:
                self._open = counts.open
                self._halt(counts)
                for reason, detail in unreachable.items():
                    work.observer.event("unreachable", reason=reason, detail=detail)
                work.observer.event("standing", counts=counts)
                if finished:
                    self._stop_signal.set(StopReason.FINISHED)
            await asyncio.sleep(LOOK_SECONDS)

    def _halt(self, counts: Counts) -> None:
        """Stop at the limit of `--halt` over all workers: each worker counts only its own failures, and a replacement starts from zero."""
        limit, failed = self._order.settings.halt.count, counts.failed_sends
        if self._failed_before is None:
            self._failed_before = failed
        if limit is not None and failed - self._failed_before >= limit:
            self._stop_signal.set(StopReason.SAFEGUARD, f"{failed - self._failed_before} sends failed, which is the limit set by --halt.")

    def _unreachable(self, counts: Counts) -> dict[str, str]:
        """Why the API can't be reached, by reason, each one once. It comes from the first failed rows, as the workers report nothing."""
        found = {reason for status, reason in counts.by_reason if status is Status.PENDING} & REASONS
        # Reasons that an earlier command left behind don't count for this one.
        self._known = found if self._known is None else self._known & found | self._reported
        new = found - self._known
        self._reported |= new
        examples = self._work.reader.examples
        return {reason: error for reason in new for _, error in examples(self._work.record.id, Status.PENDING, reason, 1)}

    async def _send_keepalives(self) -> None:
        while True:
            for handle in self._handles.values():
                handle.keepalive()
            await asyncio.sleep(SILENCE_SECONDS / 5)

    async def _heed(self) -> None:
        """Pass on a request to stop, or the end of one worker, to all workers. Waits for none of them for ever."""
        stop = self._work.stop
        while not self._stop_signal.is_set() and not await happens_within(stop.gently, HEED_SECONDS):
            pass
        if self._stop_signal.end == End(ended=StopReason.FINISHED):
            # Nothing is in flight any more, so this wait is short. Ray may wait half a minute for a lost node.
            await happens_within(stop.gently, FAREWELL_SECONDS)
            return
        await self._tell_all(now=False)
        await happens_within(stop.now, DRAIN_PATIENCE_SECONDS)
        await self._tell_all(now=True)
        await asyncio.sleep(AT_ONCE_SECONDS)
        for handle in self._handles.values():
            handle.terminate()

    async def _tell_all(self, *, now: bool) -> None:
        # A frozen or cut-off worker never answers.
        with suppress(TimeoutError):
            async with asyncio.timeout(TELL_SECONDS):
                await asyncio.gather(*(handle.stop(self._work.stop.exit_code, now=now) for handle in self._handles.values()))

    async def _pause(self, seconds: float) -> None:
        await happens_within(self._work.stop.gently, seconds)
