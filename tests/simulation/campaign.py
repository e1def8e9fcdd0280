"""One campaign from its plan to its evidence: the real commands on the real ledger, on one machine in virtual time."""

import asyncio
import random
import secrets
import shutil
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

import apsw

from campaign.app.sending import send
from campaign.domain.batches import HELD_SECONDS
from campaign.domain.model import Outcome, Skip, StagedRow
from campaign.domain.status import Status
from campaign.ledger.port import DesiredState
from campaign.ledger.sqlite.integrity import runners_folder
from campaign.sender import pool
from campaign.sender.batches import pool as batch_pool
from campaign.settings import Settings
from tests.simulation import evidence, ledger
from tests.simulation.batches import SimulatedBatchGateway
from tests.simulation.commands import NAME, TIMEOUT_SECONDS, Commands, Runner
from tests.simulation.disk import VFS_NAME, Disk
from tests.simulation.evidence import Evidence
from tests.simulation.machine import PROCESS, Machine, Process, StuckError, VirtualLoop, in_its_time
from tests.simulation.network import Network, SimulatedGateway
from tests.simulation.plan import DAY_SECONDS, LATE_SECONDS, QUIET_SECONDS, WINDOW_SECONDS, Event, Kind, Plan
from tests.simulation.retries import Retries

AGAIN: Final = 0.7
"""How often somebody begins again at once where a process was killed."""

MARK_LOST: Final = 0.7
"""How often the power takes the ledger's mark, too."""

_TO_ONE: Final = frozenset({Kind.KILL, Kind.SUSPEND, Kind.TERM, Kind.TERM_TWICE})
IDLE_SECONDS: Final = 0.4
"""How often a runner without work asks for some. Ten times a second, as shipped, is most of what a simulation would do."""

REQUEST_SECONDS: Final = 5.0
"""How long an event waits for a request to be under way."""

ATTEMPTS_TO_FINISH: Final = 20
LONGEST_RUN_SECONDS: Final = 6 * 3600.0
_SENDING: Final = (
    "SELECT r.username, o.pass_id FROM rows AS o JOIN runners AS r ON r.id = o.runner WHERE o.status = 'sending' AND r.username = ?"
)


class Simulation:
    """Runs one plan. `folder` is for its list and its ledger; `trace` hears of each step."""

    def __init__(self, plan: Plan, folder: Path, disk: Disk, trace: Callable[[str], None] | None = None) -> None:
        self._plan = plan
        self._folder = folder
        self._disk = disk
        self._luck = random.Random(f"run {plan.seed}")
        self._loop = VirtualLoop(random.Random(f"order {plan.seed}"))
        self._machine = Machine(self._loop)
        self._told = trace
        self._happened: Counter[str] = Counter()
        self._request_awaited: asyncio.Future[Process | None] | None = None
        passes = [f"pass-{number}" for number in range(plan.rows)]
        self._staged = [_row(number, passes[number - 1]) for number in range(1, plan.rows + 1)]
        for number in range(plan.duplicates):
            again = _row(plan.rows + 1 + number, self._luck.choice(passes))
            self._staged.append(replace(again, outcome=Outcome(status=Status.SKIPPED, reason=Skip.DUPLICATE)))
        self._commands = Commands(plan, folder, self._staged, self._luck, self._trace)
        self._network = Network.of(plan, self._machine, missing=self._luck.sample(passes, min(len(passes), plan.missing + plan.forbidden)))
        self._network.left = self._request_leaves

    def run(self) -> Evidence:
        """The whole campaign.

        Raises:
            StuckError: it does not end.
        """
        random.seed(self._plan.seed)
        ledger.RUN.luck = random.Random(f"writer {self._plan.seed}")
        ledger.RUN.retries = Retries()
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

        def gateway(settings: Settings, observer: Any, *, concurrency: int, total_seconds: float = 30.0) -> Any:
            del settings, observer, concurrency
            return SimulatedGateway(self._network, total_seconds)

        def batches(settings: Settings) -> Any:
            del settings
            return SimulatedBatchGateway(self._network, TIMEOUT_SECONDS)

        with ExitStack() as stack:
            stack.enter_context(ledger.in_place())
            stack.enter_context(mock.patch.object(send, "open_gateway", gateway))
            stack.enter_context(mock.patch.object(send, "open_batches", batches))
            stack.enter_context(mock.patch.object(pool, "IDLE_SECONDS", IDLE_SECONDS))
            stack.enter_context(mock.patch.object(batch_pool, "IDLE_SECONDS", 4 * IDLE_SECONDS))
            stack.enter_context(mock.patch.object(secrets, "token_hex", lambda count: self._luck.randbytes(count).hex()))
            yield

    def _trace(self, text: str) -> None:
        if self._told is not None:
            process = PROCESS.get()
            self._told(f"{self._loop.time() - 1000:12.3f}  {process.name if process else '-':12} {text.replace(f'{self._folder}/', '')}")

    def _kill(self, runner: Runner) -> None:
        runner.process.killed = True
        ledger.release(runner.process)

    def _happen(self, event: Event, sender: Process | None) -> None:
        self._happened[event.kind.value] += 1
        self._trace(f"*** {event.kind.value} {event.seconds or ''}")
        alive = self._commands.alive()
        if event.kind not in _TO_ONE:
            self._befall_all(event, alive)
        elif alive:
            senders = [runner for runner in alive if runner.process is sender]
            self._befall(event, self._luck.choice(senders or alive))

    def _befall_all(self, event: Event, alive: list[Runner]) -> None:
        """What happens to the machine, the API, or everyone's passes."""
        match event.kind:
            case Kind.KILL_ALL:
                for runner in alive:
                    self._kill(runner)
                self._commands.resume()
            case Kind.POWER:
                self._lose_power()
                self._commands.resume()
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
            case Kind.OTHERS:
                for row in self._luck.sample(self._staged, self._luck.randint(1, len(self._staged))):
                    self._network.write_foreign(row.pass_id)
            case _:
                self._commands.ask(event.kind)

    def _befall(self, event: Event, runner: Runner) -> None:
        """What happens to one process."""
        match event.kind:
            case Kind.KILL:
                self._kill(runner)
                if self._luck.random() < AGAIN:
                    # Whoever gave a retry gives it again, or goes on as it says.
                    repeats = runner.process.name.startswith("retry") and self._luck.random() < 0.7
                    self._commands.repeat() if repeats else self._commands.resume()
            case Kind.SUSPEND:
                runner.process.suspended = runner.process.was_suspended = True
                if event.until_taken and self._commands.ledger.exists():
                    runner.held.update(self._passes_of(runner))
                    if len(self._commands.alive()) == 1:
                        # Somebody sees that nothing goes on.
                        self._commands.join()
                self._loop.call_later(event.seconds, self._loop.resume, runner.process)
            case Kind.TERM_TWICE:
                runner.stop.gently.set()
                self._loop.call_later(self._luck.choice((0.01, 0.3, 2.0)) * self._luck.random(), runner.stop.now.set)
            case _:
                runner.stop.gently.set()

    def _passes_of(self, runner: Runner) -> Iterator[str]:
        connection = apsw.Connection(str(self._commands.ledger))
        with suppress(apsw.SQLError):
            yield from (pass_id for _, pass_id in connection.execute(_SENDING, (runner.process.name,)))
        connection.close()

    def _request_leaves(self, pass_id: str) -> None:
        if self._request_awaited is not None and not self._request_awaited.done():
            self._request_awaited.set_result(PROCESS.get())
        # Whoever was suspended with this row in hand goes on now, when it does the most harm.
        for runner in self._commands.runners:
            if runner.process.suspended and pass_id in runner.held:
                runner.held.clear()
                self._loop.call_later(self._luck.choice((0.0, 0.0, 0.01, 0.1)) * self._luck.random(), self._loop.resume, runner.process)

    async def _moment(self, event: Event) -> Process | None:
        """Wait for the event; the process whose request is under way then, if that is what it waits for."""
        await asyncio.sleep(event.after)
        if not event.in_flight:
            return None
        self._request_awaited = self._loop.create_future()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                sender = await self._request_awaited
        except TimeoutError:
            return None
        await asyncio.sleep(self._luck.choice((0.0, 0.01, 0.1)) * self._luck.random())
        return sender

    def _lose_power(self) -> None:
        for runner in self._commands.runners:
            if not runner.process.killed:
                self._kill(runner)
        self._disk.lose_power(self._luck)
        for file in self._folder.glob("*-shm"):
            file.unlink()
        # The mark is never synced.
        if self._luck.random() < MARK_LOST:
            (runners_folder(self._commands.ledger) / "mark").unlink(missing_ok=True)
        self._machine.reboot()

    def _free(self) -> None:
        self._disk.full = False

    def _up(self) -> None:
        self._network.down = False

    async def _whole(self) -> Evidence:
        if self._plan.from_list:
            self._commands.write_list()
            self._commands.run()
        else:
            await self._commands.stage(self._machine.utc_now())
            self._commands.resume()
        for _ in range(self._plan.runners - 1):
            self._commands.join() if self._luck.random() < 0.7 else self._commands.resume()
        for event in self._plan.events:
            self._happen(event, await self._moment(event))
        finished = await self._finish()
        # What the API takes late it has taken by then.
        await asyncio.sleep(2 * LATE_SECONDS + 5 + (HELD_SECONDS if self._plan.by_batches else 0))
        before = len(self._network.written)
        if finished:
            await (self._commands.run() if self._plan.from_list else self._commands.resume()).task
        return self._evidence(finished=finished, sent_at_the_end=len(self._network.written) - before)

    async def _finish(self) -> bool:
        """Nothing happens any more: the same command ends the campaign, or says what it needs a person for."""
        self._free()
        self._up()
        self._network.unreachable = 0.0
        self._network.state.configure({"faults": {}, "batch_faults": {}})
        for runner in self._commands.runners:
            if runner.process.suspended:
                self._loop.resume(runner.process)
        for left in reversed(range(ATTEMPTS_TO_FINISH)):
            tasks = [runner.task for runner in self._commands.alive()]
            if tasks:
                _, going = await asyncio.wait(tasks, timeout=LONGEST_RUN_SECONDS)
                if going:
                    raise StuckError("a command does not end: " + ", ".join(task.get_name() for task in going))
            with self._commands.reader() as reader:
                record = reader.campaign(NAME)
                if record is not None and record.desired_state is not DesiredState.STAGING:
                    if reader.pending_work(record.id).finished and not any(one.alive for one in reader.runners(record.id)):
                        return True
                    if record.desired_state is DesiredState.CANCELLED:
                        # Batches that were released before it was cancelled are followed to their end.
                        self._commands.control(DesiredState.CANCELLED) if self._plan.by_batches and left % 2 else self._commands.verify()
                        await asyncio.sleep(QUIET_SECONDS)
                        continue
            if not left:
                break
            self._sleep_until_it_opens()
            self._commands.resume()
            await asyncio.sleep(1.0)
        return False

    def _sleep_until_it_opens(self) -> None:
        if self._plan.window is not None:
            opens, closes = WINDOW_SECONDS
            of_day = self._machine.wall() % DAY_SECONDS
            if not opens <= of_day < closes - 1:
                self._machine.asleep += (opens - of_day) % DAY_SECONDS

    def _evidence(self, *, finished: bool, sent_at_the_end: int) -> Evidence:
        messages, texts = evidence.processed(self._network)
        problems = []
        for runner in self._commands.runners:
            if runner.task.done() and not runner.task.cancelled() and (error := runner.task.exception()) is not None:
                self._trace("".join(traceback.format_exception(error)))
                problems.append(f"{runner.process.name} ended with {error!r}")
        return Evidence(
            plan=self._plan,
            staged=self._staged,
            stored=evidence.stored(self._commands.ledger, NAME),
            results=evidence.results(self._commands.results),
            messages=messages,
            texts=texts,
            requests=Counter(one.pass_id for one in self._network.written),
            network=self._network,
            finished=finished,
            sent_at_the_end=sent_at_the_end,
            retries=ledger.RUN.retries,
            cancelled_at=self._commands.cancelled_at,
            problems=[*self._commands.problems, *problems],
            happened=self._happened,
            at_work={one.process.name for one in self._commands.runners if not one.process.killed and not one.process.was_suspended},
            virtual_seconds=self._loop.time() - 1000 + self._machine.asleep,
        )

    def _dispose(self) -> None:
        """Let go of what was killed in the middle; nothing of it may run, so nothing of it may be heard."""
        for runner in self._commands.runners:
            ledger.release(runner.process)
        quiet = sys.unraisablehook
        sys.unraisablehook = lambda _: None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for task in asyncio.all_tasks(self._loop):
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    with suppress(BaseException):
                        task.get_coro().close()
                self._commands.runners.clear()
                self._loop.close()
        finally:
            sys.unraisablehook = quiet
        ledger.HELD.clear()


def _row(number: int, pass_id: str) -> StagedRow:
    text = f"Message {number}." if number % 3 else "The same for many."
    return StagedRow(
        row=number, pass_id=pass_id, pass_key=pass_id, message=text, cells=(pass_id, text), outcome=Outcome(status=Status.PENDING)
    )


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
