"""One campaign from its plan to its evidence: the real commands on the real ledger, on one machine in virtual time."""

import asyncio
import random
import shutil
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

import apsw

from campaign.app import retry, run, send
from campaign.app import session as sessions
from campaign.app.campaign_settings import remembered
from campaign.app.session import Front
from campaign.domain.errors import CampaignError, LedgerError
from campaign.domain.model import Counts, Outcome, ResultRow, Settlement, Skip, StagedRow, Status
from campaign.domain.retry_selection import Selection
from campaign.ledger.port import CampaignRecord, CampaignSpec, DesiredState
from campaign.ledger.sqlite import SqliteLedger, SqliteReader, base
from campaign.ledger.sqlite.connection import SqliteClock
from campaign.ledger.sqlite.integrity import RollbackGuard, runners_folder
from campaign.ledger.sqlite.writer import MOST_TOGETHER, MOST_WAITING, Writer, type_of_work
from campaign.settings import Settings
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.state import Clock, State
from tests.simulation.disk import VFS_NAME, Disk
from tests.simulation.machine import PROCESS, Machine, Process, StuckError, VirtualLoop, in_its_time, start
from tests.simulation.network import Network, SimulatedGateway
from tests.simulation.plan import DAY_SECONDS, LATE_SECONDS, QUIET_SECONDS, WINDOW_SECONDS, Event, Kind, Plan

NAME: Final = "promo"
TIMEOUT_SECONDS: Final = 5.0
AGAIN: Final = 0.7
"""How often somebody begins again at once where a process was killed."""

MARK_LOST: Final = 0.7
"""How often the power takes the ledger's mark, too."""

_TO_ONE: Final = frozenset({Kind.KILL, Kind.SUSPEND, Kind.TERM, Kind.TERM_TWICE})
ATTEMPTS_TO_FINISH: Final = 20
LONGEST_RUN_SECONDS: Final = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSeen:
    """An attempt as the ledger has it."""

    row: int
    fence: int
    status: str


@dataclass(kw_only=True)
class Evidence:
    """All that the audit looks at."""

    plan: Plan
    staged: list[StagedRow]
    rows: dict[int, ResultRow]
    fences: dict[int, int]
    attempts: list[AttemptSeen]
    messages: Counter[str]
    texts: dict[str, set[str]]
    requests: Counter[str]
    network: Network
    control: DesiredState
    runners_at_work: int
    finished: bool
    by_person: Counter[int]
    cancelled_at: float | None
    problems: list[str]
    happened: Counter[str]
    virtual_seconds: float


class TurnWriter(Writer):
    """The ledger's writer without its thread: a commit is one moment, and its answer comes after another."""

    def __init__(self, connection: apsw.Connection, path: Path, clock: SqliteClock) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._witness = RollbackGuard(path)
        self._asked: list[tuple[type_of_work, asyncio.Future[Any]]] = []
        self._closed = False
        self._turn_comes = False
        held = PROCESS.get()
        if held is not None:
            _HELD.setdefault(held, []).append(self)

    async def do(self, work: Callable[[apsw.Connection], Any]) -> Any:
        if self._closed:
            raise LedgerError("The ledger is closed.", code="ledger_closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        assert len(self._asked) < MOST_WAITING
        self._asked.append((work, future))
        self._come(loop)
        return await future

    def _come(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._turn_comes:
            self._turn_comes = True
            loop.call_later(RUN.luck.choice((0.0, 0.001, 0.02)) * RUN.luck.random(), self._turn)

    def _turn(self) -> None:
        self._turn_comes = False
        batch, self._asked = self._asked[:MOST_TOGETHER], self._asked[MOST_TOGETHER:]
        if batch and not self._closed:
            self._commit(batch)
        if self._asked:
            self._come(asyncio.get_running_loop())

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._asked:
                self._commit(self._asked)
                self._asked = []
            self.cut()

    def cut(self) -> None:
        """As the end of the process does."""
        self._closed = True
        self._asked = []
        self._connection.close()
        self._witness.close()


class _Run:
    """What the parts that replace the system's look up."""

    luck: random.Random = random.Random(0)


RUN = _Run()
_HELD: dict[Process, list[Any]] = {}


@dataclass(frozen=True, slots=True)
class Runner:
    """A process with a command in it."""

    process: Process
    task: "asyncio.Task[Any]"
    stop: send.Stop

    @property
    def alive(self) -> bool:
        return not self.process.killed and not self.task.done()


@dataclass(eq=False)
class Watcher:
    """An observer that writes into the trace."""

    trace: Callable[[str], None]

    def settled(self, settlement: Settlement) -> None:
        outcome = settlement.outcome
        self.trace(f"row {settlement.claim.row} attempt {settlement.claim.fence}: {outcome.status.value} {outcome.reason}")

    def event(self, name: str, **details: object) -> None:
        self.trace(f"{name} {details}" if details else name)


class Simulation:
    """Runs one plan. `folder` is for its ledger; `trace` hears of each step."""

    def __init__(self, plan: Plan, folder: Path, disk: Disk, trace: Callable[[str], None] | None = None) -> None:
        self._plan = plan
        self._folder = folder
        self._disk = disk
        self._luck = random.Random(f"run {plan.seed}")
        self._loop = VirtualLoop(random.Random(f"order {plan.seed}"))
        self._machine = Machine(self._loop)
        self._told = trace
        self._runners: list[Runner] = []
        self._happened: Counter[str] = Counter()
        self._by_person: Counter[int] = Counter()
        self._problems: list[str] = []
        self._cancelled_at: float | None = None
        self._number = 0
        self._asked_for: Settings | None = None
        passes = [f"pass-{number}" for number in range(plan.rows)]
        self._staged = [self._row(number, passes[number - 1]) for number in range(1, plan.rows + 1)]
        for number in range(plan.duplicates):
            again = self._row(plan.rows + 1 + number, self._luck.choice(passes))
            self._staged.append(replace(again, outcome=Outcome(status=Status.SKIPPED, reason=Skip.DUPLICATE)))
        chosen = self._luck.sample(passes, min(len(passes), plan.missing + plan.forbidden))
        self._config = SimulatorConfig(
            seed=plan.seed % 2**31,
            faults=plan.faults,
            missing=frozenset(chosen[: plan.missing]),
            forbidden=frozenset(chosen[plan.missing :]),
            statuses={"active": 1.0 - plan.issued, "issued": plan.issued} if plan.issued else {"active": 1.0},
            undelivered_when_issued=True,
            limit_per_second=plan.limit_per_second,
            late_seconds=LATE_SECONDS,
            hang_seconds=1.0,
            deep_levels=1000,
        )
        clock = Clock(
            monotonic_ns=lambda: int(self._loop.time() * 1e9),
            unix_ns=lambda: int(self._machine.wall() * 1e9),
        )
        self._network = Network(
            state=State(self._config, clock=clock),
            luck=random.Random(f"network {plan.seed}"),
            config=self._config,
            wall=self._machine.wall,
            slow=plan.slow,
            unreachable=plan.unreachable,
        )

    def run(self) -> Evidence:
        """The whole campaign.

        Raises:
            StuckError: it does not end.
        """
        random.seed(self._plan.seed)
        RUN.luck = random.Random(f"writer {self._plan.seed}")
        with self._in_place(), in_its_time(self._machine):
            asyncio.set_event_loop(self._loop)
            try:
                return self._loop.run_until_complete(self._whole())
            finally:
                self._dispose()
                asyncio.set_event_loop(None)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        """What talks to the system elsewhere is replaced; all else is as it is shipped."""

        def opened(kind: Callable[..., Any]) -> Callable[..., Any]:
            def open_it(settings: Settings) -> Any:
                made = kind(settings.ledger_path)
                if (process := PROCESS.get()) is not None:
                    _HELD.setdefault(process, []).append(made)
                return made

            return open_it

        def gateway(settings: Settings, observer: Any, *, concurrency: int, total_seconds: float = 30.0) -> Any:
            del settings, observer, concurrency
            return SimulatedGateway(self._network, total_seconds)

        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(base, "Writer", TurnWriter))
            stack.enter_context(mock.patch.object(send, "open_gateway", gateway))
            for module in (sessions, run):
                stack.enter_context(mock.patch.object(module, "open_ledger", opened(SqliteLedger)))
                stack.enter_context(mock.patch.object(module, "open_reader", opened(SqliteReader)))
            yield

    def _trace(self, text: str) -> None:
        if self._told is not None:
            process = PROCESS.get()
            self._told(f"{self._loop.time() - 1000:12.3f}  {process.name if process else '-':12} {text.replace(f'{self._folder}/', '')}")

    def _kill(self, runner: Runner) -> None:
        runner.process.killed = True
        self._release(runner.process)

    def _release(self, process: Process) -> None:
        for held in _HELD.pop(process, []):
            if isinstance(held, TurnWriter):
                # Whoever is killed brings nothing from the log into the file.
                with suppress(apsw.Error):
                    held._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                held.cut()
            elif isinstance(held, SqliteLedger):
                for lifeline in held._locks.values():
                    lifeline.release()
            else:
                with suppress(apsw.Error):
                    held._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                held.close()

    def _alive(self) -> list[Runner]:
        return [runner for runner in self._runners if runner.alive]

    def _settings(self) -> Settings:
        if self._asked_for is None:
            self._asked_for = self._given_settings()
        return self._asked_for

    def _given_settings(self) -> Settings:
        plan = self._plan
        return Settings.model_validate(
            {
                "ledger": str(self._folder / "campaign.db"),
                "rate": plan.rate if plan.rate is not None else "unlimited",
                "concurrency": plan.concurrency,
                "max_attempts": plan.max_attempts,
                "on_unknown": plan.on_unknown,
                "quiet_period": QUIET_SECONDS,
                "timeout": TIMEOUT_SECONDS,
                "baseline": plan.baseline,
                "window": plan.window,
                # To wait for hours takes a turn of the loop ten times a second of them.
                "no_wait": True,
                "time_zone": "UTC",
                "daily_cap": 0,
                "yes": True,
                "PASSENTRY_API_KEY": "token",
                "PASSENTRY_API_URL": "http://127.0.0.1:1",
            }
        )

    def _front(self, stop: send.Stop) -> Front:
        @contextmanager
        def watch(name: str, counts: Counts) -> Iterator[Watcher]:
            del name, counts
            yield Watcher(self._trace)

        def tell(event: str, sentence: str, /, *, level: str = "warning", **details: object) -> None:
            del sentence, level
            self._trace(f"{event} {details}")

        return Front(confirm=lambda _: True, agree=lambda *_: True, watch=watch, listen=lambda: stop, tell=tell)

    def _begin(self, what: str, command: Callable[[Settings, Front], Awaitable[Any]]) -> Runner:
        self._number += 1
        process = Process(f"{what} {self._number}")
        stop = send.Stop(gently=asyncio.Event(), now=asyncio.Event())

        async def whole() -> str:
            try:
                finished = await command(self._settings(), self._front(stop))
            except CampaignError as error:
                self._trace(f"ended with {type(error).__name__} {error.code}: {error}")
                if error.code in {"fault", ""} and not isinstance(error, LedgerError):
                    self._problems.append(f"{what}: {error}")
                return error.code or type(error).__name__
            finally:
                self._release(process)
            self._trace(f"ended: {finished.view.state.value if finished else ''}")
            return ""

        runner = Runner(process, start(process, whole), stop)
        self._runners.append(runner)
        self._trace(f"begins: {process.name}")
        return runner

    def _resume(self) -> Runner:
        return self._begin("resume", lambda settings, front: run.resume(NAME, settings, front))

    def _join(self) -> Runner:
        return self._begin("send", lambda settings, front: run.join(NAME, settings, front))

    def _retry(self, status: Status) -> Runner:
        async def command(settings: Settings, front: Front) -> Any:
            return await retry.retry(NAME, Selection(statuses=frozenset({status})), settings, front)

        return self._begin("retry", command)

    def _control(self, wanted: DesiredState) -> Runner:
        async def command(settings: Settings, front: Front) -> Any:
            del front
            await run.control(NAME, wanted, settings)
            if wanted is DesiredState.CANCELLED and self._cancelled_at is None:
                self._cancelled_at = self._loop.time()

        return self._begin(wanted.value, command)

    def _verify(self) -> Runner:
        return self._begin("verify", lambda settings, front: run.read_back(NAME, settings, front))

    def _happen(self, event: Event) -> None:
        self._happened[event.kind.value] += 1
        self._trace(f"*** {event.kind.value} {event.seconds or ''}")
        alive = self._alive()
        if alive and event.kind in _TO_ONE:
            self._befall(event, self._luck.choice(alive))
            return
        match event.kind:
            case Kind.KILL_ALL:
                for runner in alive:
                    self._kill(runner)
                self._resume()
            case Kind.POWER:
                self._lose_power()
                self._resume()
            case Kind.SLEEP:
                self._machine.asleep += event.seconds
            case Kind.STEP:
                self._machine.wall_shift += event.seconds
            case Kind.FULL:
                self._disk.full = True
                self._loop.call_later(event.seconds, self._free)
            case Kind.DOWN:
                self._network.down = True
                self._loop.call_later(event.seconds, self._up)
            case _:
                self._ask(event.kind)

    def _befall(self, event: Event, runner: Runner) -> None:
        """What happens to one process."""
        match event.kind:
            case Kind.KILL:
                self._kill(runner)
                if self._luck.random() < AGAIN:
                    self._resume()
            case Kind.SUSPEND:
                runner.process.suspended = True
                self._loop.call_later(event.seconds, self._loop.resume, runner.process)
            case Kind.TERM_TWICE:
                runner.stop.gently.set()
                self._loop.call_later(self._luck.random() * 2, runner.stop.now.set)
            case _:
                runner.stop.gently.set()

    def _ask(self, kind: Kind) -> None:
        """What a person wants."""
        match kind:
            case Kind.START:
                self._join()
            case Kind.RESUME:
                self._resume()
            case Kind.PAUSE:
                self._control(DesiredState.PAUSED)
            case Kind.CANCEL:
                self._control(DesiredState.CANCELLED)
            case Kind.RETRY_FAILED:
                self._retry(Status.FAILED)
            case Kind.RETRY_UNKNOWN:
                self._again(Status.UNKNOWN)
            case Kind.RETRY_NOT_DELIVERED:
                self._again(Status.NOT_DELIVERED)
            case Kind.VERIFY:
                self._verify()
            case _:
                pass

    def _again(self, status: Status) -> None:
        """A person has rows sent once more that may have arrived: one message more is what was asked for."""
        self._retry(status)
        with self._reader() as reader:
            for row in reader.rows(self._record(reader).id):
                self._by_person[row.row] += 1

    def _lose_power(self) -> None:
        for runner in self._runners:
            if not runner.process.killed:
                self._kill(runner)
        self._disk.lose_power(self._luck)
        for file in self._folder.glob("*-shm"):
            file.unlink()
        # The mark is never synced.
        if self._luck.random() < MARK_LOST:
            (runners_folder(self._folder / "campaign.db") / "mark").unlink(missing_ok=True)
        self._machine.reboot()

    def _free(self) -> None:
        self._disk.full = False

    def _up(self) -> None:
        self._network.down = False

    @contextmanager
    def _reader(self) -> Iterator[SqliteReader]:
        reader = SqliteReader(self._folder / "campaign.db")
        try:
            yield reader
        finally:
            reader.close()

    def _record(self, reader: SqliteReader) -> CampaignRecord:
        record = reader.campaign(NAME)
        assert record is not None
        return record

    def _row(self, number: int, pass_id: str) -> StagedRow:
        text = f"Message {number}" if number % 3 else "The same for many"
        return StagedRow(
            row=number, pass_id=pass_id, pass_key=pass_id, message=text, cells=(pass_id,), outcome=Outcome(status=Status.PENDING)
        )

    async def _whole(self) -> Evidence:
        await self._stage()
        for _ in range(self._plan.runners):
            self._resume() if not self._runners else self._join()
        for event in self._plan.events:
            await asyncio.sleep(event.after)
            self._happen(event)
        finished = await self._finish()
        # What the API takes late it has taken by then.
        await asyncio.sleep(2 * LATE_SECONDS + 5)
        return self._evidence(finished=finished)

    async def _stage(self) -> None:
        ledger = SqliteLedger(self._folder / "campaign.db")
        try:
            settings = remembered(self._settings(), now=self._machine.utc_now(), own_zones=False)
            spec = CampaignSpec(
                name=NAME, list_name="list", list_sha256="a", message_sha256="b", columns=("id",), id_column="id", settings=settings
            )
            record = await ledger.create(spec)
            await ledger.stage(record.id, self._staged)
            await ledger.finish_staging(record.id, content_sha256="c")
        finally:
            await ledger.close()

    async def _finish(self) -> bool:
        """Nothing happens any more: the same command ends the campaign, or says what it needs a person for."""
        self._free()
        self._up()
        self._network.unreachable = 0.0
        self._network.state.configure({"faults": {}})
        for runner in self._runners:
            if runner.process.suspended:
                self._loop.resume(runner.process)
        for left in reversed(range(ATTEMPTS_TO_FINISH)):
            tasks = [runner.task for runner in self._alive()]
            if tasks:
                _, going = await asyncio.wait(tasks, timeout=LONGEST_RUN_SECONDS)
                if going:
                    raise StuckError("a command does not end: " + ", ".join(task.get_name() for task in going))
            with self._reader() as reader:
                record = self._record(reader)
                outlook = reader.outlook(record.id)
                if outlook.finished and not any(one.alive for one in reader.runners(record.id)):
                    return True
                if record.control is DesiredState.CANCELLED:
                    self._verify()
                    continue
            if not left:
                break
            self._sleep_until_it_opens()
            self._resume()
            await asyncio.sleep(1.0)
        return False

    def _sleep_until_it_opens(self) -> None:
        if self._plan.window is not None:
            opens, closes = WINDOW_SECONDS
            of_day = self._machine.wall() % DAY_SECONDS
            if not opens <= of_day < closes - 1:
                self._machine.asleep += (opens - of_day) % DAY_SECONDS

    def _evidence(self, *, finished: bool) -> Evidence:
        with self._reader() as reader:
            record = self._record(reader)
            rows = {row.row: row for row in reader.rows(record.id)}
            at_work = sum(one.alive for one in reader.runners(record.id))
        connection = apsw.Connection(str(self._folder / "campaign.db"))
        try:
            fences: dict[int, int] = dict(connection.execute("SELECT row, fence FROM rows"))
            columns = "row, fence, status"
            attempts = [
                AttemptSeen(**dict(zip(columns.split(", "), values, strict=True)))
                for values in connection.execute(f"SELECT {columns} FROM attempts ORDER BY row, fence, id")
            ]
            problems = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
        finally:
            connection.close()
        state = self._network.state
        entries = list(state.records.notifications.entries())
        texts: dict[str, set[str]] = {}
        for entry in entries:
            texts.setdefault(entry.id, set()).add(entry.message)
        for runner in self._runners:
            if runner.task.done() and not runner.task.cancelled() and (error := runner.task.exception()) is not None:
                self._trace("".join(traceback.format_exception(error)))
                problems.append(f"{runner.process.name} ended with {error!r}")
        return Evidence(
            plan=self._plan,
            staged=self._staged,
            rows=rows,
            fences=fences,
            attempts=attempts,
            messages=Counter(entry.id for entry in entries),
            texts=texts,
            requests=Counter(one.pass_id for one in self._network.written),
            network=self._network,
            control=record.control,
            runners_at_work=at_work,
            finished=finished,
            by_person=self._by_person,
            cancelled_at=self._cancelled_at,
            problems=[*self._problems, *problems],
            happened=self._happened,
            virtual_seconds=self._loop.time() - 1000 + self._machine.asleep,
        )

    def _dispose(self) -> None:
        """Let go of what was killed in the middle; nothing of it may run, so nothing of it may be heard."""
        for runner in self._runners:
            self._release(runner.process)
        quiet = sys.unraisablehook
        sys.unraisablehook = lambda _: None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for task in asyncio.all_tasks(self._loop):
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    with suppress(BaseException):
                        task.get_coro().close()
                self._runners.clear()
                self._loop.close()
        finally:
            sys.unraisablehook = quiet
        _HELD.clear()


_DISK: list[Disk] = []


def the_disk() -> Disk:
    """SQLite knows it by its name, so there is one."""
    if not _DISK:
        _DISK.append(Disk())
        apsw.set_default_vfs(VFS_NAME)
    return _DISK[0]


def simulate(plan: Plan, folder: Path, trace: Callable[[str], None] | None = None) -> Evidence:
    """Run a plan in an empty folder, which is removed.

    Raises:
        StuckError: it does not end.
    """
    disk = the_disk()
    disk.clear()
    folder.mkdir(parents=True)
    try:
        return Simulation(plan, folder, disk, trace).run()
    finally:
        shutil.rmtree(folder)
