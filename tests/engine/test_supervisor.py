"""What a supervisor does with its workers, which here are in this process, or fail as they are told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

import pytest
from pydantic import SecretStr

from campaign.app.campaign_settings import schedule_of
from campaign.domain.errors import CampaignError, SafeguardError, UsageError
from campaign.domain.status import Status
from campaign.engine import protocol as orders_module
from campaign.engine import supervisor as patience_module
from campaign.engine import supervisor as team_module
from campaign.engine import worker as worker_module
from campaign.engine.protocol import Broken, LostError, Order, WorkerHandle, check_settings, order_of
from campaign.engine.supervisor import STRIKES, Supervisor, Work
from campaign.engine.worker import Worker
from campaign.ledger.port import CampaignRecord, DesiredState
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.sender.port import Silence
from campaign.sender.stop import End, StopReason, StopRequest
from campaign.settings import IsolatedSettings, Settings
from campaign.simulator.config import Latency
from tests.contract.given import campaign_of, ends, spec, staged
from tests.errors import raises
from tests.integration.pool_given import Log
from tests.simulator_client import SimulatorClient

TOKEN = "a-token-that-nobody-must-read"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Told:
    """A worker that answers what it is told to, each time; it waits to be stopped where that is nothing."""

    answer: End | Broken | LostError | None
    stopped: list[bool] = field(default_factory=list)
    told_to_stop: asyncio.Event = field(default_factory=asyncio.Event)
    refused: list[str] = field(default_factory=list)
    dismissed: int = 0
    asked: int = 0
    heard: int = 0

    async def register(self, order: Order) -> End | Broken | None:
        assert order.campaign == "promo"
        self.asked += 1
        return None

    async def send(self, *, refused: str = "") -> End | Broken:
        self.refused.append(refused)
        if isinstance(self.answer, LostError):
            raise self.answer
        if self.answer is None:
            await self.told_to_stop.wait()
        return self.answer or End(ended=StopReason.INTERRUPTED)

    async def stop(self, exit_code: int, *, now: bool) -> None:
        assert exit_code == 130
        self.stopped.append(now)
        self.told_to_stop.set()

    def keepalive(self) -> None:
        self.heard += 1

    def terminate(self) -> None:
        self.dismissed += 1


W = TypeVar("W", bound=WorkerHandle)


@dataclass
class FakeCluster(Generic[W]):
    """A cluster of these workers."""

    workers: Sequence[W]
    names: list[str] = field(default_factory=list)

    def start_worker(self, name: str) -> WorkerHandle | None:
        self.names.append(name)
        return self.workers[len(self.names) - 1] if len(self.names) <= len(self.workers) else None


async def nothing() -> None:
    """A check that finds nothing against sending."""


@asynccontextmanager
async def work_in(folder: Path, begin: Callable[[], Awaitable[None]] = nothing) -> AsyncIterator[tuple[Work, CampaignRecord]]:
    ledger, reader = SqliteLedger(folder / "campaign.db"), SqliteReader(folder / "campaign.db")
    record = await campaign_of(ledger, staged(1), staged(2))
    stop = StopRequest()
    try:
        yield Work(record=record, reader=reader, observer=Silence(), stop=stop, begin=begin), record
    finally:
        await ledger.close()
        reader.close()


def settings(folder: Path, **more: object) -> Settings:
    return IsolatedSettings.read(ledger=str(folder / "campaign.db"), api_key=TOKEN, **more)


async def run(cluster: FakeCluster[Told], work: Work, folder: Path, workers: int) -> End:
    return await asyncio.wait_for(Supervisor(cluster, order_of(work.record, settings(folder)), workers=workers, work=work).run(), 10)


async def test_what_stops_one_stops_all(tmp_path: Path) -> None:
    cluster = FakeCluster([Told(None), Told(None), Told(End(ended=StopReason.SAFEGUARD, why="The token is refused."))])
    async with work_in(tmp_path) as (work, _):
        assert await run(cluster, work, tmp_path, 3) == End(ended=StopReason.SAFEGUARD, why="The token is refused.")
    assert [handle.stopped for handle in cluster.workers] == [[False], [False], [False]]
    assert [handle.dismissed for handle in cluster.workers] == [1, 1, 1]
    assert len(set(cluster.names)) == 3


async def test_a_signal_reaches_every_worker_and_each_knows_that_the_command_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_module, "SILENCE_SECONDS", 0.1)
    cluster = FakeCluster([Told(None), Told(None)])
    async with work_in(tmp_path) as (work, _):
        asyncio.get_running_loop().call_later(0.2, work.stop.gently.set)
        assert (await run(cluster, work, tmp_path, 2)).ended is StopReason.INTERRUPTED
    assert [handle.stopped for handle in cluster.workers] == [[False], [False]]
    assert min(handle.heard for handle in cluster.workers) >= 1


@dataclass
class Frozen(Told):
    """One that answers nothing."""

    async def stop(self, exit_code: int, *, now: bool) -> None:
        await super().stop(exit_code, now=now)
        await asyncio.Event().wait()

    async def send(self, *, refused: str = "") -> End | Broken:
        await asyncio.Event().wait()
        return await super().send(refused=refused)


async def test_nobody_waits_for_a_worker_that_is_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_module, "TELL_SECONDS", 0.2)
    monkeypatch.setattr(team_module, "AT_ONCE_SECONDS", 0.2)
    cluster = FakeCluster([Told(None), Frozen(None)])
    async with work_in(tmp_path) as (work, _):
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, work.stop.gently.set)
        loop.call_later(0.3, work.stop.now.set)
        assert (await run(cluster, work, tmp_path, 2)).ended is StopReason.INTERRUPTED
    assert [handle.stopped for handle in cluster.workers] == [[False, True]] * 2
    assert [handle.dismissed > 0 for handle in cluster.workers] == [True, True]


async def test_failures_are_counted_over_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_module, "LOOK_SECONDS", 0.05)
    cluster = FakeCluster([Told(None), Told(None)])
    async with work_in(tmp_path) as (work, record):
        ledger = SqliteLedger(tmp_path / "campaign.db")
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        first, second = await ledger.claim(runner, 2)
        await ledger.settle(runner, [ends(first, Status.FAILED)])
        supervisor = Supervisor(cluster, order_of(record, settings(tmp_path, halt="1")), workers=2, work=work)
        running = asyncio.create_task(supervisor.run())
        await asyncio.sleep(0.3)
        assert not running.done(), "what failed before is not this command's"
        await ledger.settle(runner, [ends(second, Status.UNKNOWN)])
        end = await asyncio.wait_for(running, 10)
        await ledger.close()
    assert end.ended is StopReason.SAFEGUARD
    assert "--halt" in end.why
    assert [handle.stopped for handle in cluster.workers] == [[False], [False]]


async def test_what_the_first_rows_could_not_reach_is_said_at_once_and_not_what_others_could_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_module, "LOOK_SECONDS", 0.05)
    async with work_in(tmp_path) as (work, record):
        ledger = SqliteLedger(tmp_path / "campaign.db")
        runner = await ledger.register_runner(record.id, quiet_seconds=0)
        first, second = await ledger.claim(runner, 2)
        await ledger.settle(runner, [ends(first, Status.PENDING, reason="dns", due_in_seconds=60.0)])
        log = Log()
        running = asyncio.create_task(run(FakeCluster([Told(None)]), replace(work, observer=log), tmp_path, 1))
        await asyncio.sleep(0.3)
        assert log.named("unreachable") == []
        await ledger.settle(runner, [ends(second, Status.PENDING, reason="proxy", due_in_seconds=60.0)])
        await asyncio.sleep(0.3)
        work.stop.gently.set()
        await running
        await ledger.close()
    assert [told["reason"] for told in log.named("unreachable")] == ["proxy"]


@pytest.mark.parametrize(
    ("answer", "anew"),
    [(LostError("Killed.", for_good=False), False), (LostError("Killed.", for_good=True), True), (Broken(why="Killed."), False)],
)
async def test_a_worker_that_never_gets_anywhere_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Broken | LostError, *, anew: bool
) -> None:
    monkeypatch.setattr(patience_module, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(patience_module, "AWAY_SECONDS", 0)
    monkeypatch.setattr(team_module, "LOOK_SECONDS", 0.01)
    cluster = FakeCluster([Told(answer) for _ in range(2 * STRIKES)])
    async with work_in(tmp_path) as (work, _):
        assert await run(cluster, work, tmp_path, 1) == End(ended=StopReason.SAFEGUARD, why="Killed.")
    # What is seen of the campaign for the first time is news, with which it begins afresh.
    asked = sum(handle.asked for handle in cluster.workers)
    away = isinstance(answer, LostError) and not answer.for_good
    assert (1 if away else STRIKES) <= asked < 2 * STRIKES
    assert len(cluster.names) == (asked if anew else 1)


async def test_where_another_command_has_the_workers_it_waits_until_the_campaign_has_ended(tmp_path: Path) -> None:
    cluster = FakeCluster[Told]([])
    async with work_in(tmp_path) as (work, _):
        asyncio.get_running_loop().call_later(1.5, work.stop.gently.set)
        assert (await run(cluster, work, tmp_path, 1)).ended is StopReason.INTERRUPTED
    assert len(cluster.names) >= 2
    assert len(set(cluster.names)) == 1


@dataclass
class Here:
    """A worker of this process; `killed` before it is told to send."""

    worker: Worker = field(default_factory=Worker)
    killed: bool = False

    async def register(self, order: Order) -> End | Broken | None:
        return await self.worker.register(order)

    async def send(self, *, refused: str = "") -> End | Broken:
        if self.killed:
            await self.worker.stop(130, now=True)
            raise LostError("Killed.", for_good=True)
        return await self.worker.send(refused=refused)

    async def stop(self, exit_code: int, *, now: bool) -> None:
        await self.worker.stop(exit_code, now=now)

    def keepalive(self) -> None:
        """Its time is too short to need it."""

    def terminate(self) -> None:
        """It ends with the test."""


@dataclass
class Check:
    """What is done before a worker sends: it sees how many runners are alive, and how many messages were sent, and raises `refusals`."""

    simulator: SimulatorClient
    refusals: Sequence[CampaignError | None]
    work: Work | None = None
    seen: list[tuple[int, int]] = field(default_factory=list)

    async def __call__(self) -> None:
        assert self.work is not None
        alive = [runner for runner in self.work.reader.runners(self.work.record.id) if runner.alive]
        assert self.work.reader.counts(self.work.record.id).by_status[Status.PENDING] == 2
        self.seen.append((len(alive), len(self.simulator.audit())))
        if (refusal := self.refusals[len(self.seen) - 1]) is not None:
            raise refusal


async def run_checked(check: Check, folder: Path, *workers: Here) -> End:
    async with work_in(folder, check) as (work, record):
        check.work = work
        order = order_of(record, settings(folder, api_url=check.simulator.url))
        try:
            return await asyncio.wait_for(Supervisor(FakeCluster(workers), order, workers=1, work=work).run(), 10)
        finally:
            assert not any(runner.alive for runner in work.reader.runners(record.id))


async def test_each_worker_is_checked_once_it_is_registered_and_before_it_sends(tmp_path: Path, simulator: SimulatorClient) -> None:
    check = Check(simulator, [None, None])
    end = await run_checked(check, tmp_path, Here(killed=True), Here())
    assert end.ended is StopReason.FINISHED
    assert [sent for _, sent in check.seen] == [0, 0]
    assert min(alive for alive, _ in check.seen) >= 1
    assert len(simulator.audit()) == 2


@pytest.mark.parametrize(("passed", "kind"), [(0, UsageError), (1, SafeguardError)])
async def test_a_worker_that_is_refused_sends_nothing_and_ends_the_command(
    tmp_path: Path, simulator: SimulatorClient, passed: int, kind: type[CampaignError]
) -> None:
    refusal = UsageError("Another ledger sends it.", code="sent_from_elsewhere")
    check = Check(simulator, [*[None] * passed, refusal])
    with raises(kind, "sent_from_elsewhere"):
        await run_checked(check, tmp_path, *[Here(killed=True)] * passed, Here())
    assert len(check.seen) == passed + 1
    assert simulator.audit() == []
    with closing(SqliteReader(tmp_path / "campaign.db")) as reader:
        record = reader.campaign("promo")
    assert record is not None
    assert "Another ledger sends it." in record.ended


async def test_of_several_workers_none_sends_once_one_is_refused(tmp_path: Path) -> None:
    """Meanwhile another check would find the marker that the first one is about to remove."""
    checks: list[int] = []

    async def refuse() -> None:
        checks.append(1)
        if len(checks) == 1:
            await asyncio.sleep(0.1)
            raise UsageError("Another ledger sends it.", code="sent_from_elsewhere")

    workers = [Told(End(ended=StopReason.INTERRUPTED)) for _ in range(3)]
    async with work_in(tmp_path, refuse) as (work, _):
        with raises(UsageError, "sent_from_elsewhere"):
            await run(FakeCluster(workers), work, tmp_path, 3)
    assert [worker.refused for worker in workers] == [["Another ledger sends it."]] * 3
    assert len(checks) == 1


async def test_a_worker_that_has_not_registered_or_is_not_told_to_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: SimulatorClient
) -> None:
    """As a process that has replaced a killed one, and one whose command was killed."""
    assert isinstance(await Worker().send(), Broken)
    monkeypatch.setattr(worker_module, "SILENCE_SECONDS", 0.5)
    left = asyncio.Event()
    async with work_in(tmp_path) as (work, record):
        worker = Worker(lambda _code: left.set())
        assert await worker.register(order_of(record, settings(tmp_path, api_url=simulator.url))) is None
        await asyncio.wait_for(left.wait(), 5)
        assert isinstance(await worker.send(), Broken)
        assert not any(runner.alive for runner in work.reader.runners(record.id))
    assert simulator.audit() == []


async def sent_by(worker: Worker, order: Order) -> End | Broken:
    ended = await worker.register(order)
    return await worker.send() if ended is None else ended


async def test_a_worker_sends_and_stops_when_nobody_speaks_to_it_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: SimulatorClient
) -> None:
    monkeypatch.setattr(worker_module, "SILENCE_SECONDS", 0.5)
    left: list[int] = []
    async with work_in(tmp_path) as (_, record):
        order = order_of(record, settings(tmp_path, api_url=simulator.url, rate="1"))
        told = await asyncio.wait_for(sent_by(Worker(left.append), order), 10)
    assert told == End(ended=StopReason.INTERRUPTED)
    assert left == [1]
    assert len(simulator.audit()) == 1


def record_of(name: str = "promo", **kept: str) -> CampaignRecord:
    """Of a campaign that no ledger has."""
    return CampaignRecord(
        id=1,
        spec=replace(spec(name), settings=kept),
        content_sha256="c",
        rows=2,
        desired_state=DesiredState.GO,
        created_at=5.0,
        started_at=0.0,
        finished_at=0.0,
        ended="",
    )


async def test_a_worker_of_another_version_sends_nothing(tmp_path: Path) -> None:
    told = await sent_by(Worker(), replace(order_of(record_of(), settings(tmp_path)), version="0.0.1"))
    assert isinstance(told, Broken)
    assert told.for_good
    assert "0.0.1" in told.why


async def test_what_a_worker_can_not_do_is_a_sentence(tmp_path: Path) -> None:
    told = await sent_by(Worker(), order_of(record_of("other"), settings(tmp_path)))
    assert isinstance(told, Broken)
    assert "“other”" in told.why


async def test_a_worker_that_hears_again_too_late_gives_up_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: SimulatorClient
) -> None:
    """After it was frozen, say: what it would be asked to send then, it would never send."""
    monkeypatch.setattr(worker_module, "SILENCE_SECONDS", 0.5)
    simulator.set_faults(latency=Latency(low_seconds=1.0, high_seconds=1.0))
    left: list[int] = []
    async with work_in(tmp_path) as (_, record):
        worker = Worker(left.append)
        sending = asyncio.create_task(sent_by(worker, order_of(record, settings(tmp_path, api_url=simulator.url))))
        await asyncio.sleep(0.8)
        while not sending.done():
            await worker.keepalive()
            await asyncio.sleep(0.1)
    assert left == [1]
    assert len(simulator.audit()) == 2


async def test_a_worker_sends_no_other_campaign_of_the_same_name(tmp_path: Path, simulator: SimulatorClient) -> None:
    async with work_in(tmp_path) as (_, record):
        order = order_of(record, settings(tmp_path, api_url=simulator.url))
        told = [await sent_by(Worker(), other) for other in (replace(order, id=2), replace(order, created_at=5.0))]
    assert [type(one) for one in told] == [Broken, Broken]
    assert simulator.audit() == []


def test_an_order_means_the_same_elsewhere_and_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    given = IsolatedSettings.read(
        ledger="a.db", api_key_file=str(tmp_path / "token"), notify="json://hook", quiet_period="7s", halt="20%", ca_file="ca.pem"
    )
    order = order_of(record_of(), given)
    assert order.settings.api_key == SecretStr(TOKEN)
    assert (order.settings.ledger, order.settings.ca_file) == (str(tmp_path / "a.db"), tmp_path / "ca.pem")
    assert (order.settings.api_key_file, order.settings.notify) == (None, ())
    changed = {name for name in Settings.model_fields if getattr(order.settings, name) != getattr(given, name)}
    assert changed == {"api_key", "api_key_file", "ca_file", "ledger", "notify", "time_zone", "yes"}
    assert TOKEN not in f"{order} {order!r} {order.settings!r}"


@pytest.mark.parametrize("kept", [{}, {"start_at": "06:00", "start_at_time": "2026-11-20T05:00:00+00:00"}])
def test_hours_mean_the_same_on_a_machine_elsewhere_and_for_a_worker_that_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: dict[str, str]
) -> None:
    given = settings(tmp_path, window="09:00-20:00", start_at="06:00", not_after="20:00")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setattr(orders_module, "utc_now", lambda: NOW)
    meant = schedule_of(given, kept, now=NOW)
    order = order_of(record_of(**kept), given)
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    assert schedule_of(order.settings, kept, now=NOW + timedelta(hours=30)) == meant


@pytest.mark.parametrize(("name", "value"), [("limit", 3), ("canary", 3)])
def test_what_only_one_process_can_count_is_refused(tmp_path: Path, name: str, value: object) -> None:
    with raises(UsageError, "not_with_ray", option=f"--{name}"):
        check_settings(settings(tmp_path).model_copy(update={name: value}))
